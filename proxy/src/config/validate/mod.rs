//! Settings → [`Config`]. Every check runs, so that one run tells everything that is wrong.
//!
//! In: settings with flags laid over. Out: a configuration whose names resolve, or the problems in the order of the file.
//! Fail closed: what cannot be checked (an unreadable file, a missing name) is a problem, never a warning.

mod authentication;
mod files;
mod listen;
mod routes;
mod upstreams;

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    Config, Mode, Problem, Source,
    document::Places,
    overlay::{self, Origins},
    problem::Origin,
    settings::{AcceptSettings, Settings},
    units::Span,
};
use crate::model::Principal;

/// As many as pingora's parser of HTTP/1 takes; it answers more with a plain 400.
const HEADER_LINES_MAX: u16 = 256;

/// Collects problems with their origin and place.
struct Check<'a> {
    problems: Vec<Problem>,
    warnings: Vec<String>,
    origins: Origins,
    places: &'a Places,
    /// Folder that relative paths of the file start from.
    base: PathBuf,
}

impl Check<'_> {
    fn problem(&mut self, key: &str, message: impl Into<String>, hint: &'static str) {
        let origin = self.origin(key);
        let place = if origin == Origin::File { self.places.find(key) } else { None };
        self.problems.push(Problem { origin, place, key: key.to_owned(), message: message.into(), hint });
    }

    /// The flag that set this key or a section around it.
    fn origin(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            if let Some(flag) = self.origins.get(key) {
                return Origin::Flag(flag);
            }
            match key.rfind(['.', '[']).and_then(|end| key.get(..end)) {
                Some(parent) => key = parent,
                None => return Origin::File,
            }
        }
    }

    fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }

    /// A bound must lie within these, both included.
    fn within<T: PartialOrd + Display>(&mut self, key: &str, value: &T, least: &T, most: &T) {
        if value < least || value > most {
            self.problem(
                key,
                format!("{value} is not within {least} to {most}"),
                "write a value within these, or leave the key out for the default",
            );
        }
    }

    /// A time that contains another must not be shorter.
    fn contains(&mut self, key: &str, value: Span, inner: &str, inner_value: Span) {
        if value < inner_value {
            self.problem(
                key,
                format!("{value} is under `{inner}` ({inner_value}), which could never be used up"),
                "raise it, or lower the other",
            );
        }
    }

    fn is_wrap(source: &Source) -> bool {
        matches!(source.mode, Mode::Wrap { .. })
    }
}

/// Checks everything.
///
/// # Errors
/// All problems, in the order of the file.
pub(super) fn validate(mut settings: Settings, places: &Places, source: &Source) -> Result<Config, Vec<Problem>> {
    let mut problems = Vec::new();
    let origins = overlay::apply(&source.flags, &source.mode, &mut settings, &mut problems);
    let folder = source.file.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    let base = std::path::absolute(folder.unwrap_or(Path::new("."))).unwrap_or_default();
    let mut check = Check { problems, warnings: Vec::new(), origins, places, base };

    for literal in places.placeholders() {
        check.warn(format!("{literal}: `${{…}}` is literal text here; variables are not expanded"));
    }
    let stdio = Check::is_wrap(source) && source.flags.listen.is_none();
    let listen = listen::listeners(&mut check, std::mem::take(&mut settings.listen.0));
    listen::admin(&mut check, settings.admin.as_ref(), &listen);
    accept(&mut check, &settings.accept);
    check.within(
        "streams.recheck_interval",
        &settings.streams.recheck_interval,
        &Span::seconds(1),
        // For so long an open stream may go on after its token has expired, unless the client takes nothing meanwhile.
        &Span::seconds(30),
    );
    let upstreams = upstreams::upstreams(&mut check, std::mem::take(&mut settings.upstreams));
    let routes = routes::routes(&mut check, std::mem::take(&mut settings.routes), &upstreams, &listen);
    authentication::check(&mut check, &mut settings.authentication, &routes, &listen, source);
    files::authorization(&mut check, &mut settings.authorization);
    files::observe(&mut check, &mut settings.observe, stdio);

    if !check.problems.is_empty() {
        check.problems.sort_by_key(|problem| problem.place.map(|place| (place.line, place.column)));
        return Err(check.problems);
    }
    Ok(Config {
        listen,
        stdio,
        accept: settings.accept,
        local_principal: local_principal(source, settings.authentication.disabled),
        authentication: settings.authentication,
        sessions: settings.sessions,
        rate_limits: settings.rate_limits,
        authorization: settings.authorization,
        upstreams,
        routes,
        masking: settings.masking,
        streams: settings.streams,
        observe: settings.observe,
        admin: settings.admin,
        drain: settings.drain,
        base: check.base,
        warnings: check.warnings,
    })
}

