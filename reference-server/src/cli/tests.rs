#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// What the real command makes of these arguments and this configuration file.
fn read(file: &str, said: &[&str]) -> Arguments {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.toml");
    std::fs::write(&path, file).unwrap();
    let said: Vec<OsString> = std::iter::once(&"server").chain(said).map(OsString::from).collect();
    let all = settings::layered(&Arguments::command(), &said, None, Some(&path)).unwrap();
    Arguments::try_parse_from(all).unwrap()
}

#[test]
fn settings_of_a_file_stay_when_another_flag_of_their_struct_is_given() {
    let file =
        "files-quota = 7\nlink-seconds = 8\nmax-tasks = 9\nfetch = true\nassertion-audience = 'ref'\nlegacy-sse = true";
    let said = [
        ["--listen", "127.0.0.1:0"],
        ["--files", "shared"],
        ["--public-url", "https://mcp.example.com"],
        ["--task-ttl-seconds", "5"],
        ["--fetch-allow", "10.1.0.0/16"],
        ["--assertion-key-file", "key"],
    ];
    let shown = format!("{:?}", read(file, said.as_flattened()));
    for told in [
        "files_quota: 7",
        "link_seconds: 8",
        "max_tasks: 9",
        "fetch: true",
        "assertion_audience: Some(\"ref\")",
        "legacy_sse: true",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
}

#[test]
fn where_to_serve_is_replaced_as_one() {
    let arguments = read("listen = '127.0.0.1:1'", &["--stdio"]);
    assert!(arguments.stdio && arguments.listen.is_none());
}

#[test]
fn every_flag_has_a_variable_of_its_name() {
    let command = Arguments::command();
    for arg in command.get_arguments() {
        let Some(long) = arg.get_long() else { continue };
        let own = format!("REFERENCE_SERVER_{}", long.to_uppercase().replace('-', "_"));
        let wanted = match long {
            "log" => "RUST_LOG".to_owned(),
            "otlp-endpoint" => "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
            _ => own,
        };
        assert_eq!(arg.get_env().and_then(|env| env.to_str()), Some(wanted.as_str()), "--{long}");
    }
}
