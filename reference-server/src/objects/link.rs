//! Links to objects, and to where an object may be sent.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Condition, Encoding, Kept, ObjectError, ObjectKey, Objects, Stat};
use crate::download::{Claim, Link, Links};

/// What the path of a link to this server begins with.
pub const ROUTE: &str = "/objects/";

/// Which links are given out.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Address that objects can be had at by everybody, with the key behind it.
    pub cdn: Option<String>,
    /// Always through this server, where the store could sign links as well.
    pub own: bool,
}

/// Who answers a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// What distributes public objects. The link does not end.
    Cdn,
    /// The store.
    Store,
    /// This server.
    Server,
}

/// Where an object may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The address.
    pub url: String,
    /// Unix time in seconds from which on it is refused; `None` where it does not end.
    pub expires_at: Option<u64>,
    /// Who answers.
    pub via: Via,
}

/// What a link lets a client send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// Where the object will be.
    pub key: ObjectKey,
    /// The media type that it must have; any where there is none.
    pub media_type: Option<String>,
    /// When it is stored.
    pub condition: Condition,
    /// Most bytes.
    pub bytes_max: u64,
}

impl Sending {
    /// The condition as the link says it. No ETag begins like the others: see [`Condition::etag`].
    pub(super) fn condition_text(&self) -> String {
        match &self.condition {
            Condition::Absent => "absent".to_owned(),
            Condition::Always => "always".to_owned(),
            Condition::Etag(etag) => format!("etag:{etag}"),
        }
    }

    /// The condition that a link says.
    #[must_use]
    pub fn condition(text: &str) -> Option<Condition> {
        match text {
            "absent" => Some(Condition::Absent),
            "always" => Some(Condition::Always),
            text => Condition::etag(text.strip_prefix("etag:")?).ok(),
        }
    }

    /// The link.
    #[must_use]
    pub fn link(&self, links: &Links, lifetime: Duration) -> Link {
        self.claimed(|claim| {
            let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let media_type = self.media_type.as_deref().map(|it| format!("type={}&", escaped(it))).unwrap_or_default();
            let condition = escaped(&self.condition_text());
            let more = format!("{media_type}if={condition}&max={}&", self.bytes_max);
            links.to(ROUTE, self.key.as_str(), &claim, lifetime, &more)
        })
    }

    /// Calls `with` with what is signed.
    pub(super) fn claimed<T>(&self, with: impl FnOnce(Claim<'_>) -> T) -> T {
        let (condition, bytes) = (self.condition_text(), self.bytes_max.to_string());
        let media_type = self.media_type.as_deref().unwrap_or_default();
        with(Claim { kind: "object-put", fields: &[self.key.as_str(), media_type, &condition, &bytes] })
    }
}

/// What a link to an object of this server signs.
pub(super) fn reading(key: &ObjectKey) -> [&str; 1] {
    [key.as_str()]
}

/// The kind of [`reading`].
pub(super) const READING: &str = "object-get";

impl Objects {
    /// Where this object can be read, for at most `lifetime`. An object that is kept compressed is read through this
    /// server, which undoes that.
    ///
    /// # Errors
    /// See [`ObjectError`].
    pub async fn link(&self, stat: &Stat, links: Option<&Links>, lifetime: Duration) -> Result<Reading, ObjectError> {
        let plain = stat.encoding == Encoding::Identity;
        if let Some(cdn) = self.links.cdn.as_deref().filter(|_| plain) {
            let escaped = stat.key.uri();
            let escaped = escaped.strip_prefix("object://").unwrap_or_default();
            let url = format!("{}/{escaped}", cdn.trim_end_matches('/'));
            return Ok(Reading { url, expires_at: None, via: Via::Cdn });
        }
        if let Kept::Remote(remote) = &self.kept
            && plain
            && !self.links.own
        {
            let now = chrono::Utc::now().timestamp();
            let end = u64::try_from(now).unwrap_or_default().saturating_add(lifetime.as_secs());
            if let Some(url) = remote.signed(&stat.key, lifetime).await? {
                return Ok(Reading { url, expires_at: Some(end), via: Via::Store });
            }
        }
        let links = links.ok_or(ObjectError::NoLinks)?;
        let fields = reading(&stat.key);
        let link = links.to(ROUTE, stat.key.as_str(), &Claim { kind: READING, fields: &fields }, lifetime, "");
        Ok(Reading { url: link.url, expires_at: Some(link.expires_at), via: Via::Server })
    }
}
