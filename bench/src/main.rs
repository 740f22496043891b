//! `doorward-bench`: what Doorward costs, measured beside nginx and a bare pingora pass-through in the same run.
//!
//! `compare` is the command for the published table and `memory` for the memory figures; both start what they need.
//! `upstream`, `passthrough` and `load` are their parts, for use by hand. See README.md.

mod compare;
mod error;
mod load;
mod mcp;
mod memory;
mod passthrough;
mod process;
mod reference;
mod search;
mod upstream;
mod wire;

use std::{future::Future, process::ExitCode};

use clap::Parser;

use error::{Error, Result};

/// The allocator that Doorward has, so that the pass-through differs from it in nothing but its work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "doorward-bench", version, about, max_term_width = 100)]
enum Cli {
    /// Measure CPU per request of Doorward, nginx and a bare pingora pass-through; prints a table
    Compare(compare::Args),
    /// Measure memory at rest and per idle stream, and the time from start to ready
    Memory(memory::Args),
    /// Measure CPU per trivial tool call of the reference server, a bare rmcp handler and a bare axum route
    Reference(reference::Args),
    /// Measure how long the reference server's store searches over many documents
    Search(search::Args),
    /// Send requests to one address and report throughput and latency
    Load(load::Args),
    /// Run the deterministic MCP server
    Upstream(upstream::Args),
    /// Run the bare pingora pass-through
    Passthrough(passthrough::Args),
    /// Run a bare rmcp handler with one tool
    BareRmcp(reference::bare::RmcpArgs),
    /// Run a bare axum route that answers with the bytes of a file
    BareAxum(reference::bare::AxumArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse() {
        Cli::Compare(args) => on_one_thread(compare::run(&args)),
        Cli::Memory(args) => on_one_thread(memory::run(&args)),
        Cli::Reference(args) => on_one_thread(reference::run(&args)),
        Cli::Search(args) => on_one_thread(search::run(&args)),
        Cli::Load(args) => on_one_thread(load::run(&args)),
        Cli::Upstream(args) => upstream::run(&args),
        Cli::Passthrough(args) => passthrough::run(&args),
        Cli::BareRmcp(args) => reference::bare::run_rmcp(&args),
        Cli::BareAxum(args) => reference::bare::run_axum(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("doorward-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A driver of one thread costs less per request than one of several, and cannot crowd out what it measures.
fn on_one_thread(work: impl Future<Output = Result<()>>) -> Result<()> {
    process::raise_open_files();
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::io("build a runtime"))?.block_on(
        async {
            // Dropping the work stops the processes it started.
            tokio::select! {
                result = work => result,
                () = process::interrupted() => Err(Error::Interrupted),
            }
        },
    )
}
