//! What is said at the end of a part, and at the end of all.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// How one part went.
pub(crate) struct Part {
    name: String,
    /// Things that passed: tests, scenarios, or the part as a whole.
    passed: usize,
    /// Things that were tried.
    total: usize,
    /// Things that must be repaired; expected failures are not among them.
    failed: usize,
    took: Duration,
    note: String,
}

/// All parts so far.
#[derive(Default)]
pub(crate) struct Report(Vec<Part>);

/// The counts of a part.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Passed.
    pub(crate) passed: usize,
    /// Tried.
    pub(crate) total: usize,
    /// Failed although it should have passed.
    pub(crate) failed: usize,
}

impl Counts {
    /// A part that either works or does not.
    pub(crate) fn whole(ok: bool) -> Self {
        Self { passed: usize::from(ok), total: 1, failed: usize::from(!ok) }
    }
}

impl Report {
    /// Runs a part. One that breaks off counts as one failure and does not keep the next from running.
    pub(crate) fn part(&mut self, name: &str, run: impl FnOnce() -> anyhow::Result<Counts>) -> bool {
        println!("\n=== {name}");
        let start = Instant::now();
        let (counts, note) = match run() {
            Ok(counts) => (counts, String::new()),
            Err(error) => (Counts { failed: 1, total: 1, passed: 0 }, format!("{error:#}")),
        };
        self.add(name, counts, start.elapsed(), note)
    }

    /// Adds a part that was run elsewhere, with its summary line.
    pub(crate) fn add(&mut self, name: &str, counts: Counts, took: Duration, note: String) -> bool {
        let Counts { passed, total, failed } = counts;
        if !note.is_empty() {
            println!("{note}");
        }
        // A name that holds a colon already is the first half of a line: "conformance: front=... back=...".
        let colon = if name.contains(':') { "" } else { ":" };
        println!("{name}{colon} passed={passed} total={total}");
        self.0.push(Part { name: name.to_owned(), passed, total, failed, took, note });
        failed == 0
    }

    /// The table, and the line that a machine reads.
    pub(crate) fn close(&self) -> bool {
        println!("\n{}", self.table());
        let passed: usize = self.0.iter().map(|part| part.passed).sum();
        let failed: usize = self.0.iter().map(|part| part.failed).sum();
        println!("{passed} passed, {failed} failed");
        failed == 0
    }

    fn table(&self) -> String {
        let mut out =
            format!("{:<46} {:>7} {:>7} {:>7} {:>8}\n", "part", "passed", "total", "failed", "seconds");
        for part in &self.0 {
            let Part { name, passed, total, failed, took, note } = part;
            // Writing to a string cannot fail.
            let _ = write!(out, "{name:<46} {passed:>7} {total:>7} {failed:>7} {:>8.1}", took.as_secs_f64());
            let _ = writeln!(
                out,
                "{}{}",
                if note.is_empty() { "" } else { "  " },
                note.lines().next().unwrap_or_default()
            );
        }
        out
    }
}
