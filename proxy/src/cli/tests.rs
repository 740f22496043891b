#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeSet, path::Path};

use clap::CommandFactory as _;

use super::{Cli, config, errors};
use crate::model::every;

#[test]
fn help_of_every_subcommand() {
    let mut told = String::new();
    pages(&mut Cli::command().term_width(100), &mut told);
    insta::assert_snapshot!(told);
}

fn pages(command: &mut clap::Command, told: &mut String) {
    command.build();
    told.push_str(&format!("# {}\n{}\n", command.get_name(), command.clone().env_hidden().render_help()));
    let names: Vec<String> =
        command.get_subcommands().map(|sub| sub.get_name().to_owned()).filter(|name| name != "help").collect();
    for name in names {
        pages(command.find_subcommand_mut(&name).unwrap(), told);
    }
}

trait EnvHidden {
    fn env_hidden(self) -> Self;
}

impl EnvHidden for clap::Command {
    /// The machine's own variables stay out of the snapshot.
    fn env_hidden(self) -> Self {
        self.mut_args(|arg| arg.hide_env_values(true))
    }
}

#[test]
fn command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_code_is_unique_and_says_what_to_do() {
    let rows: Vec<_> = every::rejections()
        .iter()
        .map(crate::model::Rejection::public)
        .chain(every::faults().into_iter().map(crate::model::Fault::public))
        .collect();
    let codes: BTreeSet<&str> = rows.iter().map(|row| row.code).collect();
    assert_eq!(codes.len(), rows.len());
    assert!(rows.iter().all(|row| row.text.ends_with('.') && (400..600).contains(&row.status)));
}

#[test]
fn generated_files_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        ("config.schema.json", config::schema_text().unwrap(), "config schema > proxy/config.schema.json"),
        ("../docs/configuration.md", crate::config::reference::markdown(), "config reference > docs/configuration.md"),
        ("../docs/errors.md", errors::markdown(), "errors > docs/errors.md"),
    ];
    for (file, text, command) in files {
        let written = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        assert!(written == text, "{file} is not current: run `cargo run -- {command}`");
    }
}
