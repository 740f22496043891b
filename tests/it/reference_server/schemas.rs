//! Structured results, held to the schema that the list of tools shows (MCP, server/tools, structured content).

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::rpc::Client;

type Schemas = BTreeMap<String, Validator>;

/// The output schemas of a server, by its address.
static KNOWN: LazyLock<Mutex<BTreeMap<String, Schemas>>> = LazyLock::new(Mutex::default);

fn known() -> std::sync::MutexGuard<'static, BTreeMap<String, Schemas>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listed(client: &Client) -> Schemas {
    let list = client.request("tools/list", json!({})).await;
    let tools = list.result()["tools"].as_array().unwrap().iter();
    tools
        .filter(|tool| tool.get("outputSchema").is_some())
        .map(|tool| {
            let name = tool["name"].as_str().unwrap().to_owned();
            let schema = jsonschema::draft202012::new(&tool["outputSchema"]);
            (name.clone(), schema.unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect()
}

/// Panics where a result has structured content and no schema, or the other way round, or where they do not fit.
pub(super) async fn hold(client: &Client, tool: &str, result: &Value) {
    let is_known = |tool: &str| known().get(&client.url).is_some_and(|schemas| schemas.contains_key(tool));
    // Also where it is none of those that were listed: changed settings bring others.
    if !is_known(tool) && result.get("structuredContent").is_some() {
        let schemas = listed(client).await;
        known().insert(client.url.clone(), schemas);
    }
    // A task is not the result yet.
    if result["resultType"] == "task" {
        return;
    }
    let known = known();
    match (known.get(&client.url).and_then(|schemas| schemas.get(tool)), result.get("structuredContent")) {
        (Some(schema), Some(content)) => {
            let faults: Vec<String> = schema.iter_errors(content).map(|error| error.to_string()).collect();
            assert!(faults.is_empty(), "{tool}: {faults:?} in {content}");
        }
        (None, None) => {}
        (schema, content) => panic!("{tool}: schema {}, content {content:?}", schema.is_some()),
    }
}
