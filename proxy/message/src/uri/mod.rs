//! Whether a resource URI is in the one form that policy may decide on.
//!
//! In → out: a URI as sent → the same URI ([`Canonical`]), or [`NotCanonical`] with the reason. It accepts or refuses, it
//! never rewrites: what policies compare is what the server gets, byte by byte. Refused is whatever two readers might take
//! for different resources, or for the same resource under another name (RFC 3986 §6.2; threats: traversal, upper-case
//! schemes, encoded dots and separators, `file://localhost/`). Canonical URIs of any scheme pass, also ones without a path
//! (`test://static-text`). Letter case beyond the scheme, and of hosts of schemes other than the web's, is significant.

#[cfg(test)]
mod tests;

/// A URI that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canonical<'a> {
    uri: &'a str,
    scheme: &'a str,
}

impl<'a> Canonical<'a> {
    /// The URI, as it was sent.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.uri
    }

    /// Its scheme, lower case.
    #[must_use]
    pub fn scheme(self) -> &'a str {
        self.scheme
    }
}

/// Why a URI cannot be decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotCanonical {
    /// No scheme, or one with other characters than RFC 3986 §3.1 allows.
    #[error("the URI has no valid scheme")]
    Scheme,
    /// An upper-case letter in the scheme.
    #[error("the scheme is not lower case")]
    SchemeCase,
    /// Nothing behind the scheme.
    #[error("the URI is empty behind its scheme")]
    Empty,
    /// A character that RFC 3986 does not allow: space, control, backslash, quotes, braces, anything outside ASCII.
    #[error("the URI contains a character that must be percent-encoded")]
    Character,
    /// `%` without two hexadecimal digits.
    #[error("a percent sign without two hexadecimal digits")]
    PercentIncomplete,
    /// Lower-case hexadecimal digits (§6.2.2.1).
    #[error("percent-encoding in lower case")]
    PercentCase,
    /// An encoded letter, digit, `-`, `.`, `_` or `~` (§6.2.2.2).
    #[error("percent-encoding of an unreserved character")]
    PercentUnreserved,
    /// An encoded `/` or `\`.
    #[error("percent-encoding of a path separator")]
    PercentSeparator,
    /// An encoded control character.
    #[error("percent-encoding of a control character")]
    PercentControl,
    /// Encoded twice: `%25` and two hexadecimal digits.
    #[error("percent-encoded twice")]
    PercentTwice,
    /// Encoded bytes that are not UTF-8, such as overlong forms.
    #[error("percent-encoding of invalid UTF-8")]
    PercentUtf8,
    /// A `.` or `..` segment, also with path parameters (`..;x`).
    #[error("a dot segment in the path")]
    DotSegment,
    /// An empty segment before the end of the path.
    #[error("an empty segment in the path")]
    EmptySegment,
    /// A fragment; it names no resource of its own.
    #[error("the URI has a fragment")]
    Fragment,
    /// An empty query, or any query on `file`, whose readers ignore it.
    #[error("the URI has a query that readers may ignore")]
    Query,
    /// `file` with a host, `localhost` included.
    #[error("a file URI names a host")]
    FileHost,
    /// `file` not followed by `///`.
    #[error("a file URI must start with `file:///`")]
    FilePath,
    /// A web URI with user information.
    #[error("the authority contains user information")]
    UserInfo,
    /// A web URI's host is missing, not lower case, percent-encoded or ends in a dot.
    #[error("the host is not in canonical form")]
    Host,
    /// A web URI's port is empty, the default one, or not a plain number.
    #[error("the port is not in canonical form")]
    Port,
    /// A web URI without a path; the canonical one has `/`.
    #[error("the path is empty")]
    EmptyPath,
    /// A brace expression of a template is not closed or nested.
    #[error("the URI template is malformed")]
    Template,
}

impl NotCanonical {
    /// Stable name, for audit.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Scheme => "uri.scheme",
            Self::SchemeCase => "uri.scheme_case",
            Self::Empty => "uri.empty",
            Self::Character => "uri.character",
            Self::PercentIncomplete => "uri.percent_incomplete",
            Self::PercentCase => "uri.percent_case",
            Self::PercentUnreserved => "uri.percent_unreserved",
            Self::PercentSeparator => "uri.percent_separator",
            Self::PercentControl => "uri.percent_control",
            Self::PercentTwice => "uri.percent_twice",
            Self::PercentUtf8 => "uri.percent_utf8",
            Self::DotSegment => "uri.dot_segment",
            Self::EmptySegment => "uri.empty_segment",
            Self::Fragment => "uri.fragment",
            Self::Query => "uri.query",
            Self::FileHost => "uri.file_host",
            Self::FilePath => "uri.file_path",
            Self::UserInfo => "uri.user_info",
            Self::Host => "uri.host",
            Self::Port => "uri.port",
            Self::EmptyPath => "uri.empty_path",
            Self::Template => "uri.template",
        }
    }
}

