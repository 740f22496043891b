//! What the verifier finds, and where.

use super::*;

fn finding(path: &Path) -> (u64, Reason) {
    let finding = verified(path).finding.expect("the attack is found");
    assert_eq!(finding.file, path);
    (finding.seq, finding.reason)
}

#[test]
fn untouched_file_is_good() {
    let directory = tempfile::tempdir().unwrap();
    let report = verified(&written(directory.path(), "a", 4));
    assert!(report.is_good(), "{report:?}");
    assert_eq!((report.records, report.chains, report.lost), (10, 1, 0));
    assert_eq!(report.head.unwrap().seq, 9);
}

#[test]
fn any_flipped_bit_is_found_in_its_record() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 2);
    let good = fs::read(&path).unwrap();
    let feeds: Vec<_> = good.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
    for at in (0..good.len()).step_by(3).filter(|at| !feeds.contains(at)) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 7);
        fs::write(&path, &bad).unwrap();
        let seq = feeds.iter().filter(|feed| **feed < at).count() as u64;
        let (found, reason) = finding(&path);
        assert_eq!(found, seq, "byte {at}: {reason}");
        assert!(matches!(reason, Reason::Edited | Reason::Malformed), "byte {at}: {reason}");
    }
}

#[test]
fn deleted_record_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 4);
    let mut all = lines(&path);
    all.remove(5);
    rewrite(&path, &all);
    assert_eq!(finding(&path), (6, Reason::Missing { expected: 5, found: 6 }));
}

#[test]
fn deleted_start_is_taken_for_a_rotated_file_but_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 1);
    let mut all = lines(&path);
    all.remove(0);
    rewrite(&path, &all);
    assert!(verified(&path).continues.is_some());
}

#[test]
fn swapped_records_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 4);
    let mut all = lines(&path);
    all.swap(3, 4);
    rewrite(&path, &all);
    assert_eq!(finding(&path), (4, Reason::Missing { expected: 3, found: 4 }));
}

#[test]
fn repeated_record_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 4);
    let mut all = lines(&path);
    all.insert(4, all[3].clone());
    rewrite(&path, &all);
    assert_eq!(finding(&path), (3, Reason::Repeated { expected: 4 }));
}

#[test]
fn record_of_another_chain_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 4);
    let other = lines(&written(directory.path(), "b", 4));
    let mut all = lines(&path);
    all[4].clone_from(&other[4]);
    rewrite(&path, &all);
    let (seq, reason) = finding(&path);
    assert_eq!(seq, 4);
    assert!(matches!(reason, Reason::Foreign { .. }), "{reason}");
}

#[test]
fn chain_spliced_on_at_its_start_record_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 2);
    let mut all = lines(&path);
    all.extend(lines(&written(directory.path(), "b", 2)));
    rewrite(&path, &all);
    let (seq, reason) = finding(&path);
    assert_eq!(seq, 0);
    assert!(matches!(reason, Reason::Foreign { .. }), "{reason}");
}

#[test]
fn record_forged_with_its_own_fingerprint_is_found_at_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 4);
    let mut all = lines(&path);
    let (body, _) = all[3].rsplit_once(",\"fingerprint\"").unwrap();
    let body = body.replace("\"read\"", "\"harmless\"");
    let fingerprint = chain::fingerprint(&format!("{body}}}"));
    all[3] = format!("{body},\"fingerprint\":\"{fingerprint}\"}}");
    rewrite(&path, &all);
    assert_eq!(finding(&path), (4, Reason::Unlinked));
}

#[test]
fn torn_tail_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 4);
    let mut content = fs::read(&path).unwrap();
    content.truncate(content.len() - 7);
    fs::write(&path, content).unwrap();
    let (seq, reason) = finding(&path);
    assert_eq!(seq, 9);
    assert!(matches!(reason, Reason::Torn { .. }), "{reason}");
}

#[test]
fn cut_tail_is_found_only_against_a_head_noted_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 4);
    let head = verified(&path).head.unwrap().fingerprint;
    let mut all = lines(&path);
    all.truncate(8);
    rewrite(&path, &all);
    assert!(verified(&path).is_good());
    let mut verifier = Verifier::new().expect_head(&head);
    verifier.file(&path).unwrap();
    let finding = verifier.finish(&path).finding.unwrap();
    assert_eq!((finding.seq, finding.reason), (8, Reason::HeadMissing));
}

#[test]
fn missing_file_between_two_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "all", 6);
    let all = lines(&path);
    let part = |name: &str, from: usize, to: usize| {
        let path = directory.path().join(name);
        rewrite(&path, &all[from..to]);
        path
    };
    let (first, second, third) = (part("1", 0, 4), part("2", 4, 9), part("3", 9, 14));
    assert!(verify_files(&[&first, &second, &third]).unwrap().is_good());
    let finding = verify_files(&[&first, &third]).unwrap().finding.unwrap();
    assert_eq!((finding.file, finding.line), (third, 1));
    assert_eq!(finding.reason, Reason::Missing { expected: 4, found: 9 });
}

#[test]
fn line_without_end_does_not_fill_the_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    fs::write(&path, vec![b'x'; 3 * LINE_BYTES_MAX]).unwrap();
    assert_eq!(finding(&path), (0, Reason::TooLong));
}

#[test]
fn report_names_file_line_record_and_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), "a", 4);
    assert!(verified(&path).to_string().starts_with("good: 10 records of 1 runs\nlast good record: chain "));
    let mut all = lines(&path);
    all.remove(5);
    rewrite(&path, &all);
    let expected = format!(
        "{}:6: record 6: record 5 is missing or was moved: 6 follows\n5 good records before it\n",
        path.display()
    );
    assert!(verified(&path).to_string().starts_with(&expected));
}

proptest! {
    #[test]
    fn no_input_makes_the_verifier_panic(content in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut verifier = Verifier::new();
        verifier.read(Path::new("x"), &mut content.as_slice()).unwrap();
        let report = verifier.finish(Path::new("x"));
        prop_assert_eq!(report.is_good(), content.is_empty());
    }
}
