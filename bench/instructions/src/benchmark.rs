//! One piece of work that is counted.

use std::hint::black_box;

/// Does the piece of work so many times.
pub(crate) type Repeat = Box<dyn FnMut(u32)>;

/// Repetitions before counting begins: first times fill caches of the allocator, of a thread and of a table.
const WARM_UP: u32 = 20;

/// A piece of work over fixed input.
pub(crate) struct Benchmark {
    /// `group/what`.
    pub(crate) name: &'static str,
    /// How often it is done while counting.
    times: u32,
    /// How many like pieces one repetition has; the count is of one piece.
    pieces: u32,
    prepare: Box<dyn Fn() -> Repeat>,
}

impl Benchmark {
    /// Work that is made ready by `prepare`, which also checks that it does what `name` says.
    pub(crate) fn new(name: &'static str, times: u32, prepare: impl Fn() -> Repeat + 'static) -> Self {
        Self { name, times, pieces: 1, prepare: Box::new(prepare) }
    }

    /// The same work, of which each repetition has several like pieces.
    pub(crate) fn of_pieces(self, pieces: u32) -> Self {
        Self { pieces, ..self }
    }

    /// Pieces of work done while counting.
    pub(crate) fn pieces(&self) -> u32 {
        self.times * self.pieces
    }

    /// Does the work; what happens within [`counted_section`] is what is to be counted.
    pub(crate) fn run(&self) {
        let mut repeat = (self.prepare)();
        repeat(WARM_UP);
        counted_section(&mut repeat, self.times);
    }

    /// Does the work once.
    #[cfg(test)]
    pub(crate) fn once(&self) {
        (self.prepare)()(1);
    }
}

/// `work`, over and over, with its result dropped each time.
pub(crate) fn over_and_over<T>(mut work: impl FnMut() -> T + 'static) -> Repeat {
    Box::new(move |times| {
        for _ in 0..times {
            black_box(work());
        }
    })
}

/// Callgrind is told this function's name: it counts from where it is entered until it is left, and so neither the
/// start of the process nor the preparation. Must stay a function of its own.
#[inline(never)]
fn counted_section(repeat: &mut Repeat, times: u32) {
    repeat(black_box(times));
    // Work behind the call keeps it from becoming a jump, by which the section would never be left.
    black_box(());
}
