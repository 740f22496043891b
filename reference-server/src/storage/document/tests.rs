#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

fn body() -> Body {
    Body {
        title: "Plan".to_owned(),
        media_type: "text/markdown".to_owned(),
        content: "text".to_owned(),
        metadata: Map::new(),
        tags: BTreeSet::new(),
    }
}

#[test]
fn body_at_every_limit_is_taken() {
    let mut full = body();
    full.content = "a".repeat(CONTENT_BYTES_MAX);
    full.title = "t".repeat(TITLE_BYTES_MAX);
    full.tags = (0..TAGS_MAX).map(|number| format!("{number:064}")).collect();
    full.metadata.insert("k".to_owned(), json!("m".repeat(METADATA_BYTES_MAX - r#"{"k":""}"#.len())));
    assert_eq!(full.check(Limits::default()), Ok(()));
}

#[test]
fn body_beyond_a_limit_is_told_which() {
    let limits = Limits { content_bytes: 3 };
    assert_eq!(body().check(limits), Err(Invalid::Content { bytes: 4, limit: 3 }));
    let refused = |change: fn(&mut Body)| {
        let mut body = body();
        change(&mut body);
        body.check(Limits::default()).unwrap_err()
    };
    assert_eq!(refused(|body| body.title = " ".to_owned()), Invalid::Title);
    assert_eq!(refused(|body| body.title = "t".repeat(TITLE_BYTES_MAX + 1)), Invalid::Title);
    assert_eq!(refused(|body| body.title = "a\nb".to_owned()), Invalid::Title);
    assert_eq!(refused(|body| body.media_type = "text".to_owned()), Invalid::MediaType);
    assert_eq!(refused(|body| body.media_type = "text/plain; charset=x".to_owned()), Invalid::MediaType);
    assert_eq!(refused(|body| body.tags = (0..=TAGS_MAX).map(|number| number.to_string()).collect()), Invalid::Tags);
    assert_eq!(refused(|body| body.tags.extend([String::new()])), Invalid::Tags);
    assert_eq!(refused(|body| body.tags.extend(["t".repeat(TAG_BYTES_MAX + 1)])), Invalid::Tags);
    let metadata = refused(|body| body.metadata.extend([("k".to_owned(), json!("m".repeat(METADATA_BYTES_MAX)))]));
    assert!(matches!(metadata, Invalid::Metadata(_)));
    assert_eq!(refused(|body| body.content = "a\0b".to_owned()), Invalid::Nul);
    for hidden in [json!({"k\0": 1}), json!({"k": ["\0"]}), json!({"k": {"a": {"b\0": null}}})] {
        let hidden = Body { metadata: hidden.as_object().unwrap().clone(), ..body() };
        assert_eq!(hidden.check(Limits::default()), Err(Invalid::Nul));
    }
}
