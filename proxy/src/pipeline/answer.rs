//! Answers in our own name: refusals, faults and the few local documents.

use std::sync::Arc;

use bytes::Bytes;
use doorward_message::Id;
use http::{HeaderName, HeaderValue, header};

use crate::model::{DecisionId, Fault, PublicAnswer, Rejection, SessionState, rejection::Accept};

/// What goes back to an HTTP client; a stdio client gets the body as a line.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header lines beyond those of the framing.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: AnswerBody,
    /// Whether the connection is closed after it: the request's framing cannot be trusted, or its body was not read.
    pub close: bool,
    /// The session that this answer opens.
    pub opened: Option<Arc<SessionState>>,
}

/// The forms of a body.
pub enum AnswerBody {
    /// None.
    Empty,
    /// One document.
    Whole(Bytes),
    /// Events, one by one.
    Stream(Box<super::live::LiveStream>),
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Answer {
    /// A body-less answer.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: AnswerBody::Empty, close: false, opened: None }
    }

    /// A JSON document.
    pub fn json(status: u16, body: Bytes) -> Self {
        let nosniff = (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let headers = vec![(header::CONTENT_TYPE, JSON), nosniff];
        Self { status, headers, body: AnswerBody::Whole(body), close: false, opened: None }
    }

    /// Adds a header line.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A refusal, with what the client needs to do better.
    pub fn rejection(rejection: &Rejection, id: Option<&Id>, decision: DecisionId) -> Self {
        let public = rejection.public();
        let mut answer = Self::json(public.status, rejection_body(rejection, id, decision));
        match rejection {
            Rejection::RateLimited(limited) => {
                answer = answer.with(header::RETRY_AFTER, HeaderValue::from(limited.retry_after_s));
            }
            Rejection::Accept(Accept::MethodNotAllowed(allowed)) => {
                answer = answer.with(header::ALLOW, HeaderValue::from_static(allowed));
            }
            _ if public.status == 503 => answer = answer.with(header::RETRY_AFTER, HeaderValue::from(1)),
            _ => {}
        }
        answer.close = matches!(
            rejection,
            Rejection::Accept(Accept::MalformedHttp | Accept::HeadTooLarge | Accept::TargetTooLong | Accept::Timeout)
        );
        answer
    }

    /// A fault.
    pub fn fault(fault: Fault, id: Option<&Id>, decision: DecisionId) -> Self {
        let public = fault.public();
        let answer = Self::json(public.status, error_body(public, id, decision, None, None));
        if public.status == 503 { answer.with(header::RETRY_AFTER, HeaderValue::from(1)) } else { answer }
    }
}

/// The JSON-RPC error of a refusal: the same over HTTP and stdio.
pub fn rejection_body(rejection: &Rejection, id: Option<&Id>, decision: DecisionId) -> Bytes {
    let (advice, versions) = match rejection {
        Rejection::Authorization(_, advice) => (advice.as_deref(), None),
        Rejection::Accept(
            Accept::VersionUnsupported { requested, supported } | Accept::EraMismatch { requested, supported },
        ) => (None, Some((&**requested, &**supported))),
        _ => (None, None),
    };
    error_body(rejection.public(), id, decision, advice, versions)
}

/// The JSON-RPC error of a fault.
pub fn fault_body(fault: Fault, id: Option<&Id>, decision: DecisionId) -> Bytes {
    error_body(fault.public(), id, decision, None, None)
}

fn error_body(
    public: PublicAnswer,
    id: Option<&Id>,
    decision: DecisionId,
    advice: Option<&str>,
    versions: Option<(&str, &[&'static str])>,
) -> Bytes {
    let mut data = serde_json::Map::new();
    data.insert("code".into(), public.code.into());
    data.insert("decision_id".into(), decision.to_string().into());
    if let Some(advice) = advice {
        data.insert("advice".into(), advice.into());
    }
    if let Some((requested, supported)) = versions {
        data.insert("supported".into(), supported.to_vec().into());
        data.insert("requested".into(), requested.into());
    }
    let error = serde_json::json!({ "code": public.rpc_code, "message": public.text, "data": data });
    // The id goes back exactly as it came.
    let id = id.map_or_else(|| "null".to_owned(), Id::raw);
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
}
