//! Every refusal and fault, once: what `docs/errors.md` lists and what tests walk through.
//!
//! Each list comes with a match over the same rows without a wildcard, so that a new variant does not compile until it is
//! listed here.

use std::sync::Arc;

use doorward_message::ParseError;

use super::{
    Fault, Rejection,
    rejection::{Accept, Authentication, Authorization, RateLimited, Session},
};

macro_rules! every {
    ($(#[$doc:meta])* $name:ident: $type:ident { $($pattern:pat => $value:expr,)* }) => {
        $(#[$doc])*
        pub fn $name() -> Vec<$type> {
            // Completeness is the compiler's business: it refuses this match when a variant has no row.
            fn listed(value: $type) -> $type {
                match &value {
                    $($pattern => {})*
                }
                value
            }
            vec![$(listed($value)),*]
        }
    };
}

every! {
    /// Every reason of `accept`.
    accept: Accept {
        Accept::MalformedHttp => Accept::MalformedHttp,
        Accept::HostInvalid => Accept::HostInvalid,
        Accept::HostForbidden => Accept::HostForbidden,
        Accept::OriginForbidden => Accept::OriginForbidden,
        Accept::PathUnknown => Accept::PathUnknown,
        Accept::MethodNotAllowed(_) => Accept::MethodNotAllowed("POST"),
        Accept::MediaType => Accept::MediaType,
        Accept::ContentEncoding => Accept::ContentEncoding,
        Accept::NotAcceptable => Accept::NotAcceptable,
        Accept::BodyTooLarge => Accept::BodyTooLarge,
        Accept::HeadTooLarge => Accept::HeadTooLarge,
        Accept::TargetTooLong => Accept::TargetTooLong,
        Accept::Timeout => Accept::Timeout,
        Accept::Expectation => Accept::Expectation,
        Accept::HeaderMismatch => Accept::HeaderMismatch,
        Accept::VersionUnsupported { .. } => Accept::VersionUnsupported { requested: "".into(), supported: Arc::new([]) },
        Accept::MetaInvalid => Accept::MetaInvalid,
        Accept::MetaTooLarge => Accept::MetaTooLarge,
        Accept::Message(_) => Accept::Message(ParseError::Empty),
        Accept::BatchForbidden => Accept::BatchForbidden,
        Accept::MethodUnknown => Accept::MethodUnknown,
        Accept::ResponseUnexpected => Accept::ResponseUnexpected,
        Accept::IdInUse => Accept::IdInUse,
        Accept::EraMismatch { .. } => Accept::EraMismatch { requested: "".into(), supported: Arc::new([]) },
    }
}

every! {
    /// Every reason of the message parser.
    parse_errors: ParseError {
        ParseError::Empty => ParseError::Empty,
        ParseError::TooLarge { .. } => ParseError::TooLarge { bytes: 0, limit: 0 },
        ParseError::ByteOrderMark => ParseError::ByteOrderMark,
        ParseError::InvalidUtf8 { .. } => ParseError::InvalidUtf8 { offset: 0 },
        ParseError::Syntax { .. } => ParseError::Syntax { offset: 0 },
        ParseError::TrailingBytes { .. } => ParseError::TrailingBytes { offset: 0 },
        ParseError::ControlCharacter { .. } => ParseError::ControlCharacter { offset: 0 },
        ParseError::Nul { .. } => ParseError::Nul { offset: 0 },
        ParseError::LoneSurrogate { .. } => ParseError::LoneSurrogate { offset: 0 },
        ParseError::DuplicateKey { .. } => ParseError::DuplicateKey { offset: 0 },
        ParseError::TooDeep { .. } => ParseError::TooDeep { offset: 0, limit: 0 },
        ParseError::NotAnObject => ParseError::NotAnObject,
        ParseError::BatchEmpty => ParseError::BatchEmpty,
        ParseError::BatchTooLarge { .. } => ParseError::BatchTooLarge { members: 0, limit: 0 },
        ParseError::CaseVariant { .. } => ParseError::CaseVariant { key: "", offset: 0 },
        ParseError::Version => ParseError::Version,
        ParseError::IdInvalid => ParseError::IdInvalid,
        ParseError::IdTooLong { .. } => ParseError::IdTooLong { limit: 0 },
        ParseError::MethodInvalid => ParseError::MethodInvalid,
        ParseError::MethodTooLong { .. } => ParseError::MethodTooLong { limit: 0 },
        ParseError::Ambiguous => ParseError::Ambiguous,
        ParseError::RequestWithoutId { .. } => ParseError::RequestWithoutId { method: "" },
        ParseError::NotificationWithId { .. } => ParseError::NotificationWithId { method: "" },
        ParseError::ResponseInvalid { .. } => ParseError::ResponseInvalid { key: "" },
        ParseError::ParamsInvalid => ParseError::ParamsInvalid,
        ParseError::ParamInvalid { .. } => ParseError::ParamInvalid { key: "" },
        ParseError::ParamTooLong { .. } => ParseError::ParamTooLong { key: "", limit: 0 },
        ParseError::MetaInvalid => ParseError::MetaInvalid,
        ParseError::MetaTooLarge { .. } => ParseError::MetaTooLarge { bytes: 0, limit: 0 },
    }
}

every! {
    /// Every reason of authentication.
    authentication: Authentication {
        Authentication::TokenMissing => Authentication::TokenMissing,
        Authentication::TokenMalformed => Authentication::TokenMalformed,
        Authentication::TokenTooLarge => Authentication::TokenTooLarge,
        Authentication::AlgorithmForbidden => Authentication::AlgorithmForbidden,
        Authentication::IssuerUnknown => Authentication::IssuerUnknown,
        Authentication::KeyUnknown => Authentication::KeyUnknown,
        Authentication::SignatureInvalid => Authentication::SignatureInvalid,
        Authentication::AudienceMismatch => Authentication::AudienceMismatch,
        Authentication::Expired => Authentication::Expired,
        Authentication::NotYetValid => Authentication::NotYetValid,
        Authentication::ClaimsInvalid => Authentication::ClaimsInvalid,
        Authentication::Unavailable => Authentication::Unavailable,
        Authentication::TokenType => Authentication::TokenType,
        Authentication::InsufficientScope => Authentication::InsufficientScope,
    }
}

every! {
    /// Every reason of sessions.
    session: Session {
        Session::Unknown => Session::Unknown,
        Session::Missing => Session::Missing,
        Session::LimitReached => Session::LimitReached,
    }
}

every! {
    /// Every reason of `authorize`.
    authorization: Authorization {
        Authorization::Denied => Authorization::Denied,
        Authorization::PolicyError => Authorization::PolicyError,
        Authorization::UriNotCanonical => Authorization::UriNotCanonical,
        Authorization::ArgumentUnrepresentable => Authorization::ArgumentUnrepresentable,
        Authorization::ToolClosed => Authorization::ToolClosed,
        Authorization::CatalogueUnknown => Authorization::CatalogueUnknown,
    }
}

every! {
    /// Every phase's group of refusals, as its first reason.
    groups: Rejection {
        Rejection::Accept(_) => Rejection::Accept(Accept::MalformedHttp),
        Rejection::Authentication(_) => Rejection::Authentication(Authentication::TokenMissing),
        Rejection::Session(_) => Rejection::Session(Session::Unknown),
        Rejection::RateLimited(_) => Rejection::RateLimited(RateLimited { retry_after_s: 1 }),
        Rejection::Authorization(..) => Rejection::Authorization(Authorization::Denied, None),
    }
}

every! {
    /// Every fault.
    faults: Fault {
        Fault::DownstreamClosed => Fault::DownstreamClosed,
        Fault::UpstreamConnect => Fault::UpstreamConnect,
        Fault::UpstreamTimeout => Fault::UpstreamTimeout,
        Fault::UpstreamClosed => Fault::UpstreamClosed,
        Fault::UpstreamInvalid => Fault::UpstreamInvalid,
        Fault::UpstreamTooLarge => Fault::UpstreamTooLarge,
        Fault::UpstreamRefused => Fault::UpstreamRefused,
        Fault::UpstreamExited => Fault::UpstreamExited,
        Fault::CredentialUnavailable => Fault::CredentialUnavailable,
        Fault::AuditUnavailable => Fault::AuditUnavailable,
        Fault::Overloaded => Fault::Overloaded,
        Fault::Internal => Fault::Internal,
    }
}

/// Every refusal, in the order of the pipeline.
pub fn rejections() -> Vec<Rejection> {
    let mut all = Vec::new();
    for group in groups() {
        match group {
            Rejection::Accept(_) => {
                for reason in accept() {
                    match reason {
                        Accept::Message(_) => {
                            // Those that are answered as another reason are listed as that reason.
                            let own = parse_errors().into_iter().map(Accept::from);
                            let own = own.filter(|reason| matches!(reason, Accept::Message(_)));
                            all.extend(own.map(Rejection::Accept));
                        }
                        other => all.push(Rejection::Accept(other)),
                    }
                }
            }
            Rejection::Authentication(_) => all.extend(authentication().into_iter().map(Rejection::Authentication)),
            Rejection::Session(_) => all.extend(session().into_iter().map(Rejection::Session)),
            Rejection::RateLimited(limited) => all.push(Rejection::RateLimited(limited)),
            Rejection::Authorization(..) => all.extend(authorization().into_iter().map(Rejection::from)),
        }
    }
    all
}
