#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn served(quota: Quota) -> (TempDir, Directory) {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open(folder.path(), quota).unwrap();
    (folder, directory)
}

async fn new(directory: &Directory, at: &str, content: &str) -> Result<Stat, FileError> {
    directory.write(&path(at), content.as_bytes().to_vec(), Condition::Absent).await
}

async fn text(directory: &Directory, at: &str) -> Result<String, FileError> {
    let (_, bytes) = directory.read(&path(at), 0, 1 << 20).await?;
    Ok(String::from_utf8(bytes).unwrap())
}

async fn names(directory: &Directory, listing: Listing) -> Vec<String> {
    let page = directory.list(listing, None, 1_000).await.unwrap();
    page.items.iter().map(|stat| stat.path.to_string()).collect()
}

#[tokio::test]
async fn what_was_written_is_read_in_whole_and_in_part() {
    let (folder, directory) = served(Quota::default());
    let stored = new(&directory, "notes/2026/plan.md", "0123456789").await.unwrap();
    assert_eq!((stored.kind, stored.size, stored.media_type().as_str()), (Kind::File, 10, "text/markdown"));
    assert_eq!(std::fs::read(folder.path().join("notes/2026/plan.md")).unwrap(), b"0123456789");
    let plan = path("notes/2026/plan.md");
    assert_eq!(directory.stat(&plan).await.unwrap(), stored);
    assert_eq!(directory.read(&plan, 3, 4).await.unwrap().1, b"3456");
    assert_eq!(directory.read(&plan, 10, 4).await.unwrap().1, b"");
    assert!(matches!(directory.read(&plan, 11, 4).await, Err(FileError::Range(10))));
    assert_eq!(directory.stat(&path("notes")).await.unwrap().kind, Kind::Folder);
    assert_eq!(names(&directory, Listing::folder(None, true)).await, ["notes", "notes/2026", "notes/2026/plan.md"]);
    assert_eq!(directory.usage(), Usage { files: 1, bytes: 10, folders: 2 });
}

#[tokio::test]
async fn a_file_is_replaced_only_by_who_knows_it() {
    let (_folder, directory) = served(Quota::default());
    let first = new(&directory, "a", "1").await.unwrap();
    assert!(matches!(new(&directory, "a", "2").await, Err(FileError::Exists(_))));
    let at = path("a");
    let known = Condition::Revision(first.revision.clone());
    let second = directory.write(&at, b"22".to_vec(), known.clone()).await.unwrap();
    let late = directory.write(&at, b"3".to_vec(), known).await;
    let Err(FileError::Conflict { current, .. }) = late else { panic!("{late:?}") };
    assert_eq!(current, second.revision);
    assert!(matches!(directory.delete(&at, Some(first.revision)).await, Err(FileError::Conflict { .. })));
    assert_eq!(text(&directory, "a").await.unwrap(), "22");
    directory.delete(&at, Some(second.revision)).await.unwrap();
    assert!(matches!(directory.delete(&at, None).await, Err(FileError::NotFound(_))));
    assert_eq!(directory.usage(), Usage::default());
}

