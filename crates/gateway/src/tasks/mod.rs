//! Tasks: calls whose results are fetched later, relayed within an era and bridged between the two dialects of it
//! (`bridging.md` section 9).
//!
//! `call.rs` decides what becomes of a tool call, `serve.rs` answers requests about tasks. A task of a modern server for a
//! modern client needs nothing here but its name: `ids.rs`. Of every other something is kept, `held.rs`: the conversation
//! that knows it, its questions, or a result that nobody has fetched yet. `upward.rs` and `downward.rs` translate,
//! `driven.rs` waits for tasks on behalf of clients that know none.

mod call;
mod downward;
mod driven;
mod held;
pub(crate) mod ids;
mod inbox;
mod listing;
mod pace;
mod requests;
mod serve;
#[cfg(test)]
mod tests;
mod upward;
mod watching;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep_until;
use tokio_util::task::TaskTracker;
use trunkline_model::{Caller, Change, Era, Fault, Kind, Outcome, Text};
use trunkline_protocol::tasks;
use trunkline_transport::front::host::ViewName;
use trunkline_upstream::Upstream;

use crate::view::Current;

pub(crate) use call::{Way, made, settled};
pub(crate) use driven::driven;
pub(crate) use serve::{list, serve};
pub(crate) use watching::watch;

use held::{Held, New};
pub(crate) use ids::Owner;
use ids::{Ids, Named};

/// Most tasks that something is kept for.
const HELD_MAX: usize = 1000;
/// Most of them that belong to one legacy session.
const HELD_PER_SESSION_MAX: usize = 100;
/// Most bytes of results that are kept for tasks, all together.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// The tasks of this process.
pub(crate) struct Tasks {
    ids: Ids,
    table: Mutex<Table>,
    room: Arc<Semaphore>,
    numbers: AtomicU64,
    workers: TaskTracker,
    /// Tasks that are watched for streams.
    watched: Arc<Semaphore>,
}

#[derive(Default)]
struct Table {
    held: HashMap<[u8; 16], Arc<Held>>,
    /// The sessions whose end is waited for.
    stays: HashSet<u64>,
}

/// What a request about tasks needs of the line.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) tasks: &'a Arc<Tasks>,
    pub(crate) view: &'a ViewName,
    pub(crate) now: &'a Current,
}

impl Place<'_> {
    fn owner(&self, caller: &Caller) -> Owner {
        Owner::of(self.view, caller)
    }

    /// A server that the view shows: its number and handle.
    fn upstream(&self, server: &str) -> Option<(usize, &Arc<Upstream>)> {
        let (number, _) = self.now.catalog.servers.iter().find(|(_, name)| **name == *server)?;
        Some((*number, self.now.fleet.upstreams.get(*number)?))
    }
}

