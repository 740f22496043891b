//! Where `tests/run` installed the real parts. Never installs anything itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;

/// The repository's root.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// A file of the repository, as text.
pub(crate) fn repository_text(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The beginning of a lock file's hash.
fn hash(lock: &str) -> String {
    let lock = fs::read(repository().join(lock)).unwrap_or_else(|error| panic!("{lock}: {error}"));
    digest::digest(&digest::SHA256, &lock).as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// The folder of one kind of part; the same name as in `tests/run`.
fn folder(kind: &str, lock: &str) -> PathBuf {
    let hash = hash(lock);
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"), PathBuf::from);
    let folder = cache.join("doorward/parts").join(format!("{kind}-{hash}"));
    assert!(
        folder.join(".complete").is_file(),
        "the tests' {kind} are not installed ({} is missing): run `tests/run --install`",
        folder.display()
    );
    folder
}

const TOOLS: &str = "tests/parts/python/tools.txt";

fn tools() -> PathBuf {
    folder("tools", TOOLS)
}

const PGBOUNCER: &str = "tests/parts/debian/pgbouncer.txt";

/// What tells one installation of PostgreSQL and PgBouncer from another.
pub(crate) fn databases_hash() -> String {
    format!("{}-{}", hash(TOOLS), hash(PGBOUNCER))
}

/// The folder of PgBouncer's `bin`.
pub(crate) fn pgbouncer() -> PathBuf {
    folder("pgbouncer", PGBOUNCER)
}

/// Redis's server.
pub(crate) fn redis() -> PathBuf {
    folder("redis", "tests/parts/debian/redis.txt").join("bin/redis-server")
}

/// The folder of PostgreSQL's `bin`, `lib` and `share`.
pub(crate) fn postgres() -> PathBuf {
    tools().join("postgres").canonicalize().expect("tests/run linked PostgreSQL")
}

/// The Node.js executable.
pub(crate) fn node() -> PathBuf {
    tools().join("bin/node")
}

/// The OTLP receiver.
pub(crate) fn rotel() -> PathBuf {
    tools().join("bin/rotel-agent")
}

/// The Python that has the MCP clients.
pub(crate) fn python() -> PathBuf {
    folder("clients", "tests/parts/python/clients.txt").join("bin/python3")
}

/// The folder that holds `node_modules`.
pub(crate) fn npm() -> PathBuf {
    folder("npm", "tests/parts/npm/package-lock.json")
}

/// A file of an npm package.
pub(crate) fn npm_file(path: &str) -> PathBuf {
    let file = npm().join("node_modules").join(path);
    assert!(file.is_file(), "{} is missing", file.display());
    file
}

/// The S3 server.
pub(crate) fn weed() -> PathBuf {
    folder("stores", "tests/parts/python/stores.txt").join("bin/weed")
}

/// The emulator of Google's store.
pub(crate) fn fake_gcs() -> PathBuf {
    folder("stores", "tests/parts/python/stores.txt").join("bin/fake-gcs-server")
}

/// The emulator of Azure's store, a script for Node.js.
pub(crate) fn azurite() -> PathBuf {
    let folder = folder("azurite", "tests/parts/azurite/package-lock.json");
    folder.join("node_modules/azurite/dist/src/blob/main.js")
}

/// A script of `tests/parts`.
pub(crate) fn script(path: &str) -> PathBuf {
    let file = repository().join("tests/parts").join(path);
    assert!(file.is_file(), "{} is missing", file.display());
    file
}

/// A binary of this workspace, built beside the running test.
pub(crate) fn binary(name: &str) -> PathBuf {
    built(name, "--bins")
}

/// An example of the reference server, built beside the running test.
pub(crate) fn example(name: &str) -> PathBuf {
    built(&format!("examples/{name}"), "--examples")
}

fn built(path: &str, kind: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the running test has a path");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    let file = folder.join(path);
    assert!(
        file.is_file(),
        "{} is missing: build it first (`cargo build --workspace {kind}`, or `tests/run`)",
        file.display()
    );
    file
}
