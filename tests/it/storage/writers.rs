//! Writers at the same time.

use std::{collections::BTreeSet, sync::Arc};

use doorward_reference_server::storage::{Limits, StoreError};

use super::{Store, body, content, engine::Engine, on_every_engine, path};

on_every_engine!(
    concurrent_writers_lose_no_update,
    concurrent_creators_and_deleters_never_repeat_a_version,
    movers_in_both_directions_do_not_block_each_other,
);

/// Writers of two stores on one file, as two processes would be.
async fn concurrent_writers_lose_no_update(engine: Engine) {
    const ROUNDS: usize = 50;
    let first = engine.open(Limits::default()).await;
    first.create(&path("log"), body("")).await.unwrap();
    let second = engine.open(Limits::default()).await;
    let writer = |name: &'static str, store: Store| async move {
        for round in 0..ROUNDS {
            loop {
                let read = store.read(&path("log"), None).await.unwrap();
                let longer = format!("{}{name}{round}\n", read.body.content);
                match store.update(&path("log"), read.version, content(&longer)).await {
                    Ok(_) => break,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    };
    let (one, two) =
        tokio::join!(tokio::spawn(writer("a", Arc::clone(&first))), tokio::spawn(writer("b", Arc::clone(&second))));
    one.unwrap().unwrap();
    two.unwrap().unwrap();
    let log = first.read(&path("log"), None).await.unwrap();
    let lines: BTreeSet<&str> = log.body.content.lines().collect();
    assert_eq!((lines.len(), log.body.content.lines().count()), (2 * ROUNDS, 2 * ROUNDS));
    assert_eq!(usize::try_from(log.version).unwrap(), 2 * ROUNDS + 1);
}

/// Two servers create and delete at one path: no version is ever given out twice.
async fn concurrent_creators_and_deleters_never_repeat_a_version(engine: Engine) {
    const ROUNDS: usize = 40;
    let stores = [engine.open(Limits::default()).await, engine.open(Limits::default()).await];
    let work = |store: Store| async move {
        let mut created = vec![];
        for _ in 0..ROUNDS {
            match store.create(&path("p"), body("text")).await {
                Ok(document) => created.push(document.version),
                Err(StoreError::Exists(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
            match store.delete(&path("p"), None).await {
                Ok(_) | Err(StoreError::NotFound(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        created
    };
    let [first, second] = stores.map(|store| tokio::spawn(work(store)));
    let mut created = first.await.unwrap();
    created.extend(second.await.unwrap());
    let different: BTreeSet<u32> = created.iter().copied().collect();
    assert!(created.len() >= ROUNDS, "in every round somebody creates: {}", created.len());
    assert_eq!(different.len(), created.len(), "{created:?}");
}

async fn movers_in_both_directions_do_not_block_each_other(engine: Engine) {
    const ROUNDS: usize = 40;
    let stores = [engine.open(Limits::default()).await, engine.open(Limits::default()).await];
    stores[0].create(&path("a"), body("text")).await.unwrap();
    let work = |store: Store, from: &'static str, to: &'static str| async move {
        let mut moved = 0;
        for _ in 0..ROUNDS {
            match store.relocate(&path(from), &path(to), None).await {
                Ok(_) => moved += 1,
                Err(StoreError::NotFound(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error:?}"),
            }
        }
        moved
    };
    let [first, second] = stores.clone();
    let (there, back) = tokio::join!(tokio::spawn(work(first, "a", "b")), tokio::spawn(work(second, "b", "a")));
    let moved: u32 = there.unwrap() + back.unwrap();
    assert!(moved > 0);
    let listed = stores[0].list(&super::Filter::default(), None, 10).await.unwrap();
    assert_eq!(listed.items.iter().map(|each| each.version).collect::<Vec<_>>(), [moved + 1]);
}
