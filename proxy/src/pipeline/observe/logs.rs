//! The process's own log, on standard error: events of `tracing`, and of libraries that use `log`.
//!
//! One event is one line, for people or as JSON, whatever its values hold: control, separator and directional characters
//! are escaped, colours appear on a terminal only. What may be logged is the caller's duty: no token, secret, argument or
//! result; types that hold one do not show it in `Debug`.

use std::{
    fmt::{self, Write as _},
    io::IsTerminal as _,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::{
    audit::canonical::{Form, push_string},
    clock,
    settings::{LogFormat, LogSettings},
    text,
};

/// The environment variable that goes before `observe.log.level`.
pub const ENVIRONMENT: &str = "DOORWARD_LOG";
/// What is logged where nothing is said: our own work, and of the proxy library only what went wrong.
const DEFAULT_FILTER: &str = "info,pingora=warn,pingora_core=warn,pingora_pool=warn,hyper=warn,reqwest=warn,h2=warn";
/// Characters of one value that are kept.
const VALUE_CHARS_MAX: usize = 4096;

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter's directives cannot be read.
    #[error("observe.log.level or {ENVIRONMENT} is no level and no list of filter directives: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody has set up logging before.
    #[error("logging is set up already")]
    AlreadySet,
}

/// Sets up logging for the process.
///
/// # Errors
/// See [`LogError`].
pub fn init(settings: &LogSettings) -> Result<(), LogError> {
    let from_environment = std::env::var(ENVIRONMENT).ok().filter(|text| !text.is_empty());
    let directives = from_environment.as_deref().or(settings.level.as_deref());
    let filter = EnvFilter::builder().parse(directives.unwrap_or(DEFAULT_FILTER))?;
    let coloured = std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal();
    let line = Line { format: settings.format, coloured };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .event_format(line)
        .with_writer(std::io::stderr)
        .try_init()
        .map_err(|_| LogError::AlreadySet)
}

/// Writes an event as one line.
pub(super) struct Line {
    pub(super) format: LogFormat,
    pub(super) coloured: bool,
}

#[derive(Default)]
struct Values {
    message: String,
    target: Option<String>,
    fields: Vec<(&'static str, String)>,
}

impl Values {
    fn take(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            // Events of `log` carry their origin as fields.
            "log.target" => self.target = Some(value),
            name if name.starts_with("log.") => {}
            name => self.fields.push((name, value)),
        }
    }
}

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut values = Values::default();
        event.record(&mut values);
        let metadata = event.metadata();
        let target = values.target.take().unwrap_or_else(|| metadata.target().to_owned());
        let mut out = String::with_capacity(128);
        match self.format {
            LogFormat::Text => self.text(&mut out, *metadata.level(), &target, &values),
            LogFormat::Json => json(&mut out, *metadata.level(), &target, &values),
        }
        writer.write_str(&out)
    }
}

impl Line {
    fn text(&self, out: &mut String, level: Level, target: &str, values: &Values) {
        let (colour, plain) = match level {
            _ if !self.coloured => ("", ""),
            Level::ERROR => ("\u{1b}[31m", "\u{1b}[0m"),
            Level::WARN => ("\u{1b}[33m", "\u{1b}[0m"),
            _ => ("\u{1b}[2m", "\u{1b}[0m"),
        };
        clock::push_rfc3339(out, clock::now_unix_ms());
        // Writing to a string does not fail.
        let _ = write!(out, " {colour}{level:5}{plain} ");
        text::push_escaped(out, target);
        out.push_str(": ");
        text::push_escaped(out, text::limited(&values.message, VALUE_CHARS_MAX));
        for (name, value) in &values.fields {
            out.push(' ');
            out.push_str(name);
            out.push('=');
            let value = text::limited(value, VALUE_CHARS_MAX);
            // Quotes keep a value from looking like further fields.
            if value.is_empty() || value.contains([' ', '=', '"']) {
                push_string(out, value, Form::Line);
            } else {
                text::push_escaped(out, value);
            }
        }
        out.push('\n');
    }
}

fn json(out: &mut String, level: Level, target: &str, values: &Values) {
    out.push_str("{\"time\":\"");
    clock::push_rfc3339(out, clock::now_unix_ms());
    let _ = write!(out, "\",\"level\":\"{}\",\"target\":", level.as_str().to_ascii_lowercase());
    push_string(out, target, Form::Line);
    out.push_str(",\"message\":");
    push_string(out, text::limited(&values.message, VALUE_CHARS_MAX), Form::Line);
    for (name, value) in &values.fields {
        out.push(',');
        // Our own members keep their names.
        let name = match *name {
            "time" | "level" | "target" => &format!("field.{name}"),
            name => name,
        };
        push_string(out, name, Form::Line);
        out.push(':');
        push_string(out, text::limited(value, VALUE_CHARS_MAX), Form::Line);
    }
    out.push_str("}\n");
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, coloured: bool) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Line { format, coloured })
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let tool = "x\n2026 ERROR forged\u{1b}[31m\u{202e}";
            tracing::warn!(tool, time = "now", count = 3, "refused {tool}");
        });
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn untrusted_values_stay_on_one_line_without_power_over_the_terminal() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = logged(format, false);
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(!line.contains('\u{1b}') && line.is_ascii(), "{line}");
        }
        let line = logged(LogFormat::Text, false);
        assert!(line.contains(r#" tool="x\n2026 ERROR forged\u001b[31m\u202e" time=now count=3"#), "{line}");
    }

    #[test]
    fn json_lines_parse_and_keep_our_own_members() {
        let line = logged(LogFormat::Json, true);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "warn");
        assert_eq!(value["field.time"], "now");
        assert_eq!(value["tool"], "x\n2026 ERROR forged\u{1b}[31m\u{202e}");
    }

    #[test]
    fn colours_are_ours_alone() {
        let line = logged(LogFormat::Text, true);
        assert_eq!(line.matches('\u{1b}').count(), 2, "{line}");
    }

    #[test]
    fn directives_that_cannot_be_read_are_refused() {
        assert!(EnvFilter::builder().parse("doorward=loud").is_err());
        assert!(EnvFilter::builder().parse(DEFAULT_FILTER).is_ok());
    }
}