impl Tasks {
    pub(crate) fn new(key: &[u8; 32]) -> Arc<Self> {
        Arc::new(Self {
            ids: Ids::new(key),
            table: Mutex::default(),
            room: Arc::new(Semaphore::new(HELD_MAX)),
            numbers: AtomicU64::new(1),
            workers: TaskTracker::new(),
            watched: Arc::new(Semaphore::new(watching::WATCHED_MAX)),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of a task that a modern server keeps for a modern client.
    fn remote(&self, owner: &Owner, server: &str, id: &Text) -> String {
        self.ids.seal(owner, &Named::Remote { server: Text::from(server), id: id.clone() })
    }

    /// Room for one more task, taken before the task is made.
    ///
    /// # Errors
    /// When there is none.
    fn admit(&self, owner: &Owner) -> Result<OwnedSemaphorePermit, Fault> {
        let own = owner.stay.map_or(0, |_| self.of_owner(owner).len());
        let room = Arc::clone(&self.room).try_acquire_owned().ok().filter(|_| own < HELD_PER_SESSION_MAX);
        room.ok_or_else(|| {
            Fault::overloaded("too many tasks are kept; fetch or cancel some, or try again later")
        })
    }

    /// Keeps a task until its time is over, or its owner has left.
    fn hold(self: &Arc<Self>, room: OwnedSemaphorePermit, caller: &Caller, new: New) -> Arc<Held> {
        let mut key = [0; 16];
        key.copy_from_slice(&trunkline_runtime::random_key()[..16]);
        let id = Text::from(self.ids.seal(&new.owner, &Named::Held(key)));
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let held = Arc::new(Held::new(key, number, id, new, room));
        let first_of_stay = {
            let mut table = self.table();
            table.held.insert(key, Arc::clone(&held));
            held.owner.stay.is_some_and(|stay| table.stays.insert(stay))
        };
        if let (true, Some(stay)) = (first_of_stay, &caller.stay) {
            let (tasks, number) = (Arc::downgrade(self), stay.number());
            stay.on_end(move || {
                if let Some(tasks) = tasks.upgrade() {
                    tasks.left(number);
                }
            });
        }
        let (tasks, one) = (Arc::downgrade(self), Arc::clone(&held));
        tokio::spawn(async move {
            expired(&one).await;
            if let Some(tasks) = tasks.upgrade() {
                tasks.forget(&one);
            }
        });
        held
    }

    /// A task that is kept for this owner.
    fn find(&self, owner: &Owner, key: &[u8; 16]) -> Option<Arc<Held>> {
        let held = self.table().held.get(key).cloned();
        held.filter(|held| held.owner == *owner && !held.is_over())
    }

    /// All tasks of an owner, oldest first.
    fn of_owner(&self, owner: &Owner) -> Vec<Arc<Held>> {
        let table = self.table();
        let mut own: Vec<_> =
            table.held.values().filter(|held| held.owner == *owner && !held.is_over()).cloned().collect();
        drop(table);
        own.sort_unstable_by_key(|held| held.number);
        own
    }

    /// What a legacy server's word about a task is to the legacy session that has the task.
    pub(crate) fn word(&self, stay: u64, change: &Change) -> Option<Bytes> {
        let Change::TaskChanged { server, task, params, era: Era::Legacy } = change else { return None };
        let table = self.table();
        let mut own = table.held.values().filter(|held| held.owner.stay == Some(stay));
        let held = own.find(|held| held.server == *server && held.original == *task).cloned()?;
        drop(table);
        if let Some(task) = tasks::Task::read(params) {
            held.heard(&task);
        }
        Some(tasks::renumbered(params, &held.id))
    }

    fn forget(&self, held: &Held) {
        held.over.cancel();
        let gone = self.table().held.remove(&held.key);
        drop(gone);
    }

    /// The owner of these tasks has left: nobody can ask for them any more.
    fn left(&self, stay: u64) {
        let gone: Vec<Arc<Held>> = {
            let mut table = self.table();
            table.stays.remove(&stay);
            table.held.extract_if(|_, held| held.owner.stay == Some(stay)).map(|(_, held)| held).collect()
        };
        for held in &gone {
            held.over.cancel();
        }
    }

    /// Whether so much more may be kept for tasks.
    fn may_keep(&self, outcome: &Outcome) -> bool {
        let table = self.table();
        let kept: usize = table.held.values().map(|held| held.state().outcome.as_ref().map_or(0, size)).sum();
        kept + size(outcome) <= KEPT_BYTES_MAX
    }

    /// Ends everything; returns when nothing of it runs any more.
    pub(crate) async fn ended(&self) {
        let all: Vec<Arc<Held>> = self.table().held.drain().map(|(_, held)| held).collect();
        for held in &all {
            held.over.cancel();
        }
        drop(all);
        self.workers.close();
        self.workers.wait().await;
    }
}

fn size(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Result(reply) => reply.raw.len(),
        Outcome::Error(error) => error.raw.len(),
        Outcome::Fault(_) => 0,
    }
}

/// Resolves when the task need not be kept any longer.
async fn expired(held: &Held) {
    let mut expires = held.expires.subscribe();
    loop {
        let at = *expires.borrow_and_update();
        tokio::select! {
            () = sleep_until(at) => return,
            () = held.over.cancelled() => return,
            changed = expires.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// The answer to an id that is unknown, somebody else's or too old: the same to all three (2025-11-25 and SEP-2663,
/// protocol errors).
fn unknown() -> Outcome {
    let text = "Task not found: it never existed, has expired, or belongs to another session";
    Fault::client(Kind::InvalidParams, text).into()
}
