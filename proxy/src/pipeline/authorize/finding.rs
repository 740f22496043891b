//! What is wrong with a policy set: typed findings with file and line, for start-up, reload and `policy check`.

use std::{fmt, sync::Arc};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The set is refused.
    Error,
    /// The set is taken; somebody should look.
    Warning,
    /// Worth knowing.
    Note,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Not Cedar.
    Syntax,
    /// Does not fit the schema.
    Type,
    /// Two policies with one id.
    DuplicateId,
    /// An `@id` that is empty, too long or holds control characters.
    InvalidId,
    /// A template; only whole policies are supported.
    Template,
    /// An annotation that this version knows but does not carry out.
    AnnotationUnsupported,
    /// An annotation that nothing reads.
    AnnotationUnknown,
    /// An expression too deep to analyse.
    TooComplex,
    /// The entities file does not fit.
    Entities,
    /// There is no policy at all: every call is refused.
    Empty,
    /// An upstream that is not configured.
    UpstreamUnknown,
    /// A tool that is not in the catalogue (yet): the policy waits.
    ToolUnknown,
    /// A tool that is closed.
    ToolClosed,
    /// A policy that permits everything.
    PermitsAll,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub kind: FindingKind,
    /// File name as given, or `bundle:NAME/FILE`.
    pub file: Option<Arc<str>>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Policy id.
    pub policy: Option<Arc<str>>,
    /// A sentence for the author.
    pub message: String,
}

impl Finding {
    /// A finding without a place.
    pub fn new(severity: Severity, kind: FindingKind, message: impl Into<String>) -> Self {
        Self { severity, kind, file: None, line: None, policy: None, message: message.into() }
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, file: &Arc<str>, line: u32) -> Self {
        self.file = Some(Arc::clone(file));
        self.line = Some(line);
        self
    }

    /// Adds the policy.
    #[must_use]
    pub fn policy(mut self, id: &Arc<str>) -> Self {
        self.policy = Some(Arc::clone(id));
        self
    }

    /// Whether the set must be refused.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(match self.severity {
            Severity::Error => "error: ",
            Severity::Warning => "warning: ",
            Severity::Note => "note: ",
        })?;
        if let Some(policy) = &self.policy {
            write!(f, "policy {policy:?}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why a policy set was refused: at least one error among the findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// `Err` where one of the findings is an error.
    ///
    /// # Errors
    /// All findings, the warnings too.
    pub fn check(findings: Vec<Finding>) -> Result<Vec<Finding>, Self> {
        if findings.iter().any(Finding::is_error) { Err(Self(findings)) } else { Ok(findings) }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, finding) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}
