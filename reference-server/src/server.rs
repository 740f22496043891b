//! The protocol surface: which method does what, for both eras.
//!
//! In: requests that rmcp has parsed and whose headers it has checked. Out: results. Refusals: JSON-RPC errors; rmcp
//! gives resource-not-found the era's code and refuses the methods of the other era, except `logging/setLevel`,
//! which is refused here. Invariant: a message is sent to a client only if it asked for it (log level, subscription).

#![expect(
    deprecated,
    reason = "logging and resources/subscribe are deprecated or legacy-only, and served to those eras"
)]

mod offer;

use std::sync::Arc;

use axum::http::request::Parts;
pub use offer::Offer;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams, CompleteResult,
    CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult,
    InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ResourceUpdatedNotificationParam,
    ServerCapabilities, ServerConfig, SetLevelRequestMethod, SetLevelRequestParams, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, Peer, RequestContext, ServiceError, SubscriptionContext, SubscriptionSink};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::ask::is_modern;
use crate::prompts::PromptError;
use crate::state::{BatchSlot, Change, SessionState, Shared};
use crate::tasks::Owner;
use crate::telemetry::{Observation, Operation};
use crate::tools::{Call, DYNAMIC_TOOL, Entry};
use crate::{cursor, prompts, resources, tasks};

/// How long a client may keep a list or a resource, in milliseconds. Short, since tools can change them.
const TTL_MS: u64 = 1_000;

/// The server: shared state, and the state of one session.
#[derive(Debug, Clone)]
pub struct ReferenceServer {
    /// State of the process.
    pub shared: Arc<Shared>,
    offer: Arc<Offer>,
    session: Arc<SessionState>,
    /// Ends what has no end of its own in this session: by [`ReferenceServer::endless`], or once its last handler is gone.
    ended: Arc<Ended>,
}

/// Cancelled once nobody holds it; a copy of the token costs every call a lock, a copy of this does not.
#[derive(Debug, Default)]
struct Ended(CancellationToken);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl ReferenceServer {
    /// A server of this state, with everything that this crate has for it.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        let offer = Offer::everything(&shared);
        Self::offering(shared, offer)
    }

    /// A server of this state that offers these tools. Resources and prompts are those of the state, so
    /// [`Shared::without_samples`] leaves out what is there for testing.
    #[must_use]
    pub fn offering(shared: Arc<Shared>, offer: Offer) -> Self {
        Self::with_session(shared, Arc::new(offer))
    }

    fn with_session(shared: Arc<Shared>, offer: Arc<Offer>) -> Self {
        Self { shared, offer, session: Arc::default(), ended: Arc::default() }
    }

    /// The same server for another session (or for one stateless request).
    #[must_use]
    pub fn new_session(&self) -> Self {
        Self::with_session(Arc::clone(&self.shared), Arc::clone(&self.offer))
    }

    /// Ends what has no end of its own, when it is cancelled: subscriptions, and telling the session of changes.
    #[must_use]
    pub fn endless(&self) -> CancellationToken {
        self.ended.0.clone()
    }

    /// Sends a log message, if this client wants messages of this level: by `logging/setLevel` in the legacy era,
    /// by the request's own `logLevel` from 2026-07-28.
    pub async fn log(&self, context: &RequestContext<RoleServer>, level: LoggingLevel, message: &str) {
        let wanted = if is_modern(context) { context.meta.log_level() } else { Some(self.session.log_level()) };
        if wanted.is_none_or(|lowest| severity(level) < severity(lowest)) {
            return;
        }
        let message = LoggingMessageNotificationParam::new(level, json!(message)).with_logger("reference-server");
        if let Err(error) = context.peer.notify_logging_message(message).await {
            tracing::debug!(%error, "log message not delivered");
        }
    }

    /// Whose tasks the sender of this request begins and reaches.
    #[must_use]
    pub fn owner(&self, context: &RequestContext<RoleServer>) -> Owner {
        Owner::of(context, self.session.number)
    }

    /// The number of the session, or of the stateless request.
    #[must_use]
    pub fn session_number(&self) -> u64 {
        self.session.number
    }

    fn listed(&self, name: &str) -> bool {
        name != DYNAMIC_TOOL || self.shared.dynamic_tool()
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.offer.tools.iter().find(|entry| entry.tool.name == name && self.listed(name))
    }
}

