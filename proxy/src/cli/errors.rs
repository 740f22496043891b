//! `doorward errors`: the text of `docs/errors.md`, made from the one table of public answers.

use std::fmt::Write as _;

use clap::Args;

use super::{Failure, Outcome, say};
use crate::model::{PublicAnswer, every};

/// Print every error code with its meaning, as Markdown.
#[derive(Debug, Args)]
pub struct Errors {}

impl Errors {
    /// Runs it.
    ///
    /// # Errors
    /// Never.
    pub fn run(self) -> Result<Outcome, Failure> {
        say(&markdown());
        Ok(Outcome::Fine)
    }
}

const HEAD: &str = "# Errors

Every refusal and every fault has a stable code. It stands in the answer's `error.data.code`, in the audit record and in
the metrics. `error.data.decision_id` finds the audit record, which holds the full reason; the public text never says
more than the caller may know. Over stdio the same object comes without the HTTP status.

This page is made by `doorward errors`.
";

const REFUSED: &str = "
## Refused by design

The upstream saw nothing of the request. Sending it again changes nothing, unless the text says so.
";

const FAULTS: &str = "
## Faults

Something broke. *Retry* says whether the same call may be sent again without a risk of doing it twice.
";

/// The text of `docs/errors.md`.
pub fn markdown() -> String {
    let mut out = format!("{HEAD}{REFUSED}");
    out.push_str("\n| code | HTTP | JSON-RPC | text |\n| --- | --- | --- | --- |\n");
    for rejection in every::rejections() {
        let PublicAnswer { code, status, rpc_code, text } = rejection.public();
        let _ = writeln!(out, "| `{code}` | {status} | {rpc_code} | {text} |");
    }
    out.push_str(FAULTS);
    out.push_str("\n| code | HTTP | JSON-RPC | source | retry | text |\n| --- | --- | --- | --- | --- | --- |\n");
    for fault in every::faults() {
        let PublicAnswer { code, status, rpc_code, text } = fault.public();
        let source = format!("{:?}", fault.source()).to_lowercase();
        let retry = if fault.retry_is_safe() { "safe" } else { "no" };
        let _ = writeln!(out, "| `{code}` | {status} | {rpc_code} | {source} | {retry} | {text} |");
    }
    out
}
