//! The task that owns one process: it waits for it, ends it, and ends what it left behind.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::child::{Cause, Exit};
use super::group::Group;
use super::guest::Leader;
use super::writer::Drained;

/// For grandchildren of a leader that ended by itself or was killed; a shutdown names its own.
const ORPHAN_GRACE: Duration = Duration::from_millis(500);

/// For the last lines of stderr to arrive after the exit. A grandchild may hold the pipe open, so it is bounded.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A killed process is gone at once unless the kernel holds it (a dead network disk); then we stop waiting.
const REAP_DEADLINE: Duration = Duration::from_secs(5);

/// How far a child is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// Set when the leader has ended.
    pub(super) exit: Option<Exit>,
    /// Set when nothing of the group is left.
    pub(super) swept: bool,
}

/// Everything the keeper owns.
pub(super) struct Keeper {
    pub(super) leader: Leader,
    pub(super) group: Arc<Group>,
    /// Shutdown orders with their grace; closed when the handle is dropped.
    pub(super) orders: mpsc::Receiver<Duration>,
    pub(super) closing: CancellationToken,
    pub(super) writing: JoinHandle<Drained>,
    pub(super) stderr: JoinHandle<()>,
    pub(super) state: watch::Sender<State>,
}

impl Keeper {
    /// Runs until nothing of the child is left.
    pub(super) async fn run(mut self) {
        let (cause, grace) = self.until_an_end().await;
        let status = match cause {
            Cause::Shutdown => self.shut_down(grace).await,
            Cause::Itself | Cause::Stuck | Cause::Dropped => self.reap(cause).await,
        };
        let _ = timeout(LAST_WORDS, &mut self.stderr).await;
        self.state.send_modify(|state| state.exit = Some(Exit { status, cause }));
        self.closing.cancel();
        self.group.sweep(grace).await;
        self.state.send_modify(|state| state.swept = true);
    }

    /// Waits for the first reason to end, and the grace that goes with it.
    async fn until_an_end(&mut self) -> (Cause, Duration) {
        let mut written = false;
        loop {
            tokio::select! {
                _ = self.leader.wait() => return (Cause::Itself, ORPHAN_GRACE),
                order = self.orders.recv() => {
                    return order.map_or((Cause::Dropped, Duration::ZERO), |grace| (Cause::Shutdown, grace));
                }
                drained = &mut self.writing, if !written => {
                    written = true;
                    if matches!(drained, Ok(Drained::Stuck)) {
                        return (Cause::Stuck, ORPHAN_GRACE);
                    }
                }
            }
        }
    }

    async fn shut_down(&mut self, grace: Duration) -> Option<ExitStatus> {
        self.closing.cancel();
        if let Some(status) = self.exits_within(grace).await {
            return Some(status);
        }
        self.group.terminate();
        match self.exits_within(grace).await {
            Some(status) => Some(status),
            None => self.reap(Cause::Shutdown).await,
        }
    }

    /// The exit status of a process that has ended, or is killed now.
    async fn reap(&mut self, cause: Cause) -> Option<ExitStatus> {
        if cause != Cause::Itself {
            self.group.signal(Signal::SIGKILL);
        }
        self.exits_within(REAP_DEADLINE).await
    }

    async fn exits_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        timeout(limit, self.leader.wait()).await.ok()?.ok()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Whatever still holds a pipe open, its tasks end with us.
        self.writing.abort();
        self.stderr.abort();
    }
}
