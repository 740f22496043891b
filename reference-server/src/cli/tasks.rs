//! Flags of tasks.

use std::time::Duration;

use doorward_reference_server::tasks::TaskLimits;

/// How many tasks there may be, and for how long.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct TaskArguments {
    /// Most tasks of one subject or session, running or finished
    #[arg(long, value_name = "NUMBER", env = "REFERENCE_SERVER_MAX_TASKS_PER_OWNER", default_value_t = TaskLimits::default().per_owner)]
    max_tasks_per_owner: usize,

    /// Most tasks of everybody; those without an owner take half of it at most, and with --assertion-key-file those of
    /// sessions share that half
    #[arg(long, value_name = "NUMBER", env = "REFERENCE_SERVER_MAX_TASKS", default_value_t = TaskLimits::default().overall)]
    max_tasks: usize,

    /// Seconds after its beginning when a task is ended and forgotten with its result
    #[arg(long, value_name = "SECONDS", env = "REFERENCE_SERVER_TASK_TTL_SECONDS", default_value_t = TaskLimits::default().ttl.as_secs())]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    task_ttl_seconds: u64,
}

impl TaskArguments {
    /// `asserted`: whether a guard says who the subjects are.
    pub(super) fn limits(&self, asserted: bool) -> TaskLimits {
        let ttl = Duration::from_secs(self.task_ttl_seconds);
        TaskLimits { per_owner: self.max_tasks_per_owner, overall: self.max_tasks, asserted, ttl }
    }
}
