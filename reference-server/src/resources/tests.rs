#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn every_listed_resource_can_be_read() {
    let shared = Shared::new().unwrap();
    for resource in list(&shared) {
        assert!(read(&shared, &resource.uri).is_some(), "{}", resource.uri);
    }
}

#[test]
fn template_id_is_exactly_one_segment() {
    let shared = Shared::new().unwrap();
    assert!(read(&shared, "test://template/123/data").is_some());
    assert!(read(&shared, "test://template//data").is_none());
    assert!(read(&shared, "test://template/1/2/data").is_none());
}

#[test]
fn deleted_file_is_neither_listed_nor_served() {
    let shared = Shared::new().unwrap();
    let uri = file_uri("/data/report.csv");
    shared.files.delete("/data/report.csv").unwrap();
    assert!(read(&shared, &uri).is_none());
    assert!(list(&shared).iter().all(|resource| resource.uri != uri));
}

#[test]
fn unknown_uri_is_not_served() {
    assert!(read(&Shared::new().unwrap(), "test://nonexistent").is_none());
}
