//! Objects in a store of a cloud, or in memory.

mod list;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, UpdateVersion,
};

use super::content::{Beginning, Content, whole};
use super::error::{NO_CONDITIONAL_DELETE, NO_LARGE_CONDITION};
use super::logged::meaning;
use super::multipart::Upload;
use super::{Condition, Encoding, Limits, ObjectError, ObjectKey, Stat, Stream, encoding, guessed};

/// Metadata of an object that is not kept as it was written. Azure's stores take no dash in a name.
const ENCODING: &str = "doorwardencoding";

/// Its bytes as they were written.
const SIZE: &str = "doorwardsize";

/// What the stores do differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Writes are made conditional by the quoted ETag.
    Quoted,
    /// By the number of the generation, which is told as the ETag.
    Generation,
    /// As [`Kind::Quoted`], in memory: our own limits hold.
    Memory,
}

/// A store behind the crate's interface, and where in it objects are.
pub(super) struct Remote {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) signer: Option<Arc<dyn Signer>>,
    pub(super) prefix: Option<Path>,
    pub(super) kind: Kind,
    pub(super) limits: Limits,
    /// How the store is called in logs.
    pub(super) name: String,
    /// Held during a write in memory, so that what was counted stays.
    pub(super) writes: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Remote {
    /// Without the store, whose settings hold credentials.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Remote").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Remote {
    /// Where an object is.
    fn at(&self, key: &ObjectKey) -> Result<Path, ObjectError> {
        let text = match &self.prefix {
            Some(prefix) => Cow::Owned(format!("{prefix}/{key}")),
            None => Cow::Borrowed(key.as_str()),
        };
        // What is a key here is a path there; its one spelling is kept.
        Path::parse(text).map_err(|error| meaning(error.into(), Some(key)))
    }

    /// Waits for the store as long as the operator allows.
    async fn timely<T>(
        &self,
        work: impl Future<Output = Result<T, object_store::Error>>,
        key: Option<&ObjectKey>,
    ) -> Result<T, ObjectError> {
        let done = tokio::time::timeout(self.limits.timeout, work).await;
        done.map_err(|_| ObjectError::Timeout)?.map_err(|error| meaning(error, key))
    }

    /// See [`super::Objects::put`].
    pub(super) async fn put(
        &self,
        key: &ObjectKey,
        media_type: String,
        mut content: Content,
        condition: &Condition,
    ) -> Result<Stat, ObjectError> {
        if self.kind == Kind::Memory {
            let (bytes, _) = content.next_part(usize::MAX).await?;
            let _one = self.writes.lock().await;
            self.room(key, u64::try_from(bytes.len()).unwrap_or(u64::MAX)).await?;
            return self.put_whole(key, media_type, bytes, condition).await;
        }
        match content.beginning().await? {
            Beginning::Whole(bytes) => self.put_whole(key, media_type, bytes, condition).await,
            Beginning::Part(_) if *condition != Condition::Always => Err(ObjectError::Condition(NO_LARGE_CONDITION)),
            Beginning::Part(first) => {
                let attributes = attributes(media_type, Encoding::Identity, 0);
                let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
                let path = self.at(key)?;
                let upload = self.timely(self.store.put_multipart_opts(&path, options), Some(key)).await?;
                Upload::new(upload, self.limits.timeout).run(first, content).await?;
                self.stat(key).await
            }
        }
    }

    async fn put_whole(
        &self,
        key: &ObjectKey,
        media_type: String,
        content: Bytes,
        condition: &Condition,
    ) -> Result<Stat, ObjectError> {
        if let Condition::Etag(etag) = condition
            && !self.gives_out(etag)
        {
            return Err(ObjectError::Conflict { key: key.clone(), current: self.stat(key).await?.etag });
        }
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let (encoding, kept) = encoding::encode(&media_type, content).await;
        let stored_size = u64::try_from(kept.len()).unwrap_or(u64::MAX);
        let mode = match condition {
            Condition::Absent => PutMode::Create,
            Condition::Always => PutMode::Overwrite,
            Condition::Etag(etag) => PutMode::Update(self.version(etag)),
        };
        let attributes = attributes(media_type.clone(), encoding, size);
        let options = PutOptions { mode, attributes, ..PutOptions::default() };
        let payload = PutPayload::from_bytes(kept);
        let put = self.timely(self.store.put_opts(&self.at(key)?, payload, options), Some(key)).await;
        match (put, condition) {
            (Ok(put), _) => {
                let etag = self.told(put.e_tag, put.version);
                let modified_at = chrono::Utc::now().timestamp_millis();
                Ok(Stat { key: key.clone(), size, stored_size, encoding, media_type, etag, modified_at })
            }
            // Stores say in different ways that the object is another one, or none.
            (Err(ObjectError::Conflict { .. } | ObjectError::Exists(_)), Condition::Etag(_)) => {
                Err(ObjectError::Conflict { key: key.clone(), current: self.stat(key).await?.etag })
            }
            (Err(ObjectError::Conflict { .. }), Condition::Absent) => Err(ObjectError::Exists(key.clone())),
            (Err(error), _) => Err(error),
        }
    }

    /// See [`super::Objects::stat`].
    pub(super) async fn stat(&self, key: &ObjectKey) -> Result<Stat, ObjectError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = self.timely(self.store.get_opts(&self.at(key)?, options), Some(key)).await?;
        self.of(key, &found)
    }

    /// See [`super::Objects::stream`].
    pub(super) async fn stream(&self, stat: &Stat, offset: u64, length: u64) -> Result<Stream, ObjectError> {
        let packed = stat.encoding == Encoding::Gzip;
        let range = (!packed).then(|| GetRange::Bounded(offset..offset.saturating_add(length)));
        let options = GetOptions { range, ..GetOptions::default() };
        let found = self.timely(self.store.get_opts(&self.at(&stat.key)?, options), Some(&stat.key)).await?;
        let key = stat.key.clone();
        // What is read must be what was looked at, not what somebody put in its place.
        if self.told(found.meta.e_tag.clone(), found.meta.version.clone()) != stat.etag {
            return Err(ObjectError::Conflict { key, current: None });
        }
        let timeout = self.limits.timeout;
        let pieces = patient(found, timeout, key.clone());
        if !packed {
            return Ok(pieces);
        }
        let kept = Bytes::from(whole(bounded(pieces, stat.stored_size)).await?);
        let part = encoding::part(kept, stat, offset, length).await?;
        Ok(Box::pin(futures_util::stream::iter([Ok(part)])))
    }

    /// See [`super::Objects::delete`].
    pub(super) async fn delete(&self, key: &ObjectKey, etag: Option<&str>) -> Result<Stat, ObjectError> {
        if etag.is_some() {
            return Err(ObjectError::Condition(NO_CONDITIONAL_DELETE));
        }
        let found = self.stat(key).await?;
        self.timely(self.store.delete(&self.at(key)?), Some(key)).await?;
        Ok(found)
    }

    /// An address of the store's own for reading an object, for a time.
    pub(super) async fn signed(&self, key: &ObjectKey, lifetime: Duration) -> Result<Option<String>, ObjectError> {
        let Some(signer) = &self.signer else {
            return Ok(None);
        };
        let path = self.at(key)?;
        let method = object_store::signer::Method::GET;
        Ok(Some(self.timely(signer.signed_url(method, &path, lifetime), Some(key)).await?.into()))
    }

    /// What is known of an object, from an answer that tells its metadata.
    fn of(&self, key: &ObjectKey, found: &GetResult) -> Result<Stat, ObjectError> {
        let text = |attribute: Attribute| found.attributes.get(&attribute).map(|value| value.to_string());
        let stored_size = found.meta.size;
        let corrupt = || ObjectError::Corrupt(key.clone());
        let (encoding, size) = match text(Attribute::Metadata(ENCODING.into())) {
            None => (Encoding::Identity, stored_size),
            Some(name) => {
                let size = text(Attribute::Metadata(SIZE.into())).and_then(|size| size.parse().ok());
                (Encoding::named(&name).ok_or_else(corrupt)?, size.ok_or_else(corrupt)?)
            }
        };
        let media_type = text(Attribute::ContentType).and_then(|media_type| super::media_type(&media_type).ok());
        let media_type = media_type.unwrap_or_else(|| guessed(key));
        Ok(Stat { size, encoding, media_type, ..self.listed(key.clone(), &found.meta) })
    }

    /// What is known of an object from a page of a list.
    fn listed(&self, key: ObjectKey, meta: &ObjectMeta) -> Stat {
        Stat {
            size: meta.size,
            stored_size: meta.size,
            encoding: Encoding::Identity,
            media_type: guessed(&key),
            etag: self.told(meta.e_tag.clone(), meta.version.clone()),
            modified_at: meta.last_modified.timestamp_millis(),
            key,
        }
    }

    /// The ETag as callers are told it.
    fn told(&self, etag: Option<String>, version: Option<String>) -> Option<String> {
        match self.kind {
            Kind::Generation => version,
            Kind::Quoted | Kind::Memory => etag.map(|etag| etag.trim_matches('"').to_owned()),
        }
    }

    /// Whether the store could have told this ETag. Google's refuses what is no number, and takes 0 for no object at all.
    fn gives_out(&self, etag: &str) -> bool {
        let is_generation =
            || etag.bytes().all(|byte| byte.is_ascii_digit()) && etag.parse().is_ok_and(|number: i64| number > 0);
        self.kind != Kind::Generation || is_generation()
    }

    /// What the store wants for the ETag that a caller was told.
    fn version(&self, etag: &str) -> UpdateVersion {
        match self.kind {
            Kind::Generation => UpdateVersion { e_tag: None, version: Some(etag.to_owned()) },
            Kind::Quoted | Kind::Memory => UpdateVersion { e_tag: Some(format!("\"{etag}\"")), version: None },
        }
    }
}

