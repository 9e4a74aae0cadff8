//! What hyper hides of a head: two ways to tell where the body ends.
//!
//! Two readers could see two different requests in a head with both a length and a transfer coding (RFC 9112, section
//! 6.1). hyper takes one and removes the other, so the request does not show it; the bytes on the connection do.
//!
//! Heads are not told apart from bodies here, every line counts: a line of a JSON body cannot begin like either
//! header. So the head of a pipelined request is seen too, be it read with the body before it or in halves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// What a connection and its service tell each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    /// A request is being served.
    busy: AtomicBool,
    /// A request was handed over since this was last asked.
    handed: AtomicBool,
    /// Framings seen since the last request was handed over.
    seen: AtomicU8,
    /// Those of them that came after the last empty line: they may belong to a head that is not complete.
    open: AtomicU8,
}

const LENGTH: u8 = 1;
const CODING: u8 = 2;

impl Busy {
    /// A request was handed over, or its answer was given back.
    pub(crate) fn set(&self, busy: bool) {
        self.0.busy.store(busy, Ordering::Relaxed);
        if busy {
            self.0.handed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a request was handed over since the last time: its head is complete, even when its answer was given back
    /// before anybody looked.
    pub(crate) fn take_handed(&self) -> bool {
        // One task reads, serves and asks.
        let handed = self.0.handed.load(Ordering::Relaxed);
        if handed {
            self.0.handed.store(false, Ordering::Relaxed);
        }
        handed
    }

    pub(crate) fn get(&self) -> bool {
        self.0.busy.load(Ordering::Relaxed)
    }

    /// Whether the head that was just read gave both a length and a transfer coding. What may be the first half of the
    /// next head is remembered for the next time.
    pub(crate) fn take_mixed(&self) -> bool {
        let open = self.0.open.load(Ordering::Relaxed);
        self.0.seen.swap(open, Ordering::Relaxed) == LENGTH | CODING
    }

    fn note(&self, line: &[u8]) {
        // Few lines begin like either header.
        if !matches!(line.first(), None | Some(b'c' | b'C' | b't' | b'T' | b'\r')) {
            return;
        }
        let begins =
            |name: &[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let framing = if begins(b"content-length:") {
            LENGTH
        } else if begins(b"transfer-encoding:") {
            CODING
        } else {
            if matches!(line, b"" | b"\r") {
                self.0.open.store(0, Ordering::Relaxed);
            }
            return;
        };
        self.0.seen.fetch_or(framing, Ordering::Relaxed);
        self.0.open.fetch_or(framing, Ordering::Relaxed);
    }
}

/// Longest beginning of a line that is kept when a read ends inside it.
const LINE_START: usize = 20;

/// The lines on a connection, of which only the beginnings matter.
#[derive(Default)]
pub(crate) struct Lines {
    /// The beginning of a line whose rest has not come yet.
    open: Vec<u8>,
}

impl Lines {
    /// Takes what was read next.
    pub(crate) fn read(&mut self, bytes: &[u8], busy: &Busy) {
        let mut rest = bytes;
        loop {
            let end = memchr::memchr(b'\n', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            if !self.open.is_empty() || end.is_none() {
                let room = LINE_START.saturating_sub(self.open.len());
                self.open.extend_from_slice(&line[..line.len().min(room)]);
            }
            let Some(end) = end else { return };
            if self.open.is_empty() {
                busy.note(line);
            } else {
                busy.note(&self.open);
                self.open.clear();
            }
            rest = &rest[end + 1..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: &[u8] =
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTRANSFER-ENCODING: chunked\r\n\r\n";
    const PLAIN: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nX-Transfer-Encoding: x\r\n\r\n";
    const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn both_framings_in_one_head_are_noticed_however_it_is_cut() {
        for cut in 0..MIXED.len() {
            let (busy, mut lines) = (Busy::default(), Lines::default());
            lines.read(&MIXED[..cut], &busy);
            lines.read(&MIXED[cut..], &busy);
            assert!(busy.take_mixed(), "{cut}");
            assert!(!busy.take_mixed());
        }
        let (busy, mut lines) = (Busy::default(), Lines::default());
        lines.read(PLAIN, &busy);
        assert!(!busy.take_mixed());
    }

    #[test]
    fn a_pipelined_head_is_seen_wherever_the_request_before_it_is_handed_over() {
        let whole = [PLAIN, b"{}\n", MIXED].concat();
        // Handed over at any moment after its own head, with any part of the next head read already.
        for cut in PLAIN.len()..=whole.len() {
            let (busy, mut lines) = (Busy::default(), Lines::default());
            lines.read(&whole[..cut], &busy);
            let first = busy.take_mixed();
            lines.read(&whole[cut..], &busy);
            assert!(first || busy.take_mixed(), "{cut}");
        }
    }

    #[test]
    fn requests_with_different_framings_may_follow_each_other() {
        let (busy, mut lines) = (Busy::default(), Lines::default());
        for _ in 0..2 {
            lines.read(PLAIN, &busy);
            lines.read(b"{\n}", &busy);
            assert!(!busy.take_mixed());
            lines.read(CHUNKED, &busy);
            assert!(!busy.take_mixed());
            lines.read(b"3\r\n{ }\r\n0\r\n\r\n", &busy);
        }
    }
}
