//! One message of the upstream: what is it, was it asked for, may the caller see it?

use std::sync::Arc;

use bytes::Bytes;
use doorward_message::{
    Direction, Id, Incoming, Json, Limits, Message, MessageKind, Method, Revision, Value, json::quote, parse_incoming,
    splice::Splice,
};

use super::{listing, masking::Masking, server_request};
use crate::model::{Ask, ClientCapabilities, Decider, Dropped, Fault, SessionState, Tally};

/// What an exchange expects from the upstream.
pub struct Expected {
    /// The request's id; `None` for a notification and for the legacy `GET` stream.
    pub id: Option<Id>,
    /// The request's method; `None` on the `GET` stream.
    pub method: Option<Method>,
    /// The revision it is under.
    pub revision: Revision,
    /// The progress token the client chose, as raw JSON.
    pub progress_token: Option<Box<str>>,
    /// Whether the client asked for log messages (2026-07-28: per request).
    pub wants_logs: bool,
    /// What the client can do.
    pub capabilities: ClientCapabilities,
    /// The session, where there is one.
    pub session: Option<Arc<SessionState>>,
    /// Binds what the client must bring back to the caller and the request.
    pub sealing: Option<Arc<dyn Sealing>>,
}

/// Binds a handle of the upstream to the caller and the request.
pub trait Sealing: Send + Sync {
    /// What the client sees in the place of the upstream's JSON text.
    ///
    /// # Errors
    /// [`Fault::Internal`].
    fn seal(&self, text: &str) -> Result<String, Fault>;
}

/// What the upstream's messages are held to.
#[derive(Clone)]
pub struct Bounds {
    /// Every message.
    pub messages: Arc<Limits>,
    /// The description of an item of a list.
    pub description_bytes_max: usize,
}

/// Screens the messages of one exchange.
pub struct Screen {
    expected: Expected,
    decider: Arc<dyn Decider>,
    masking: Masking,
    bounds: Bounds,
    tally: Arc<dyn Tally>,
    answered: bool,
}

/// The verdict on one message.
pub enum Screened {
    /// It goes down, in these bytes.
    Pass {
        /// What goes down.
        bytes: Bytes,
        /// Whether it answers the request.
        last: bool,
        /// Whether it is an error response or a result with `isError`.
        is_error: bool,
    },
    /// It does not.
    Drop(Dropped),
}

impl Screen {
    /// A screen for one exchange.
    pub fn new(
        expected: Expected,
        decider: Arc<dyn Decider>,
        masking: Masking,
        bounds: Bounds,
        tally: Arc<dyn Tally>,
    ) -> Self {
        Self { expected, decider, masking, bounds, tally, answered: false }
    }

    /// What the exchange expects.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// Whether the request has its answer.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// Decides on one message. Dropped ones are counted here.
    ///
    /// # Errors
    /// [`Fault::UpstreamInvalid`] where the answer to the request itself must be withheld.
    pub async fn message(&mut self, bytes: Bytes) -> Result<Screened, Fault> {
        let verdict = match parse_incoming(bytes, &self.bounds.messages) {
            Ok(Incoming::Single(message)) => self.single(message).await?,
            Ok(Incoming::Batch(_)) | Err(_) => Screened::Drop(Dropped::Malformed),
        };
        if let Screened::Drop(reason) = &verdict {
            self.tally.dropped(*reason);
        }
        Ok(verdict)
    }

    async fn single(&mut self, message: Message) -> Result<Screened, Fault> {
        match message.kind() {
            MessageKind::Response | MessageKind::ErrorResponse => self.response(message).await,
            MessageKind::Request => self.request(message).await,
            MessageKind::Notification => self.notification(message).await,
        }
    }

    async fn response(&mut self, message: Message) -> Result<Screened, Fault> {
        // An id-less error answers the request it was sent for (JSON-RPC 2.0 §5: the id could not be read).
        let matches = match message.id() {
            Some(id) => self.expected.id.as_ref() == Some(id),
            None => message.kind() == MessageKind::ErrorResponse && self.expected.id.is_some(),
        };
        if !matches {
            return Ok(Screened::Drop(Dropped::UnmatchedResponse));
        }
        if self.answered {
            return Ok(Screened::Drop(Dropped::SecondResponse));
        }
        let filtered = self.result(&message)?;
        let is_error = message.kind() == MessageKind::ErrorResponse
            || message.result().and_then(|result| result.get("isError")).and_then(|flag| flag.as_bool()) == Some(true);
        let bytes = self.mask(filtered).await?;
        self.answered = true;
        Ok(Screened::Pass { bytes, last: true, is_error })
    }

