//! What a server offers only on conversations on which it may ask: some servers have tools that make no sense to a client
//! that cannot be asked, and some change their lists for one session alone. The shared conversation sees neither.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use trunkline_model::{ListKind, Offers, Text};
use trunkline_protocol::list::Item;

use crate::lists;
use crate::member::Shared;
use crate::pool::Key;
use crate::session::Session;
use crate::status::Offer;

/// Most items kept besides those of the shared conversation, per list.
const ITEMS_MAX: usize = 1000;

type Lists = [Arc<[Item]>; ListKind::COUNT];

/// What was read on such conversations.
#[derive(Default)]
pub(crate) struct Extras {
    read: Mutex<HashMap<Key, Lists>>,
    /// The kinds of clients on whose behalf the lists have been read.
    pub(crate) looked: watch::Sender<HashSet<Offers>>,
}

impl Extras {
    fn replace(&self, key: Key, kinds: &[ListKind], lists: Lists) -> Lists {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = read.entry(key).or_insert_with(nothing);
        for kind in kinds {
            entry[*kind as usize] = Arc::clone(&lists[*kind as usize]);
        }
        if entry.iter().all(|list| list.is_empty()) {
            read.remove(&key);
        }
        union(&read)
    }

    fn remove(&self, key: Key) -> Option<Lists> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.remove(&key)?;
        Some(union(&read))
    }
}

pub(crate) fn nothing() -> Lists {
    std::array::from_fn(|_| Arc::from([]))
}

/// Every item once. The order does not depend on the order of conversations.
fn union(read: &HashMap<Key, Lists>) -> Lists {
    ListKind::ALL.map(|kind| {
        let mut all: Vec<&Item> = read.values().flat_map(|lists| lists[kind as usize].iter()).collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all.dedup_by(|a, b| a.key == b.key);
        all.into_iter().take(ITEMS_MAX).cloned().collect()
    })
}

/// Reads lists on a conversation of its own, and shows what the shared one does not have. `announced` says that the
/// server spoke of a change, which is passed on even when nothing differs.
pub(crate) async fn read(shared: &Shared, key: Key, session: &Session, kinds: &[ListKind], announced: bool) {
    let mut found = nothing();
    let mut done = Vec::with_capacity(kinds.len());
    for kind in kinds {
        match lists::fetch(session, &shared.options, *kind).await {
            Ok(list) => {
                found[*kind as usize] = list.items;
                done.push(*kind);
            }
            Err(error) => tracing::debug!(server = &*shared.options.name, %error, "could not read a list"),
        }
    }
    if let Some(offer) = &*shared.offer.borrow() {
        for kind in ListKind::ALL {
            let known: HashSet<&Text> = offer.list(kind).iter().map(|item| &item.key).collect();
            let more = found[kind as usize].iter().filter(|item| !known.contains(&item.key));
            found[kind as usize] = more.take(ITEMS_MAX).cloned().collect();
        }
    }
    let union = shared.extras.replace(key, &done, found);
    show(shared, union, if announced { &done } else { &[] });
    if let Key::Alike(offers) = key {
        shared.extras.looked.send_if_modified(|looked| looked.insert(offers));
    }
}

/// A conversation is over: what only it showed is shown no more.
pub(crate) fn forget(shared: &Shared, key: Key) {
    if let (Key::Stay(_), Some(union)) = (key, shared.extras.remove(key)) {
        show(shared, union, &[]);
    }
}

fn show(shared: &Shared, extra: Lists, announced: &[ListKind]) {
    shared.offer.send_if_modified(|offer| {
        let Some(old) = offer else { return false };
        let keys = |lists: &Lists| -> Vec<Vec<Text>> {
            lists.iter().map(|list| list.iter().map(|item| item.key.clone()).collect()).collect()
        };
        let bytes =
            |lists: &Lists| -> usize { lists.iter().flat_map(|list| list.iter()).map(|i| i.raw.len()).sum() };
        let same = keys(&old.extra) == keys(&extra) && bytes(&old.extra) == bytes(&extra);
        if same && announced.is_empty() {
            return false;
        }
        let mut counts = old.announced;
        for kind in announced {
            counts[*kind as usize] += 1;
        }
        *offer = Some(Arc::new(Offer { extra, announced: counts, ..(**old).clone() }));
        true
    });
}
