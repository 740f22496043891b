#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[tokio::test]
async fn only_the_one_spelling_of_a_name_is_served() {
    let shared = Shared::for_tests().await;
    let name = RecordName::from_uri("record://stock/a.1").unwrap();
    shared.records.create_record(&name, serde_json::Map::new()).await.unwrap();
    assert!(read(&shared, "record://stock/a.1").await.unwrap().is_some());
    for uri in [
        "record://stock/a%2E1",
        "record://stock/a.1/",
        "record://stock//a.1",
        "record:///a.1",
        "record://stock/..",
        "record://../a.1",
        "record://stock/a.1?",
        "record://STOCK/a.1",
        "RECORD://stock/a.1",
        "record://stock",
    ] {
        assert!(read(&shared, uri).await.unwrap().is_none(), "{uri}");
    }
}

#[tokio::test]
async fn ids_are_completed_in_the_chosen_collection_only() {
    let shared = Shared::for_tests().await;
    for uri in ["record://stock/a1", "record://stock/a2", "record://stock/b1", "record://staff/a3"] {
        let name = RecordName::from_uri(uri).unwrap();
        shared.records.create_record(&name, serde_json::Map::new()).await.unwrap();
    }
    assert_eq!(complete_collection(&shared, "sta").await.unwrap().values, ["staff"]);
    assert_eq!(complete_collection(&shared, "").await.unwrap().values, ["staff", "stock"]);
    assert_eq!(complete_id(&shared, Some("stock"), "a").await.unwrap().values, ["a1", "a2"]);
    for (collection, typed) in [(None, "a"), (Some("../x"), "a"), (Some("stock"), "a'"), (Some("stock"), "\0")] {
        assert!(complete_id(&shared, collection, typed).await.unwrap().values.is_empty(), "{collection:?} {typed}");
    }
}
