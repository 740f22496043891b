//! Reads policy files from a directory or a compiled-in bundle and parses them.
//!
//! In: `authorization.policies` (a directory, or `bundle:NAME`) and `authorization.entities`. Out: policies with id,
//! file and line. Refusals name file, line and policy. An empty directory is valid: it denies everything, and a finding
//! says so. Invariant: a policy's id is unique in the set; it is its `@id`, else `FILE#N` with N from 1.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use cedar_policy::{Policy, PolicyId, PolicySet};
use miette::Diagnostic;

use super::{
    bundles,
    finding::{Finding, FindingKind, Severity},
    settings::AuthorizationSettings,
};

/// Longest `@id`.
pub const ID_BYTES_MAX: usize = 128;
/// Longest `@advice`, which is sent to callers.
pub const ADVICE_BYTES_MAX: usize = 1_024;

/// How much is read.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
    /// Largest policy or entities file, in bytes.
    pub file_bytes_max: u64,
    /// Most policy files in a directory.
    pub files_max: usize,
}

impl From<&AuthorizationSettings> for StoreLimits {
    fn from(settings: &AuthorizationSettings) -> Self {
        Self {
            file_bytes_max: settings.file_bytes_max.0,
            files_max: usize::try_from(settings.files_max).unwrap_or(usize::MAX),
        }
    }
}

impl Default for StoreLimits {
    /// For where there is no configuration.
    fn default() -> Self {
        Self::from(&AuthorizationSettings::new(String::new()))
    }
}

/// A file as read.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path, or `bundle:NAME/FILE`.
    pub name: Arc<str>,
    /// Its text.
    pub text: String,
}

/// The files of a policy set.
#[derive(Clone, Debug, Default)]
pub struct PolicyFiles {
    /// `*.cedar`, in name order.
    pub policies: Vec<SourceFile>,
    /// The entities file: groups, roles, further attributes of principals.
    pub entities: Option<SourceFile>,
}

/// Why the files could not be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such bundle.
    #[error("there is no bundle {name:?}; the bundles are {known}")]
    UnknownBundle {
        /// The name asked for.
        name: String,
        /// Those there are, separated by commas.
        known: String,
    },
    /// The path is not a directory, or cannot be listed.
    #[error("{}: the policy directory cannot be read: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be read or is not UTF-8.
    #[error("{}: cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is over [`StoreLimits::file_bytes_max`].
    #[error("{}: over {bytes_max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// More than [`StoreLimits::files_max`] files.
    #[error("{}: more than {files_max} policy files", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
        /// The limit.
        files_max: usize,
    },
}

/// Reads the files of `policies` (a directory or `bundle:NAME`) and of `entities`; without the latter, a file
/// `entities.json` beside the policies is taken where there is one.
///
/// # Errors
/// See [`StoreError`].
pub fn read(policies: &str, entities: Option<&Path>, limits: &StoreLimits) -> Result<PolicyFiles, StoreError> {
    let mut files = match policies.strip_prefix("bundle:") {
        Some(name) => bundle_files(name)?,
        None => directory_files(Path::new(policies), limits)?,
    };
    if let Some(path) = entities {
        files.entities = Some(read_file(path, limits)?);
    }
    Ok(files)
}

fn bundle_files(name: &str) -> Result<PolicyFiles, StoreError> {
    let bundle = bundles::find(name)
        .ok_or_else(|| StoreError::UnknownBundle { name: name.to_owned(), known: bundles::names().join(", ") })?;
    let file = |(file, text): &(&str, &str)| SourceFile {
        name: format!("bundle:{name}/{file}").into(),
        text: (*text).to_owned(),
    };
    Ok(PolicyFiles {
        policies: bundle.policies.iter().map(file).collect(),
        entities: bundle.entities.as_ref().map(file),
    })
}

/// The files of a directory with this extension, in name order.
pub(super) fn paths_with(directory: &Path, wanted: &str, limits: &StoreLimits) -> Result<Vec<PathBuf>, StoreError> {
    let refused = |source| StoreError::Directory { path: directory.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if path.extension().is_some_and(|extension| extension == wanted) {
            paths.push(path);
        }
    }
    if paths.len() > limits.files_max {
        return Err(StoreError::TooMany { path: directory.to_owned(), files_max: limits.files_max });
    }
    paths.sort();
    Ok(paths)
}

fn directory_files(directory: &Path, limits: &StoreLimits) -> Result<PolicyFiles, StoreError> {
    let paths = paths_with(directory, "cedar", limits)?;
    let policies = paths.iter().map(|path| read_file(path, limits)).collect::<Result<_, _>>()?;
    let beside = directory.join("entities.json");
    let entities = match beside.try_exists() {
        Ok(true) => Some(read_file(&beside, limits)?),
        Ok(false) => None,
        Err(source) => {
            return Err(StoreError::File { path: beside, source });
        }
    };
    Ok(PolicyFiles { policies, entities })
}

