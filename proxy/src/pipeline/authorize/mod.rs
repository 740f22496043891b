//! Whether the call may pass: Cedar decides on the final arguments.
