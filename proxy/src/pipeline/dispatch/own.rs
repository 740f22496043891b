//! Doorward's own requests to an upstream: which era it speaks, and what tools it has.
//!
//! They carry our own ids and client name, go through no policy because nobody asked for them, and their answers are
//! bounded and parsed like every other.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use doorward_message::{Id, Limits, Message, MessageKind, Method, Revision};
use http::{HeaderName, HeaderValue};

use super::{
    Server,
    upstream::{Outgoing, Owner, Reply, ReplyBody},
    version_header,
};
use crate::{
    catalogue::{Catalogue, CatalogueBuilder},
    model::{Fault, Principal},
};

/// Pages of `tools/list` that are read.
const PAGES_MAX: usize = 64;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A way to speak to an upstream in our own name.
pub(super) struct OwnClient<'a> {
    server: &'a Server,
    limits: &'a Limits,
    principal: Principal,
    revision: Revision,
    session: Option<HeaderValue>,
    owner: Owner,
}

/// Why a catalogue could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The upstream broke or cannot be reached.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// It answered with an error.
    #[error("the upstream refused a request of the proxy's own")]
    Refused,
    /// What it lists is over the limits or malformed.
    #[error("the upstream's list of tools is not usable")]
    Unusable,
}

impl<'a> OwnClient<'a> {
    /// Within somebody's session or process.
    pub(super) fn within(
        server: &'a Server,
        limits: &'a Limits,
        revision: Revision,
        session: Option<HeaderValue>,
        owner: Owner,
    ) -> Self {
        Self { server, limits, principal: Principal::anonymous(), revision, session, owner }
    }

    /// Finds the upstream's era, opens a session of its own where that is needed, lists the tools and ends it again.
    ///
    /// # Errors
    /// [`FetchError`].
    pub(super) async fn probe(server: &'a Server, limits: &'a Limits) -> Result<Arc<Catalogue>, FetchError> {
        let mut own = Self::within(server, limits, Revision::V2026_07_28, None, Owner::Connection(0));
        match own.request(&Method::ServerDiscover, "{}").await {
            Ok(discovered) => {
                let legacy =
                    discovered.result().and_then(|result| result.get("supportedVersions")).is_some_and(|versions| {
                        versions.elements().any(|version| {
                            version
                                .as_str()
                                .and_then(|name| Revision::parse(&name))
                                .is_some_and(|revision| !revision.is_modern())
                        })
                    });
                server.saw_eras(true, legacy);
                own.list_where_offered(&discovered).await
            }
            Err(FetchError::Refused) => own.legacy().await,
            Err(error) => Err(error),
        }
    }

    async fn legacy(&mut self) -> Result<Arc<Catalogue>, FetchError> {
        self.revision = Revision::V2025_11_25;
        let params = format!(
            r#"{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"doorward","version":"{}"}}}}"#,
            self.revision.as_str(),
            env!("CARGO_PKG_VERSION"),
        );
        let (reply, id) = self.send(&Method::Initialize, &params).await?;
        self.session = reply.session.clone();
        let initialized = self.answer(reply, &id).await?;
        let version = initialized.result().and_then(|result| result.get("protocolVersion"));
        let version = version.and_then(|version| version.as_str()).and_then(|name| Revision::parse(&name));
        self.revision = version.ok_or(FetchError::Unusable)?;
        self.server.saw_eras(false, true);
        let notification = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        let outgoing = self.outgoing(notification, &Method::NotificationsInitialized);
        self.server.post(&outgoing, &self.principal).await?;
        let catalogue = self.list_where_offered(&initialized).await;
        if self.session.is_some() {
            let outgoing = self.outgoing(Bytes::new(), &Method::Ping);
            // Best effort: a server may not offer it (405), and the session ends by itself then.
            if let Err(fault) = self.server.end_session(&outgoing, &self.principal).await {
                tracing::debug!(upstream = %self.server.name(), %fault, "the proxy's own session was not ended");
            }
        }
        catalogue
    }

