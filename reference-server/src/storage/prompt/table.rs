//! The prompts' tables: what is done with them, once for every engine, within a transaction that an engine began.
//!
//! Statements are those of [`crate::storage::statements`]. A writer first takes hold of the prompt's row ([`HOLD`]), so that writers of one name take turns also where the engine lets others write.

use super::{Prompt, PromptBody, PromptName, PromptStoreError};
use crate::storage::backup::{BackupError, Record, Records};
use crate::storage::statements::{Bound, Row, Rows};
use crate::storage::{Page, StoreError, now};

const HOLD: &str = "
    INSERT INTO prompts (name, version, created_at, updated_at) VALUES ($1, 0, 0, 0)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name";

const CURRENT: &str = "SELECT name, version, body, created_at, updated_at FROM prompts WHERE name = $1";

const KEEP: &str = "
    INSERT INTO prompt_versions (name, version, body, updated_at)
    SELECT name, version, body, updated_at FROM prompts WHERE name = $1";

const SET: &str = "UPDATE prompts SET version = $2, body = $3, created_at = $4, updated_at = $5 WHERE name = $1";

const FORGET: &str = "DELETE FROM prompt_versions WHERE name = $1";

const EMPTY: &str = "UPDATE prompts SET version = $2, body = NULL WHERE name = $1";

const LIST: &str = "
    SELECT name, version, body, created_at, updated_at FROM prompts
    WHERE name > $1 AND body IS NOT NULL ORDER BY name LIMIT $2";

const HISTORY: &str = "
    SELECT name, version, body, created_at, updated_at FROM prompts
    WHERE name = $1 AND version < $2 AND body IS NOT NULL
    UNION ALL
    SELECT earlier.name, earlier.version, earlier.body, prompts.created_at, earlier.updated_at
    FROM prompts JOIN prompt_versions AS earlier ON earlier.name = prompts.name
    WHERE prompts.name = $1 AND earlier.version < $2
    ORDER BY version DESC LIMIT $3";

const ALL: &str =
    "SELECT name, version, body, created_at, updated_at FROM prompts WHERE name > $1 ORDER BY name LIMIT 1";

const NEXT_EARLIER: &str = "
    SELECT earlier.name, earlier.version, earlier.body, prompts.created_at, earlier.updated_at
    FROM prompts JOIN prompt_versions AS earlier ON earlier.name = prompts.name
    WHERE prompts.name = $1 AND earlier.version > $2 ORDER BY earlier.version LIMIT 1";

const PUT_EARLIER: &str = "INSERT INTO prompt_versions (name, version, body, updated_at) VALUES ($1, $2, $3, $4)";

/// A row as a prompt.
trait OfPrompt {
    fn name(&self) -> Result<PromptName, StoreError>;
    /// The prompt; `None` where it is deleted.
    fn prompt(&self) -> Result<Option<Prompt>, StoreError>;
}

impl OfPrompt for Row {
    fn name(&self) -> Result<PromptName, StoreError> {
        PromptName::parse(&self.name).map_err(|_| StoreError::Corrupt("prompt's name"))
    }

    fn prompt(&self) -> Result<Option<Prompt>, StoreError> {
        let Some(body) = &self.body else { return Ok(None) };
        Ok(Some(Prompt {
            name: self.name()?,
            version: self.version()?,
            body: serde_json::from_str(body).map_err(|_| StoreError::Corrupt("prompt"))?,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }))
    }
}

fn prompts(rows: &[Row]) -> Result<Vec<Prompt>, StoreError> {
    rows.iter().filter_map(|row| row.prompt().transpose()).collect()
}

fn json(body: &PromptBody) -> Result<String, StoreError> {
    serde_json::to_string(body).map_err(|_| StoreError::Corrupt("prompt"))
}

