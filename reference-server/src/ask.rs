//! Asking the client for input: elicitation, sampling and roots, written once for both eras.
//!
//! A legacy client is asked with a server-to-client request and the answer comes back within the same call. A client
//! of 2026-07-28 gets an `input_required` result and repeats its request with `inputResponses` (SEP-2322).
//! In: questions with keys. Out: [`Asked::Answered`], or [`Asked::Needed`] that the caller returns to the client.
//! Refusals: [`AskError`]. Invariants: nothing is asked that the client did not declare; request state is opened
//! only with the key of this process and bound to the request that it came from; a bad one is an error, never a restart.

#![expect(deprecated, reason = "sampling and roots are deprecated from 2026-07-28 but part of every served revision")]

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::{
    ClientCapabilities, CreateMessageRequest, CreateMessageRequestParams, CreateMessageResult, ElicitRequest,
    ElicitRequestParams, ElicitResult, ElicitationCapability, InputRequest, InputRequiredResult, InputResponses,
    ListRootsRequest, ListRootsResult, ProtocolVersion, RequestStateCodec, RequestStateError, SamplingMessage,
    SealOptions, UrlElicitationCapability,
};
use rmcp::service::{RequestContext, ServiceError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How long sealed request state stays valid.
const STATE_TTL: Duration = Duration::from_secs(600);

/// How long a legacy client may take to answer one question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Something to ask the client.
#[derive(Debug, Clone)]
pub enum Question {
    /// A form for the user.
    Form(ElicitRequestParams),
    /// A page for the user to open, for what must not pass through the client.
    Page(ElicitRequestParams),
    /// A message from the client's model.
    Sampling(CreateMessageRequestParams),
    /// The client's roots.
    Roots,
}

/// What the client answered, of the kind that was asked for.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The user's form, or a refusal to fill it in.
    Form(ElicitResult),
    /// The model's message.
    Sampling(Box<CreateMessageResult>),
    /// The roots.
    Roots(ListRootsResult),
}

/// Answers by key.
pub type Answers = BTreeMap<String, Answer>;

/// Result of asking.
#[derive(Debug)]
pub enum Asked {
    /// Every question has its answer.
    Answered(Answers),
    /// The client must repeat the request with the answers.
    Needed(InputRequiredResult),
}

/// Why asking failed.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The client did not declare a capability that is needed.
    #[error("the client did not declare a capability that is needed here")]
    Undeclared(Box<ClientCapabilities>),
    /// An answer has another shape than the question calls for.
    #[error("inputResponses.{key} is not a valid answer")]
    MalformedAnswer {
        /// The question's key.
        key: String,
    },
    /// A question of ours could not be written; a mistake in this server.
    #[error("question cannot be written: {0}")]
    Question(#[source] serde_json::Error),
    /// The request state did not come from here, was changed, belongs to another request or is too old.
    #[error("requestState refused: {0}")]
    State(#[from] RequestStateError),
    /// A legacy client did not answer.
    #[error("the client gave no answer: {0}")]
    NoAnswer(#[from] ServiceError),
    /// A legacy client answered something else than it was asked.
    #[error("the client's answer does not fit the question")]
    WrongAnswer,
}

impl From<AskError> for ErrorData {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Undeclared(required) => Self::missing_required_client_capability(*required),
            AskError::MalformedAnswer { .. } | AskError::State(_) => Self::invalid_params(error.to_string(), None),
            AskError::Question(_) | AskError::NoAnswer(_) | AskError::WrongAnswer => {
                Self::internal_error(error.to_string(), None)
            }
        }
    }
}