#[tokio::test]
async fn concurrent_writers_lose_no_update() {
    const WRITERS: usize = 8;
    const EACH: usize = 20;
    let (_folder, directory) = served(Quota::default());
    new(&directory, "count", "0").await.unwrap();
    let writers = (0..WRITERS).map(|_| {
        let directory = directory.clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                loop {
                    let (stat, bytes) = directory.read(&path("count"), 0, 100).await.unwrap();
                    let next = String::from_utf8(bytes).unwrap().parse::<usize>().unwrap() + 1;
                    let known = Condition::Revision(stat.revision);
                    match directory.write(&path("count"), next.to_string().into_bytes(), known).await {
                        Ok(_) => break,
                        Err(FileError::Conflict { .. }) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(text(&directory, "count").await.unwrap(), (WRITERS * EACH).to_string());
}

#[tokio::test]
async fn links_are_not_followed_whatever_they_point_to() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let (folder, directory) = served(Quota::default());
    new(&directory, "inside/a", "a").await.unwrap();
    symlink(outside.path(), folder.path().join("out")).unwrap();
    symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
    symlink("inside", folder.path().join("in")).unwrap();
    symlink("nowhere", folder.path().join("dangling")).unwrap();
    for at in ["out/secret", "file", "in/a", "dangling"] {
        assert!(matches!(text(&directory, at).await, Err(FileError::NotRegular(_))), "{at}");
        let known = Condition::Revision("x".to_owned());
        assert!(directory.write(&path(at), b"x".to_vec(), known).await.is_err(), "{at}");
        assert!(new(&directory, at, "x").await.is_err(), "{at}");
        assert!(directory.delete(&path(at), None).await.is_err(), "{at}");
    }
    assert!(new(&directory, "out/new", "x").await.is_err());
    assert!(new(&directory, "out/folder/new", "x").await.is_err());
    assert!(matches!(
        directory.list(Listing::folder(Some(path("out")), false), None, 10).await,
        Err(FileError::NotFolder(_))
    ));
    assert_eq!(names(&directory, Listing::folder(None, true)).await, ["inside", "inside/a"]);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"secret");
}

#[tokio::test]
async fn special_files_are_neither_opened_nor_listed() {
    let (folder, directory) = served(Quota::default());
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)
        .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    for at in ["pipe", "socket"] {
        let read = tokio::time::timeout(Duration::from_secs(5), text(&directory, at)).await;
        assert!(matches!(read.unwrap(), Err(FileError::NotRegular(_))), "{at}");
        assert!(matches!(new(&directory, at, "x").await, Err(FileError::Exists(_))), "{at}");
    }
    assert!(names(&directory, Listing::folder(None, true)).await.is_empty());
}

#[tokio::test]
async fn folder_exchanged_for_a_link_in_the_middle_leads_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir(outside.path().join("b")).unwrap();
    std::fs::write(outside.path().join("b/c"), "outside").unwrap();
    let (folder, directory) = served(Quota::default());
    new(&directory, "a/b/c", "inside").await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    symlink(outside.path(), folder.path().join("link")).unwrap();
    let (stop, folder_path, link) = (Arc::clone(&done), folder.path().join("a"), folder.path().join("link"));
    let attacker = std::thread::spawn(move || {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        while !stop.load(Ordering::Relaxed) {
            renameat_with(CWD, &folder_path, CWD, &link, RenameFlags::EXCHANGE).unwrap();
        }
    });
    let (mut read, mut refused) = (0, 0);
    for number in 0..1_000 {
        match text(&directory, "a/b/c").await {
            Ok(content) => {
                assert_eq!(content, "inside");
                read += 1;
            }
            Err(_) => refused += 1,
        }
        let _ = new(&directory, &format!("a/b/new{number}"), "x").await;
    }
    done.store(true, Ordering::Relaxed);
    attacker.join().unwrap();
    assert!(read > 0 && refused > 0, "both happened: {read} read, {refused} refused");
    assert_eq!(std::fs::read_dir(outside.path().join("b")).unwrap().count(), 1, "nothing was written outside");
}

#[tokio::test]
async fn quotas_hold_at_the_limit_and_count_what_is_replaced() {
    let (_folder, directory) = served(Quota { file_bytes: 10, total_bytes: 15, files: 2 });
    let first = new(&directory, "a", "0123456789").await.unwrap();
    assert!(matches!(new(&directory, "b", "0123456789x").await, Err(FileError::TooLarge(10))));
    assert!(matches!(new(&directory, "folder/b", "012345").await, Err(FileError::Quota(_))));
    assert!(matches!(directory.stat(&path("folder")).await, Err(FileError::NotFound(_))), "no folder for nothing");
    let second = new(&directory, "b", "01234").await.unwrap();
    assert!(matches!(new(&directory, "c", "").await, Err(FileError::Quota(_))));
    // What is replaced makes room.
    let known = Condition::Revision(first.revision);
    let smaller = directory.write(&path("a"), b"01234".to_vec(), known).await.unwrap();
    let known = Condition::Revision(second.revision);
    directory.write(&path("b"), b"0123456789".to_vec(), known).await.unwrap();
    assert_eq!(directory.usage(), Usage { files: 2, bytes: 15, folders: 0 });
    directory.delete(&smaller.path, None).await.unwrap();
    assert_eq!(directory.usage(), Usage { files: 1, bytes: 10, folders: 0 });
}