/// Order of the levels of RFC 5424, least urgent first.
fn severity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}

/// For lists that fit one page, so that no cursor was ever given out.
fn single_page(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor) {
        None => Ok(()),
        Some(_) => Err(unknown_cursor()),
    }
}

/// Where a list goes on; `None` at its beginning.
fn place(request: Option<PaginatedRequestParams>) -> Result<Option<String>, ErrorData> {
    let cursor = request.and_then(|request| request.cursor);
    cursor.map(|cursor| cursor::place(&cursor).ok_or_else(unknown_cursor)).transpose()
}

fn unknown_cursor() -> ErrorData {
    ErrorData::invalid_params("unknown cursor", None)
}

fn not_found(uri: &str) -> ErrorData {
    ErrorData::resource_not_found("Resource not found", Some(json!({"uri": uri})))
}

impl ServerHandler for ReferenceServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .build();
        let config = ServerConfig::new(capabilities).with_server_info(self.offer.name.clone());
        match &self.offer.instructions {
            Some(instructions) => config.with_instructions(instructions),
            None => config,
        }
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        let result = self.negotiate_initialize(&request)?;
        let slot = context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get::<BatchSlot>());
        if let Some(slot) = slot.filter(|_| result.protocol_version == ProtocolVersion::V_2025_03_26) {
            slot.fill(&self.session);
        }
        Ok(result)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let session = Arc::downgrade(&self.session);
        let mut changes = self.shared.changes();
        let ended = self.endless();
        let peer = context.peer;
        tokio::spawn(async move {
            loop {
                let change = tokio::select! {
                    () = ended.cancelled() => return,
                    change = changes.recv() => change,
                };
                let Some(session) = session.upgrade() else {
                    return;
                };
                match change {
                    Ok(change) => {
                        if notify_session(&peer, &session, change).await.is_err() {
                            return;
                        }
                    }
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "session too slow, changes missed")
                    }
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if is_modern(&context) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        self.session.set_log_level(request.level);
        Ok(())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let seen = Observation::begin(Operation::Method("tools/list"), &context);
        seen.run(async { single_page(request) }).await?;
        let listed = self.offer.tools.iter().filter(|entry| self.listed(&entry.tool.name));
        let tools = listed.map(|entry| entry.tool.clone()).collect();
        Ok(ListToolsResult::with_all_items(tools).with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public))
    }

    /// Without what only a list shows: rmcp asks for the input schema, with every call.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.entry(name).map(|Entry { tool, .. }| Tool::new(tool.name.clone(), "", Arc::clone(&tool.input_schema)))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(entry) = self.entry(&params.name) else {
            let unknown = ErrorData::invalid_params(format!("no tool named {}", params.name), None);
            return Observation::begin(Operation::Method("tools/call"), &context).run(async { Err(unknown) }).await;
        };
        let seen = Observation::begin(Operation::Tool(&params.name), &context);
        tracing::debug!(parent: seen.logged(), tool = %params.name, "called");
        let failed = |answer: &CallToolResponse| match answer {
            CallToolResponse::Complete(result) => result.is_error == Some(true),
            _ => false,
        };
        seen.run_tool(entry.run(Call { server: self.clone(), params, context }), failed).await
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let seen = Observation::begin(Operation::Method("tasks/get"), &context);
        seen.run(async { Ok(GetTaskResult::new(self.shared.tasks.get(&self.owner(&context), &request.task_id)?)) })
            .await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let seen = Observation::begin(Operation::Method("tasks/update"), &context);
        seen.run(async {
            Ok(self.shared.tasks.answer(&self.owner(&context), &request.task_id, request.input_responses)?)
        })
        .await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let seen = Observation::begin(Operation::Method("tasks/cancel"), &context);
        seen.run(async { Ok(self.shared.tasks.cancel(&self.owner(&context), &request.task_id)?) }).await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        tasks::sessions::answer(&self.shared.tasks, &self.owner(&context), request, &context)
            .await
            .map(CustomResult::new)
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let listing = async {
            let after = place(request)?;
            Ok(prompts::page(&self.shared, after.as_deref()).await.map_err(PromptError::from)?)
        };
        let (listed, next) = Observation::begin(Operation::Method("prompts/list"), &context).run(listing).await?;
        let mut result = ListPromptsResult::with_all_items(listed);
        result.next_cursor = next.map(|place| cursor::of(&place));
        // What is stored may be for some only, by what a guard in front lets each caller see.
        Ok(result.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let getting = async { Ok(prompts::get(&self.shared, &params, &context).await?) };
        Observation::begin(Operation::Prompt(&params.name), &context).run(getting).await
    }

    async fn complete(
        &self,
        params: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let completing = async { Ok(CompleteResult::new(prompts::complete(&self.shared, &params).await?)) };
        Observation::begin(Operation::Method("completion/complete"), &context).run(completing).await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let listing = async {
            let after = place(request)?;
            resources::page(&self.shared, after.as_deref()).await?.ok_or_else(unknown_cursor)
        };
        let (listed, next) = Observation::begin(Operation::Method("resources/list"), &context).run(listing).await?;
        let mut result = ListResourcesResult::with_all_items(listed);
        result.next_cursor = next.map(|place| cursor::of(&place));
        // What is stored may be for some only, by what a guard in front lets each caller see.
        Ok(result.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let seen = Observation::begin(Operation::Method("resources/templates/list"), &context);
        seen.run(async { single_page(request) }).await?;
        let templates = resources::templates(&self.shared);
        Ok(ListResourceTemplatesResult::with_all_items(templates)
            .with_ttl_ms(TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let reading =
            async { resources::contents(&self.shared, &params.uri).await?.ok_or_else(|| not_found(&params.uri)) };
        let contents = Observation::begin(Operation::Method("resources/read"), &context).run(reading).await?;
        // What is stored may change at any moment, and an update must be made from what it is.
        let (ttl_ms, scope) =
            if resources::is_stored(&params.uri) { (0, CacheScope::Private) } else { (TTL_MS, CacheScope::Public) };
        Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(ttl_ms).with_cache_scope(scope).into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if !resources::subscribable(&self.shared, &request.uri) {
            return Err(not_found(&request.uri));
        }
        self.session.subscribe(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if self.session.unsubscribe(&request.uri) {
            return Ok(());
        }
        Err(ErrorData::new(ErrorCode::INVALID_PARAMS, "not subscribed to this resource", None))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = requested.clone();
        if let Some(uris) = &mut accepted.resource_subscriptions {
            uris.retain(|uri| resources::subscribable(&self.shared, uri));
        }
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.shared.changes();
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = self.ended.0.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            match change {
                Ok(change) => notify_subscription(context.sink(), change).await,
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "subscriber too slow, changes missed")
                }
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }
}

/// Tells a legacy session about a change; resources only when it subscribed.
async fn notify_session(peer: &Peer<RoleServer>, session: &SessionState, change: Change) -> Result<(), ServiceError> {
    match change {
        Change::Tools => peer.notify_tool_list_changed().await,
        Change::Prompts => peer.notify_prompt_list_changed().await,
        Change::Resources => peer.notify_resource_list_changed().await,
        Change::Resource(uri) if session.subscribed(&uri) => {
            peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await
        }
        Change::Resource(_) => Ok(()),
    }
}

/// Tells a `subscriptions/listen` stream about a change that its accepted filter names.
async fn notify_subscription(sink: &SubscriptionSink, change: Change) {
    let accepted = sink.accepted();
    let sent = match change {
        Change::Tools if accepted.tools_list_changed == Some(true) => sink.notify_tool_list_changed().await,
        Change::Prompts if accepted.prompts_list_changed == Some(true) => sink.notify_prompt_list_changed().await,
        Change::Resources if accepted.resources_list_changed == Some(true) => sink.notify_resource_list_changed().await,
        Change::Resource(uri) if accepted.resource_subscriptions.as_ref().is_some_and(|uris| uris.contains(&uri)) => {
            sink.notify_resource_updated(uri).await
        }
        _ => Ok(()),
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "change not delivered to a subscription");
    }
}