    async fn list_where_offered(&self, introduction: &Message) -> Result<Arc<Catalogue>, FetchError> {
        let capabilities = introduction.result().and_then(|result| result.get("capabilities"));
        if capabilities.and_then(|capabilities| capabilities.get("tools")).is_none() {
            return Ok(Arc::new(CatalogueBuilder::default().build()));
        }
        self.list().await
    }

    /// Reads every page of `tools/list`.
    ///
    /// # Errors
    /// [`FetchError`].
    pub(super) async fn list(&self) -> Result<Arc<Catalogue>, FetchError> {
        let mut builder = CatalogueBuilder::new(self.server.bounds());
        let mut params = "{}".to_owned();
        for _ in 0..PAGES_MAX {
            let page = self.request(&Method::ToolsList, &params).await?;
            let result = page.result().ok_or(FetchError::Unusable)?;
            builder.tools_page(result);
            let Some(cursor) = result.get("nextCursor").filter(|cursor| !cursor.is_null()) else {
                return Ok(Arc::new(builder.build()));
            };
            params = format!(r#"{{"cursor":{}}}"#, cursor.raw_str());
        }
        Err(FetchError::Unusable)
    }

    async fn request(&self, method: &Method, params: &str) -> Result<Message, FetchError> {
        let (reply, id) = self.send(method, params).await?;
        self.answer(reply, &id).await
    }

    async fn send(&self, method: &Method, params: &str) -> Result<(Reply, Id), FetchError> {
        let id = Id::String(format!("doorward-{}", NEXT_ID.fetch_add(1, Ordering::Relaxed)).into());
        let params = if self.revision.is_modern() { with_meta(params, self.revision) } else { params.to_owned() };
        let body = format!(r#"{{"jsonrpc":"2.0","id":{},"method":"{}","params":{params}}}"#, id.raw(), method.as_str());
        let outgoing = self.outgoing(Bytes::from(body), method);
        let reply = self.server.post(&outgoing, &self.principal).await?;
        Ok((reply, id))
    }

    fn outgoing(&self, body: Bytes, method: &Method) -> Outgoing {
        let mut mirrored = Vec::new();
        if *method != Method::Initialize {
            mirrored.push(version_header(self.revision));
        }
        if let (true, Some(name)) = (self.revision.is_modern(), method.known_name()) {
            mirrored.push((HeaderName::from_static("mcp-method"), HeaderValue::from_static(name)));
        }
        Outgoing {
            body,
            revision: self.revision,
            mirrored,
            session: self.session.clone(),
            trace: Vec::new(),
            lasting: false,
            owner: self.owner,
        }
    }

    async fn answer(&self, reply: Reply, id: &Id) -> Result<Message, FetchError> {
        let mut stream = match reply.body {
            ReplyBody::Message { bytes, .. } => {
                return self.read(bytes, id)?.ok_or(FetchError::Unusable);
            }
            ReplyBody::Stream(stream) => stream,
            ReplyBody::Accepted | ReplyBody::Status(_) => return Err(FetchError::Refused),
        };
        while let Some(event) = stream.next().await? {
            if let Some(message) = self.read(event.data.unwrap_or_default(), id)? {
                return Ok(message);
            }
        }
        Err(FetchError::Fault(Fault::UpstreamClosed))
    }

    /// The answer, if these bytes are it.
    fn read(&self, bytes: Bytes, id: &Id) -> Result<Option<Message>, FetchError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        // A refusal that is not JSON-RPC at all is how older servers meet what they do not know.
        let message = Message::parse(bytes, self.limits).map_err(|_| FetchError::Refused)?;
        match message.kind() {
            MessageKind::ErrorResponse => Err(FetchError::Refused),
            MessageKind::Response if message.id() == Some(id) => Ok(Some(message)),
            _ => Ok(None),
        }
    }
}

fn with_meta(params: &str, revision: Revision) -> String {
    let meta = format!(
        r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{}","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"doorward","version":"{}"}}}}"#,
        revision.as_str(),
        env!("CARGO_PKG_VERSION"),
    );
    match params.strip_prefix('{') {
        Some("}") | None => format!("{{{meta}}}"),
        Some(rest) => format!("{{{meta},{rest}"),
    }
}