async fn current(rows: &mut dyn Rows, name: &PromptName) -> Result<(u32, Option<Prompt>), StoreError> {
    let found = rows.fetch(CURRENT, &[Bound::Text(name.as_str())]).await?;
    let Some(row) = found.first() else { return Ok((0, None)) };
    Ok((row.version()?, row.prompt()?))
}

async fn set(rows: &mut dyn Rows, prompt: &Prompt) -> Result<(), StoreError> {
    let body = json(&prompt.body)?;
    let bound = [
        Bound::Text(prompt.name.as_str()),
        Bound::Number(prompt.version.into()),
        Bound::Text(&body),
        Bound::Number(prompt.created_at),
        Bound::Number(prompt.updated_at),
    ];
    rows.execute(SET, &bound).await
}

/// See [`super::PromptStore::save_prompt`].
pub(in crate::storage) async fn save(
    rows: &mut dyn Rows,
    name: &PromptName,
    expected: Option<u32>,
    body: PromptBody,
) -> Result<Prompt, PromptStoreError> {
    body.check()?;
    let bound = [Bound::Text(name.as_str())];
    rows.execute(HOLD, &bound).await?;
    let (last, before) = current(rows, name).await?;
    let at = now();
    let created_at = match (&before, expected) {
        (None, None) => at,
        (None, Some(_)) => return Err(PromptStoreError::NotFound(name.clone())),
        (Some(_), None) => return Err(PromptStoreError::Exists(name.clone())),
        (Some(before), Some(expected)) if before.version == expected => before.created_at,
        (Some(before), Some(expected)) => {
            return Err(PromptStoreError::Conflict { name: name.clone(), expected, current: before.version });
        }
    };
    if before.is_some() {
        rows.execute(KEEP, &bound).await?;
    }
    let version = last.checked_add(1).ok_or(StoreError::Corrupt("version"))?;
    let prompt = Prompt { name: name.clone(), version, body, created_at, updated_at: at };
    set(rows, &prompt).await?;
    Ok(prompt)
}

/// See [`super::PromptStore::delete_prompt`].
pub(in crate::storage) async fn delete(
    rows: &mut dyn Rows,
    name: &PromptName,
    expected: Option<u32>,
) -> Result<u32, PromptStoreError> {
    let bound = [Bound::Text(name.as_str())];
    rows.execute(HOLD, &bound).await?;
    let (current, before) = current(rows, name).await?;
    if before.is_none() {
        return Err(PromptStoreError::NotFound(name.clone()));
    }
    if let Some(expected) = expected.filter(|&expected| expected != current) {
        return Err(PromptStoreError::Conflict { name: name.clone(), expected, current });
    }
    rows.execute(FORGET, &bound).await?;
    retire(rows, name, current).await?;
    Ok(current)
}

async fn retire(rows: &mut dyn Rows, name: &PromptName, version: u32) -> Result<(), StoreError> {
    rows.execute(EMPTY, &[Bound::Text(name.as_str()), Bound::Number(version.into())]).await
}

/// See [`super::PromptStore::prompt`].
pub(in crate::storage) async fn read(
    rows: &mut dyn Rows,
    name: &PromptName,
    version: Option<u32>,
) -> Result<Prompt, PromptStoreError> {
    let prompt = current(rows, name).await?.1.ok_or_else(|| PromptStoreError::NotFound(name.clone()))?;
    match version {
        Some(version) if version != prompt.version => {
            let below = i64::from(version).saturating_add(1);
            let found = versions(rows, name, below, 1).await?;
            let found = found.into_iter().find(|earlier| earlier.version == version);
            found.ok_or_else(|| PromptStoreError::NoVersion { name: name.clone(), version })
        }
        _ => Ok(prompt),
    }
}

async fn versions(rows: &mut dyn Rows, name: &PromptName, below: i64, limit: i64) -> Result<Vec<Prompt>, StoreError> {
    let bound = [Bound::Text(name.as_str()), Bound::Number(below), Bound::Number(limit)];
    prompts(&rows.fetch(HISTORY, &bound).await?)
}