fn attributes(media_type: String, encoding: Encoding, size: u64) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, media_type.into());
    if encoding != Encoding::Identity {
        attributes.insert(Attribute::Metadata(ENCODING.into()), encoding.name().into());
        attributes.insert(Attribute::Metadata(SIZE.into()), size.to_string().into());
    }
    attributes
}

/// The bytes of an answer; each piece must come in time.
fn patient(found: GetResult, timeout: Duration, key: ObjectKey) -> Stream {
    let pieces = futures_util::stream::unfold(Some(found.into_stream()), move |pieces| {
        let key = key.clone();
        async move {
            let mut pieces = pieces?;
            match tokio::time::timeout(timeout, pieces.next()).await {
                Ok(None) => None,
                Ok(Some(Ok(piece))) => Some((Ok(piece), Some(pieces))),
                Ok(Some(Err(error))) => Some((Err(meaning(error, Some(&key))), None)),
                Err(_) => Some((Err(ObjectError::Timeout), None)),
            }
        }
    });
    pieces.boxed()
}

/// The same bytes, but never more than `bytes`.
fn bounded(pieces: Stream, bytes: u64) -> Stream {
    let mut left = bytes;
    pieces
        .and_then(move |piece| {
            let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            let within = left.checked_sub(length).ok_or(ObjectError::Unavailable);
            left = within.as_ref().copied().unwrap_or(0);
            futures_util::future::ready(within.map(|_| piece))
        })
        .boxed()
}
