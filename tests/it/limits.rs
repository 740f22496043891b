//! Every limit of the threat model's section 5 at its place: what is at the limit passes, what is over it is refused with
//! the right code. `tests/cases/limits.toml` holds the sizes of one request or answer, with their defaults; the modules
//! here the others, times with shorter values than their defaults.

mod connections;
mod http2;
mod keys;
mod lines;
mod lists;
mod times;

use std::time::Duration;

use crate::support::{cases::run_file, parts::binary, process::run};

#[tokio::test]
async fn sizes() {
    run_file("limits").await;
}

/// The defaults, as `doorward config reference` tells them.
const DEFAULTS: [(&str, &str); 40] = [
    ("accept.body_bytes_max", "4MiB"),
    ("accept.message_bytes_max", "8MiB"),
    ("accept.depth_max", "64"),
    ("accept.head_bytes_max", "32KiB"),
    ("accept.header_lines_max", "100"),
    ("accept.target_bytes_max", "8KiB"),
    ("accept.id_bytes_max", "256B"),
    ("accept.tool_name_bytes_max", "128B"),
    ("accept.meta_bytes_max", "64KiB"),
    ("accept.batch_members_max", "50"),
    ("accept.head_timeout", "10s"),
    ("accept.body_idle_timeout", "30s"),
    ("accept.body_timeout", "5min"),
    ("accept.stdio_requests_max", "256"),
    ("listen[].connections_max", "20000"),
    ("listen[].keepalive_timeout", "1min"),
    ("listen[].write_timeout", "30s"),
    ("listen[].http2_limits.streams_max", "100"),
    ("listen[].http2_limits.stream_window", "64KiB"),
    ("listen[].http2_limits.connection_window", "1MiB"),
    ("listen[].http2_limits.pending_resets_max", "20"),
    ("listen[].http2_limits.error_resets_max", "1024"),
    ("authentication.token_bytes_max", "16KiB"),
    ("authentication.groups_max", "200"),
    ("authentication.issuers[].staleness.max_age", "1h"),
    ("authentication.issuers[].staleness.max_stale", "24h"),
    ("authentication.issuers[].key_set.document_bytes_max", "256KiB"),
    ("authentication.issuers[].key_set.keys_max", "50"),
    ("authentication.issuers[].key_set.fetch_interval_min", "10s"),
    ("authorization.file_bytes_max", "1MiB"),
    ("authorization.files_max", "1000"),
    ("streams.recheck_interval", "15s"),
    ("sessions.sessions_max", "10000"),
    ("sessions.sessions_per_principal_max", "100"),
    ("upstreams.<name>.connect_timeout", "2s"),
    ("upstreams.<name>.first_byte_timeout", "30s"),
    ("upstreams.<name>.idle_timeout", "5min"),
    ("upstreams.<name>.tools_max", "1000"),
    ("upstreams.<name>.description_bytes_max", "16KiB"),
    ("upstreams.<name>.children_max", "64"),
];

#[tokio::test]
async fn defaults_are_those_of_the_threat_model() {
    let page = run(&binary("doorward"), ["config", "reference"], Duration::from_secs(10)).await.stdout;
    for (key, default) in DEFAULTS {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
        let row = row.unwrap_or_else(|| panic!("{key} is not configurable"));
        assert_eq!(row.split('|').nth(3).map(str::trim), Some(&*format!("`{default}`")), "{row}");
    }
}
