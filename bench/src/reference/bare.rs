//! What the reference server is measured against: rmcp with one tool and nothing else, and an axum route that speaks no MCP.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
    routing::post,
    serve::ListenerExt as _,
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    error::{Error, Result},
    mcp::ID_BLANK,
};

/// Arguments of `bare-rmcp`.
#[derive(Debug, clap::Args)]
pub(crate) struct RmcpArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// Arguments of `bare-axum`.
#[derive(Debug, clap::Args)]
pub(crate) struct AxumArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File with the answer, in which sixteen zeros stand for the request's id
    #[arg(long)]
    answer: PathBuf,
}

/// Serves one tool by rmcp, with the checks of `Host` and `Origin` that the reference server has, until the process ends.
pub(crate) fn run_rmcp(args: &RmcpArgs) -> Result<()> {
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(["localhost", "127.0.0.1", "::1"])
        .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"])
        .enforce_origin_validation();
    let server = Echo { tool: Arc::new(tool()) };
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    serve(args.listen, Router::new().route_service("/mcp", service))
}

/// Serves the answer by axum until the process ends.
pub(crate) fn run_axum(args: &AxumArgs) -> Result<()> {
    let answer = std::fs::read_to_string(&args.answer).map_err(Error::file("read", &args.answer))?;
    let (before, behind) = answer.split_once(ID_BLANK).unwrap_or((&answer, ""));
    let parts: Arc<(String, String)> = Arc::new((before.to_owned(), behind.to_owned()));
    serve(args.listen, Router::new().route("/mcp", post(move |body| respond(body, parts))))
}

/// The answer with the id of the request, which is all that is read of it.
async fn respond(request: Bytes, parts: Arc<(String, String)>) -> Response {
    const BEFORE: &[u8] = br#""id":""#;
    let id = memchr::memmem::find(&request, BEFORE).and_then(|at| {
        let from = at.checked_add(BEFORE.len())?;
        request.get(from..from.checked_add(ID_BLANK.len())?)
    });
    let mut answer = Vec::with_capacity(parts.0.len() + ID_BLANK.len() + parts.1.len());
    answer.extend_from_slice(parts.0.as_bytes());
    answer.extend_from_slice(id.unwrap_or_default());
    answer.extend_from_slice(parts.1.as_bytes());
    ([(header::CONTENT_TYPE, "text/event-stream")], answer).into_response()
}

/// Like the reference server: a runtime of as many threads as there are CPUs, of which a measured process has one.
fn serve(listen: SocketAddr, app: Router) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().map_err(Error::io("build a runtime"))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.map_err(Error::io("bind the listener"))?;
        let address = listener.local_addr().map_err(Error::io("learn the address listened on"))?;
        println!("listening on http://{address}/mcp");
        let listener = listener.tap_io(|connection| {
            let _kept = connection.set_nodelay(true);
        });
        axum::serve(listener, app).await.map_err(Error::io("serve"))
    })
}

/// The bare handler.
#[derive(Debug, Clone)]
struct Echo {
    tool: Arc<Tool>,
}

fn tool() -> Tool {
    let mut schema = JsonObject::new();
    schema.insert("type".into(), json!("object"));
    schema.insert("properties".into(), json!({"message": {"type": "string"}}));
    schema.insert("required".into(), json!(["message"]));
    Tool::new("echo", "Says back what it is told.", schema)
}

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        (name == self.tool.name).then(|| Tool::clone(&self.tool))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![Tool::clone(&self.tool)]))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let argument = params.arguments.as_ref().and_then(|arguments| arguments.get("message"));
        match argument.and_then(serde_json::Value::as_str) {
            Some(message) if params.name == self.tool.name => {
                Ok(CallToolResult::success(vec![ContentBlock::text(message)]).into())
            }
            _ => Err(ErrorData::invalid_params("call echo with a message", None)),
        }
    }
}
