//! What an operator decides about large results.

use std::time::Duration;

/// Of one server: which results are kept, and what of them is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// A tool's result with more text than this is kept, in bytes.
    pub above: usize,
    /// How much of the text the client gets at once, in bytes.
    pub preview_bytes: usize,
}

/// Of all servers: how much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a result can be read.
    pub keep_for: Duration,
    /// Most bytes that are kept, all together. Beyond it the oldest results go.
    pub bytes_max: usize,
    /// Most bytes that are kept for one client. Modern clients of a view are one client here, until there are principals.
    pub client_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { keep_for: Duration::from_hours(1), bytes_max: 64 << 20, client_bytes_max: 32 << 20 }
    }
}

impl Keeping {
    /// The usual preview: about a thousand tokens.
    pub const PREVIEW_BYTES: usize = 4096;
}
