//! An upstream that is child processes over stdio: one for each owner, started when first needed.
//!
//! In: an [`Outgoing`] message. Out: a [`Reply`] with the messages of the child that belong to it. Invariants: no shell
//! and no command from a request; the environment is allow-listed; ids and progress tokens are the child's own, so that
//! two callers never see each other's answers; a child's death fails its pending calls at once; a process group ends
//! with its leader. A child whose parent dies hard sees the end of its standard input.

mod connection;
pub(crate) mod lines;
mod process;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};

use doorward_message::{Limits, Message, MessageKind, Method};
use tokio::sync::Mutex;

use self::connection::Connection;
pub use self::process::ChildError;
use super::{Outgoing, Owner, Reply, ReplyBody};
use crate::{model::Fault, pipeline::dispatch::settings::UpstreamSettings};

/// A process that dies sooner than this after its start is not started again for as long.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// How often idle children are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub struct ChildUpstream(Arc<Inner>);

struct Inner {
    command: process::Command,
    limits: Limits,
    first_byte: Duration,
    silence: Duration,
    idle: Duration,
    shared: bool,
    children_max: usize,
    children: Mutex<HashMap<Owner, Slot>>,
    sweeping: OnceLock<()>,
}

struct Slot {
    connection: Arc<Connection>,
    started: Instant,
    /// A legacy handshake was made with this very process: another one cannot take its place.
    handshaken: bool,
}

impl ChildUpstream {
    /// A command that is started for each owner. Nothing runs yet.
    ///
    /// # Errors
    /// [`ChildError`]: the command or its environment is not acceptable.
    pub fn new(
        program: &str,
        arguments: &[String],
        settings: &UpstreamSettings,
        base: &Path,
        message_bytes_max: usize,
    ) -> Result<Self, ChildError> {
        let command = process::Command::new(program, arguments, settings, base)?;
        let limits = Limits { message_bytes_max, ..Limits::default() };
        Ok(Self(Arc::new(Inner {
            command,
            limits,
            first_byte: settings.first_byte_timeout.0,
            silence: settings.idle_timeout.0,
            idle: settings.child_idle_timeout.0,
            shared: settings.shared,
            children_max: usize::from(settings.children_max),
            children: Mutex::default(),
            sweeping: OnceLock::new(),
        })))
    }

    /// Sends one message to the owner's child, which is started where there is none.
    ///
    /// # Errors
    /// A [`Fault`] of the child; [`Fault::Overloaded`] where there are too many.
    pub async fn post(&self, outgoing: &Outgoing) -> Result<Reply, Fault> {
        let message = Message::parse(outgoing.body.clone(), &self.0.limits).map_err(|_| Fault::Internal)?;
        let connection = self.connection(outgoing, &message).await?;
        let body = match message.kind() {
            MessageKind::Request => {
                let silence = (!outgoing.lasting).then_some(self.0.silence);
                connection.request(&message, self.0.first_byte, silence).await?
            }
            MessageKind::Notification | MessageKind::Response | MessageKind::ErrorResponse => {
                connection.tell(&message).await?;
                ReplyBody::Accepted
            }
        };
        Ok(Reply { session: None, body })
    }

    /// The messages of the owner's child that belong to no request.
    ///
    /// # Errors
    /// None so far; the signature is that of the other upstreams.
    pub async fn open_stream(&self, outgoing: &Outgoing) -> Result<Reply, Fault> {
        let children = self.0.children.lock().await;
        let body = match children.get(&self.0.key(outgoing.owner)) {
            Some(slot) => ReplyBody::Stream(slot.connection.unasked()),
            None => ReplyBody::Status(404),
        };
        Ok(Reply { session: None, body })
    }

    /// Ends the owner's child.
    ///
    /// # Errors
    /// None so far; the signature is that of the other upstreams.
    pub async fn end_session(&self, outgoing: &Outgoing) -> Result<u16, Fault> {
        let slot = match self.0.shared {
            // It serves others as well.
            true => return Ok(200),
            false => self.0.children.lock().await.remove(&outgoing.owner),
        };
        match slot {
            Some(slot) => {
                slot.connection.stop();
                Ok(200)
            }
            None => Ok(404),
        }
    }

    /// Ends every child and waits for their ends.
    pub async fn stop_all(&self) {
        let slots: Vec<Slot> = self.0.children.lock().await.drain().map(|(_, slot)| slot).collect();
        for slot in &slots {
            slot.connection.stop();
        }
        for slot in slots {
            slot.connection.ended().await;
        }
    }

    async fn connection(&self, outgoing: &Outgoing, message: &Message) -> Result<Arc<Connection>, Fault> {
        let inner = &self.0;
        let handshake = message.method() == Some(&Method::Initialize);
        let key = inner.key(outgoing.owner);
        let mut children = inner.children.lock().await;
        if let Some(slot) = children.get_mut(&key) {
            if slot.connection.is_alive() {
                slot.handshaken |= handshake;
                return Ok(Arc::clone(&slot.connection));
            }
            if (slot.handshaken && !handshake) || slot.started.elapsed() < RESTART_PAUSE {
                return Err(Fault::UpstreamExited);
            }
            children.remove(&key);
        }
        children.retain(|_, slot| slot.connection.is_alive() || slot.handshaken);
        if children.values().filter(|slot| slot.connection.is_alive()).count() >= inner.children_max {
            return Err(Fault::Overloaded);
        }
        let process = inner.command.start().map_err(|error| {
            tracing::error!(%error, "the upstream's process could not be started");
            Fault::UpstreamConnect
        })?;
        let connection = Connection::new(process, inner.limits.clone());
        let slot = Slot { connection: Arc::clone(&connection), started: Instant::now(), handshaken: handshake };
        children.insert(key, slot);
        inner.sweeping.get_or_init(|| {
            tokio::spawn(sweep(Arc::downgrade(inner)));
        });
        Ok(connection)
    }
}

impl Inner {
    fn key(&self, owner: Owner) -> Owner {
        if self.shared { Owner::Connection(0) } else { owner }
    }
}

/// Stops children that have had nothing to do for a while, and forgets dead sessions' after as long.
async fn sweep(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(inner) = inner.upgrade() else { return };
        let mut children = inner.children.lock().await;
        children.retain(|_, slot| {
            let idle = slot.connection.idle_for() >= inner.idle;
            if idle {
                slot.connection.stop();
            }
            !idle
        });
    }
}
