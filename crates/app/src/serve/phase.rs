//! How far the life of the process is.

use std::sync::atomic::{AtomicU8, Ordering};

/// How far the life of the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Listening; some servers have not been tried yet.
    Starting,
    /// Every server has been tried once.
    Ready,
    /// Told to stop.
    Draining,
}

/// The phase, readable from anywhere.
#[derive(Debug, Default)]
pub(crate) struct Standing(AtomicU8);

impl Standing {
    /// Enters a phase. There is no way back.
    pub(crate) fn enter(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// The phase now.
    pub(crate) fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Phase, Standing};

    #[test]
    fn a_draining_process_never_becomes_ready_again() {
        let standing = Standing::default();
        assert_eq!(standing.phase(), Phase::Starting);
        standing.enter(Phase::Draining);
        standing.enter(Phase::Ready);
        assert_eq!(standing.phase(), Phase::Draining);
    }
}
