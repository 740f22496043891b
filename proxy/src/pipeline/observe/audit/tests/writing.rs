//! What the writer does on start, on failure and under load.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn file_is_readable_by_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 0);
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn restart_continues_the_chain_under_a_new_run() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), "a", 2);
    let path = written(directory.path(), "a", 2);
    let report = verified(&path);
    assert!(report.is_good(), "{report:?}");
    assert_eq!((report.records, report.chains), (12, 2));
    let instance = |line: &String| {
        let (_, uid) = line.split_once("\"chain_uid\":\"").unwrap();
        uid.split_once('-').unwrap().0.to_owned()
    };
    let all = lines(&path);
    assert_eq!(instance(&all[0]), instance(&all[11]));
}

#[test]
fn torn_last_line_is_cut_off_and_told_on_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 2);
    let mut content = fs::read(&path).unwrap();
    content.extend(br#"{"bytes":17,"#);
    fs::write(&path, content).unwrap();
    written(directory.path(), "a", 1);
    let report = verified(&path);
    assert!(report.is_good(), "{report:?}");
    assert!(lines(&path)[6].contains("\"truncated_bytes\":12,"), "{:?}", lines(&path)[6]);
}

#[test]
fn file_with_nothing_but_a_torn_line_starts_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    fs::write(&path, "{\"by").unwrap();
    written(directory.path(), "a", 1);
    assert!(verified(&path).is_good());
    assert!(lines(&path)[0].contains("\"truncated_bytes\":4,"));
}

#[test]
fn file_whose_last_record_was_edited_is_not_continued() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 2);
    let content = fs::read_to_string(&path).unwrap().replace("\"kind\":\"stop\"", "\"kind\":\"stap\"");
    fs::write(&path, &content).unwrap();
    let refused = AuditWriter::start(&path, options(Mode::BestEffort)).err().unwrap();
    assert!(matches!(refused, OpenError::Damaged { reason: Reason::Edited, .. }), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), content, "nothing was changed");
}

#[test]
fn second_process_in_one_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let (_writer, handle) = AuditWriter::start(&path, options(Mode::BestEffort)).unwrap();
    let refused = AuditWriter::start(&path, options(Mode::BestEffort)).err().unwrap();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    handle.stop();
}

#[test]
fn rotated_files_verify_together() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("a"), directory.path().join("a.1"));
    let (writer, handle) = AuditWriter::start(&path, options(Mode::BestEffort)).unwrap();
    writer.keep(decision("read"));
    writer.reopen();
    while writer.counts().queued.load(Ordering::Relaxed) > 0 || !lines(&path).iter().any(|line| line.contains("reopen"))
    {
        std::thread::sleep(Duration::from_millis(2));
    }
    fs::rename(&path, &moved).unwrap();
    writer.reopen();
    writer.keep(outcome());
    handle.stop();
    let report = verify_files(&[&moved, &path]).unwrap();
    assert!(report.is_good(), "{report:?}");
    assert_eq!((report.records, report.chains), (6, 1));
    assert!(verified(&path).continues.is_some());
}

#[tokio::test]
async fn strict_decision_is_in_the_file_when_it_returns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let (writer, handle) = AuditWriter::start(&path, options(Mode::Strict)).unwrap();
    for expected in 2..10 {
        writer.keep_before(decision("read")).await.unwrap();
        assert_eq!(lines(&path).len(), expected);
    }
    handle.stop();
    assert!(verified(&path).is_good());
}

#[tokio::test]
async fn strict_decisions_of_many_callers_share_their_commits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let (writer, handle) = AuditWriter::start(&path, options(Mode::Strict)).unwrap();
    let callers: Vec<_> = (0..200)
        .map(|_| {
            let writer = writer.clone();
            tokio::spawn(async move { writer.keep_before(decision("read")).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    handle.stop();
    assert_eq!(verified(&path).records, 202);
}

/// A writer whose file fails from now on: its descriptor is that of a full device.
fn failing(mode: Mode) -> (AuditWriter, WriterHandle, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let refused = AuditWriter::start(&path, options(mode)).err();
    assert!(matches!(refused, Some(OpenError::Io { .. })), "a start record must be written");
    fs::remove_file(&path).unwrap();
    let (writer, handle) = AuditWriter::start(&path, options(mode)).unwrap();
    fs::rename(&path, directory.path().join("b")).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    writer.reopen();
    while writer.counts().sink_failures.load(Ordering::Relaxed) == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    (writer, handle, directory)
}

#[tokio::test]
async fn strict_decision_fails_where_the_file_cannot_be_written() {
    let (writer, handle, _directory) = failing(Mode::Strict);
    assert_eq!(writer.keep_before(decision("read")).await, Err(AuditError::SinkFailed));
    handle.stop();
}

#[tokio::test]
async fn best_effort_goes_on_and_counts_where_the_file_cannot_be_written() {
    let (writer, handle, _directory) = failing(Mode::BestEffort);
    assert_eq!(writer.keep_before(decision("read")).await, Ok(()));
    while writer.counts().lost_sink_failed.load(Ordering::Relaxed) < 1 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    handle.stop();
}

#[test]
fn lost_records_are_told_in_the_chain() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let small = WriterOptions { queue_records_max: 16, ..options(Mode::BestEffort) };
    let (writer, handle) = AuditWriter::start(&path, small).unwrap();
    for _ in 0..5_000 {
        writer.keep(refusal("authn.token_missing"));
    }
    handle.stop();
    let report = verified(&path);
    assert!(report.is_good(), "{report:?}");
    assert!(report.lost > 0);
    let told = u64::try_from(lines(&path).iter().filter(|line| line.contains("\"kind\":\"refusal\"")).count());
    assert_eq!(told.unwrap() + report.lost, 5_000);
}

#[tokio::test]
async fn refusals_leave_room_for_strict_decisions() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let small = WriterOptions { queue_records_max: 64, ..options(Mode::Strict) };
    let (writer, handle) = AuditWriter::start(&path, small).unwrap();
    for _ in 0..200 {
        for _ in 0..100 {
            writer.keep(refusal("authn.token_missing"));
        }
        writer.keep_before(decision("read")).await.unwrap();
    }
    handle.stop();
}

#[tokio::test]
async fn stopped_writer_refuses_strict_decisions() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, handle) = AuditWriter::start(&directory.path().join("a"), options(Mode::Strict)).unwrap();
    handle.stop();
    assert_eq!(writer.keep_before(decision("read")).await, Err(AuditError::Stopped));
}
