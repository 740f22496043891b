//! Storing, changing, moving, deleting, listing.

use doorward_reference_server::storage::{Changes, Filter, Invalid, Limits, Page, StoreError, Summary};
use serde_json::json;

use super::{body, content, engine::Engine, found, on_every_engine_and_cache, path, tagged};

on_every_engine_and_cache!(
    document_comes_back_as_it_was_stored,
    second_document_at_a_path_is_refused,
    every_update_keeps_the_version_before,
    stale_writer_is_refused_and_told_the_current_version,
    path_and_version_never_name_a_second_content,
    move_takes_the_history_along_and_overwrites_nothing,
    list_pages_in_order_and_filters,
    paths_are_in_the_order_of_their_bytes,
    filters_that_no_document_fits_find_nothing,
    body_beyond_a_limit_changes_nothing,
    documents_are_there_after_reopening,
);

async fn document_comes_back_as_it_was_stored(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let mut stored = tagged("text\u{1} with 'quotes' and \u{1f980}", &["b", "a"]);
    stored.metadata.insert("nested".to_owned(), json!({"list": [1, -2.5, null, "x", {}], "ü": u64::MAX}));
    let created = store.create(&path("a/b"), stored.clone()).await.unwrap();
    let read = store.read(&path("a/b"), None).await.unwrap();
    assert_eq!(created, read);
    assert_eq!((read.version, read.body), (1, stored));
}

async fn second_document_at_a_path_is_refused(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.create(&path("a"), body("first")).await.unwrap();
    assert!(matches!(store.create(&path("a"), body("second")).await, Err(StoreError::Exists(_))));
    assert_eq!(store.read(&path("a"), None).await.unwrap().body.content, "first");
}

async fn every_update_keeps_the_version_before(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.create(&path("a"), body("one")).await.unwrap();
    store.update(&path("a"), 1, content("two")).await.unwrap();
    let third = Changes { title: Some("New".to_owned()), ..Changes::default() };
    store.update(&path("a"), 2, third).await.unwrap();
    let contents = [(1, "Title", "one"), (2, "Title", "two"), (3, "New", "two")];
    for (version, title, content) in contents {
        let document = store.read(&path("a"), Some(version)).await.unwrap();
        assert_eq!((document.body.title.as_str(), document.body.content.as_str()), (title, content));
    }
    let refused = store.read(&path("a"), Some(4)).await;
    assert!(matches!(refused, Err(StoreError::NoVersion { version: 4, .. })));
    let page = store.history(&path("a"), None, 2).await.unwrap();
    assert_eq!(page.items.iter().map(|revision| revision.version).collect::<Vec<_>>(), [3, 2]);
    assert!(page.more);
    let rest = store.history(&path("a"), Some(2), 2).await.unwrap();
    assert_eq!(rest.items.iter().map(|revision| revision.version).collect::<Vec<_>>(), [1]);
    assert!(!rest.more);
}

async fn stale_writer_is_refused_and_told_the_current_version(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.create(&path("a"), body("one")).await.unwrap();
    store.update(&path("a"), 1, content("two")).await.unwrap();
    let stale = [
        store.update(&path("a"), 1, content("lost")).await.map(|_| ()),
        store.delete(&path("a"), Some(1)).await.map(|_| ()),
        store.relocate(&path("a"), &path("b"), Some(1)).await.map(|_| ()),
    ];
    for refused in stale {
        assert!(matches!(refused, Err(StoreError::Conflict { expected: 1, current: 2, .. })), "{refused:?}");
    }
    assert_eq!(store.read(&path("a"), None).await.unwrap().body.content, "two");
}

async fn path_and_version_never_name_a_second_content(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.create(&path("a"), body("one")).await.unwrap();
    store.update(&path("a"), 1, content("two")).await.unwrap();
    assert_eq!(store.delete(&path("a"), None).await.unwrap(), 2);
    assert!(matches!(store.read(&path("a"), Some(1)).await, Err(StoreError::NotFound(_))));
    assert_eq!(store.create(&path("a"), body("new")).await.unwrap().version, 3);
    assert!(matches!(store.update(&path("a"), 2, content("lost")).await, Err(StoreError::Conflict { .. })));
    // Neither by a document that moves to where another was.
    store.delete(&path("a"), None).await.unwrap();
    store.create(&path("b"), body("moved")).await.unwrap();
    assert_eq!(store.relocate(&path("b"), &path("a"), None).await.unwrap().version, 4);
    assert_eq!(store.create(&path("b"), body("again")).await.unwrap().version, 2);
}

