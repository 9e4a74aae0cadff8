//! One value per core in place of one for all.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Copies of each value. Threads take turns at them; a gateway rarely has more busy threads than this.
const SHARDS: usize = 4;

/// Two cache lines: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

/// A value that each thread changes in a copy of its own and that is read as the sum of all copies.
#[derive(Debug, Default)]
pub(super) struct Sharded<T>([Padded<T>; SHARDS]);

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl<T> Sharded<T> {
    /// The copy of this thread.
    pub(super) fn mine(&self) -> &T {
        let shard = MINE.with(|mine| {
            if mine.get() == usize::MAX {
                mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
            }
            mine.get()
        });
        &self.0[shard % SHARDS].0
    }

    /// Every copy.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}
