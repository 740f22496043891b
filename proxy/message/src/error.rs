//! Why bytes are not an acceptable document or message: one variant per reason, each with a stable code.

use crate::Id;

/// A reason to refuse. Offsets are bytes from the start of the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No bytes, or only white space.
    #[error("the document is empty")]
    Empty,
    /// Larger than `message_bytes_max`.
    #[error("the document has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Size of the document.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
    /// RFC 8259 §8.1: no byte order mark.
    #[error("the document starts with a byte order mark")]
    ByteOrderMark,
    /// RFC 8259 §8.1: UTF-8 only; overlong forms and encoded surrogates are invalid UTF-8.
    #[error("invalid UTF-8 at byte {offset}")]
    InvalidUtf8 {
        /// First byte that is not UTF-8.
        offset: usize,
    },
    /// Anything else outside the grammar of RFC 8259, truncation included.
    #[error("invalid JSON at byte {offset}")]
    Syntax {
        /// Where the grammar is left.
        offset: usize,
    },
    /// Bytes after the document.
    #[error("bytes after the document, at byte {offset}")]
    TrailingBytes {
        /// First byte of the tail.
        offset: usize,
    },
    /// A raw control character (below U+0020) inside a string; NUL has its own variant.
    #[error("a raw control character at byte {offset}")]
    ControlCharacter {
        /// Its place.
        offset: usize,
    },
    /// NUL in a string, raw or as `\u0000`: implementations disagree about what follows it.
    #[error("a NUL character at byte {offset}")]
    Nul {
        /// Its place.
        offset: usize,
    },
    /// `\ud800`–`\udfff` outside a pair.
    #[error("a lone surrogate at byte {offset}")]
    LoneSurrogate {
        /// Place of its escape.
        offset: usize,
    },
    /// Two members of one object have the same decoded key.
    #[error("a duplicate key at byte {offset}")]
    DuplicateKey {
        /// Place of a repeated key.
        offset: usize,
    },
    /// Nested deeper than `depth_max`.
    #[error("nested deeper than {limit} at byte {offset}")]
    TooDeep {
        /// The bracket that goes too deep.
        offset: usize,
        /// The limit in force.
        limit: usize,
    },
    /// Neither an object nor, for a batch, an array.
    #[error("a message must be an object")]
    NotAnObject,
    /// A batch without members (JSON-RPC 2.0 §6).
    #[error("a batch needs at least one member")]
    BatchEmpty,
    /// A batch over `batch_members_max`.
    #[error("a batch of {members} members, more than the limit of {limit}")]
    BatchTooLarge {
        /// Members sent.
        members: usize,
        /// The limit in force.
        limit: usize,
    },
    /// A key that a reader ignoring case would take for a protocol key (CVE-2026-27896).
    #[error("a key differs from `{key}` by case only")]
    CaseVariant {
        /// The protocol's spelling.
        key: &'static str,
        /// Place of the variant.
        offset: usize,
    },
    /// `jsonrpc` missing or not exactly `"2.0"`.
    #[error("`jsonrpc` must be \"2.0\"")]
    Version,
    /// `id` is neither a string nor an integer, or is absent where it is required.
    #[error("`id` must be a string or an integer")]
    IdInvalid,
    /// `id` over `id_bytes_max`.
    #[error("`id` is longer than {limit} bytes")]
    IdTooLong {
        /// The limit in force.
        limit: usize,
    },
    /// `method` is not a string, is empty, or holds control characters.
    #[error("`method` must be a non-empty string")]
    MethodInvalid,
    /// `method` over `method_bytes_max`.
    #[error("`method` is longer than {limit} bytes")]
    MethodTooLong {
        /// The limit in force.
        limit: usize,
    },
    /// Not exactly one of `method`, `result`, `error`.
    #[error("a message has exactly one of `method`, `result` and `error`")]
    Ambiguous,
    /// A request's method without an `id`.
    #[error("`{method}` needs an `id`")]
    RequestWithoutId {
        /// The method.
        method: &'static str,
    },
    /// A notification's method with an `id`.
    #[error("`{method}` is a notification and takes no `id`")]
    NotificationWithId {
        /// The method.
        method: &'static str,
    },
    /// `result` is not an object, or `error` lacks an integer `code` or a string `message`.
    #[error("`{key}` has the wrong shape")]
    ResponseInvalid {
        /// `result` or `error`.
        key: &'static str,
    },
    /// `params` is not an object.
    #[error("`params` must be an object")]
    ParamsInvalid,
    /// A parameter that names the target, or `arguments`, is absent or of the wrong type, or holds control characters.
    #[error("`params.{key}` is missing or has the wrong form")]
    ParamInvalid {
        /// The parameter.
        key: &'static str,
    },
    /// A parameter over its limit.
    #[error("`params.{key}` is longer than {limit} bytes")]
    ParamTooLong {
        /// The parameter.
        key: &'static str,
        /// The limit in force.
        limit: usize,
    },
    /// `_meta` is not an object, or one of its protocol fields has the wrong type.
    #[error("`_meta` has the wrong form")]
    MetaInvalid,
    /// `_meta` over `meta_bytes_max`; answered with 413.
    #[error("`_meta` has {bytes} bytes, more than the limit of {limit}")]
    MetaTooLarge {
        /// Size of its JSON text.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
}

