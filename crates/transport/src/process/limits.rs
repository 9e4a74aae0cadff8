//! The bounds of one child process.

use std::time::Duration;

/// The bounds of one child process: what may wait, how long, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest single message accepted from the child, in bytes.
    pub message_bytes_max: usize,
    /// Most messages waiting to be written to the child.
    pub queue_messages_max: usize,
    /// Most bytes waiting to be written. One larger message is admitted only when nothing else waits.
    pub queue_bytes_max: u32,
    /// The child must take at least one byte within this time while something waits; after that it is stuck.
    pub write_deadline: Duration,
    /// Last lines of stderr that are remembered.
    pub stderr_lines: usize,
    /// Where a line of stderr is cut, in bytes.
    pub stderr_line_bytes: usize,
    /// Most lines of stderr logged per second; the rest is counted.
    pub stderr_logs_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 16 << 20,
            queue_messages_max: 1024,
            queue_bytes_max: 32 << 20,
            write_deadline: Duration::from_secs(10),
            stderr_lines: 40,
            stderr_line_bytes: 2 << 10,
            stderr_logs_per_second: 20,
        }
    }
}
