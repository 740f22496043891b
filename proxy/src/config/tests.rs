#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fmt::Write as _, path::PathBuf};

use super::{Config, Flags, Mode, PrincipalName, Source, overlay::PrincipalNameError};
use crate::{model::PrincipalKind, server::settings::ListenAddress};

const UP: &str = "upstreams: { a: { url: http://127.0.0.1:9/mcp } }\n";
const OPEN: &str = "authentication: { disabled: true }\n";

fn source() -> Source {
    Source { file: Some(PathBuf::from("/nowhere/doorward.yaml")), flags: Flags::default(), mode: Mode::Serve }
}

fn problems(text: &str) -> String {
    match Config::from_text(text, &source()) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// What is told about each of these files.
fn told<const COUNT: usize>(files: [(&str, String); COUNT]) -> String {
    let mut told = String::new();
    for (name, text) in files {
        let _ = writeln!(told, "# {name}\n{}\n", problems(&text));
    }
    told
}

fn fine(text: &str) -> Config {
    Config::from_text(text, &source()).unwrap_or_else(|error| panic!("{error}\nin:\n{text}"))
}

#[test]
fn bad_files_are_told_by_line_key_and_next_step() {
    let files = [
        ("unknown key", format!("{OPEN}{UP}acept: {{}}\n")),
        ("unknown key inside", format!("{OPEN}upstreams:\n  a:\n    url: http://x/\n    conect_timeout: 3s\n")),
        ("repeated key", format!("{OPEN}{OPEN}{UP}")),
        ("size without unit", format!("{OPEN}{UP}accept:\n  depth_max: 3\n  body_bytes_max: 5\n")),
        ("unknown unit", format!("{OPEN}{UP}drain: {{ grace: 3weeks }}\n")),
        (
            "wrong type in a list",
            "listen:\n  - address: 127.0.0.1:1\n  - address: 127.0.0.1:2\n    http2: maybe\n".to_owned(),
        ),
        ("host name to listen at", format!("listen: {{ address: localhost:80 }}\n{OPEN}{UP}")),
        (
            "inline secret",
            format!(
                "{OPEN}upstreams:\n  a:\n    url: http://127.0.0.1/\n    credential: {{ value: hunter2-hunter2 }}\n"
            ),
        ),
        (
            "inline secret in a map",
            format!(
                "{OPEN}upstreams:\n  a:\n    url: http://127.0.0.1/\n    credential: {{ value: {{ text: hunter2-hunter2 }} }}\n"
            ),
        ),
        ("no upstream", OPEN.to_owned()),
        ("nobody could call", UP.to_owned()),
        ("no authentication on the network", format!("listen: {{ address: '0.0.0.0:80' }}\n{OPEN}{UP}")),
        ("unknown upstream and a bad path", format!("{OPEN}{UP}routes:\n  /x/:\n    upstream: b\n")),
        (
            "same resource twice",
            format!(
                "{OPEN}{UP}routes:\n  /a: {{ upstream: a, resource: 'https://h/a' }}\n  /b: {{ upstream: a, resource: 'https://h/a' }}\n"
            ),
        ),
        ("no name to verify", format!("{OPEN}upstreams: {{ a: {{ url: 'https://10.0.0.1/mcp' }} }}\n")),
        ("url and command", format!("{OPEN}upstreams: {{ a: {{ url: http://x/, command: [y] }} }}\n")),
        ("password in a url", format!("{OPEN}upstreams: {{ a: {{ url: 'http://u:p@x/' }} }}\n")),
        ("tls without key", format!("listen: {{ address: '127.0.0.1:1', tls: {{ certificate: c.pem }} }}\n{OPEN}{UP}")),
        (
            "unset secret",
            format!(
                "{OPEN}upstreams:\n  a:\n    url: http://127.0.0.1/\n    credential:\n      value: {{ env: DOORWARD_TEST_NOT_SET }}\n"
            ),
        ),
        (
            "issuers without prefix",
            format!("authentication:\n  issuers:\n    - issuer: https://a/\n    - issuer: https://b/\n{UP}"),
        ),
        (
            "no audience",
            format!("listen: {{ address: '0.0.0.0:80' }}\nauthentication:\n  issuers:\n    - issuer: https://a/\n{UP}"),
        ),
        ("insecure issuer", format!("authentication: {{ issuers: [ {{ issuer: 'http://idp.example.com' }} ] }}\n{UP}")),
        ("missing policies", format!("{OPEN}{UP}authorization:\n  policies: ./nowhere\n")),
        ("unknown bundle", format!("{OPEN}{UP}authorization: {{ policies: 'bundle:nope' }}\n")),
        ("limits against each other", format!("{OPEN}{UP}accept: {{ body_bytes_max: 9MiB, depth_max: 0 }}\n")),
        ("origin with a path", format!("{OPEN}{UP}accept: {{ origins: ['https://a/b', '*'] }}\n")),
        ("broken yaml", "listen: [\n".to_owned()),
    ];
    let told = told(files);
    assert!(!told.contains("hunter2"));
    insta::assert_snapshot!(told);
}

#[test]
fn bounds_are_told_by_key_and_range() {
    insta::assert_snapshot!(told([
        (
            "bounds of a listener",
            format!(
                "listen:\n  address: 127.0.0.1:1\n  keepalive_timeout: 999ms\n  write_timeout: 2h\n  http2_limits:\n    streams_max: 0\n    stream_window: 1023B\n    connection_window: 127KiB\n    pending_resets_max: 0\n    error_resets_max: 0\n{OPEN}{UP}"
            ),
        ),
        (
            "bounds of keys",
            format!(
                "authentication:\n  issuers:\n    - issuer: https://a/\n      staleness: {{ max_age: 9s }}\n      key_set: {{ document_bytes_max: 1023B, keys_max: 0 }}\n{UP}"
            ),
        ),
        (
            "keys fetched without a pause",
            format!(
                "authentication: {{ issuers: [ {{ issuer: 'https://a/', key_set: {{ fetch_interval_min: 999ms }} }} ] }}\n{UP}"
            ),
        ),
        (
            "bounds of policy files",
            format!(
                "{OPEN}{UP}authorization:\n  policies: 'bundle:permit-all'\n  file_bytes_max: 65MiB\n  files_max: 0\n"
            ),
        ),
        (
            "bodies that end before their pause does",
            format!(
                "{OPEN}upstreams: {{ a: {{ url: 'http://x/', idle_timeout: 9s, body_timeout: 8s }} }}\naccept: {{ body_timeout: 29s, stdio_requests_max: 0 }}\n"
            ),
        ),
        (
            "keys that are too old before they are fetched again, and more header lines than are read",
            format!(
                "accept: {{ header_lines_max: 257 }}\nauthentication: {{ issuers: [ {{ issuer: 'https://a/', staleness: {{ max_age: 61s, max_stale: 60s }} }} ] }}\n{UP}"
            ),
        ),
        ("streams that are seldom decided again", format!("{OPEN}{UP}streams: {{ recheck_interval: 31s }}\n")),
    ]));
}

#[test]
fn bounds_hold_to_their_ends() {
    let ends = [
        ("accept.body_timeout", ["body_timeout: 30s", "body_timeout: 24h", "body_timeout: 25h"]),
        (
            "accept.stdio_requests_max",
            ["stdio_requests_max: 1", "stdio_requests_max: 65536", "stdio_requests_max: 65537"],
        ),
    ];
    for (key, [least, most, over]) in ends {
        for bound in [least, most] {
            fine(&format!("{OPEN}{UP}accept: {{ {bound} }}\n"));
        }
        assert!(problems(&format!("{OPEN}{UP}accept: {{ {over} }}\n")).contains(key), "{over}");
    }
    for (name, least, most, over) in [
        ("keepalive_timeout", "1s", "1h", "3601s"),
        ("write_timeout", "1s", "1h", "3601s"),
        ("http2_limits.streams_max", "1", "10000", "10001"),
        ("http2_limits.stream_window", "1KiB", "16MiB", "17MiB"),
        ("http2_limits.connection_window", "128KiB", "1GiB", "2GiB"),
        ("http2_limits.pending_resets_max", "1", "10000", "10001"),
        ("http2_limits.error_resets_max", "1", "100000", "100001"),
    ] {
        let of = |value| {
            let bound = match name.split_once('.') {
                Some((section, name)) => format!("{section}: {{ {name}: {value} }}"),
                None => format!("{name}: {value}"),
            };
            format!("listen: {{ address: '127.0.0.1:1', {bound} }}\n{OPEN}{UP}")
        };
        for bound in [least, most] {
            fine(&of(bound));
        }
        assert!(problems(&of(over)).contains(&format!("listen[0].{name}")), "{over}");
    }
}

#[test]
fn one_upstream_and_no_authentication_are_enough_on_loopback() {
    let config = fine(&format!("{OPEN}{UP}"));
    let route = config.routes.get("/mcp").unwrap();
    assert_eq!(route.resource.as_deref(), Some("http://127.0.0.1:8080/mcp"));
    assert_eq!(config.local_principal.unwrap().display(), "Mcp::Workload::\"anonymous\"");
    assert!(config.warnings.iter().any(|warning| warning.contains("--policies")));
}

#[test]
fn several_upstreams_get_a_path_each() {
    let config = fine(&format!("{OPEN}upstreams: {{ a: {{ url: 'http://127.0.0.1/' }}, b: {{ command: [x] }} }}\n"));
    assert_eq!(config.routes.keys().collect::<Vec<_>>(), ["/a/mcp", "/b/mcp"]);
}

#[test]
fn resource_is_left_open_where_the_system_chooses_the_port() {
    let config = fine(&format!(
        "listen: {{ address: '127.0.0.1:0' }}\nauthentication: {{ issuers: [ {{ issuer: 'https://a/' }} ] }}\n{UP}"
    ));
    assert_eq!(config.routes.get("/mcp").unwrap().resource, None);
}

#[test]
fn placeholder_stays_literal_and_is_told() {
    let config = fine(&format!("{OPEN}{UP}accept: {{ hosts: [\"${{HOST}}\"] }}\n").replace("\"${HOST}\"", "a.example"));
    assert!(!config.warnings.iter().any(|warning| warning.contains("literal")));
    let config = fine(&format!("{OPEN}upstreams: {{ a: {{ command: [\"${{HOME}}/server\"] }} }}\n"));
    assert!(config.warnings.iter().any(|warning| warning.contains("line 2: upstreams.a.command[0]")));
    let target = &config.upstreams.get("a").unwrap().target;
    assert!(format!("{target:?}").contains("${HOME}/server"));
}

#[test]
fn default_and_short_secrets_are_refused_and_good_ones_taken() {
    let folder = tempfile::tempdir().unwrap();
    for (secret, good) in
        [("changeme", false), ("short", false), ("0123456789abcdef\n", true), ("with\nline-break-inside", false)]
    {
        let file = folder.path().join("secret");
        std::fs::write(&file, secret).unwrap();
        let text = format!(
            "{OPEN}upstreams: {{ a: {{ url: 'http://127.0.0.1/', credential: {{ value: {{ file: {} }} }} }} }}\n",
            file.display()
        );
        assert_eq!(Config::from_text(&text, &source()).is_ok(), good, "{secret}");
    }
}

#[test]
fn flags_pass_the_same_checks_and_errors_name_them() {
    let flags = Flags {
        upstream: Some("ftp://x/".to_owned()),
        listen: Some("0.0.0.0:80".parse().unwrap()),
        policies: Some("bundle:nope".to_owned()),
        no_authentication: true,
        ..Flags::default()
    };
    let source = Source { file: None, flags, mode: Mode::Serve };
    let told = Config::load(&source).unwrap_err().to_string();
    insta::assert_snapshot!(told);
}

#[test]
fn flag_goes_before_the_file() {
    let mut source = source();
    source.flags.listen = Some("127.0.0.1:7".parse().unwrap());
    let config =
        Config::from_text(&format!("listen: {{ address: '127.0.0.1:6', http2: false }}\n{OPEN}{UP}"), &source).unwrap();
    let [listen] = config.listen.as_slice() else { panic!("one listener") };
    assert_eq!(listen.address, "127.0.0.1:7".parse::<ListenAddress>().unwrap());
    assert!(!listen.http2);
}

#[test]
fn wrap_needs_no_issuer_and_stays_on_loopback() {
    let mode = Mode::Wrap { command: vec!["x".to_owned()], principal: "Mcp::User::\"ann\"".parse().unwrap() };
    let mut source = Source { file: None, flags: Flags::default(), mode };
    let config = Config::load(&source).unwrap();
    assert!(config.stdio);
    assert_eq!(config.local_principal.unwrap().display(), "Mcp::User::\"ann\"");
    source.flags.listen = Some("0.0.0.0:0".parse().unwrap());
    assert!(Config::load(&source).unwrap_err().to_string().starts_with("--listen: "));
}

#[test]
fn loading_again_reads_the_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doorward.yaml");
    let source = Source { file: Some(file.clone()), ..source() };
    std::fs::write(&file, format!("{OPEN}{UP}")).unwrap();
    assert!(Config::load(&source).unwrap().upstreams.contains_key("a"));
    std::fs::write(&file, format!("{OPEN}{}", UP.replace("a:", "b:"))).unwrap();
    assert!(Config::load(&source).unwrap().upstreams.contains_key("b"));
    std::fs::write(&file, "nonsense").unwrap();
    assert!(Config::load(&source).is_err());
}

#[test]
fn principal_is_read_strictly() {
    let good: PrincipalName = "Mcp::Agent::\"a b\"".parse().unwrap();
    assert_eq!(good, PrincipalName { kind: PrincipalKind::Agent, id: "a b".to_owned() });
    for bad in [
        "ann",
        "User::\"a\"",
        "Mcp::User::a",
        "Mcp::User::\"\"",
        "Mcp::User::\"a\"b\"",
        "Mcp::Group::\"a\"",
        " Mcp::User::\"a\"",
        "Mcp::User::\"a\\\"",
    ] {
        assert_eq!(bad.parse::<PrincipalName>(), Err(PrincipalNameError), "{bad}");
    }
}

#[test]
fn every_configuration_in_the_documents_loads() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut files = vec![root.join("README.md"), root.join("CONTRIBUTING.md"), root.join("SECURITY.md")];
    let documents = std::fs::read_dir(root.join("docs")).unwrap();
    files.extend(
        documents.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "md")),
    );
    let mut found = 0;
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            // Decision tables are YAML as well.
            if block.contains("upstreams:") && !block.contains("cases:") {
                found += 1;
                Config::from_text(block, &source()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            }
        }
    }
    assert!(found > 0);
}