fn local_principal(source: &Source, disabled: bool) -> Option<Arc<Principal>> {
    match &source.mode {
        Mode::Wrap { principal, .. } => Some(Arc::new(principal.principal())),
        Mode::Serve => disabled.then(|| Arc::new(Principal::anonymous())),
    }
}

fn accept(check: &mut Check<'_>, accept: &AcceptSettings) {
    if accept.revisions.is_empty() {
        check.problem("accept.revisions", "no protocol revision is offered", "leave the key out to offer all of them");
    }
    if accept.body_bytes_max > accept.message_bytes_max {
        check.problem(
            "accept.body_bytes_max",
            format!("is over message_bytes_max ({})", accept.message_bytes_max),
            "raise message_bytes_max as well",
        );
    }
    let counts = [
        ("accept.body_bytes_max", accept.body_bytes_max.0),
        ("accept.depth_max", u64::from(accept.depth_max)),
        ("accept.head_bytes_max", accept.head_bytes_max.0),
        ("accept.target_bytes_max", accept.target_bytes_max.0),
        ("accept.id_bytes_max", accept.id_bytes_max.0),
        ("accept.tool_name_bytes_max", accept.tool_name_bytes_max.0),
        ("accept.meta_bytes_max", accept.meta_bytes_max.0),
        ("accept.batch_members_max", u64::from(accept.batch_members_max)),
    ];
    for (key, value) in counts {
        if value == 0 {
            check.problem(key, "is 0, so that nothing could pass", "leave the key out for the default");
        }
    }
    check.within("accept.header_lines_max", &accept.header_lines_max, &1, &HEADER_LINES_MAX);
    let (shortest, longest) = (Span(Duration::from_millis(100)), Span::seconds(3_600));
    check.within("accept.head_timeout", &accept.head_timeout, &shortest, &longest);
    check.within("accept.body_idle_timeout", &accept.body_idle_timeout, &shortest, &longest);
    check.contains("accept.body_timeout", accept.body_timeout, "body_idle_timeout", accept.body_idle_timeout);
    check.within("accept.body_timeout", &accept.body_timeout, &Span::seconds(1), &Span::seconds(86_400));
    check.within("accept.stdio_requests_max", &accept.stdio_requests_max, &1, &65_536);
    for (index, host) in accept.hosts.iter().enumerate() {
        if host.parse::<http::uri::Authority>().is_err() || host.contains('@') {
            let key = format!("accept.hosts[{index}]");
            check.problem(
                &key,
                format!("`{host}` is no host name"),
                "write a host with an optional port, like `mcp.example.com`",
            );
        }
    }
    for (index, origin) in accept.origins.iter().enumerate() {
        let canonical = url::Url::parse(origin).map(|url| url.origin().ascii_serialization());
        if canonical.as_ref().ok() != Some(origin) || origin == "null" {
            let key = format!("accept.origins[{index}]");
            check.problem(
                &key,
                format!("`{origin}` is no origin"),
                "write scheme, host and port only, like `https://app.example.com`; there are no wildcards",
            );
        }
    }
}
