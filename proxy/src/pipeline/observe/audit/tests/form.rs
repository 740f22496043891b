//! The form of a record: canonical, one line, no secrets.

use super::*;

fn sealed(record: &Record) -> String {
    let mut chain = Chain::new(None, key());
    let mut lines = String::new();
    chain.seal(record, 1_700_000_000_123, &mut lines);
    // The chain's name is random.
    lines.replace(chain.uid(), "0000000000000000-0000000000000000")
}

fn without_fingerprint(line: &str) -> &str {
    line.rsplit_once(",\"fingerprint\"").unwrap().0
}

#[test]
fn each_kind_of_record_has_its_members() {
    let records = [
        decision("read_file"),
        outcome(),
        refusal("authn.token_missing"),
        Record::Lifecycle(Lifecycle::Start { version: "0.0.0", truncated_bytes: Some(3) }),
        Record::Lifecycle(Lifecycle::Stop),
        Record::Lifecycle(Lifecycle::Reopen),
        Record::Lifecycle(Lifecycle::Snapshot { snapshot: "sha256:00ff".into() }),
        Record::Lifecycle(Lifecycle::ReloadRefused { code: "config.invalid" }),
        Record::Lifecycle(Lifecycle::Lost { count: 5 }),
    ];
    let shown: Vec<_> = records.iter().map(|record| format!("{}}}", without_fingerprint(&sealed(record)))).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn tool_name_with_line_feed_and_ansi_stays_one_escaped_line() {
    let line = sealed(&decision("x\n{\"decision\":\"allow\"}\u{1b}[2J\u{2028}\u{202e}\u{9b}"));
    assert_eq!(line.matches('\n').count(), 1);
    assert!(line.is_ascii());
    let expected = r#""target":"x\n{\"decision\":\"allow\"}\u001b[2J\u2028\u202e\u009b""#;
    assert!(line.contains(expected), "{line}");
    assert!(verify::parse(line.trim_end().as_bytes()).is_err(), "the name of the chain was replaced");
}

#[test]
fn long_names_and_ids_are_cut() {
    let Record::Decision(mut record) = decision(&"n".repeat(TEXT_CHARS_MAX + 1)) else { panic!() };
    record.circumstances.jsonrpc_id = Some("7".repeat(65).into());
    let line = sealed(&Record::Decision(record));
    assert!(line.contains(&format!("\"{}\"", "n".repeat(TEXT_CHARS_MAX))));
    assert!(line.contains(&format!("\"{}\"", "7".repeat(64))));
}

#[test]
fn arguments_appear_only_as_a_keyed_digest_whatever_their_size() {
    for size in [10, 2048, 2049, 100_000] {
        let arguments = format!("{{\"secret\":\"{}\"}}", "canary".repeat(size / 6));
        let Record::Decision(mut record) = decision("t") else { panic!() };
        record.arguments = Some(ArgumentsDigest::new(&key(), arguments.as_bytes()));
        let line = sealed(&Record::Decision(record));
        assert!(!line.contains("canary"));
        assert!(line.contains(&key().digest(arguments.as_bytes())));
    }
    assert!(DigestKey::new(b"too short").is_none());
    assert_ne!(DigestKey::ephemeral().digest(b"x"), DigestKey::ephemeral().digest(b"x"));
}

/// RFC 8785 by the book: sort the keys by their UTF-16 units, let the JSON library write the leaves.
fn naive(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(members) => {
            let mut keys: Vec<_> = members.keys().collect();
            keys.sort_by_key(|key| key.encode_utf16().collect::<Vec<_>>());
            let members: Vec<_> = keys
                .into_iter()
                .map(|key| format!("{}:{}", serde_json::to_string(key).unwrap(), naive(&members[key])))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(naive).collect::<Vec<_>>().join(","))
        }
        leaf => serde_json::to_string(leaf).unwrap(),
    }
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        (0..=INTEGER_MAX).prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_form_equals_the_naive_one_and_the_line_reads_the_same(value in any_value()) {
        let (mut canonical, mut line) = (String::new(), String::new());
        push_value(&mut canonical, &value, Form::Canonical).unwrap();
        push_value(&mut line, &value, Form::Line).unwrap();
        prop_assert_eq!(&canonical, &naive(&value));
        prop_assert!(!line.chars().any(crate::pipeline::observe::text::is_unsafe));
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[test]
    fn any_record_is_one_line_that_proves_itself(
        texts in prop::collection::vec(any::<Option<String>>(), 6),
        bytes in any::<u64>(),
    ) {
        let text = |index: usize| texts[index].clone().map(String::into_boxed_str);
        let Record::Decision(mut record) = decision("t") else { panic!() };
        record.circumstances.method = text(0);
        record.circumstances.jsonrpc_id = text(1);
        record.circumstances.route = texts[2].clone().map(Into::into);
        record.circumstances.target =
            text(3).map(|name| Target { kind: TargetKind::Resource, name });
        record.circumstances.principal = text(4)
            .map(|id| Arc::new(Principal::local(PrincipalKind::Agent, &id)));
        record.decision.errors = texts[5].iter().map(|id| Arc::from(id.as_str())).collect();
        let Record::Outcome(mut ended) = outcome() else { panic!() };
        ended.outcome.bytes = bytes;
        let mut chain = Chain::new(None, key());
        let mut lines = String::new();
        chain.seal(&Record::Lifecycle(Lifecycle::Start { version: "0", truncated_bytes: None }), bytes, &mut lines);
        chain.seal(&Record::Decision(record), bytes, &mut lines);
        chain.seal(&Record::Outcome(ended), bytes, &mut lines);
        prop_assert_eq!(lines.matches('\n').count(), 3);
        let mut verifier = Verifier::new();
        verifier.read(Path::new("x"), &mut lines.as_bytes()).unwrap();
        let report = verifier.finish(Path::new("x"));
        prop_assert_eq!(report.finding, None);
        prop_assert_eq!(report.records, 3);
    }
}
