//! The connections to Redis: one for commands, one for messages, used together or not at all.
//!
//! Invariants: before a connection is used, everything that Redis kept is made unreadable, and no invalidation happened
//! between that and its use; with the first failure of anything, the memory before Redis is emptied and closed, and
//! Redis is not asked any more. Once a second the server sends itself a message: where it does not come back, neither
//! may others' messages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use redis::AsyncConnectionConfig;
use redis::aio::PubSub;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::commands::{Commands, Names};
use super::{RedisSettings, removed};
use crate::cache::{Bar, By, Memory, Stale};
use crate::storage::DocumentPath;

/// How long Redis may take for anything.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(2);

/// How long it is left alone after a failure.
const REST: Duration = Duration::from_millis(500);

/// How often the server sends itself a message.
const BEAT: Duration = Duration::from_secs(1);

/// How long none may come back.
const SILENCE: Duration = Duration::from_millis(2_500);

/// The link.
pub(super) struct Link {
    settings: RedisSettings,
    names: Names,
    lifetime: Duration,
    near: Arc<Memory>,
    state: Mutex<State>,
    lost: Notify,
    roomy: AtomicBool,
    stop: CancellationToken,
}

#[derive(Default)]
struct State {
    commands: Option<Commands>,
    generation: u64,
    /// Invalidations that Redis was not told of.
    missed: u64,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Link").field("up", &self.is_up()).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(
        settings: RedisSettings,
        lifetime: Duration,
        near: Arc<Memory>,
    ) -> Result<Self, getrandom::Error> {
        let names = Names::new(settings.prefix())?;
        Ok(Self {
            settings,
            names,
            lifetime,
            near,
            state: Mutex::default(),
            lost: Notify::new(),
            roomy: AtomicBool::new(true),
            stop: CancellationToken::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn is_up(&self) -> bool {
        self.state().commands.is_some()
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn commands(&self) -> Option<Commands> {
        self.state().commands.clone()
    }

    /// Says in the log when Redis gets full, and when it has room again.
    pub(super) fn note_room(&self, roomy: bool) {
        if self.roomy.swap(roomy, Ordering::Relaxed) == roomy {
            return;
        }
        if roomy {
            tracing::info!("Redis takes new entries of the cache again");
        } else {
            self.near.counts.failure();
            tracing::warn!("Redis is full and drops nothing: the cache keeps what is there. Set its maxmemory-policy");
        }
    }

    /// Gives up this connection, if it is the current one.
    pub(super) fn lose(&self, commands: &Commands, reason: &str) {
        let mut state = self.state();
        if state.generation == commands.generation && state.commands.take().is_some() {
            state.missed += 1;
            self.near.bar(Bar::Redis);
            self.near.counts.failure();
            tracing::warn!(reason, "Redis failed: the server goes on without a cache");
            self.lost.notify_one();
        }
    }

    /// Forgets what is stale; once it returns, this server does not read it there.
    pub(super) async fn forget_stale(&self, stale: &[Stale], by: By) {
        let (keys, told) = removed(&self.names, stale);
        self.forget(keys, (by == By::Us).then_some(told)).await;
    }

    pub(super) async fn forget(&self, keys: Vec<String>, told: Option<Vec<String>>) {
        if keys.is_empty() {
            return;
        }
        let commands = {
            let mut state = self.state();
            if state.commands.is_none() {
                // Whoever connects flushes, and looks whether this came meanwhile.
                state.missed += 1;
            }
            state.commands.clone()
        };
        let Some(mut commands) = commands else { return };
        if let Err(error) = commands.forget(&keys, &told.unwrap_or_default()).await {
            self.lose(&commands, &error.to_string());
        }
    }

    /// Connects, and again after every failure, until it is stopped.
    pub(super) async fn run(self: Arc<Self>) {
        // What is said once is not said again before something else is.
        let mut said = false;
        while !self.stop.is_cancelled() {
            let connected = tokio::select! {
                connected = self.connect() => connected,
                () = self.stop.cancelled() => break,
            };
            match connected {
                Ok((commands, messages)) => {
                    tracing::info!("the cache uses Redis");
                    let mut attending = commands.clone();
                    let reason = tokio::select! {
                        reason = self.attend(&mut attending, messages) => reason,
                        () = self.stop.cancelled() => break,
                    };
                    self.lose(&commands, &reason);
                    said = true;
                }
                Err(reason) => {
                    if !std::mem::replace(&mut said, true) {
                        self.near.counts.failure();
                        tracing::warn!(reason, "Redis cannot be used: the server goes on without a cache");
                    }
                }
            }
            tokio::time::sleep(REST).await;
        }
        self.state().commands = None;
        self.near.bar(Bar::Redis);
    }

    async fn connect(&self) -> Result<(Commands, PubSub), String> {
        let client = self.settings.client();
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(PATIENCE));
        let opening = client.get_multiplexed_async_connection_with_config(&config);
        let connection = opening.await.map_err(|error| error.to_string())?;
        let listening = async {
            let mut messages = client.get_async_pubsub().await?;
            messages.subscribe(self.names.channel()).await?;
            Ok::<_, redis::RedisError>(messages)
        };
        let messages = tokio::time::timeout(CONNECT, listening).await.map_err(|_| "no answer in time".to_owned())?;
        let messages = messages.map_err(|error| error.to_string())?;
        let (names, lifetime) = (self.names.clone(), self.lifetime);
        let mut commands = Commands { connection, names, lifetime, generation: 0 };
        loop {
            let missed = self.state().missed;
            commands.flush(Message::All.text(&self.names)).await.map_err(|error| error.to_string())?;
            let mut state = self.state();
            if state.missed == missed {
                state.generation += 1;
                commands.generation = state.generation;
                state.commands = Some(commands.clone());
                self.near.unbar(Bar::Redis);
                return Ok((commands, messages));
            }
        }
    }

    /// Hears messages until a connection fails; why it did.
    async fn attend(&self, commands: &mut Commands, messages: PubSub) -> String {
        // The sink holds the connection.
        let (_sink, mut messages) = messages.split();
        let mut beats = tokio::time::interval(BEAT);
        let mut heard = Instant::now();
        let beat = Message::Beat.text(&self.names);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) if message.get_payload_bytes() == beat.as_bytes() => heard = Instant::now(),
                    Some(message) => self.hear(message.get_payload_bytes()),
                    None => return "the connection for messages is gone".to_owned(),
                },
                _ = beats.tick() => {
                    if heard.elapsed() > SILENCE {
                        return "messages do not arrive".to_owned();
                    }
                    if let Err(error) = commands.publish(&beat).await {
                        return error.to_string();
                    }
                }
                () = self.lost.notified() => {
                    // It may be about the connection before this one.
                    if self.state().generation != commands.generation || !self.is_up() {
                        return "a command failed".to_owned();
                    }
                }
            }
        }
    }

    fn hear(&self, text: &[u8]) {
        match Message::parse(text, &self.names) {
            Some((true, _)) | Some((_, Message::Beat)) => {}
            Some((false, Message::Document(path))) => self.near.forget(&[Stale::Document(path)]),
            Some((false, Message::Prompts)) => self.near.forget(&[Stale::Prompts]),
            // What cannot be read may be about anything.
            Some((false, Message::All)) | None => self.near.forget(&[Stale::All]),
        }
    }
}

/// What servers tell each other: who, what, and of a document its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Document(DocumentPath),
    Prompts,
    All,
    Beat,
}

impl Message {
    pub(super) fn text(&self, names: &Names) -> String {
        let origin = &names.origin;
        match self {
            Self::Document(path) => format!("{origin} document {path}"),
            Self::Prompts => format!("{origin} prompts"),
            Self::All => format!("{origin} all"),
            Self::Beat => format!("{origin} beat"),
        }
    }

    /// Whether it is this server's own, and what it says.
    fn parse(text: &[u8], names: &Names) -> Option<(bool, Self)> {
        let (origin, said) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        let message = match said.split_once(' ') {
            Some(("document", path)) => Self::Document(DocumentPath::parse(path).ok()?),
            None if said == "prompts" => Self::Prompts,
            None if said == "all" => Self::All,
            None if said == "beat" => Self::Beat,
            _ => return None,
        };
        Some((origin == names.origin, message))
    }
}

#[cfg(test)]
mod tests;