    /// Filters lists, checks what an `input_required` result asks for, and keeps caches of other callers away.
    fn result(&self, message: &Message) -> Result<Bytes, Fault> {
        let (Some(result), Some(method)) = (message.result(), &self.expected.method) else {
            return Ok(message.bytes().clone());
        };
        let mut splice = Splice::new(message.bytes());
        if self.expected.revision.is_modern() {
            self.inputs(result, method)?;
            if let Some(state) = result.get("requestState") {
                let sealing = self.expected.sealing.as_ref().ok_or(Fault::UpstreamInvalid)?;
                splice = splice.replace(state.span(), quote(&sealing.seal(state.raw_str())?).as_bytes());
            }
        }
        // What was filtered or masked for one caller must not be shown to another, whatever the era.
        if let Some(scope) = result.get("cacheScope") {
            splice = splice.replace(scope.span(), br#""private""#);
        }
        if method.is_list() {
            let bytes_max = self.bounds.description_bytes_max;
            splice = listing::filter(splice, result, method, &*self.decider, bytes_max)
                .map_err(|_| Fault::UpstreamInvalid)?;
        }
        splice.finish().map_err(|_| Fault::Internal)
    }

    /// A client acts on input requests wherever it finds them, so they are checked by their presence, not by what the
    /// result says it is; a task may carry them at its own level or the result's.
    fn inputs(&self, result: Value<'_>, method: &Method) -> Result<(), Fault> {
        let kind = result.get("resultType").and_then(|kind| kind.as_str());
        let carriers = [Some(result), result.get("task")];
        let asked = carriers.into_iter().flatten().filter(|carrier| carrier.get("inputRequests").is_some());
        if kind.as_deref() == Some("input_required") && !method.may_require_input() {
            return Err(Fault::UpstreamInvalid);
        }
        for carrier in asked {
            if !method.may_require_input() && *method != Method::TasksGet {
                self.tally.dropped(Dropped::UnaskedRequest);
                return Err(Fault::UpstreamInvalid);
            }
            server_request::check_inputs(carrier, &self.expected, &*self.decider).map_err(|reason| {
                self.tally.dropped(reason);
                Fault::UpstreamInvalid
            })?;
        }
        Ok(())
    }

    async fn request(&mut self, message: Message) -> Result<Screened, Fault> {
        let (Some(id), Some(method)) = (message.id(), message.method()) else {
            return Ok(Screened::Drop(Dropped::Malformed));
        };
        let Some(session) = self.expected.session.clone().filter(|_| !self.expected.revision.is_modern()) else {
            return Ok(Screened::Drop(Dropped::UnaskedRequest));
        };
        if !method.allowed(self.expected.revision, Direction::ServerToClient) {
            return Ok(Screened::Drop(Dropped::UnaskedRequest));
        }
        if let Err(reason) = server_request::check(method, message.params(), self.expected.capabilities, &*self.decider)
        {
            return Ok(Screened::Drop(reason));
        }
        let bytes = self.mask(message.bytes().clone()).await?;
        if !session.expect_answer(id) {
            return Ok(Screened::Drop(Dropped::TableFull));
        }
        Ok(Screened::Pass { bytes, last: false, is_error: false })
    }

    async fn notification(&mut self, message: Message) -> Result<Screened, Fault> {
        let Some(method) = message.method() else {
            return Ok(Screened::Drop(Dropped::Malformed));
        };
        if !method.allowed(self.expected.revision, Direction::ServerToClient) {
            return Ok(Screened::Drop(Dropped::UnaskedNotification));
        }
        if let Some(reason) = self.unwanted(method, &message) {
            return Ok(Screened::Drop(reason));
        }
        if matches!(
            method,
            Method::NotificationsToolsListChanged
                | Method::NotificationsPromptsListChanged
                | Method::NotificationsResourcesListChanged
        ) {
            self.tally.list_changed();
        }
        let bytes = self.mask(message.bytes().clone()).await?;
        Ok(Screened::Pass { bytes, last: false, is_error: false })
    }

    fn unwanted(&self, method: &Method, message: &Message) -> Option<Dropped> {
        let modern = self.expected.revision.is_modern();
        match method {
            Method::NotificationsProgress => {
                let token = message.params().and_then(|params| params.get("progressToken"));
                let own = token.map(|token| token.raw_str()) == self.expected.progress_token.as_deref();
                // A legacy GET stream carries the whole session's notifications.
                let open = self.expected.method.is_none() && !modern;
                (!own && !open).then_some(Dropped::UnaskedNotification)
            }
            Method::NotificationsMessage => {
                (modern && !self.expected.wants_logs).then_some(Dropped::UnaskedNotification)
            }
            Method::NotificationsResourcesUpdated => {
                let uri = message.uri()?;
                let ask = Ask::Resource { method: &Method::ResourcesSubscribe, uri };
                (!self.decider.decide(&ask).is_allow()).then_some(Dropped::ForbiddenNotification)
            }
            Method::NotificationsTasks | Method::NotificationsTasksStatus => {
                let ask = Ask::Task { method: &Method::TasksGet, id: message.task_id() };
                if !self.decider.decide(&ask).is_allow() {
                    return Some(Dropped::ForbiddenNotification);
                }
                let params = message.params();
                let carriers = [params, params.and_then(|params| params.get("task"))];
                carriers
                    .into_iter()
                    .flatten()
                    .find_map(|carrier| server_request::check_inputs(carrier, &self.expected, &*self.decider).err())
            }
            _ => None,
        }
    }

    async fn mask(&self, bytes: Bytes) -> Result<Bytes, Fault> {
        if self.masking.is_empty() {
            return Ok(bytes);
        }
        let json = Json::parse(bytes, &self.bounds.messages).map_err(|_| Fault::Internal)?;
        let masked = self.masking.apply(&json).await.map_err(|_| Fault::UpstreamInvalid)?;
        for (detector, count) in &masked.redactions {
            self.tally.redacted(detector, *count);
        }
        Ok(masked.bytes)
    }
}
