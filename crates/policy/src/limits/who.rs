//! Whom limits count as one. The only place that decides it.

use std::hash::BuildHasher;

use trunkline_model::{Caller, Place};

/// Whom limits count as one.
///
/// There is no authentication yet. Until there is, the *principal* is where the connection comes from: the peer's
/// address (of IPv6 its /64, which one machine usually has to itself), or the pipe. Headers such as `X-Forwarded-For` are
/// never looked at: whoever calls can write them. So everybody behind one proxy is one principal.
///
/// The *client* is a program of that principal: a legacy client's session, or for modern clients what they call
/// themselves. A client can change it by itself; limits that must hold are those per principal.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a>(&'a Caller);

impl<'a> Who<'a> {
    /// Who makes a call.
    pub fn of(caller: &'a Caller) -> Self {
        Self(caller)
    }

    pub(super) fn principal(self, hasher: &impl BuildHasher) -> u64 {
        hasher.hash_one(Place::of(self.0.peer))
    }

    pub(super) fn client(self, hasher: &impl BuildHasher) -> u64 {
        match &self.0.stay {
            Some(stay) => hasher.hash_one(("stay", stay.number())),
            None => hasher.hash_one((Place::of(self.0.peer), self.0.info.as_deref())),
        }
    }
}
