#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[tokio::test]
async fn every_listed_resource_can_be_read() {
    let shared = Shared::for_tests().await;
    for resource in list(&shared) {
        assert!(read(&shared, &resource.uri).is_some(), "{}", resource.uri);
    }
}

#[tokio::test]
async fn template_id_is_exactly_one_segment() {
    let shared = Shared::for_tests().await;
    assert!(read(&shared, "test://template/123/data").is_some());
    assert!(read(&shared, "test://template//data").is_none());
    assert!(read(&shared, "test://template/1/2/data").is_none());
}

#[tokio::test]
async fn deleted_file_is_neither_listed_nor_served() {
    let shared = Shared::for_tests().await;
    let uri = file_uri("/data/report.csv");
    shared.files.delete("/data/report.csv").unwrap();
    assert!(read(&shared, &uri).is_none());
    assert!(list(&shared).iter().all(|resource| resource.uri != uri));
}

#[tokio::test]
async fn unknown_uri_is_not_served() {
    assert!(read(&Shared::for_tests().await, "test://nonexistent").is_none());
}
