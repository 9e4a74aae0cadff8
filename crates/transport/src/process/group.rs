//! A child and everything it started: one process group.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::guest::Guest;
use super::shepherd::Shepherd;

/// Between two looks at whether a group is empty. The kernel announces only the leader's end.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long killed processes may take to disappear before we stop looking.
const VANISH_DEADLINE: Duration = Duration::from_secs(1);

/// One process group. Dropping it kills what is left.
pub(super) struct Group {
    members: Members,
    /// Set once the group is known to be empty: from then on its number may belong to somebody else.
    gone: Mutex<bool>,
}

enum Members {
    Processes { id: Pid, shepherd: Option<Shepherd> },
    Guest(Arc<dyn Guest>),
}

impl Group {
    /// The group led by the process `leader`, registered with `shepherd` before this returns.
    pub(super) fn of(leader: u32, shepherd: Option<&Shepherd>) -> Self {
        let id = Pid::from_raw(leader.cast_signed());
        if let Some(shepherd) = shepherd
            && let Err(error) = shepherd.register(id.as_raw())
        {
            tracing::warn!(%error, pid = leader, "no shepherd: this child would survive a killed gateway");
        }
        Self { members: Members::Processes { id, shepherd: shepherd.cloned() }, gone: Mutex::new(false) }
    }

    /// A guest, which is alone.
    pub(super) fn guest(guest: Arc<dyn Guest>) -> Self {
        Self { members: Members::Guest(guest), gone: Mutex::new(false) }
    }

    /// Sends `signal` to every process of the group.
    pub(super) fn signal(&self, signal: Signal) {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        match &self.members {
            _ if *gone => {}
            // ESRCH: nobody is left. EPERM: what is left changed its user; we can do no more.
            Members::Processes { id, .. } => drop(killpg(*id, signal)),
            Members::Guest(guest) if signal == Signal::SIGKILL => guest.kill(),
            Members::Guest(guest) if signal == Signal::SIGTERM => guest.terminate(),
            Members::Guest(_) => {}
        }
    }

    /// Asks every process to end; a stopped one is woken up to hear it.
    pub(super) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
        self.signal(Signal::SIGCONT);
    }

    /// After the leader was reaped: ends what it left behind, within about `grace`, and forgets the group.
    pub(super) async fn sweep(&self, grace: Duration) {
        if !self.is_empty() {
            self.terminate();
            if !self.vanishes_within(grace).await {
                self.signal(Signal::SIGKILL);
                self.vanishes_within(VANISH_DEADLINE).await;
            }
        }
        self.forget();
    }

    async fn vanishes_within(&self, limit: Duration) -> bool {
        let vanished = async {
            while !self.is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(limit, vanished).await.is_ok()
    }

    /// Whether no process is left. Only to be asked once the leader is reaped, for it reaps: as process 1 of a
    /// container we inherit orphans, and a zombie counts as a member for ever.
    fn is_empty(&self) -> bool {
        let id = match &self.members {
            Members::Processes { id, .. } => *id,
            Members::Guest(guest) => return guest.ended().now_or_never().is_some(),
        };
        let members = Pid::from_raw(-id.as_raw());
        while let Ok(status) = waitpid(members, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
        matches!(killpg(id, None), Err(Errno::ESRCH | Errno::EPERM))
    }

    fn forget(&self) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *gone, true)
            && let Members::Processes { id, shepherd: Some(shepherd) } = &self.members
        {
            shepherd.unregister(id.as_raw());
        }
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("gone", &self.gone).finish_non_exhaustive()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        self.forget();
    }
}
