//! Where the values of flags come from when the command line leaves them out: the environment, a `.env` file, a
//! configuration file, and the defaults, in this order.
//!
//! In: the command, its arguments, the two files. Out: arguments that hold what the files say, for the command itself to
//! check. Refusals: [`SettingsError`], with file, line and key.
//! Invariant: a flag has one definition. A key of the file is a flag's name, a variable of `.env` is the flag's
//! environment variable, and both are checked by what checks the flag.

mod dotenv;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use toml::Value;

/// What the names of variables begin with; others in `.env` are somebody else's.
const PREFIX: &str = "REFERENCE_SERVER_";

/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Why a file's settings were not taken.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("{path}: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A key that is no setting.
    #[error("{path}: line {line}: unknown key {key}; --help lists the flags, whose names without the dashes are the keys", path = path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A value that the flag does not take.
    #[error("{path}: line {line}: {key}: {reason}", path = path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
        /// The key.
        key: String,
        /// Why.
        reason: String,
    },
}

/// Where a setting is.
#[derive(Debug, Clone)]
struct Place {
    path: PathBuf,
    line: usize,
    key: String,
}

impl Place {
    fn unknown(self) -> SettingsError {
        SettingsError::Unknown { path: self.path, line: self.line, key: self.key }
    }

    fn refused(&self, reason: &str) -> SettingsError {
        let Self { path, line, key } = self.clone();
        SettingsError::Value { path, line, key, reason: reason.to_owned() }
    }
}

/// A setting of a file, as an argument.
#[derive(Debug)]
struct Setting {
    place: Place,
    id: String,
    argument: OsString,
}

/// The arguments, with what the files say put before them where neither the command line nor the environment says it.
///
/// # Errors
/// See [`SettingsError`].
pub fn layered(
    command: &Command,
    arguments: &[OsString],
    dotenv: Option<&Path>,
    file: Option<&Path>,
) -> Result<Vec<OsString>, SettingsError> {
    let said = command.clone().ignore_errors(true).get_matches_from(arguments);
    let mut settings = dotenv.map(|path| variables(command, path)).transpose()?.unwrap_or_default();
    let own: Vec<String> = settings.iter().map(|setting| setting.id.clone()).collect();
    let keys = file.map(|path| keys(command, path)).transpose()?.unwrap_or_default();
    settings.extend(keys.into_iter().filter(|setting| !own.contains(&setting.id)));
    settings.retain(|setting| !is_said(command, &said, &setting.id));
    for setting in &settings {
        check(command, setting)?;
    }
    let (name, rest) = arguments.split_first().map(|(name, rest)| (name.clone(), rest)).unwrap_or_default();
    let from_files = settings.into_iter().map(|setting| setting.argument);
    Ok(std::iter::once(name).chain(from_files).chain(rest.iter().cloned()).collect())
}

/// The command, without the variables that say what a flag of the command line excludes, and without the switches that the
/// environment leaves off: a flag goes before a variable, and to switch off is to say nothing.
#[must_use]
pub fn decided(command: Command, arguments: &[OsString]) -> Command {
    let said = command.clone().ignore_errors(true).get_matches_from(arguments);
    let is = |id: &str, source: ValueSource| said.value_source(id) == Some(source);
    let excludes = |other: &Arg, arg: &Arg| command.get_arg_conflicts_with(other).contains(&arg);
    let overruled = |arg: &Arg| {
        let flags = command.get_arguments().filter(|flag| is(flag.get_id().as_str(), ValueSource::CommandLine));
        let mut flags = flags.filter(|flag| flag.get_id() != arg.get_id());
        flags.any(|flag| {
            excludes(flag, arg)
                || excludes(arg, flag)
                || are_siblings(&command, arg.get_id().as_str(), flag.get_id().as_str())
        })
    };
    let off = |arg: &Arg| !arg.get_action().takes_values() && !said.get_flag(arg.get_id().as_str());
    let from_environment = command.get_arguments().filter(|arg| is(arg.get_id().as_str(), ValueSource::EnvVariable));
    let silenced: Vec<clap::Id> =
        from_environment.filter(|arg| off(arg) || overruled(arg)).map(|arg| arg.get_id().clone()).collect();
    silenced.into_iter().fold(command, |command, id| command.mut_arg(id, |arg| arg.env(None::<&str>)))
}

/// Whether both are members of a group whose members exclude each other. A struct of flags is a group, too, whose members
/// go together.
fn are_siblings(command: &Command, one: &str, other: &str) -> bool {
    command.get_groups().filter(|group| !(*group).clone().is_multiple()).any(|group| {
        let is_member = |id: &str| group.get_args().any(|member| member.as_str() == id);
        is_member(one) && is_member(other)
    })
}

/// The file that `--config` or its variable names.
#[must_use]
pub fn named(command: &Command, arguments: &[OsString]) -> Option<PathBuf> {
    let said = command.clone().ignore_errors(true).get_matches_from(arguments);
    said.try_get_one::<PathBuf>("config").ok().flatten().cloned()
}

