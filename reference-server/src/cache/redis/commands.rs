//! What Redis is asked: three scripts and the names of keys.

use std::sync::LazyLock;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script};

use crate::cache::{Key, wire};
use crate::storage::DocumentPath;

/// Characters of an epoch, and of what makes a lease unlike any other.
const TOKEN: usize = 32;

/// How long a lease waits for its value: longer than a store takes to answer.
const LEASE: Duration = Duration::from_secs(60);

/// Gives the value of the epoch; else leaves a lease, or gives the one that is there. Nothing where there is no room.
/// KEYS: epoch, value. ARGV: token, milliseconds of a lease.
static FETCH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local epoch = redis.call('GET', KEYS[1])
        if not epoch then
            epoch = ARGV[1]
            local set = redis.pcall('SET', KEYS[1], epoch)
            if set.err then return false end
        end
        local there = redis.call('GET', KEYS[2])
        if there and string.sub(there, 2, 33) == epoch then return there end
        local lease = 'L' .. epoch .. ARGV[1]
        local set = redis.pcall('SET', KEYS[2], lease, 'PX', ARGV[2])
        if set.err then return false end
        return lease",
    )
});

/// Puts a value in the place of its lease. KEYS: epoch, value. ARGV: lease, text, milliseconds that it is kept.
static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
        local epoch = redis.call('GET', KEYS[1])
        if not epoch or string.sub(ARGV[1], 2, 33) ~= epoch then return 0 end
        local set = redis.pcall('SET', KEYS[2], 'V' .. epoch .. ARGV[2], 'PX', ARGV[3])
        if set.err then return 0 end
        return 1",
    )
});

/// The right to keep one value.
#[derive(Debug)]
pub(in crate::cache) struct Lease(Vec<u8>);

/// What was found.
#[derive(Debug)]
pub(super) enum Fetched {
    Value(Vec<u8>),
    Lease(Lease),
    Full,
}

/// The names of everything that a deployment has in Redis.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
    /// Tells this server's messages from others'.
    pub(super) origin: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Result<Self, getrandom::Error> {
        Ok(Self { prefix: format!("{prefix}:{}", wire::FORMAT), origin: token()? })
    }

    pub(super) fn documents_epoch(&self) -> String {
        format!("{}:epoch:documents", self.prefix)
    }

    pub(super) fn prompts_epoch(&self) -> String {
        format!("{}:epoch:prompts", self.prefix)
    }

    pub(super) fn channel(&self) -> String {
        format!("{}:stale", self.prefix)
    }

    pub(super) fn document(&self, path: &DocumentPath) -> String {
        format!("{}:document:{path}", self.prefix)
    }

    pub(super) fn key(&self, key: &Key) -> String {
        match key {
            Key::Document(path) => self.document(path),
            Key::Prompt(name) => format!("{}:prompt:{name}", self.prefix),
            Key::Prompts { after, limit } => {
                format!("{}:prompts:{limit}:{}", self.prefix, after.as_deref().unwrap_or_default())
            }
        }
    }

    fn epoch(&self, key: &Key) -> String {
        match key {
            Key::Document(_) => self.documents_epoch(),
            Key::Prompt(_) | Key::Prompts { .. } => self.prompts_epoch(),
        }
    }
}

/// A text that no other is like.
fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; TOKEN / 2];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// One connection's commands. It is never connected anew: what it missed meanwhile would go unnoticed.
#[derive(Clone)]
pub(super) struct Commands {
    pub(super) connection: MultiplexedConnection,
    pub(super) names: Names,
    pub(super) lifetime: Duration,
    /// Which connection of the link.
    pub(super) generation: u64,
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Commands {
    pub(super) async fn fetch(&mut self, key: &Key) -> Result<Fetched, RedisError> {
        let Ok(token) = token() else { return Ok(Fetched::Full) };
        let found: Option<Vec<u8>> = FETCH
            .key(self.names.epoch(key))
            .key(self.names.key(key))
            .arg(token)
            .arg(milliseconds(LEASE))
            .invoke_async(&mut self.connection)
            .await?;
        Ok(match found {
            Some(found) if found.first() == Some(&b'V') => Fetched::Value(found.into_iter().skip(1 + TOKEN).collect()),
            Some(lease) => Fetched::Lease(Lease(lease)),
            None => Fetched::Full,
        })
    }

    pub(super) async fn keep(&mut self, key: &Key, lease: &Lease, text: &[u8]) -> Result<(), RedisError> {
        let _kept: i64 = KEEP
            .key(self.names.epoch(key))
            .key(self.names.key(key))
            .arg(&lease.0)
            .arg(text)
            .arg(milliseconds(self.lifetime))
            .invoke_async(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Removes keys and tells the others, both or neither.
    pub(super) async fn forget(&mut self, keys: &[String], told: &[String]) -> Result<(), RedisError> {
        let mut work = redis::pipe();
        work.atomic().del(keys).ignore();
        for told in told {
            work.publish(self.names.channel(), told).ignore();
        }
        work.query_async(&mut self.connection).await
    }

    /// Makes everything that is there unreadable, also where no room is left to write anything.
    pub(super) async fn flush(&mut self, told: String) -> Result<(), RedisError> {
        let keys = [self.names.documents_epoch(), self.names.prompts_epoch()];
        self.forget(&keys, &[told]).await
    }

    pub(super) async fn publish(&mut self, told: &str) -> Result<(), RedisError> {
        redis::cmd("PUBLISH").arg(self.names.channel()).arg(told).exec_async(&mut self.connection).await
    }
}
