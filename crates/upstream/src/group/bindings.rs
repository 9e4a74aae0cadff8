//! What is bound to one member: clients with a conversation of their own, tasks, rounds of questions.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use trunkline_model::{Call, Reply};
use trunkline_protocol::{asks, rounds};

/// The state of the round of questions that a modern server's result is.
pub(super) fn asked_with(reply: &Reply) -> Option<String> {
    let state = asks::wanted(&reply.raw)?.state?;
    serde_json::from_slice(&state).ok()
}

/// The state of the round that a call goes on with.
pub(super) fn goes_on_from(call: &Call) -> Option<String> {
    rounds::answers(&call.params.raw).ok()??.state
}

/// Most tasks and rounds that are remembered; beyond it the oldest are forgotten, and go to any member.
const THINGS_MAX: usize = 8192;

/// Which member knows what.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    clients: Mutex<HashMap<u64, usize>>,
    things: Mutex<Things>,
}

#[derive(Debug, Default)]
struct Things {
    /// By a hash of their text: states may be long.
    by_hash: HashMap<u64, usize, foldhash::fast::RandomState>,
    oldest_first: VecDeque<u64>,
}

impl Bindings {
    /// The member of a client.
    pub(crate) fn client(&self, stay: u64) -> Option<usize> {
        self.clients().get(&stay).copied()
    }

    /// Binds a client; `true` when it was not bound before.
    pub(crate) fn bind_client(&self, stay: u64, member: usize) -> bool {
        self.clients().insert(stay, member).is_none()
    }

    pub(crate) fn forget_client(&self, stay: u64) {
        self.clients().remove(&stay);
    }

    /// The member that knows a task or the state of a round.
    pub(crate) fn thing(&self, text: &[u8]) -> Option<usize> {
        let things = self.things();
        things.by_hash.get(&things.by_hash.hasher().hash_one(text)).copied()
    }

    pub(crate) fn bind_thing(&self, text: &[u8], member: usize) {
        let mut things = self.things();
        let hash = things.by_hash.hasher().hash_one(text);
        if things.by_hash.insert(hash, member).is_none() {
            things.oldest_first.push_back(hash);
        }
        while things.oldest_first.len() > THINGS_MAX {
            let oldest = things.oldest_first.pop_front();
            oldest.map(|oldest| things.by_hash.remove(&oldest));
        }
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn things(&self) -> MutexGuard<'_, Things> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_things_are_forgotten_first() {
        let bindings = Bindings::default();
        for number in 0..=THINGS_MAX {
            bindings.bind_thing(format!("t{number}").as_bytes(), number % 2);
        }
        assert_eq!(bindings.thing(b"t0"), None);
        assert_eq!(bindings.thing(b"t1"), Some(1));
        assert_eq!(bindings.thing(format!("t{THINGS_MAX}").as_bytes()), Some(0));
    }
}