/// Whether the command line or the environment sets this flag, or another one that excludes it.
fn is_said(command: &Command, said: &ArgMatches, id: &str) -> bool {
    let explicit =
        |id: &str| matches!(said.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable));
    let ids = || command.get_arguments().map(|arg| arg.get_id().as_str());
    explicit(id) || ids().any(|other| explicit(other) && are_siblings(command, id, other))
}

fn read(path: &Path) -> Result<String, SettingsError> {
    let failed = |reason: String| SettingsError::Unreadable { path: path.to_owned(), reason };
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(failed(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

/// What `.env` says.
fn variables(command: &Command, path: &Path) -> Result<Vec<Setting>, SettingsError> {
    let text = read(path)?;
    let mut settings = Vec::new();
    for (source, pair) in dotenv::pairs(&text) {
        let (key, value) = match pair {
            Some(pair) => pair,
            // A quote that is left open takes the lines after it along, so the name is looked for anywhere.
            None if !source.text.contains(PREFIX) => continue,
            None => {
                let reason = format!("line {} is no NAME=value", source.line);
                return Err(SettingsError::Unreadable { path: path.to_owned(), reason });
            }
        };
        if !key.starts_with(PREFIX) {
            continue;
        }
        let arg = command.get_arguments().find(|arg| arg.get_env().is_some_and(|env| env == key.as_str()));
        let place = Place { path: path.to_owned(), line: source.line, key };
        let arg = arg.filter(|arg| arg.get_id() != "config").ok_or_else(|| place.clone().unknown())?;
        settings.extend(setting(&place, arg, &Value::String(value))?);
    }
    Ok(settings)
}

/// Where and of which kind, and nothing of the value: it may be a secret.
fn toml_reason(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    format!("TOML parse error at line {line}: {}", error.message())
}

/// The number of the line, from 1, that holds this byte.
fn line_at(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|&byte| byte == b'\n').count()
}

/// The line of each key at the top of the file, from 1.
fn lines_of_keys(text: &str) -> BTreeMap<String, usize> {
    let table = toml::de::DeTable::parse(text).map(toml::Spanned::into_inner).unwrap_or_default();
    table.keys().map(|key| (key.get_ref().to_string(), line_at(text, key.span().start))).collect()
}

/// What the configuration file says.
fn keys(command: &Command, path: &Path) -> Result<Vec<Setting>, SettingsError> {
    let text = read(path)?;
    let failed = |error: toml::de::Error| SettingsError::Unreadable {
        path: path.to_owned(),
        reason: toml_reason(&text, &error),
    };
    let table: toml::Table = toml::from_str(&text).map_err(failed)?;
    let lines = lines_of_keys(&text);
    let mut settings = Vec::new();
    for (key, value) in &table {
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(key.as_str()));
        let line = lines.get(key).copied().unwrap_or(1);
        let place = Place { path: path.to_owned(), line, key: key.clone() };
        let arg = arg.filter(|arg| arg.get_id() != "config").ok_or_else(|| place.clone().unknown())?;
        match value {
            Value::Array(values) => {
                for value in values {
                    settings.extend(setting(&place, arg, value)?);
                }
            }
            value => settings.extend(setting(&place, arg, value)?),
        }
    }
    Ok(settings)
}

/// A value as an argument; `None` for a switch that is off.
fn setting(place: &Place, arg: &Arg, value: &Value) -> Result<Option<Setting>, SettingsError> {
    let refused = |reason: &str| place.refused(reason);
    let long = arg.get_long().ok_or_else(|| refused("it cannot be set in a file"))?;
    let takes_value = arg.get_action().takes_values();
    let argument = match value {
        Value::Boolean(false) if !takes_value => return Ok(None),
        Value::String(text) if !takes_value && text == "false" => return Ok(None),
        Value::Boolean(true) if !takes_value => format!("--{long}"),
        Value::String(text) if !takes_value && text == "true" => format!("--{long}"),
        _ if !takes_value => return Err(refused("it must be true or false")),
        Value::String(text) => format!("--{long}={text}"),
        Value::Integer(number) => format!("--{long}={number}"),
        _ => return Err(refused("it must be a text or a whole number")),
    };
    let id = arg.get_id().to_string();
    Ok(Some(Setting { place: place.clone(), id, argument: argument.into() }))
}

/// Whether the flag takes the value; what else a command line needs is not asked here.
fn check(command: &Command, setting: &Setting) -> Result<(), SettingsError> {
    use clap::error::ErrorKind;
    let alone = [OsString::from(command.get_name()), setting.argument.clone()];
    let Err(error) = command.clone().try_get_matches_from(alone) else {
        return Ok(());
    };
    let about_value = matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::NoEquals | ErrorKind::InvalidUtf8
    );
    if !about_value {
        return Ok(());
    }
    Err(setting.place.refused(&error.source_text()))
}

/// What an error of the command line says about a value, without the usage around it.
trait SourceText {
    fn source_text(&self) -> String;
}

impl SourceText for clap::Error {
    fn source_text(&self) -> String {
        if let Some(source) = std::error::Error::source(self) {
            return source.to_string();
        }
        let text = self.to_string();
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    }
}

#[cfg(test)]
mod tests;