#[tokio::test]
async fn folders_count_and_go_with_their_last_file() {
    let (folder, directory) = served(Quota { file_bytes: 10, total_bytes: 100, files: 4 });
    assert!(matches!(new(&directory, "a/b/c/d/e", "x").await, Err(FileError::Quota(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    new(&directory, "a/b/c/d", "x").await.unwrap();
    assert_eq!(directory.usage(), Usage { files: 1, bytes: 1, folders: 3 });
    assert!(matches!(new(&directory, "e", "x").await, Err(FileError::Quota(_))));
    directory.delete(&path("a/b/c/d"), None).await.unwrap();
    assert_eq!(directory.usage(), Usage::default());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_no_walk_would_see_is_not_stored() {
    let (folder, directory) = served(Quota::default());
    let deepest = vec!["d"; 64].join("/");
    new(&directory, &deepest, "x").await.unwrap();
    assert_eq!(usage::look(directory.0.root.as_fd()).unwrap(), directory.usage());
    assert_eq!(names(&directory, Listing::files()).await, std::slice::from_ref(&deepest));
    assert!(matches!(new(&directory, &format!("{deepest}/d"), "x").await, Err(FileError::Name)));
    assert!(matches!(new(&directory, &vec!["e"; 65].join("/"), "x").await, Err(FileError::Name)));
    assert!(matches!(new(&directory, &format!("f/{}", "n".repeat(256)), "x").await, Err(FileError::Name)));
    assert!(!folder.path().join("f").exists() && !folder.path().join("e").exists());
    new(&directory, &"n".repeat(255), "x").await.unwrap();
}

#[tokio::test]
async fn a_pattern_too_deep_for_its_engine_is_refused() {
    let nested = format!("{}{}", "{a,b".repeat(84), "}".repeat(84));
    assert!(matches!(Listing::glob(&nested), Err(FileError::Pattern(_))));
}

#[tokio::test]
async fn lists_are_ordered_paged_and_matched() {
    let (folder, directory) = served(Quota::default());
    for at in ["b.md", "a/x.md", "a/deep/y.md", "a/z.txt", "c"] {
        new(&directory, at, "").await.unwrap();
    }
    std::fs::write(folder.path().join("not:served"), "").unwrap();
    std::fs::write(folder.path().join("#doorward-0000000000000000"), "").unwrap();
    assert_eq!(names(&directory, Listing::folder(None, false)).await, ["a", "b.md", "c"]);
    assert_eq!(names(&directory, Listing::folder(Some(path("a")), false)).await, ["a/deep", "a/x.md", "a/z.txt"]);
    assert_eq!(names(&directory, Listing::glob("**/*.md").unwrap()).await, ["a/deep/y.md", "a/x.md", "b.md"]);
    assert_eq!(names(&directory, Listing::glob("a/*.{md,txt}").unwrap()).await, ["a/x.md", "a/z.txt"]);
    assert_eq!(names(&directory, Listing::starting("a/d".to_owned())).await, ["a/deep/y.md"]);
    assert!(matches!(Listing::glob("a[").err(), Some(FileError::Pattern(_))));
    let all = names(&directory, Listing::files()).await;
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = directory.list(Listing::files(), after.clone(), 2).await.unwrap();
        paged.extend(page.items.iter().map(|stat| stat.path.to_string()));
        after = paged.last().cloned();
        if !page.more {
            break;
        }
    }
    assert_eq!(paged, all);
    assert!(matches!(
        directory.list(Listing::folder(Some(path("c")), false), None, 10).await,
        Err(FileError::NotFolder(_))
    ));
}

#[tokio::test]
async fn unfinished_writes_are_cleared_away_once_they_are_old() {
    let folder = tempfile::tempdir().unwrap();
    let (old, fresh) = (folder.path().join("#doorward-00"), folder.path().join("#doorward-01"));
    for file in [&old, &fresh] {
        std::fs::write(file, "half").unwrap();
    }
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(7_200);
    std::fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    Directory::open(folder.path(), Quota::default()).unwrap();
    assert!(!old.exists() && fresh.exists());
}

#[tokio::test]
async fn changes_of_others_are_told_and_counted() {
    let (folder, directory) = served(Quota::default());
    std::fs::create_dir(folder.path().join("a")).unwrap();
    let mut watch = Watch::start(&directory).unwrap();
    std::fs::write(folder.path().join("a/x"), "123").unwrap();
    std::fs::write(folder.path().join("not:served"), "").unwrap();
    let mut seen = watch::Changes::default();
    while seen.files.is_empty() || !seen.list {
        let next = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.unwrap().unwrap();
        seen.files.extend(next.files);
        seen.list |= next.list;
    }
    assert_eq!(seen.files.into_iter().collect::<Vec<_>>(), [path("a/x")]);
    for _ in 0..100 {
        if directory.usage() == (Usage { files: 2, bytes: 3, folders: 1 }) {
            return;
        }
        std::fs::write(folder.path().join("a/x"), "123").unwrap();
        let _ = tokio::time::timeout(Duration::from_secs(1), watch.next()).await;
    }
    panic!("{:?}", directory.usage());
}

#[tokio::test]
async fn what_is_uploaded_is_counted_and_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let quota = Quota { file_bytes: 10, total_bytes: 15, files: 2 };
    let directory = Directory::open(folder.path(), quota).unwrap();
    let path = FilePath::parse("deep/a").unwrap();
    let mut first = directory.upload(&path).await.unwrap();
    first.write(vec![1; 6]).await.unwrap();
    assert!(matches!(first.write(vec![1; 5]).await, Err(FileError::TooLarge(10))));
    let mut second = directory.upload(&path).await.unwrap();
    assert_eq!(directory.usage(), Usage { files: 0, bytes: 6, folders: 1 });
    assert!(matches!(second.write(vec![2; 10]).await, Err(FileError::Quota(_))));
    drop(first);
    assert_eq!(directory.usage(), Usage { files: 0, bytes: 0, folders: 1 });
    second.write(vec![2; 10]).await.unwrap();
    assert!(matches!(directory.stat(&path).await, Err(FileError::NotFound(_))));
    let stat = second.finish(Some(Condition::Absent)).await.unwrap();
    assert_eq!((stat.size, directory.usage()), (10, Usage { files: 1, bytes: 10, folders: 1 }));
    // A second one for the same place loses, and leaves nothing.
    let late = directory.upload(&path).await.unwrap();
    assert!(matches!(late.finish(Some(Condition::Absent)).await, Err(FileError::Exists(_))));
    let replacing = directory.upload(&path).await.unwrap();
    replacing.finish(None).await.unwrap();
    assert_eq!(directory.usage(), Usage { files: 1, bytes: 0, folders: 1 });
    assert_eq!(std::fs::read_dir(folder.path().join("deep")).unwrap().count(), 1);
}

#[test]
fn folders_above_one_that_was_never_made_go_as_well() {
    let (folder, directory) = served(Quota::default());
    std::fs::create_dir_all(folder.path().join("theirs/a/b")).unwrap();
    let root = directory.0.root.as_fd();
    // Two were made, and the third could not be.
    assert_eq!(handle::prune(root, &path("theirs/a/b/c/file"), 2), 2);
    assert!(folder.path().join("theirs").exists() && !folder.path().join("theirs/a").exists());
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_the_folders_of_others() {
    let (folder, directory) = served(Quota::default());
    std::fs::create_dir(folder.path().join("theirs")).unwrap();
    drop(directory.upload(&path("theirs/a/b/file")).await.unwrap());
    assert!(folder.path().join("theirs").exists() && !folder.path().join("theirs/a").exists());
}

#[test]
fn what_was_moved_to_its_place_is_not_called_a_failure() {
    use rustix::fs::{Mode, OFlags, open};
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "old").unwrap();
    // Files can be moved by such a handle, and it cannot be written to the disk.
    let handle = open(folder.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let revision = Condition::Revision("any".to_owned());
    let placed = write::place(handle.as_fd(), "a", &path("a"), b"new", &revision);
    assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), b"new");
    let Err(FileError::Unconfirmed(stat)) = placed else { panic!("{placed:?}") };
    assert_eq!(stat.size, 3);
    assert_eq!(stat::at(handle.as_fd(), "a", &path("a")).unwrap(), *stat);
}
