//! What a running server cannot change.

use super::super::Arguments;

/// Puts back what needs a restart; the settings that were to be others.
pub(super) fn keep(now: &Arguments, wanted: &mut Arguments) -> Vec<&'static str> {
    let mut kept = vec![];
    put_back("listen", &now.listen, &mut wanted.listen, &mut kept);
    put_back("unix", &now.unix, &mut wanted.unix, &mut kept);
    put_back("stdio", &now.stdio, &mut wanted.stdio, &mut kept);
    put_back("watch-config", &now.watch_config, &mut wanted.watch_config, &mut kept);
    put_back("otlp-endpoint", &now.otlp_endpoint, &mut wanted.otlp_endpoint, &mut kept);
    // What is in memory would be lost.
    if now.database.is_none() {
        put_back("database", &now.database, &mut wanted.database, &mut kept);
        put_back("max-document-bytes", &now.max_document_bytes, &mut wanted.max_document_bytes, &mut kept);
        put_back("cache", &now.cache, &mut wanted.cache, &mut kept);
    }
    // In a directory two would count and compare beside each other.
    if now.objects.are_kept_here() {
        put_back("objects", &now.objects, &mut wanted.objects, &mut kept);
    }
    kept
}

fn put_back<T: Clone + PartialEq>(name: &'static str, now: &T, wanted: &mut T, kept: &mut Vec<&'static str>) {
    if now != wanted {
        wanted.clone_from(now);
        kept.push(name);
    }
}

/// Whether documents are in the same place, held to the same, behind the same cache.
pub(super) fn has_same_store(one: &Arguments, other: &Arguments) -> bool {
    one.database == other.database
        && one.database_password_file == other.database_password_file
        && one.database_events_url == other.database_events_url
        && one.max_document_bytes == other.max_document_bytes
        && one.cache == other.cache
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::Parser as _;

    use super::*;

    fn arguments(line: &str) -> Arguments {
        Arguments::try_parse_from(std::iter::once("server").chain(line.split_whitespace())).unwrap()
    }

    fn kept(now: &str, wanted: &str) -> (Vec<&'static str>, String) {
        let mut wanted = arguments(wanted);
        let kept = keep(&arguments(now), &mut wanted);
        (kept, format!("{wanted:?}"))
    }

    #[test]
    fn where_it_listens_stays() {
        let (names, wanted) = kept("--listen 127.0.0.1:1 --watch-config", "--unix socket --max-tasks 7");
        assert_eq!(names, ["listen", "unix", "watch-config"]);
        assert!(
            wanted.contains("127.0.0.1:1") && !wanted.contains("socket") && wanted.contains("max_tasks: 7"),
            "{wanted}"
        );
        assert!(kept("--stdio", "--stdio --log debug").0.is_empty());
    }

    #[test]
    fn what_is_in_memory_alone_stays_and_what_is_not_changes() {
        let more = "--database b.db --max-document-bytes 7 --objects s3://other --cache none";
        let change = |now: &str| kept(&format!("--stdio {now}"), &format!("--stdio {more}")).0;
        assert_eq!(change("--objects memory:"), ["database", "max-document-bytes", "cache", "objects"]);
        assert_eq!(change("--database a.db --objects some/directory"), ["objects"]);
        assert_eq!(change("--database a.db --objects s3://one"), [""; 0]);
        let one = arguments("--stdio --database a.db");
        assert!(has_same_store(&one, &arguments("--stdio --database a.db --max-tasks 7")));
        for other in [
            "--database b.db",
            "--database a.db --max-document-bytes 7",
            "--database a.db --database-events-url poll",
            "--database a.db --cache none",
        ] {
            assert!(!has_same_store(&one, &arguments(&format!("--stdio {other}"))), "{other}");
        }
    }
}
