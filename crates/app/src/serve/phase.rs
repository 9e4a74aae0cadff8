//! How far the life of the process is, and whether it is well.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use trunkline_config::Required;
use trunkline_gateway::catalog::Source;
use trunkline_upstream::Phase as UpstreamPhase;

/// The runtime counts as stuck when it has shown no sign of life for this long.
const STUCK: Duration = Duration::from_secs(15);

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

/// What came of the last attempt to take a new configuration.
#[derive(Clone, Debug)]
pub(crate) struct LastReload {
    /// When.
    pub(crate) at: SystemTime,
    /// What asked for it.
    pub(crate) trigger: &'static str,
    /// What changed, or why it was refused.
    pub(crate) outcome: Result<String, Vec<String>>,
}

/// Phase and health, readable from anywhere.
#[derive(Debug)]
pub(crate) struct Standing {
    phase: AtomicU8,
    began: Instant,
    /// The last sign of life, in milliseconds since the beginning.
    pulse_ms: AtomicU64,
    required: Mutex<Required>,
    reload: Mutex<Option<LastReload>>,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            phase: AtomicU8::new(Phase::Starting as u8),
            began: Instant::now(),
            pulse_ms: AtomicU64::new(0),
            required: Mutex::default(),
            reload: Mutex::default(),
        }
    }
}

impl Standing {
    /// Enters a phase. There is no way back.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// The phase now.
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// The runtime has done something.
    pub(super) fn beat(&self) {
        self.pulse_ms.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Whether the runtime still does something.
    pub(crate) fn lives(&self) -> bool {
        let last = Duration::from_millis(self.pulse_ms.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(last) < STUCK
    }

    /// Since when the process runs.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Sets which servers must be up.
    pub(super) fn require(&self, servers: Required) {
        *self.required.lock().unwrap_or_else(PoisonError::into_inner) = servers;
    }

    /// Keeps what came of a reload.
    pub(super) fn reloaded(&self, last: LastReload) {
        *self.reload.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// What came of the last reload.
    pub(crate) fn last_reload(&self) -> Option<LastReload> {
        self.reload.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What keeps the process from being ready; nothing when it is.
    pub(crate) fn missing(&self, sources: &[Source]) -> Vec<String> {
        let required = self.required.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match self.phase() {
            Phase::Starting => vec!["some servers have not been tried yet".to_owned()],
            Phase::Draining => vec!["the process is about to end".to_owned()],
            Phase::Ready => {
                let states: Vec<_> =
                    sources.iter().map(|source| (&*source.rules.server, &source.status.phase)).collect();
                unmet(&required, &states)
            }
        }
    }
}

/// Whether calls have a chance: a server that is idle is started by the next one.
pub(super) fn is_up(phase: &UpstreamPhase) -> bool {
    matches!(phase, UpstreamPhase::Ready | UpstreamPhase::Impaired(_) | UpstreamPhase::Idle)
}

fn unmet(required: &Required, states: &[(&str, &UpstreamPhase)]) -> Vec<String> {
    let down = |only: &dyn Fn(&str) -> bool| -> Vec<String> {
        let missing = states.iter().filter(|(name, phase)| only(name) && !is_up(phase));
        missing.map(|(name, phase)| said(name, phase)).collect()
    };
    match required {
        Required::None => Vec::new(),
        Required::Any if states.iter().any(|(_, phase)| is_up(phase)) => Vec::new(),
        Required::Any | Required::All => down(&|_| true),
        Required::Servers(names) => down(&|name| names.iter().any(|wanted| **wanted == *name)),
    }
}

fn said(name: &str, phase: &UpstreamPhase) -> String {
    match phase.reason() {
        Some(reason) => format!("server \"{name}\" is {}: {reason}", phase.as_str()),
        None => format!("server \"{name}\" is {}", phase.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draining_process_never_becomes_ready_again() {
        let standing = Standing::default();
        assert_eq!(standing.phase(), Phase::Starting);
        standing.enter(Phase::Draining);
        standing.enter(Phase::Ready);
        assert_eq!(standing.phase(), Phase::Draining);
        assert_eq!(standing.missing(&[]), ["the process is about to end"]);
    }

    #[test]
    fn what_is_required_and_not_up_is_named() {
        let down = UpstreamPhase::Down { reason: "it ended".into(), retry_in: Duration::ZERO };
        let states = [("a", &UpstreamPhase::Idle), ("b", &down), ("c", &UpstreamPhase::Starting)];
        let unmet = |required: &Required| unmet(required, &states);
        assert!(unmet(&Required::None).is_empty() && unmet(&Required::Any).is_empty());
        assert_eq!(unmet(&Required::All), ["server \"b\" is down: it ended", "server \"c\" is starting"]);
        assert_eq!(unmet(&Required::Servers(vec!["c".into(), "a".into()])), ["server \"c\" is starting"]);
        assert!(super::unmet(&Required::Any, &[]).is_empty(), "there is none that could be up");
        assert_eq!(super::unmet(&Required::Any, &states[1..2]).len(), 1);
    }
}
