//! What is logged, on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

type Set = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

/// The log of the process.
pub(crate) struct Logging {
    set: Option<Set>,
}

impl Logging {
    /// Logs from now on. What is logged can be changed later only where that is asked for, since it costs a little with
    /// every line.
    pub(crate) fn start(filter: EnvFilter, changeable: bool) -> Self {
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        let log = log.with_ansi(io::stderr().is_terminal());
        if !changeable {
            log.init();
            return Self { set: None };
        }
        let log = log.with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Self { set: Some(Box::new(move |filter| handle.reload(filter).is_ok())) }
    }

    /// Logs this from now on; whether that was possible.
    pub(super) fn set(&self, filter: EnvFilter) -> bool {
        self.set.as_ref().is_some_and(|set| set(filter))
    }
}
