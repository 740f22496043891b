//! Drives an MCP server with the official Rust SDK and prints what came back as one JSON document.
//!
//! ```text
//! rmcp-client [--mode auto|legacy] [--token T] (--url URL | --stdio '["COMMAND", …]') < steps.json
//! ```
//!
//! Steps and answer are those of `tests/parts/python/mcp_client.py`, with two more verbs: `["complete", prompt, argument,
//! value]`, `["templates"]` and `["task", tool, arguments]`, which declares the tasks extension and looks at the task until it has
//! ended. In mode `auto` it speaks the modern era and nothing else.

use std::{error::Error, io::Read as _, time::Duration};

use rmcp::{
    ServiceError,
    model::{
        CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, DetailedTask,
        GetPromptRequestParams, GetTaskParams, ProtocolVersion, ReadResourceRequestParams,
    },
    service::{ClientLifecycleMode, ClientServiceExt as _, RoleClient, RunningService},
    transport::{
        StreamableHttpClientTransport, TokioChildProcess, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Map, Value, json};
use tokio::process::Command;

type Failure = Box<dyn Error + Send + Sync>;
type Client = RunningService<RoleClient, ClientConfig>;

/// Pause between two looks at a task.
const POLL: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Arguments {
    legacy: bool,
    token: Option<String>,
    url: Option<String>,
    stdio: Option<Vec<String>>,
}

fn arguments() -> Result<Arguments, Failure> {
    let mut found = Arguments::default();
    let mut line = std::env::args().skip(1);
    while let Some(name) = line.next() {
        let value = line.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--mode" => found.legacy = value == "legacy",
            "--token" => found.token = Some(value),
            "--url" => found.url = Some(value),
            "--stdio" => found.stdio = Some(serde_json::from_str(&value)?),
            _ => return Err(format!("unknown argument {name}").into()),
        }
    }
    Ok(found)
}

async fn connect(arguments: Arguments, handler: ClientConfig) -> Result<Client, Failure> {
    let lifecycle = if arguments.legacy {
        ClientLifecycleMode::Initialize
    } else {
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
    };
    if let Some(url) = arguments.url {
        let mut config = StreamableHttpClientTransportConfig::with_uri(url);
        if let Some(token) = arguments.token {
            config = config.auth_header(token);
        }
        return Ok(handler.serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), lifecycle).await?);
    }
    let line = arguments.stdio.unwrap_or_default();
    let (program, rest) = line.split_first().ok_or("--url or --stdio is needed")?;
    let mut command = Command::new(program);
    command.args(rest);
    Ok(handler.serve_with_lifecycle(TokioChildProcess::new(command)?, lifecycle).await?)
}

fn text(step: &[Value], index: usize) -> String {
    step.get(index).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn object(step: &[Value], index: usize) -> Map<String, Value> {
    step.get(index).and_then(Value::as_object).cloned().unwrap_or_default()
}

async fn step(client: &Client, step: &[Value]) -> Result<Result<Value, ServiceError>, Failure> {
    let first = text(step, 1);
    Ok(match text(step, 0).as_str() {
        "list" => client.list_all_tools().await.map(|tools| tools.into_iter().map(|tool| tool.name).collect()),
        "prompts" => client.list_all_prompts().await.map(|prompts| prompts.into_iter().map(|each| each.name).collect()),
        "resources" => {
            client.list_all_resources().await.map(|found| found.into_iter().map(|each| each.uri.clone()).collect())
        }
        "templates" => client
            .list_all_resource_templates()
            .await
            .map(|found| found.into_iter().map(|each| each.uri_template.clone()).collect()),
        "call" => {
            let params = CallToolRequestParams::new(first).with_arguments(object(step, 2));
            json(client.call_tool(params).await)?
        }
        "task" => json(task(client, CallToolRequestParams::new(first).with_arguments(object(step, 2))).await)?,
        "read" => json(client.read_resource(ReadResourceRequestParams::new(first)).await)?,
        "prompt" => {
            let params = GetPromptRequestParams::new(first).with_arguments(object(step, 2));
            json(client.get_prompt(params).await)?
        }
        "complete" => json(client.complete_prompt_argument(first, text(step, 2), text(step, 3), None).await)?,
        verb => return Err(format!("unknown verb {verb}").into()),
    })
}

/// Begins a task and waits for its end.
async fn task(client: &Client, params: CallToolRequestParams) -> Result<DetailedTask, ServiceError> {
    let CallToolResponse::Task(begun) = client.peer().call_tool_once(params).await? else {
        return Err(ServiceError::UnexpectedResponse);
    };
    loop {
        let state = client.peer().get_task(GetTaskParams::new(begun.task.task_id.clone())).await?.task;
        if state.status().is_terminal() {
            return Ok(state);
        }
        tokio::time::sleep(POLL).await;
    }
}

fn json<T: serde::Serialize>(result: Result<T, ServiceError>) -> Result<Result<Value, ServiceError>, Failure> {
    Ok(match result {
        Ok(value) => Ok(serde_json::to_value(value)?),
        Err(error) => Err(error),
    })
}

fn told(result: Result<Value, ServiceError>) -> Value {
    match result {
        Ok(value) => json!({ "ok": value }),
        Err(ServiceError::McpError(error)) => {
            json!({ "error": { "code": error.code.0, "message": error.message, "data": error.data } })
        }
        Err(error) => json!({ "error": { "transport": error.to_string() } }),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut steps = String::new();
    let arguments = arguments()?;
    std::io::stdin().read_to_string(&mut steps)?;
    let steps: Vec<Vec<Value>> = serde_json::from_str(&steps)?;
    let mut handler = ClientConfig::default();
    if steps.iter().any(|step| text(step, 0) == "task") {
        handler.capabilities = ClientCapabilities::builder().enable_tasks().build();
    }
    let client = connect(arguments, handler).await?;
    let mut results = Vec::new();
    for each in &steps {
        results.push(told(step(&client, each).await?));
    }
    let protocol = client.peer().peer_info().map(|info| info.protocol_version.to_string());
    println!("{}", json!({ "protocol": protocol, "steps": results }));
    client.cancel().await?;
    Ok(())
}