impl ParseError {
    /// The stable code, for answers, audit and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "message.empty",
            Self::TooLarge { .. } => "message.too_large",
            Self::ByteOrderMark => "message.byte_order_mark",
            Self::InvalidUtf8 { .. } => "message.invalid_utf8",
            Self::Syntax { .. } => "message.syntax",
            Self::TrailingBytes { .. } => "message.trailing_bytes",
            Self::ControlCharacter { .. } => "message.control_character",
            Self::Nul { .. } => "message.nul",
            Self::LoneSurrogate { .. } => "message.lone_surrogate",
            Self::DuplicateKey { .. } => "message.duplicate_key",
            Self::TooDeep { .. } => "message.too_deep",
            Self::NotAnObject => "message.not_an_object",
            Self::BatchEmpty => "message.batch_empty",
            Self::BatchTooLarge { .. } => "message.batch_too_large",
            Self::CaseVariant { .. } => "message.case_variant",
            Self::Version => "message.jsonrpc_version",
            Self::IdInvalid => "message.id_invalid",
            Self::IdTooLong { .. } => "message.id_too_long",
            Self::MethodInvalid => "message.method_invalid",
            Self::MethodTooLong { .. } => "message.method_too_long",
            Self::Ambiguous => "message.ambiguous",
            Self::RequestWithoutId { .. } => "message.request_without_id",
            Self::NotificationWithId { .. } => "message.notification_with_id",
            Self::ResponseInvalid { .. } => "message.response_invalid",
            Self::ParamsInvalid => "message.params_invalid",
            Self::ParamInvalid { .. } => "message.param_invalid",
            Self::ParamTooLong { .. } => "message.param_too_long",
            Self::MetaInvalid => "message.meta_invalid",
            Self::MetaTooLarge { .. } => "message.meta_too_large",
        }
    }

    /// The JSON-RPC error code (JSON-RPC 2.0 §5.1): -32700 where the bytes are no JSON, -32602 where the parameters are
    /// at fault, -32600 for everything else.
    #[must_use]
    pub fn json_rpc_code(&self) -> i32 {
        match self {
            Self::Empty
            | Self::ByteOrderMark
            | Self::InvalidUtf8 { .. }
            | Self::Syntax { .. }
            | Self::TrailingBytes { .. }
            | Self::ControlCharacter { .. }
            | Self::Nul { .. }
            | Self::LoneSurrogate { .. } => -32700,
            Self::ParamsInvalid
            | Self::ParamInvalid { .. }
            | Self::ParamTooLong { .. }
            | Self::MetaInvalid
            | Self::MetaTooLarge { .. } => -32602,
            Self::TooLarge { .. }
            | Self::DuplicateKey { .. }
            | Self::TooDeep { .. }
            | Self::NotAnObject
            | Self::BatchEmpty
            | Self::BatchTooLarge { .. }
            | Self::CaseVariant { .. }
            | Self::Version
            | Self::IdInvalid
            | Self::IdTooLong { .. }
            | Self::MethodInvalid
            | Self::MethodTooLong { .. }
            | Self::Ambiguous
            | Self::RequestWithoutId { .. }
            | Self::NotificationWithId { .. }
            | Self::ResponseInvalid { .. } => -32600,
        }
    }

    /// Where in the document, for the reasons that have one place.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        match self {
            Self::InvalidUtf8 { offset }
            | Self::Syntax { offset }
            | Self::TrailingBytes { offset }
            | Self::ControlCharacter { offset }
            | Self::Nul { offset }
            | Self::LoneSurrogate { offset }
            | Self::DuplicateKey { offset }
            | Self::TooDeep { offset, .. }
            | Self::CaseVariant { offset, .. } => Some(*offset),
            _ => None,
        }
    }
}

/// A refused message, with its id where that could be read, so that the answer can echo it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// The reason.
    #[source]
    pub error: ParseError,
    /// The message's own id, when it is a valid one.
    pub id: Option<Id>,
}

impl From<ParseError> for Refused {
    fn from(error: ParseError) -> Self {
        Self { error, id: None }
    }
}