/// Checks a resource URI.
///
/// # Errors
/// [`NotCanonical`], the first reason found.
pub fn canonical(uri: &str) -> Result<Canonical<'_>, NotCanonical> {
    let (scheme, rest) = uri.split_once(':').ok_or(NotCanonical::Scheme)?;
    check_scheme(scheme)?;
    if rest.is_empty() {
        return Err(NotCanonical::Empty);
    }
    check_characters(rest)?;
    let (hierarchy, query) = match rest.split_once('?') {
        Some((hierarchy, query)) => (hierarchy, Some(query)),
        None => (rest, None),
    };
    if query == Some("") || (query.is_some() && scheme == "file") {
        return Err(NotCanonical::Query);
    }
    let (authority, path) = match hierarchy.strip_prefix("//") {
        Some(hierarchy) => {
            let (authority, path) = match hierarchy.find('/').and_then(|at| hierarchy.split_at_checked(at)) {
                Some((authority, path)) => (authority, path),
                None => (hierarchy, ""),
            };
            (Some(authority), path)
        }
        None => (None, hierarchy),
    };
    match scheme {
        "file" => check_file(authority, path)?,
        "http" | "https" | "ws" | "wss" | "ftp" => check_web(scheme, authority, path)?,
        // `x://..` would be a traversal to a reader that takes the authority for the first segment.
        _ => authority.map_or(Ok(()), check_segment)?,
    }
    check_path(path)?;
    Ok(Canonical { uri, scheme })
}

/// Checks a URI template (RFC 6570): what remains when each `{expression}` is taken for one plain segment part.
///
/// # Errors
/// [`NotCanonical`], the first reason found.
pub fn canonical_template(template: &str) -> Result<(), NotCanonical> {
    let mut plain = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once('{') {
        let (expression, tail) = tail.split_once('}').ok_or(NotCanonical::Template)?;
        if expression.is_empty() || expression.contains('{') || !expression.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(NotCanonical::Template);
        }
        plain.push_str(before);
        plain.push('x');
        rest = tail;
    }
    plain.push_str(rest);
    canonical(&plain).map(|_| ())
}

fn check_scheme(scheme: &str) -> Result<(), NotCanonical> {
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    {
        return Err(NotCanonical::Scheme);
    }
    if scheme.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(NotCanonical::SchemeCase);
    }
    Ok(())
}

/// RFC 3986 §2: which characters may stand, and which may be percent-encoded.
fn check_characters(rest: &str) -> Result<(), NotCanonical> {
    let mut decoded = Vec::new();
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let value = hex_pair(&mut bytes)?;
                let mut ahead = bytes.clone();
                let twice = value == b'%' && hex_pair(&mut ahead) != Err(NotCanonical::PercentIncomplete);
                check_encoded(value, twice)?;
                decoded.push(value);
            }
            b'#' => return Err(NotCanonical::Fragment),
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'[' | b']' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'('
            | b')' | b'*' | b'+' | b',' | b';' | b'=' => decoded.push(byte),
            _ if byte.is_ascii_alphanumeric() => decoded.push(byte),
            _ => return Err(NotCanonical::Character),
        }
    }
    let text = std::str::from_utf8(&decoded).map_err(|_| NotCanonical::PercentUtf8)?;
    // C1 controls, as UTF-8; C0 and DEL were refused one by one.
    if text.chars().any(char::is_control) {
        return Err(NotCanonical::PercentControl);
    }
    Ok(())
}

fn hex_pair(bytes: &mut std::str::Bytes<'_>) -> Result<u8, NotCanonical> {
    let mut value = 0;
    let mut lower = false;
    for _ in 0..2 {
        let digit = bytes.next().ok_or(NotCanonical::PercentIncomplete)?;
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'F' => digit - b'A' + 10,
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(NotCanonical::PercentIncomplete),
        };
        lower |= digit.is_ascii_lowercase();
        value = value << 4 | nibble;
    }
    if lower {
        return Err(NotCanonical::PercentCase);
    }
    Ok(value)
}

fn check_encoded(value: u8, twice: bool) -> Result<(), NotCanonical> {
    match value {
        b'/' | b'\\' => Err(NotCanonical::PercentSeparator),
        b'-' | b'.' | b'_' | b'~' => Err(NotCanonical::PercentUnreserved),
        _ if value.is_ascii_alphanumeric() => Err(NotCanonical::PercentUnreserved),
        _ if value.is_ascii_control() => Err(NotCanonical::PercentControl),
        b'%' if twice => Err(NotCanonical::PercentTwice),
        _ => Ok(()),
    }
}

/// RFC 8089, with the empty authority only.
fn check_file(authority: Option<&str>, path: &str) -> Result<(), NotCanonical> {
    match authority {
        Some("") if path.starts_with('/') => Ok(()),
        Some("") | None => Err(NotCanonical::FilePath),
        Some(_) => Err(NotCanonical::FileHost),
    }
}

/// RFC 9110 §4.2.3: lower-case host, no default port, a path.
fn check_web(scheme: &str, authority: Option<&str>, path: &str) -> Result<(), NotCanonical> {
    let authority = authority.ok_or(NotCanonical::Host)?;
    if authority.contains('@') {
        return Err(NotCanonical::UserInfo);
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address));
    let named = !host.is_empty()
        && !host.ends_with('.')
        && host
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_'));
    if !bracketed && !named {
        return Err(NotCanonical::Host);
    }
    if let Some(port) = port {
        let default = match scheme {
            "http" | "ws" => 80,
            "ftp" => 21,
            _ => 443,
        };
        let number: u16 = port.parse().map_err(|_| NotCanonical::Port)?;
        if number == default || number.to_string() != port {
            return Err(NotCanonical::Port);
        }
    }
    if path.is_empty() {
        return Err(NotCanonical::EmptyPath);
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), NotCanonical> {
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        // The last one may be empty: no path, the root, or a trailing slash.
        if segment.is_empty() && segments.peek().is_some() {
            return Err(NotCanonical::EmptySegment);
        }
        check_segment(segment)?;
    }
    Ok(())
}

fn check_segment(segment: &str) -> Result<(), NotCanonical> {
    let name = segment.split(';').next().unwrap_or(segment);
    if name == "." || name == ".." {
        return Err(NotCanonical::DotSegment);
    }
    Ok(())
}
