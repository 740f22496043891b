//! Pages of a store's list, and what is in memory.

use futures_util::TryStreamExt as _;
use object_store::path::Path;

use super::Remote;
use crate::objects::logged::meaning;
use crate::objects::{Listed, ObjectError, ObjectKey};
use crate::storage::Page;

/// Keys that are looked at for one page; it is short where fewer of them start with what was asked for.
const LOOKED_AT_MAX: usize = 10_000;

impl Remote {
    /// See [`crate::objects::Objects::list`]. What is no key here is passed over.
    pub(in crate::objects) async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Listed, ObjectError> {
        let page = tokio::time::timeout(self.limits.timeout, self.page(prefix, after, limit)).await;
        page.map_err(|_| ObjectError::Timeout)?
    }

    async fn page(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Listed, ObjectError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let folder = self.within(prefix.rsplit_once('/').map_or("", |(folder, _)| folder))?;
        let mut found = match after.filter(|after| !after.is_empty()) {
            Some(after) => self.store.list_with_offset(folder.as_ref(), &self.within(after)?.unwrap_or_default()),
            None => self.store.list(folder.as_ref()),
        };
        let (mut items, mut last) = (Vec::new(), None);
        let mut looked_at = 0;
        while looked_at < LOOKED_AT_MAX {
            let Some(meta) = found.try_next().await.map_err(|error| meaning(error, None))? else {
                return Ok(Listed { page: Page { items, more: false }, next: None });
            };
            let Some(key) = self.key(&meta.location) else {
                continue;
            };
            looked_at += 1;
            if items.len() == limit && key.as_str().starts_with(prefix) {
                return Ok(Listed { page: Page { items, more: true }, next: last });
            }
            last = Some(key.to_string());
            if key.as_str().starts_with(prefix) {
                items.push(self.listed(key, &meta));
            }
        }
        Ok(Listed { page: Page { items, more: last.is_some() }, next: last })
    }

    /// Where a part of a key is; `None` for all of the store.
    fn within(&self, part: &str) -> Result<Option<Path>, ObjectError> {
        let parts = self.prefix.as_ref().map(Path::to_string).into_iter().chain([part.to_owned()]);
        let text = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        if text.is_empty() {
            return Ok(None);
        }
        Path::parse(&text).map(Some).map_err(|error| meaning(error.into(), None))
    }

    fn key(&self, path: &Path) -> Option<ObjectKey> {
        let text = match &self.prefix {
            Some(prefix) => path.as_ref().strip_prefix(prefix.as_ref())?.strip_prefix('/')?,
            None => path.as_ref(),
        };
        ObjectKey::parse(text).ok()
    }

    /// Whether `bytes` more have room in memory.
    ///
    /// # Errors
    /// [`ObjectError::Full`].
    pub(super) async fn room(&self, key: &ObjectKey, bytes: u64) -> Result<(), ObjectError> {
        let replaced = self.at(key)?;
        let (mut count, mut total) = (1_u64, bytes);
        let mut found = self.store.list(None);
        while let Some(meta) = found.try_next().await.map_err(|error| meaning(error, None))? {
            if meta.location != replaced {
                count = count.saturating_add(1);
                total = total.saturating_add(meta.size);
            }
        }
        if count > self.limits.objects {
            return Err(ObjectError::Full("it may hold no more objects"));
        }
        if total > self.limits.total_bytes {
            return Err(ObjectError::Full("its objects may have no more bytes together"));
        }
        Ok(())
    }
}