impl Question {
    /// A form with this JSON Schema (flat object, primitive properties).
    ///
    /// # Errors
    /// When the schema is not one that elicitation knows.
    pub fn form(message: &str, schema: Value) -> Result<Self, AskError> {
        let requested_schema = serde_json::from_value(schema).map_err(AskError::Question)?;
        Ok(Self::Form(ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: message.to_owned(),
            requested_schema,
        }))
    }

    /// A page for the user to open. The id is for revision 2025-11-25, later ones have none.
    #[must_use]
    pub fn page(message: &str, url: &str, id: &str) -> Self {
        Self::Page(ElicitRequestParams::UrlElicitationParams {
            meta: None,
            message: message.to_owned(),
            url: url.to_owned(),
            elicitation_id: id.to_owned(),
        })
    }

    /// A prompt for the client's model.
    #[must_use]
    pub fn sampling(prompt: &str, tokens_max: u32) -> Self {
        Self::Sampling(CreateMessageRequestParams::new(vec![SamplingMessage::user_text(prompt)], tokens_max))
    }

    /// Whether a client with these capabilities may be asked.
    #[must_use]
    pub fn allowed_by(&self, capabilities: &ClientCapabilities) -> bool {
        match self {
            // An empty `elicitation` object means forms (revision 2025-11-25, client/elicitation, capabilities).
            Self::Form(_) => {
                capabilities.elicitation.as_ref().is_some_and(|modes| modes.form.is_some() || modes.url.is_none())
            }
            Self::Page(_) => capabilities.elicitation.as_ref().is_some_and(|modes| modes.url.is_some()),
            Self::Sampling(_) => capabilities.sampling.is_some(),
            Self::Roots => capabilities.roots.is_some(),
        }
    }

    /// The capability that this question needs.
    #[must_use]
    pub fn required(&self) -> ClientCapabilities {
        match self {
            Self::Form(_) => ClientCapabilities::builder().enable_elicitation().build(),
            Self::Page(_) => {
                let modes = ElicitationCapability::default().with_url(UrlElicitationCapability::default());
                ClientCapabilities::builder().enable_elicitation_with(modes).build()
            }
            Self::Sampling(_) => ClientCapabilities::builder().enable_sampling().build(),
            Self::Roots => ClientCapabilities::builder().enable_roots().build(),
        }
    }

    pub(crate) fn input_request(&self) -> InputRequest {
        match self {
            Self::Form(params) | Self::Page(params) => InputRequest::Elicitation(ElicitRequest::new(params.clone())),
            Self::Sampling(params) => InputRequest::CreateMessage(CreateMessageRequest::new(params.clone())),
            Self::Roots => InputRequest::ListRoots(ListRootsRequest::default()),
        }
    }

    pub(crate) fn read(&self, key: &str, value: &Value) -> Result<Answer, AskError> {
        let malformed = |_| AskError::MalformedAnswer { key: key.to_owned() };
        match self {
            Self::Form(_) | Self::Page(_) => serde_json::from_value(value.clone()).map(Answer::Form).map_err(malformed),
            Self::Sampling(_) => serde_json::from_value(value.clone())
                .map(|message| Answer::Sampling(Box::new(message)))
                .map_err(malformed),
            Self::Roots => serde_json::from_value(value.clone()).map(Answer::Roots).map_err(malformed),
        }
    }

    async fn put_to(&self, context: &RequestContext<RoleServer>) -> Result<Answer, AskError> {
        match self {
            Self::Form(params) | Self::Page(params) => {
                let answer = context.peer.create_elicitation_with_timeout(params.clone(), Some(ANSWER_TIMEOUT)).await?;
                Ok(Answer::Form(answer))
            }
            Self::Sampling(params) => {
                let answered = tokio::time::timeout(ANSWER_TIMEOUT, context.peer.create_message(params.clone())).await;
                let answer = answered.map_err(|_| ServiceError::Timeout { timeout: ANSWER_TIMEOUT })??;
                Ok(Answer::Sampling(Box::new(answer)))
            }
            Self::Roots => {
                let answered = tokio::time::timeout(ANSWER_TIMEOUT, context.peer.list_roots()).await;
                let answer = answered.map_err(|_| ServiceError::Timeout { timeout: ANSWER_TIMEOUT })??;
                Ok(Answer::Roots(answer))
            }
        }
    }
}

