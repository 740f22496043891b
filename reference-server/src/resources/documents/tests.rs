#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use rmcp::model::ResourceContents;
use serde_json::Map;

use super::*;
use crate::storage::Body;

async fn with(paths: &[String]) -> Shared {
    let shared = Shared::for_tests().await;
    for path in paths {
        let body = Body {
            title: "Title".to_owned(),
            media_type: "text/markdown".to_owned(),
            content: format!("content of {path}"),
            metadata: Map::new(),
            tags: BTreeSet::new(),
        };
        shared.documents.create(&DocumentPath::parse(path).unwrap(), body).await.unwrap();
    }
    shared
}

#[tokio::test]
async fn every_listed_document_can_be_read_and_every_page_goes_on() {
    let paths: Vec<String> = (0..=PAGE).map(|number| format!("n/été {number:03}")).collect();
    let shared = with(&paths).await;
    let (first, next) = list(&shared, None).await.unwrap();
    assert_eq!(next.as_deref(), Some("n/été 099"));
    let (second, end) = list(&shared, next.as_deref()).await.unwrap();
    assert_eq!((first.len(), second.len(), end), (100, 1, None));
    for resource in first.iter().chain(&second) {
        let contents = read(&shared, &resource.uri).await.unwrap().unwrap();
        assert_eq!(
            contents,
            ResourceContents::text(format!("content of {}", resource.name), &resource.uri)
                .with_mime_type("text/markdown")
        );
    }
}

#[tokio::test]
async fn other_spelling_of_a_documents_uri_is_not_served() {
    let shared = with(&["a/b".to_owned()]).await;
    assert!(read(&shared, "doc://a/b").await.unwrap().is_some());
    for uri in ["doc://a%2Fb", "doc://%61/b", "doc://a/./b", "doc://a//b", "doc:///a/b", "doc://a/b?x", "doc://a/b#x"] {
        assert!(read(&shared, uri).await.unwrap().is_none(), "{uri}");
    }
}

#[tokio::test]
async fn completion_offers_paths_and_says_when_there_are_more() {
    let paths: Vec<String> = (0..=100).map(|number| format!("n/{number:03}")).chain(["o".to_owned()]).collect();
    let shared = with(&paths).await;
    let info = complete(&shared, "n/").await.unwrap();
    assert_eq!((info.values.len(), info.has_more), (100, Some(true)));
    let info = complete(&shared, "n/10").await.unwrap();
    assert_eq!((info.values, info.has_more), (vec!["n/100".to_owned()], Some(false)));
}
