//! Real stores of objects, and what the reference server is told about them.

mod gcs;
mod weed;

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;
use weed::Weed;

use super::{parts, process::Process};

/// The bucket or container of every store, and where in it the server keeps objects.
const BUCKET: &str = "objects";

/// The account of Azure's emulator, and its key, which its documentation publishes.
const AZURE_ACCOUNT: &str = "devstoreaccount1";
const AZURE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Nothing may show it.
pub(crate) const S3_SECRET: &str = "a-secret-of-the-tests";

/// A store that runs, or none where none must.
pub(crate) struct Store {
    /// The reference server's arguments.
    pub(crate) arguments: Vec<String>,
    /// And its variables.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// Whether the store signs links itself.
    pub(crate) signs: bool,
    /// The store's own process, where it has one.
    pub(crate) process: Option<Process>,
    folder: Option<TempDir>,
    weed: Option<Weed>,
    _front: Option<gcs::Front>,
}

/// A port for a store that takes seconds until it listens: below those that the system gives to outgoing connections,
/// one of which could have it by then, and of another slice than those of tests in other processes.
fn port() -> u16 {
    const SLICE: u32 = 32;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id() % 600 * SLICE + NEXT.fetch_add(1, Ordering::SeqCst);
        let port = u16::try_from(10_000 + number % (600 * SLICE)).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

impl Store {
    pub(crate) fn memory() -> Self {
        Self {
            arguments: words(&["--objects", "memory:"]),
            variables: vec![],
            signs: false,
            process: None,
            folder: None,
            weed: None,
            _front: None,
        }
    }

    pub(crate) fn directory() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = vec!["--objects".to_owned(), format!("file://{}", folder.path().display())];
        let mut store = Self::memory();
        (store.arguments, store.folder) = (arguments, Some(folder));
        store
    }

    /// Where a directory's objects are.
    pub(crate) fn path(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    /// SeaweedFS, which checks signatures.
    pub(crate) async fn s3() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let weed = Weed::new(folder.path());
        let process = weed.start().await;
        let arguments =
            words(&["--objects", "s3://objects/kept", "--objects-endpoint", &weed.endpoint, "--objects-allow-http"]);
        let variables = vec![
            ("AWS_ACCESS_KEY_ID", "tests".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", S3_SECRET.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ];
        Self {
            arguments,
            variables,
            signs: true,
            process: Some(process),
            folder: Some(folder),
            weed: Some(weed),
            _front: None,
        }
    }

    /// Azurite, which checks signatures.
    pub(crate) async fn azure() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = port();
        let process = azurite(port, folder.path()).await;
        let endpoint = format!("http://127.0.0.1:{port}/{AZURE_ACCOUNT}");
        make_container(&endpoint).await;
        let arguments =
            words(&["--objects", "az://objects/kept", "--objects-endpoint", &endpoint, "--objects-allow-http"]);
        let variables = vec![
            ("AZURE_STORAGE_ACCOUNT_NAME", AZURE_ACCOUNT.to_owned()),
            ("AZURE_STORAGE_ACCOUNT_KEY", AZURE_KEY.to_owned()),
        ];
        Self {
            arguments,
            variables,
            signs: true,
            process: Some(process),
            folder: Some(folder),
            weed: None,
            _front: None,
        }
    }

    /// Ends the store as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.take().unwrap().signal(Signal::KILL);
    }

    /// Starts the S3 server anew, at the same address and with what it has stored.
    pub(crate) async fn restart_s3(&mut self) {
        self.process = Some(self.weed.as_ref().unwrap().start().await);
    }

    /// fake-gcs-server, behind a front that speaks the XML API, which it has no writes for.
    pub(crate) async fn gcs() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = port();
        let base = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(parts::fake_gcs());
        command.args(["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory", "-port", &port.to_string()]);
        command.args(["-external-url", &base, "-public-host", &format!("127.0.0.1:{port}")]);
        let mut process = Process::start("fake-gcs-server", &mut command);
        process.ready_port(&format!("127.0.0.1:{port}")).await;
        let bucket = reqwest::Client::new().post(format!("{base}/storage/v1/b"));
        let made = bucket.json(&serde_json::json!({ "name": BUCKET })).send().await.unwrap();
        assert_eq!(made.status(), 200);
        let key = gcs::Key::generate();
        let account = folder.path().join("account.json");
        std::fs::write(&account, key.account()).unwrap();
        let front = gcs::Front::start(base, key).await;
        let arguments =
            words(&["--objects", "gs://objects/kept", "--objects-endpoint", &front.url, "--objects-allow-http"]);
        let variables = vec![("GOOGLE_SERVICE_ACCOUNT", account.display().to_string())];
        Self {
            arguments,
            variables,
            signs: true,
            process: Some(process),
            folder: Some(folder),
            weed: None,
            _front: Some(front),
        }
    }
}

async fn azurite(port: u16, folder: &Path) -> Process {
    let mut command = Command::new(parts::node());
    command.arg(parts::azurite()).args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
    command.args(["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]).current_dir(folder);
    let mut process = Process::start("azurite", &mut command);
    process.ready_port(&format!("127.0.0.1:{port}")).await;
    process
}

/// Asks until the answer is yes.
async fn eventually<F: Future<Output = reqwest::Result<bool>>>(what: &str, mut ask: impl FnMut() -> F) {
    for _ in 0..600 {
        if matches!(ask().await, Ok(true)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: not within a minute");
}

/// Makes the container, signed by the shared key of the account.
async fn make_container(endpoint: &str) {
    let now = reqwest::Client::new().get(endpoint).send().await.unwrap();
    let date = now.headers()["date"].to_str().unwrap().to_owned();
    let headers = format!("x-ms-date:{date}\nx-ms-version:2021-12-02");
    let resource = format!("/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{BUCKET}\nrestype:container");
    let signed = format!("PUT{}{headers}\n{resource}", "\n".repeat(12));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(AZURE_KEY).unwrap());
    let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    let request = reqwest::Client::new().put(format!("{endpoint}/{BUCKET}?restype=container"));
    let request = request.header("x-ms-date", date).header("x-ms-version", "2021-12-02").header("content-length", "0");
    let made = request.header("authorization", format!("SharedKey {AZURE_ACCOUNT}:{signature}")).send().await.unwrap();
    assert_eq!(made.status(), 201, "{}", made.text().await.unwrap());
}
