#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn dot_segments_and_repeated_slashes_are_resolved() {
    assert_eq!(normalise("/data/../etc//./secret.conf").unwrap(), "/etc/secret.conf");
}

#[test]
fn parent_of_the_root_is_the_root() {
    assert_eq!(normalise("/../../etc/secret.conf").unwrap(), "/etc/secret.conf");
}

#[test]
fn relative_path_is_refused() {
    assert_eq!(normalise("data/welcome.txt"), Err(FileError::NotAbsolute));
}

#[test]
fn path_at_the_limit_is_accepted_and_one_byte_more_is_refused() {
    let longest = format!("/{}", "a".repeat(PATH_BYTES_MAX - 1));
    assert!(normalise(&longest).is_ok());
    assert_eq!(normalise(&format!("{longest}a")), Err(FileError::NotAbsolute));
}

#[test]
fn deleted_file_is_gone_and_the_others_stay() {
    let tree = VirtualTree::built_in();
    let before = tree.list().len();
    assert_eq!(tree.delete("/data/report.csv").unwrap().mime_type, "text/csv");
    assert_eq!(tree.read("/data/report.csv"), Err(FileError::NotFound("/data/report.csv".to_owned())));
    assert_eq!(tree.list().len(), before - 1);
}

#[test]
fn host_files_are_not_served() {
    assert!(VirtualTree::built_in().read("/etc/passwd").is_err());
}