pub(super) fn read_file(path: &Path, limits: &StoreLimits) -> Result<SourceFile, StoreError> {
    use std::io::Read;
    let refused = |source| StoreError::File { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(refused)?;
    let bytes_max = limits.file_bytes_max;
    file.take(bytes_max.saturating_add(1)).read_to_string(&mut text).map_err(refused)?;
    if text.len() as u64 > bytes_max {
        return Err(StoreError::TooLarge { path: path.to_owned(), bytes_max });
    }
    Ok(SourceFile { name: path.display().to_string().into(), text })
}

/// A parsed policy.
#[derive(Clone, Debug)]
pub struct PolicyEntry {
    /// Unique in the set.
    pub id: Arc<str>,
    /// Where it stands.
    pub file: Arc<str>,
    /// Line in the file, from 1.
    pub line: u32,
    /// `@advice`.
    pub advice: Option<Arc<str>>,
    /// The policy, with its id.
    pub policy: Policy,
}

/// Parses the files. Nothing is dropped silently: what is not among the entries is among the findings.
pub fn parse(files: &[SourceFile]) -> (Vec<PolicyEntry>, Vec<Finding>) {
    let mut entries = Vec::new();
    let mut findings = Vec::new();
    for file in files {
        match PolicySet::from_str(&file.text) {
            Ok(set) => entries_of(file, &set, &mut entries, &mut findings),
            Err(errors) => findings.extend(errors.iter().map(|error| {
                Finding::new(Severity::Error, FindingKind::Syntax, error.to_string())
                    .at(&file.name, line_of_label(&file.text, error))
            })),
        }
    }
    if files.is_empty() || (entries.is_empty() && findings.is_empty()) {
        findings.push(Finding::new(
            Severity::Warning,
            FindingKind::Empty,
            "there is no policy, so every call is refused",
        ));
    }
    duplicate_ids(&entries, &mut findings);
    (entries, findings)
}

fn entries_of(file: &SourceFile, set: &PolicySet, entries: &mut Vec<PolicyEntry>, findings: &mut Vec<Finding>) {
    let start = |policy: &Policy| policy.as_ref().loc().map_or(0, |loc| loc.start());
    for template in set.templates() {
        let offset = template.as_ref().loc().map_or(0, |loc| loc.start());
        findings.push(
            Finding::new(
                Severity::Error,
                FindingKind::Template,
                "this is a template (it holds ?principal or ?resource); write a policy for each case",
            )
            .at(&file.name, line_of(&file.text, offset)),
        );
    }
    let mut policies: Vec<&Policy> = set.policies().collect();
    policies.sort_by_key(|policy| start(policy));
    for (place, policy) in policies.into_iter().enumerate() {
        let line = line_of(&file.text, start(policy));
        let short = Path::new(&*file.name)
            .file_name()
            .map_or_else(|| file.name.to_string(), |name| name.to_string_lossy().into_owned());
        let id: Arc<str> = match policy.annotation("id") {
            Some(id) => id.into(),
            None => format!("{short}#{}", place + 1).into(),
        };
        annotations(policy, &id, &file.name, line, findings);
        entries.push(PolicyEntry {
            policy: policy.new_id(PolicyId::new(&*id)),
            id,
            file: Arc::clone(&file.name),
            line,
            advice: policy.annotation("advice").map(Into::into),
        });
    }
}

/// Annotations that change what a policy does must never be ignored: a `permit` that asks for approval would permit
/// without it.
fn annotations(policy: &Policy, id: &Arc<str>, file: &Arc<str>, line: u32, findings: &mut Vec<Finding>) {
    let mut report = |severity, kind, message: String| {
        findings.push(Finding::new(severity, kind, message).at(file, line).policy(id));
    };
    if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
        report(
            Severity::Error,
            FindingKind::InvalidId,
            format!("an @id has 1 to {ID_BYTES_MAX} bytes and no control characters"),
        );
    }
    for (name, value) in policy.annotations() {
        match name {
            "id" | "description" => {}
            "advice" if value.len() <= ADVICE_BYTES_MAX && !value.chars().any(char::is_control) => {}
            "advice" => report(
                Severity::Error,
                FindingKind::InvalidId,
                format!("@advice has at most {ADVICE_BYTES_MAX} bytes and no control characters"),
            ),
            "approval" | "mask" | "secret" | "shadow" => report(
                Severity::Error,
                FindingKind::AnnotationUnsupported,
                format!(
                    "@{name} is not carried out by this version, so the policy would do something else than it says"
                ),
            ),
            other => report(Severity::Warning, FindingKind::AnnotationUnknown, format!("nothing reads @{other}")),
        }
    }
}

fn duplicate_ids(entries: &[PolicyEntry], findings: &mut Vec<Finding>) {
    let mut seen: HashMap<&str, &PolicyEntry> = HashMap::new();
    for entry in entries {
        if let Some(first) = seen.insert(&entry.id, entry) {
            findings.push(
                Finding::new(
                    Severity::Error,
                    FindingKind::DuplicateId,
                    format!("this id is used before, at {}:{}", first.file, first.line),
                )
                .at(&entry.file, entry.line)
                .policy(&entry.id),
            );
        }
    }
}

/// The line, from 1, of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> u32 {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    u32::try_from(memchr::memchr_iter(b'\n', before).count()).map_or(u32::MAX, |line| line + 1)
}

/// The line that a diagnostic points to; the first line where it points nowhere.
pub(super) fn line_of_label(text: &str, diagnostic: &dyn Diagnostic) -> u32 {
    let offset = diagnostic.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
    line_of(text, offset)
}
