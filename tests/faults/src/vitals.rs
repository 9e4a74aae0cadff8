//! What a gateway holds: it must be no more after a fault than before.

use std::fmt;
use std::time::Duration;

use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::{process, wait};

/// How long what a fault left behind may take to go.
const SETTLE: Duration = Duration::from_secs(8);
/// Descriptors that may come and go by themselves: a connection of a pool, the look itself.
const DESCRIPTORS: usize = 2;
/// Tasks that may come and go by themselves: of the look itself, of lists that are read again.
const TASKS: u64 = 4;

/// What a gateway holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Open files, sockets and pipes.
    pub descriptors: usize,
    /// Processes below it.
    pub children: usize,
    /// Legacy sessions.
    pub sessions: u64,
    /// Open event streams.
    pub streams: u64,
    /// Tasks of its runtime.
    pub tasks: u64,
    /// Resident memory, in KiB.
    pub resident_kib: u64,
}

impl Vitals {
    /// Looks.
    pub fn of(gateway: &Gateway) -> Self {
        // Gauges are small whole numbers.
        #[expect(clippy::cast_sign_loss, reason = "gauges of things that exist")]
        let gauge = |name: &str| gateway.metric(name, &[]) as u64;
        let (sessions, streams, tasks) =
            (gauge("trunkline_sessions"), gauge("trunkline_streams"), gauge("trunkline_runtime_tasks"));
        Self {
            descriptors: process::descriptors(gateway.pid()),
            children: process::descendants(gateway.pid()).len(),
            sessions,
            streams,
            tasks,
            resident_kib: process::resident_kib(gateway.pid()),
        }
    }

    /// Looks until two looks in a row agree on everything but memory.
    pub fn settled(gateway: &Gateway) -> Self {
        let mut last = Self::of(gateway);
        wait::until(SETTLE, "a gateway at rest", || {
            std::thread::sleep(Duration::from_millis(50));
            let now = Self::of(gateway);
            let same = Self { resident_kib: 0, ..now } == Self { resident_kib: 0, ..last };
            last = now;
            same.then_some(now)
        })
    }

    /// Waits until the gateway holds no more than this, but for `grown_mib` of memory.
    ///
    /// # Panics
    /// When it still does after a while.
    pub fn wait_until_back(&self, gateway: &Gateway, grown_mib: u64) {
        let mut now = Self::of(gateway);
        let start = std::time::Instant::now();
        while let Some(what) = self.exceeded(&now, grown_mib) {
            assert!(start.elapsed() < SETTLE, "more {what} than before the fault: {now}; before: {self}");
            std::thread::sleep(Duration::from_millis(50));
            now = Self::of(gateway);
        }
    }

    fn exceeded(&self, now: &Self, grown_mib: u64) -> Option<&'static str> {
        let pairs = [
            ("descriptors", now.descriptors > self.descriptors + DESCRIPTORS),
            ("children", now.children > self.children),
            ("sessions", now.sessions > self.sessions),
            ("streams", now.streams > self.streams),
            ("tasks", now.tasks > self.tasks + TASKS),
            ("memory", now.resident_kib > self.resident_kib + grown_mib * 1024),
        ];
        pairs.into_iter().find_map(|(what, more)| more.then_some(what))
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, children, sessions, streams, tasks, resident_kib } = self;
        write!(
            f,
            "{descriptors} descriptors, {children} children, {sessions} sessions, {streams} streams, {tasks} tasks, {} MiB",
            resident_kib / 1024
        )
    }
}
