//! What is told about it: audit records, metrics, traces.
