//! One scenario with the clients of three SDKs: documents on both engines, over HTTP and standard streams; objects on all
//! four kinds of stores, beside documents on both engines.

use serde_json::{Value, json};

use crate::storage::{engine::Engine, on_every_engine};
use crate::support::{
    clients::{Mode, Seen, Target, call, python_sdk, rust_sdk, typescript_sdk},
    rpc::{LEGACY, MODERN},
    stores::Store,
    upstream::{Server, reference_stdio},
};

on_every_engine!(
    rust_sdk_sees_the_same_over_http_and_stdio_in_both_eras,
    python_sdk_sees_the_same_over_http_and_stdio_in_both_eras,
    typescript_sdk_sees_the_same_over_http_and_stdio_in_both_eras,
    three_sdks_see_the_same_with_objects_in_a_directory,
    three_sdks_see_the_same_with_objects_in_s3,
    three_sdks_see_the_same_with_objects_in_azure,
    three_sdks_see_the_same_with_objects_at_google,
);

const ERAS: [(Mode, &str); 2] = [(Mode::Auto, MODERN), (Mode::Legacy, LEGACY)];

/// The Python SDK holds structured results to the output schemas, which the Rust SDK does not.
#[derive(Clone, Copy, Debug)]
enum Sdk {
    Rust,
    Python,
    TypeScript,
}

impl Sdk {
    async fn runs(self, target: &Target<'_>, mode: Mode, steps: Value) -> Seen {
        match self {
            Self::Rust => rust_sdk(target, mode, steps).await,
            Self::Python => python_sdk(target, mode, steps).await,
            Self::TypeScript => typescript_sdk(target, mode, steps).await,
        }
    }
}

/// A step, and what must come of it.
struct Step {
    step: Value,
    wanted: Wanted,
}

