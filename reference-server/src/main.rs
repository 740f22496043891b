//! Arguments → server → transport. Standard output carries the ready line (HTTP) or MCP (stdio); logs go to stderr.

mod cli;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use cli::{Arguments, Logging};
use tracing_subscriber::EnvFilter;

/// A small request is little else than small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (arguments, said) = match Arguments::read() {
        Ok(read) => read,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(2);
        }
    };
    let filter = match EnvFilter::try_new(&arguments.log) {
        Ok(filter) => filter,
        Err(error) => {
            complain(&format!("--log: {error}"));
            return ExitCode::from(2);
        }
    };
    let logging = Logging::start(filter, arguments.watches());
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("no runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(cli::run(arguments, said, logging));
    // A read from standard input cannot be cancelled, so the runtime is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn complain(message: &str) {
    let _unwritten = writeln!(io::stderr(), "doorward-reference-server: {message}");
}