impl Answer {
    /// A field of an accepted form as text; empty when the form was declined or the field is missing.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        let Self::Form(form) = self else {
            return String::new();
        };
        match form.content.as_ref().and_then(|content| content.get(name)) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    /// One line that tells what was answered.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Form(form) => {
                let action = serde_json::to_value(&form.action).unwrap_or_default();
                let content = form.content.clone().unwrap_or_default();
                format!("action={}, content={content}", action.as_str().unwrap_or_default())
            }
            Self::Sampling(message) => serde_json::to_value(&message.message.content)
                .ok()
                .and_then(|content| content.get("text").and_then(Value::as_str).map(str::to_owned))
                .unwrap_or_else(|| "(no text)".to_owned()),
            Self::Roots(result) => {
                let uris: Vec<&str> = result.roots.iter().map(|root| root.uri.as_str()).collect();
                format!("{} root(s): {}", uris.len(), uris.join(", "))
            }
        }
    }
}

/// Whether the request belongs to the stateless era (2026-07-28 and later).
#[must_use]
pub fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

/// The part of a request that can answer earlier questions, and what its state is bound to.
#[derive(Debug)]
pub struct Retry<'a> {
    /// The request's answers, if it is a repeated one.
    pub responses: Option<&'a InputResponses>,
    /// The state that the client echoed.
    pub state: Option<&'a str>,
    /// Identifies the originating request (method, name, arguments); part of the state's signature.
    pub binding: String,
}

impl Retry<'_> {
    /// Opens the echoed state; `None` when there is none.
    ///
    /// # Errors
    /// [`AskError::State`] when it was not sealed here for this very request, or has expired.
    pub fn open<T: DeserializeOwned>(&self, codec: &RequestStateCodec) -> Result<Option<T>, AskError> {
        let Some(sealed) = self.state else {
            return Ok(None);
        };
        Ok(Some(codec.open_json_with(sealed, self.binding.as_bytes())?))
    }

    /// Seals state for the next round of this request.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn seal<T: Serialize>(&self, codec: &RequestStateCodec, value: &T) -> Result<String, AskError> {
        let options = SealOptions::new().associated_data(self.binding.as_bytes()).ttl(STATE_TTL);
        Ok(codec.seal_json_with(value, &options)?)
    }

    /// Puts the questions to the client, or takes their answers from the repeated request.
    ///
    /// With `state`, answers count only when the request echoed a state, which the caller has opened.
    /// When some answers are missing, everything is asked again, as the specification advises; unknown keys are ignored.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(
        &self,
        context: &RequestContext<RoleServer>,
        questions: &BTreeMap<String, Question>,
        state: Option<String>,
    ) -> Result<Asked, AskError> {
        let capabilities = context.client_capabilities().unwrap_or_default();
        if let Some(undeclared) = questions.values().find(|question| !question.allowed_by(&capabilities)) {
            return Err(AskError::Undeclared(Box::new(undeclared.required())));
        }
        if !is_modern(context) {
            let mut answers = Answers::new();
            for (key, question) in questions {
                answers.insert(key.clone(), question.put_to(context).await?);
            }
            return Ok(Asked::Answered(answers));
        }
        self.ask_by_result(questions, state)
    }

    fn ask_by_result(&self, questions: &BTreeMap<String, Question>, state: Option<String>) -> Result<Asked, AskError> {
        let state_missing = state.is_some() && self.state.is_none();
        let mut answers = Answers::new();
        if let (Some(responses), false) = (self.responses, state_missing) {
            for (key, question) in questions {
                if let Some(value) = responses.get(key) {
                    answers.insert(key.clone(), question.read(key, value)?);
                }
            }
        }
        if answers.len() == questions.len() {
            return Ok(Asked::Answered(answers));
        }
        let requests = questions.iter().map(|(key, question)| (key.clone(), question.input_request())).collect();
        Ok(Asked::Needed(InputRequiredResult::new(Some(requests), state)))
    }
}

#[cfg(test)]
mod tests;