enum Wanted {
    /// A list that holds this.
    Listed(String),
    /// At these places of the answer, these values.
    Holds(Vec<(&'static str, Value)>),
    /// A result with `isError` whose text has this code.
    Refused(&'static str),
    /// An error of the protocol.
    Error,
}

fn listed(verb: &str, name: &str) -> Step {
    Step { step: json!([verb]), wanted: Wanted::Listed(name.to_owned()) }
}

fn does(step: Value, holds: &[(&'static str, Value)]) -> Step {
    Step { step, wanted: Wanted::Holds(holds.to_vec()) }
}

fn refused(tool: &str, arguments: Value, code: &'static str) -> Step {
    Step { step: call(tool, arguments), wanted: Wanted::Refused(code) }
}

fn fails(step: Value) -> Step {
    Step { step, wanted: Wanted::Error }
}

impl Wanted {
    fn met_by(&self, seen: &Value) -> bool {
        let ok = &seen["ok"];
        match self {
            Self::Listed(name) => ok.as_array().is_some_and(|listed| listed.contains(&json!(name))),
            Self::Holds(holds) => {
                ok["isError"] != true && holds.iter().all(|(place, value)| ok.pointer(place) == Some(value))
            }
            Self::Refused(code) => {
                let text = ok["content"][0]["text"].as_str().unwrap_or_default();
                let told: Value = serde_json::from_str(text).unwrap_or_default();
                ok["isError"] == true && told["code"] == *code
            }
            Self::Error => seen.get("error").is_some(),
        }
    }
}

/// Does all steps with one connection of the client.
async fn sees(sdk: Sdk, target: &Target<'_>, (mode, protocol): (Mode, &str), steps: &[Step]) -> Seen {
    let asked: Value = steps.iter().map(|step| step.step.clone()).collect();
    let seen = sdk.runs(target, mode, asked).await;
    assert_eq!((seen.protocol.as_str(), seen.steps.len()), (protocol, steps.len()), "{sdk:?}");
    for (step, seen) in steps.iter().zip(&seen.steps) {
        assert!(step.wanted.met_by(seen), "{sdk:?} {protocol}: {} gave {seen:#}", step.step);
    }
    seen
}

fn life_of_a_document(folder: &str) -> Vec<Step> {
    let path = format!("{folder}/b.md");
    let uri = format!("doc://{path}");
    let change = |content: &str| json!({ "path": path, "expected_version": 1, "content": content });
    let diff = json!({ "path": path, "from_version": 1, "to_version": 2 });
    vec![
        listed("list", "document_search"),
        does(
            call("document_create", json!({ "path": path, "content": "one two three" })),
            &[("/structuredContent/version", json!(1))],
        ),
        does(
            call("document_search", json!({ "query": "two", "prefix": format!("{folder}/") })),
            &[("/structuredContent/hits/0/snippet", json!("one **two** three"))],
        ),
        listed("resources", &uri),
        does(json!(["read", uri]), &[("/contents/0/text", json!("one two three"))]),
        does(call("document_update", change("one two four")), &[("/structuredContent/version", json!(2))]),
        refused("document_update", change("lost"), "version_conflict"),
        does(call("document_history", json!({ "path": path })), &[("/structuredContent/versions/1/version", json!(1))]),
        does(call("document_diff", diff), &[("/structuredContent/added", json!(1))]),
        does(call("document_delete", json!({ "path": path })), &[("/structuredContent/last_version", json!(2))]),
        fails(json!(["read", uri])),
    ]
}

/// Bytes that are no text, as an image begins.
const PIXELS: (&[u8], &str) = (b"\x89PNG\r\n\x1a\n", "iVBORw0KGgo=");

/// Text and bytes, up to links to both; the links are the last two.
fn objects_written_and_linked(folder: &str) -> Vec<Step> {
    let (text, binary) = (json!({ "key": format!("{folder}/a.txt") }), json!({ "key": format!("{folder}/b.png") }));
    let with = |key: &Value, name: &str, value: Value| {
        let mut arguments = key.clone();
        arguments[name] = value;
        arguments
    };
    let new = with(&text, "content", json!("Grüße"));
    vec![
        listed("list", "object_write"),
        does(
            call("object_write", new.clone()),
            &[("/structuredContent/size", json!(7)), ("/structuredContent/media_type", json!("text/plain"))],
        ),
        does(
            call("object_write", with(&binary, "content_base64", json!(PIXELS.1))),
            &[("/structuredContent/size", json!(8)), ("/structuredContent/media_type", json!("image/png"))],
        ),
        does(call("object_read", text.clone()), &[("/structuredContent/content", json!("Grüße"))]),
        does(call("object_read", binary.clone()), &[("/structuredContent/content_base64", json!(PIXELS.1))]),
        does(
            call("object_list", json!({ "prefix": format!("{folder}/") })),
            &[
                ("/structuredContent/objects/0/key", text["key"].clone()),
                ("/structuredContent/objects/1/key", binary["key"].clone()),
            ],
        ),
        refused("object_write", new.clone(), "object_exists"),
        refused("object_write", with(&new, "expected_etag", json!("earlier")), "revision_conflict"),
        does(json!(["read", format!("object://{folder}/a.txt")]), &[("/contents/0/text", json!("Grüße"))]),
        does(json!(["read", format!("object://{folder}/b.png")]), &[("/contents/0/blob", json!(PIXELS.1))]),
        does(call("object_link", text), &[]),
        does(call("object_link", binary), &[]),
    ]
}

fn objects_deleted(folder: &str) -> Vec<Step> {
    let deleted = |name: &str| {
        let key = json!({ "key": format!("{folder}/{name}") });
        [
            does(call("object_delete", key.clone()), &[]),
            refused("object_read", key, "object_not_found"),
            fails(json!(["read", format!("object://{folder}/{name}")])),
        ]
    };
    deleted("a.txt").into_iter().chain(deleted("b.png")).collect()
}

async fn sees_the_same_over_http_and_stdio_in_both_eras(engine: Engine, sdk: Sdk) {
    for era in ERAS {
        let name = |over: &str| format!("{over}_{:?}", era.0).to_lowercase();
        let server = Server::reference_on(&engine.another(&name("http")).await).await;
        let database = engine.another(&name("stdio")).await.into_string().unwrap();
        let line = [reference_stdio(), vec!["--database".to_owned(), database]].concat();
        for target in [Target::Http { url: &server.url, token: None }, Target::Stdio(&line)] {
            sees(sdk, &target, era, &life_of_a_document("a")).await;
        }
    }
}

async fn rust_sdk_sees_the_same_over_http_and_stdio_in_both_eras(engine: Engine) {
    sees_the_same_over_http_and_stdio_in_both_eras(engine, Sdk::Rust).await;
}

async fn typescript_sdk_sees_the_same_over_http_and_stdio_in_both_eras(engine: Engine) {
    sees_the_same_over_http_and_stdio_in_both_eras(engine, Sdk::TypeScript).await;
}

async fn python_sdk_sees_the_same_over_http_and_stdio_in_both_eras(engine: Engine) {
    sees_the_same_over_http_and_stdio_in_both_eras(engine, Sdk::Python).await;
}

/// What the link leads to, for whoever holds it.
async fn linked(seen: &Seen, step: usize) -> (u16, Vec<u8>) {
    let url = seen.ok(step)["structuredContent"]["url"].as_str().unwrap();
    let given = reqwest::get(url).await.unwrap();
    (given.status().as_u16(), given.bytes().await.unwrap().to_vec())
}

async fn sees_documents_and_objects(sdk: Sdk, server: &Server, era: (Mode, &str)) {
    let target = Target::Http { url: &server.url, token: None };
    let folder = format!("{sdk:?}");
    let steps: Vec<Step> = life_of_a_document(&folder).into_iter().chain(objects_written_and_linked(&folder)).collect();
    let seen = sees(sdk, &target, era, &steps).await;
    for (step, content) in [(steps.len() - 2, "Grüße".as_bytes()), (steps.len() - 1, PIXELS.0)] {
        assert_eq!(linked(&seen, step).await, (200, content.to_vec()), "{sdk:?}");
    }
    sees(sdk, &target, era, &objects_deleted(&folder)).await;
    assert_eq!(linked(&seen, steps.len() - 1).await.0, 404, "{sdk:?}");
}

/// Each client in a folder of its own, at the same time. With documents in SQLite they speak the modern era, in
/// PostgreSQL the legacy one: so every store is seen in both, and no time is lost with four kinds of the same.
async fn three_sdks_see_the_same(engine: Engine, store: Store) {
    let server = Server::reference_with(|command| {
        command.arg("--database").arg(engine.name()).args(&store.arguments);
        command.envs(store.variables.iter().map(|(name, value)| (name, value)))
    })
    .await;
    let [modern, legacy] = ERAS;
    let era = if matches!(engine, Engine::Sqlite(_)) { modern } else { legacy };
    tokio::join!(
        sees_documents_and_objects(Sdk::Rust, &server, era),
        sees_documents_and_objects(Sdk::Python, &server, era),
        sees_documents_and_objects(Sdk::TypeScript, &server, era),
    );
}

async fn three_sdks_see_the_same_with_objects_in_a_directory(engine: Engine) {
    three_sdks_see_the_same(engine, Store::directory()).await;
}

async fn three_sdks_see_the_same_with_objects_in_s3(engine: Engine) {
    three_sdks_see_the_same(engine, Store::s3().await).await;
}

async fn three_sdks_see_the_same_with_objects_in_azure(engine: Engine) {
    three_sdks_see_the_same(engine, Store::azure().await).await;
}

async fn three_sdks_see_the_same_with_objects_at_google(engine: Engine) {
    three_sdks_see_the_same(engine, Store::gcs().await).await;
}
