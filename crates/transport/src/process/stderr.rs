//! What a child says on stderr: the last lines are kept, some are logged, all are drained.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;
use trunkline_observe::printable::write_printable;

use super::limits::Limits;

/// Bytes per read. Nothing of it is kept beyond the cut lines.
const READ_BYTES: usize = 16 << 10;

/// The last lines of one child's stderr.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<Vec<u8>>>>);

impl Tail {
    /// The lines, oldest first, as printable text.
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|line| printable(line)).collect()
    }

    fn push(&self, line: &[u8], lines_max: usize) {
        if lines_max == 0 {
            return;
        }
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The oldest line's memory is used again: a child that floods stderr costs no allocation.
        let mut kept =
            if ring.len() >= lines_max { ring.pop_front().unwrap_or_default() } else { Vec::new() };
        kept.clear();
        kept.extend_from_slice(line);
        ring.push_back(kept);
    }
}

/// Drains `source` to its end into `tail`, logging lines at debug under the server's `name`.
pub(super) async fn drain<R: AsyncRead + Unpin>(mut source: R, tail: Tail, name: Arc<str>, limits: Limits) {
    let mut line = Vec::new();
    let mut budget = Budget::new(limits.stderr_logs_per_second);
    let mut chunk = vec![0; READ_BYTES];
    while let Ok(read @ 1..) = source.read(&mut chunk).await {
        let mut rest = &chunk[..read];
        while let Some(end) = memchr(b'\n', rest) {
            extend_cut(&mut line, &rest[..end], limits.stderr_line_bytes);
            take(&mut line, &tail, &name, &limits, &mut budget);
            rest = &rest[end + 1..];
        }
        extend_cut(&mut line, rest, limits.stderr_line_bytes);
    }
    take(&mut line, &tail, &name, &limits, &mut budget);
}

fn extend_cut(line: &mut Vec<u8>, more: &[u8], bytes_max: usize) {
    let room = bytes_max.saturating_sub(line.len());
    line.extend_from_slice(&more[..more.len().min(room)]);
}

fn take(line: &mut Vec<u8>, tail: &Tail, name: &str, limits: &Limits, budget: &mut Budget) {
    let text = line.trim_ascii_end();
    if !text.is_empty() {
        tail.push(text, limits.stderr_lines);
        if tracing::enabled!(tracing::Level::DEBUG) {
            log(text, name, budget);
        }
    }
    line.clear();
}

fn log(text: &[u8], name: &str, budget: &mut Budget) {
    let Some(suppressed) = budget.take(Instant::now()) else { return };
    if suppressed > 0 {
        tracing::debug!(server = name, suppressed, "lines of stderr were not logged");
    }
    tracing::debug!(server = name, line = printable(text), "stderr");
}

/// Lines that may still be logged in the current second.
#[derive(Debug)]
struct Budget {
    per_second: u32,
    left: u32,
    renewed: Option<Instant>,
    suppressed: u64,
}

impl Budget {
    fn new(per_second: u32) -> Self {
        Self { per_second, left: per_second, renewed: None, suppressed: 0 }
    }

    /// Permission for one line, with the number of lines suppressed since the last one logged.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let renewed = *self.renewed.get_or_insert(now);
        if now.duration_since(renewed) >= Duration::from_secs(1) {
            self.renewed = Some(now);
            self.left = self.per_second;
        }
        if self.left == 0 {
            self.suppressed += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

/// Text that cannot move a cursor, forge a line or reorder what is around it.
fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    // Tabs are harmless, and stack traces are full of them. Writing to a string cannot fail.
    let _ = write_printable(&mut out, &String::from_utf8_lossy(bytes).replace('\t', " "));
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Budget, Tail, drain, printable};
    use crate::process::Limits;

    async fn tail_of(input: &[u8]) -> Vec<String> {
        let tail = Tail::default();
        drain(input, tail.clone(), "server".into(), Limits::default()).await;
        tail.lines()
    }

    #[tokio::test]
    async fn only_the_last_lines_are_kept() {
        let input: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
        let lines = tail_of(input.join("\n").as_bytes()).await;
        assert_eq!((lines.len(), &*lines[0], &*lines[39]), (40, "line 60", "line 99"));
    }

    #[tokio::test]
    async fn a_long_line_is_cut_and_an_unfinished_one_is_kept() {
        let lines = tail_of(&[vec![b'x'; 100_000], b"\nlast words".to_vec()].concat()).await;
        assert_eq!((lines[0].len(), &*lines[1]), (2048, "last words"));
    }

    #[test]
    fn control_characters_and_broken_utf_8_are_made_visible() {
        assert_eq!(printable(b"\x1b[31mred\r\x07\tend"), "\\u{1b}[31mred\\u{d}\\u{7} end");
        assert_eq!(printable("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        assert_eq!(printable(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn lines_over_the_budget_are_counted_and_the_next_second_logs_again() {
        let start = Instant::now();
        let mut budget = Budget::new(2);
        assert_eq!(budget.take(start), Some(0));
        assert_eq!(budget.take(start), Some(0));
        assert_eq!(budget.take(start), None);
        assert_eq!(budget.take(start + Duration::from_secs(1)), Some(1));
    }
}
