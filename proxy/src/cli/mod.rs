//! The command line: one file per subcommand.
//!
//! In: arguments. Out: an exit code (0 fine, 1 the thing checked does not hold, 2 usage or configuration); results on
//! standard output, errors on standard error as `doorward: FILE:LINE: key: message` with a hint.
//!
//! To add a subcommand: a file here and a line in the enum `Command`.

pub mod audit;
pub mod config;
pub mod demo;
pub mod errors;
pub mod flags;
pub mod policy;
pub mod serve;
pub mod wrap;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::config::{Config, Source};

/// The guard at the door of an MCP server: a message passes only when a written policy says so.
#[derive(Debug, Parser)]
#[command(name = "doorward", version, propagate_version = true, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  doorward demo
  doorward serve --upstream http://127.0.0.1:9000/mcp --issuer https://idp.example.com --policies ./policies
  doorward wrap --policies ./policies -- npx -y @modelcontextprotocol/server-everything
  doorward config check doorward.yaml

Exit codes: 0 fine, 1 the thing checked does not hold, 2 usage or configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Wrap(wrap::Wrap),
    Demo(demo::Demo),
    /// Check and describe configuration files
    #[command(subcommand)]
    Config(config::Config),
    /// Check and test policies
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Check audit records
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Print every error code with its meaning, as Markdown
    Errors(errors::Errors),
}

/// How a subcommand ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Fine,
    /// The thing that was checked does not hold.
    DoesNotHold,
}

/// Why a subcommand could not do its work; standard error tells it, and the exit code is 2.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Parses the arguments and runs the subcommand.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match cli.command {
        Command::Serve(command) => command.run(),
        Command::Wrap(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Policy(command) => command.run(),
        Command::Audit(command) => command.run(),
        Command::Errors(command) => command.run(),
    };
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::DoesNotHold) => ExitCode::from(1),
        Err(failure) => {
            complain(&failure.to_string());
            ExitCode::from(2)
        }
    }
}

/// Runs the server until a signal ends it.
fn serve_until_signal(config: Config, source: &Source) -> Result<Outcome, Failure> {
    // One provider for every TLS user of the process; an error says that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    crate::pipeline::observe::logs::init(&config.observe.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(crate::server::serve(source, config));
    // A thread may still wait for standard input; everything that matters has been waited for.
    runtime.shutdown_background();
    served?;
    Ok(Outcome::Fine)
}

/// Writes to standard error, `doorward: ` in front of each problem; hints are indented below theirs.
pub fn complain(text: &str) {
    let mut out = String::new();
    for line in text.lines() {
        if !line.starts_with(' ') {
            out.push_str("doorward: ");
        }
        out.push_str(line);
        out.push('\n');
    }
    write_out(&mut std::io::stderr().lock(), &out);
}

/// Writes to standard output; a reader that went away (`| head`) is no error.
pub fn say(text: &str) {
    write_out(&mut std::io::stdout().lock(), text);
}

fn write_out(to: &mut dyn std::io::Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

#[cfg(test)]
mod tests;
