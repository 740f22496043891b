//! The limits a document and a message are held to, with their defaults.

/// Upper bounds of one message. Sizes are bytes of JSON text unless said otherwise; a value equal to its limit passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One JSON document: a message, or a batch of them. Default 8 MiB; never more than [`Limits::MESSAGE_BYTES_CEILING`].
    pub message_bytes_max: usize,
    /// Nesting of objects and arrays; `{}` has depth 1. Default 64; never more than [`Limits::DEPTH_CEILING`].
    pub depth_max: usize,
    /// A request id: the decoded string or the digits of the number. Also bounds progress tokens. Default 256.
    pub id_bytes_max: usize,
    /// A tool or prompt name, decoded. Default 128.
    pub name_bytes_max: usize,
    /// A method name, decoded. Default 128.
    pub method_bytes_max: usize,
    /// A task id, decoded. Default 256.
    pub task_id_bytes_max: usize,
    /// A resource URI, decoded. Default 8 KiB.
    pub uri_bytes_max: usize,
    /// The JSON text of `_meta`. Default 64 KiB.
    pub meta_bytes_max: usize,
    /// Members of a batch. Default 50.
    pub batch_members_max: usize,
}

impl Limits {
    /// Spans are kept in 32 bits and member counts in 28, so no document may be larger than this.
    pub const MESSAGE_BYTES_CEILING: usize = 256 * 1024 * 1024;
    /// Walks over a parsed value may recurse; this keeps every one of them far from the end of a thread's stack.
    pub const DEPTH_CEILING: usize = 512;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 8 * 1024 * 1024,
            depth_max: 64,
            id_bytes_max: 256,
            name_bytes_max: 128,
            method_bytes_max: 128,
            task_id_bytes_max: 256,
            uri_bytes_max: 8 * 1024,
            meta_bytes_max: 64 * 1024,
            batch_members_max: 50,
        }
    }
}