async fn move_takes_the_history_along_and_overwrites_nothing(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.create(&path("a"), body("one")).await.unwrap();
    store.create(&path("b"), body("other")).await.unwrap();
    assert!(matches!(store.relocate(&path("a"), &path("b"), None).await, Err(StoreError::Exists(_))));
    assert!(matches!(store.relocate(&path("a"), &path("a"), None).await, Err(StoreError::Exists(_))));
    let moved = store.relocate(&path("a"), &path("c/d"), None).await.unwrap();
    assert_eq!((moved.version, moved.body.content.as_str()), (2, "one"));
    let history = store.history(&path("c/d"), None, 10).await.unwrap().items;
    assert_eq!(history.iter().map(|revision| revision.path.as_str()).collect::<Vec<_>>(), ["c/d", "a"]);
    assert!(matches!(store.read(&path("a"), None).await, Err(StoreError::NotFound(_))));
    assert_eq!(found(&store, "one").await, ["c/d"]);
}

async fn list_pages_in_order_and_filters(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    for (name, tags) in [("n/c", vec!["x"]), ("n/a", vec!["x", "y"]), ("o", vec!["y"]), ("n/b", vec![]), ("n", vec![])]
    {
        store.create(&path(name), tagged("text", &tags)).await.unwrap();
    }
    let names = |page: &Page<Summary>| page.items.iter().map(|each| each.path.to_string()).collect::<Vec<_>>();
    let first = store.list(&Filter::default(), None, 3).await.unwrap();
    assert_eq!((names(&first), first.more), (vec!["n".into(), "n/a".into(), "n/b".into()], true));
    let second = store.list(&Filter::default(), Some("n/b"), 3).await.unwrap();
    assert_eq!((names(&second), second.more), (vec!["n/c".into(), "o".into()], false));
    let below = Filter { prefix: Some("n/".to_owned()), ..Filter::default() };
    assert_eq!(names(&store.list(&below, None, 10).await.unwrap()), ["n/a", "n/b", "n/c"]);
    let tags = Filter { tags: vec!["x".to_owned(), "y".to_owned()], ..Filter::default() };
    assert_eq!(names(&store.list(&tags, None, 10).await.unwrap()), ["n/a"]);
    let media_type = Filter { media_type: Some("text/html".to_owned()), ..Filter::default() };
    assert_eq!(names(&store.list(&media_type, None, 10).await.unwrap()), Vec::<String>::new());
}

async fn paths_are_in_the_order_of_their_bytes(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    let wanted = ["A", "B", "a", "a b", "a-b", "a/b", "a_b", "b", "ä", "ａ", "𝛼"];
    for name in wanted.iter().rev() {
        store.create(&path(name), body("text")).await.unwrap();
    }
    let listed = store.list(&Filter::default(), None, 20).await.unwrap();
    assert_eq!(listed.items.iter().map(|each| each.path.as_str()).collect::<Vec<_>>(), wanted);
}

async fn filters_that_no_document_fits_find_nothing(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.create(&path("a"), tagged("text", &["x"])).await.unwrap();
    let none = [
        Filter { prefix: Some("\0".to_owned()), ..Filter::default() },
        Filter { prefix: Some("%".to_owned()), ..Filter::default() },
        Filter { tags: vec!["x".to_owned(), "\0".to_owned()], ..Filter::default() },
        Filter { tags: vec!["\"".to_owned()], ..Filter::default() },
        Filter { media_type: Some("text/\0".to_owned()), ..Filter::default() },
    ];
    for filter in none {
        assert!(store.list(&filter, None, 10).await.unwrap().items.is_empty(), "{filter:?}");
        let hits = store.search(&super::search("text"), &filter, 10).await.unwrap();
        assert!(hits.items.is_empty(), "{filter:?}");
    }
}

async fn body_beyond_a_limit_changes_nothing(engine: Engine) {
    let store = engine.open(Limits { content_bytes: 4 }).await;
    let too_large = store.create(&path("a"), body("12345")).await;
    assert!(matches!(too_large, Err(StoreError::Invalid(Invalid::Content { bytes: 5, limit: 4 }))));
    store.create(&path("a"), body("1234")).await.unwrap();
    assert!(matches!(store.update(&path("a"), 1, content("12345")).await, Err(StoreError::Invalid(_))));
    let kept = store.read(&path("a"), None).await.unwrap();
    assert_eq!((kept.version, kept.body.content.as_str()), (1, "1234"));
    assert_eq!(store.history(&path("a"), None, 10).await.unwrap().items.len(), 1);
}

async fn documents_are_there_after_reopening(engine: Engine) {
    let store = engine.open(Limits::default()).await;
    store.create(&path("a"), body("one")).await.unwrap();
    store.update(&path("a"), 1, content("two")).await.unwrap();
    store.close().await;
    assert!(matches!(store.read(&path("a"), None).await, Err(StoreError::Unavailable(_))));
    let again = engine.open(Limits::default()).await;
    assert_eq!(again.read(&path("a"), Some(1)).await.unwrap().body.content, "one");
    assert_eq!(found(&again, "two").await, ["a"]);
}
