//! PostgreSQL behind PgBouncer in transaction mode: each transaction may meet another connection.

use doorward_reference_server::storage::{
    Filter, Limits, StoreError,
    location::{Location, Named, OpenError},
    postgres::Access,
};
use serde_json::json;

use super::{Store, body, content, path, search};
use crate::support::{
    pgbouncer::{PgBouncer, Pooling},
    postgres::Postgres,
    rpc::Client,
    tls::Ca,
    upstream::Server,
};

async fn open(url: &str) -> Result<Store, OpenError> {
    let named = Named::from(std::ffi::OsString::from(url));
    Location::of(Some(&named), &Access::default()).unwrap().open(Limits::default()).await
}

/// Every kind of call, and retries where another writer was faster.
async fn use_store(store: Store, name: &'static str) {
    const ROUNDS: usize = 25;
    let own = path(name);
    store.create(&own, body("first")).await.unwrap();
    for round in 0..ROUNDS {
        loop {
            let shared = store.read(&path("shared"), None).await.unwrap();
            let longer = format!("{} {name}{round}", shared.body.content);
            match store.update(&path("shared"), shared.version, content(&longer)).await {
                Ok(_) => break,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        let wanted = format!("{name}{round}");
        assert_eq!(store.search(&search(&wanted), &Filter::default(), 5).await.unwrap().items.len(), 1);
        assert!(store.list(&Filter::default(), None, 1).await.unwrap().more);
        assert!(store.read(&path("shared"), Some(1)).await.is_ok());
        store.history(&path("shared"), None, 5).await.unwrap();
    }
    let moved = path(&format!("{name}/moved"));
    store.relocate(&own, &moved, None).await.unwrap();
    store.delete(&moved, None).await.unwrap();
}

async fn several_stores_work(database: &Postgres, url: &str) {
    // The schema is made through the pooler as well.
    let (one, two) = tokio::join!(open(url), open(url));
    let (one, two) = (one.unwrap(), two.unwrap());
    one.create(&path("shared"), body("start")).await.unwrap();
    let tasks = [(&one, "a"), (&two, "b"), (&one, "c"), (&two, "d")]
        .map(|(store, name)| tokio::spawn(use_store(Store::clone(store), name)));
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(one.read(&path("shared"), None).await.unwrap().version, 101);
    // Nothing is left on the pooler's two connections.
    let left = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(database.sql(left).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_share_a_pooler_that_keeps_prepared_statements() {
    let database = Postgres::start().await;
    let pooler = PgBouncer::start(&database, &Pooling { prepared_statements: 200, ..Pooling::default() }).await;
    several_stores_work(&database, &pooler.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_share_a_pooler_that_keeps_none() {
    let database = Postgres::start().await;
    let pooler = PgBouncer::start(&database, &Pooling::default()).await;
    several_stores_work(&database, &format!("{}?statement-cache-capacity=0", pooler.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn database_is_reached_by_tls_and_held_to_its_certificate() {
    let database = Postgres::start().await;
    let (ca, stranger) = (Ca::new(), Ca::new());
    let identity = ca.server(&["localhost"]);
    let pooling = Pooling { prepared_statements: 200, identity: Some(&identity) };
    let pooler = PgBouncer::start(&database, &pooling).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca"), &ca.pem).unwrap();
    std::fs::write(folder.path().join("stranger"), &stranger.pem).unwrap();
    let with = |url: &str, ca: &str| format!("{url}?sslmode=verify-full&sslrootcert={}/{ca}", folder.path().display());
    let store = open(&with(&pooler.url(), "ca")).await.unwrap();
    store.create(&path("a"), body("text")).await.unwrap();
    let elsewhere = pooler.url().replace("localhost", "127.0.0.1");
    let plain = database.url().replace("127.0.0.1", "localhost");
    let refused = [
        (with(&pooler.url(), "stranger"), "certificate"),
        (with(&elsewhere, "ca"), "certificate"),
        (with(&plain, "ca"), "TLS"),
        (format!("{}?sslmode=disable", pooler.url()), "SSL"),
    ];
    for (url, reason) in refused {
        let error = open(&url).await.unwrap_err().to_string();
        assert!(error.contains(reason) || error.contains("timed out"), "{url}: {error}");
    }
}

/// Who hears of whose changes: both are behind the pooler, and one has a way of its own for notifications.
#[tokio::test(flavor = "multi_thread")]
async fn changes_reach_servers_behind_a_pooler() {
    let database = Postgres::start().await;
    let pooler = PgBouncer::start(&database, &Pooling { prepared_statements: 200, ..Pooling::default() }).await;
    let (pooled, direct) = (pooler.url(), database.url());
    let listening = ["--database", &pooled, "--database-events-url", &direct];
    let listening = Server::reference_with(|command| command.args(listening)).await;
    let misled = Server::reference_with(|command| command.args(["--database", &pooled]).env("RUST_LOG", "warn")).await;
    let told = misled
        .process
        .stderr
        .wait_line(0, std::time::Duration::from_secs(20), |line| line.contains("look for changes by the clock"));
    assert!(told.await.is_some(), "{}", misled.process.stderr.text());
    for (writer, reader) in [(&listening, &misled), (&misled, &listening)] {
        let mut events = crate::reference_server::subscriptions::modern_events(reader).await;
        let client = Client::modern(&writer.url, None);
        crate::reference_server::subscriptions::change(&client, &mut events).await;
        client.call("document_delete", json!({ "path": "other" })).await.result();
    }
}
