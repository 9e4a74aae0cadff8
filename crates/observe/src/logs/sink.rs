//! The thread that writes the lines.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that may wait for a reader of stderr. More than this means that nobody reads; then lines are dropped, not
/// calls held up.
const LINES_MAX: usize = 4096;

/// At the end of the process, for waiting lines to be written to a reader that may not read.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

enum Order {
    Line(String),
    End,
}

/// Takes finished lines, line end included.
#[derive(Clone)]
pub(super) struct Sink {
    queue: SyncSender<Order>,
    dropped: Arc<AtomicU64>,
}

/// The writing thread. Dropping it writes what waits, within a deadline.
pub(super) struct Writing {
    queue: SyncSender<Order>,
    ended: Receiver<()>,
}

impl Sink {
    /// Starts a thread that writes to `output`.
    pub(super) fn start(
        output: impl Write + Send + 'static,
        json: Arc<AtomicBool>,
    ) -> io::Result<(Self, Writing)> {
        let (queue, orders) = sync_channel(LINES_MAX);
        let (end, ended) = channel::<()>();
        let dropped = Arc::new(AtomicU64::new(0));
        let sink = Self { queue: queue.clone(), dropped: Arc::clone(&dropped) };
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            write_all(output, &orders, &dropped, &json);
            // Tells the waiting owner by being dropped.
            drop(end);
        })?;
        Ok((sink, Writing { queue, ended }))
    }

    /// Queues a line, or drops and counts it.
    pub(super) fn line(&self, line: String) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Order::Line(line)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_all(mut output: impl Write, orders: &Receiver<Order>, dropped: &AtomicU64, json: &AtomicBool) {
    while let Ok(Order::Line(line)) = orders.recv() {
        // A closed stderr is no reason to stop draining the queue.
        let _ = output.write_all(line.as_bytes());
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = output.write_all(loss(lost, json.load(Ordering::Relaxed)).as_bytes());
        }
    }
    let _ = output.flush();
}

fn loss(lines: u64, json: bool) -> String {
    if json {
        format!("{{\"level\":\"WARN\",\"message\":\"log lines were dropped\",\"lines\":{lines}}}\n")
    } else {
        format!("WARN {lines} log lines were dropped\n")
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // A full queue means that nobody reads: then there is nothing to wait for.
        if self.queue.try_send(Order::End).is_ok() {
            let waited = self.ended.recv_timeout(FLUSH_DEADLINE);
            debug_assert!(matches!(waited, Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout)));
        }
    }
}