/// See [`super::PromptStore::prompts`].
pub(in crate::storage) async fn list(
    rows: &mut dyn Rows,
    after: Option<&str>,
    limit: u32,
) -> Result<Page<Prompt>, PromptStoreError> {
    let after = after.unwrap_or_default();
    if after.contains('\0') {
        // No name does, and not every engine compares with one.
        return Ok(Page::cut(vec![], limit));
    }
    let found = rows.fetch(LIST, &[Bound::Text(after), Bound::Number(i64::from(limit) + 1)]).await?;
    Ok(Page::cut(prompts(&found)?, limit))
}

/// See [`super::PromptStore::prompt_history`].
pub(in crate::storage) async fn history(
    rows: &mut dyn Rows,
    name: &PromptName,
    before: Option<u32>,
    limit: u32,
) -> Result<Page<Prompt>, PromptStoreError> {
    let below = before.map_or(i64::MAX, i64::from);
    let found = versions(rows, name, below, i64::from(limit) + 1).await?;
    if found.is_empty() && current(rows, name).await?.1.is_none() {
        return Err(PromptStoreError::NotFound(name.clone()));
    }
    Ok(Page::cut(found, limit))
}

/// Gives every prompt to a backup: as it is, then its earlier versions, the oldest first.
pub(in crate::storage) async fn dump(rows: &mut dyn Rows, records: &Records) -> Result<(), BackupError> {
    let give = async |record| records.send(record).await.map_err(|_| BackupError::Stopped);
    let mut after = String::new();
    while let Some(row) = rows.fetch(ALL, &[Bound::Text(&after)]).await?.into_iter().next() {
        let name = row.name()?;
        let Some(prompt) = row.prompt()? else {
            give(Record::RetiredPrompt(name, row.version()?)).await?;
            after = row.name;
            continue;
        };
        give(Record::Prompt(prompt)).await?;
        let mut above = 0;
        while let Some(earlier) = next_earlier(rows, &name, above).await? {
            above = earlier.version;
            give(Record::EarlierPrompt(earlier)).await?;
        }
        after = row.name;
    }
    Ok(())
}

/// The oldest earlier version above this one.
async fn next_earlier(rows: &mut dyn Rows, name: &PromptName, above: u32) -> Result<Option<Prompt>, StoreError> {
    let found = rows.fetch(NEXT_EARLIER, &[Bound::Text(name.as_str()), Bound::Number(above.into())]).await?;
    found.first().map_or(Ok(None), Row::prompt)
}

/// Whether a prompt is or was here.
pub(in crate::storage) async fn used(rows: &mut dyn Rows) -> Result<bool, StoreError> {
    Ok(!rows.fetch(ALL, &[Bound::Text("")]).await?.is_empty())
}

/// Takes a prompt of a backup.
pub(in crate::storage) async fn put(rows: &mut dyn Rows, prompt: &Prompt) -> Result<(), StoreError> {
    rows.execute(HOLD, &[Bound::Text(prompt.name.as_str())]).await?;
    set(rows, prompt).await
}

/// Takes what a prompt was earlier.
pub(in crate::storage) async fn put_earlier(rows: &mut dyn Rows, prompt: &Prompt) -> Result<(), StoreError> {
    let body = json(&prompt.body)?;
    let bound = [
        Bound::Text(prompt.name.as_str()),
        Bound::Number(prompt.version.into()),
        Bound::Text(&body),
        Bound::Number(prompt.updated_at),
    ];
    rows.execute(PUT_EARLIER, &bound).await
}

/// Takes the last version of a prompt that was deleted.
pub(in crate::storage) async fn put_retired(
    rows: &mut dyn Rows,
    name: &PromptName,
    version: u32,
) -> Result<(), StoreError> {
    rows.execute(HOLD, &[Bound::Text(name.as_str())]).await?;
    retire(rows, name, version).await
}
