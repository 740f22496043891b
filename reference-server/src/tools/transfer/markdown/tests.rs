#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::storage::Body;

fn document(body: Body) -> Document {
    Document { path: DocumentPath::parse("a/b.md").unwrap(), version: 7, body, created_at: 0, updated_at: 0 }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Exact ones: a parser of JSON may be off by the last bit.
        (any::<i32>(), 0..30_i32).prop_map(|(digits, halves)| Value::from(f64::from(digits) / 2_f64.powi(halves / 3))),
        any::<String>().prop_map(Value::from),
        "(true|yes|no|null|~|0x1f|1e3|<<|\\*a|&a|!!int 1|- a|a: b|# c|'|\"|%YAML|---|\\.nan)".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Body> {
    let metadata = prop::collection::btree_map(prop_oneof![any::<String>(), Just("<<".to_owned())], value(), 0..4);
    let tags = prop::collection::btree_set(any::<String>(), 0..4);
    let content = prop_oneof![any::<String>(), "(---\n|a|\r\n|\n){0,6}", Just("---\ntitle: x\n---\n".to_owned())];
    (any::<String>(), content, metadata, tags).prop_map(|(title, content, metadata, tags)| Body {
        title,
        media_type: "text/markdown".to_owned(),
        content,
        metadata: metadata.into_iter().collect(),
        tags,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_written_as_front_matter_is_read_as_it_was(body in body()) {
        let text = format!("{}{}", front_matter(&document(body.clone())).unwrap(), body.content);
        let (front, content) = divide(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text:?}")))?;
        prop_assert_eq!(content, &body.content);
        let FrontMatter { title, media_type, tags, metadata, .. } = front;
        prop_assert_eq!(title.as_ref(), Some(&body.title), "{}", text);
        prop_assert_eq!(media_type.as_deref(), Some("text/markdown"));
        prop_assert_eq!(&tags, &body.tags, "{}", text);
        // As a store gives it back, which reads JSON.
        let stored: Map<String, Value> = serde_json::from_str(&serde_json::to_string(&body.metadata).unwrap()).unwrap();
        prop_assert_eq!(&metadata, &stored, "{}", text);
    }

    #[test]
    fn no_text_breaks_the_reading(text in "(---\n|---\r\n|title: |tags: |metadata: |[a\\]{}\\[*&: \n\"'-]){0,20}") {
        let _read = divide(&text);
    }
}

#[test]
fn what_people_write_is_read() {
    let text =
        "---\r\ntitle: yes\ntags:\n  - b\n  - a\nmetadata:\n  due: 2026-01-02\n  done: true\n  n: 1.5\n---\n# Hello\n";
    let (front, content) = divide(text).unwrap();
    assert_eq!((front.title.as_deref(), content), (Some("yes"), "# Hello\n"));
    assert_eq!(front.tags.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(Value::Object(front.metadata), json!({"due": "2026-01-02", "done": true, "n": 1.5}));
    let (front, content) = divide("# No front matter\n---\n").unwrap();
    assert_eq!((front.title, content), (None, "# No front matter\n---\n"));
    assert_eq!(divide("---\n---\nrest").unwrap().1, "rest");
}

#[test]
fn what_is_no_front_matter_is_refused() {
    for (wrong, told) in [
        ("---\ntitle: a\n", "no end"),
        ("---\ntitle: a\nauthor: b\n---\n", "author"),
        ("---\ntitle: a\ntitle: b\n---\n", "duplicate"),
        ("---\ntags: a\n---\n", "not a front matter"),
        ("---\n[1, 2]\n---\n", "not a front matter"),
        ("---\nmetadata: {n: .nan}\n---\n", "not a front matter"),
    ] {
        let error = divide(wrong).err().unwrap_or_else(|| panic!("{wrong:?} was taken"));
        assert!(error.contains(told), "{wrong:?}: {error}");
    }
    let long = format!("---\ntitle: a\n#{}\n---\n", "x".repeat(FRONT_MATTER_BYTES_MAX));
    assert!(divide(&long).unwrap_err().contains("more than"));
}

#[test]
fn aliases_do_not_become_many() {
    let mut yaml = "---\nmetadata:\n  a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in ('b'..='j').zip('a'..) {
        yaml.push_str(&format!("  {name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(", ")));
    }
    yaml.push_str("---\n");
    assert!(divide(&yaml).is_err());
}
