//! What is kept: in memory, bounded in bytes and time, each part for the client whose call brought it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::{Instant, sleep_until};
use trunkline_model::Caller;

use super::options::Options;
use crate::tasks::Owner;

/// 192 random bits: nobody guesses one.
const KEY: usize = 24;

/// The name of something kept, as it stands in its URI.
pub(super) type Key = [u8; KEY];

/// A result that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    owner: Owner,
    until: Instant,
    /// The text.
    pub(super) text: Box<str>,
    /// The structured content, as JSON.
    pub(super) structured: Option<Box<str>>,
}

impl Kept {
    fn size(&self) -> usize {
        self.text.len() + self.structured.as_ref().map_or(0, |json| json.len())
    }
}

/// The results of this process.
pub(crate) struct Results(Mutex<Table>);

#[derive(Default)]
struct Table {
    options: Options,
    kept: HashMap<Key, Arc<Kept>>,
    /// The same, oldest first.
    order: VecDeque<Key>,
    bytes: usize,
    /// The sessions whose end is waited for.
    stays: HashSet<u64>,
    /// Whether somebody looks after what is too old.
    is_swept: bool,
}

impl Results {
    pub(crate) fn new(options: Options) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Table { options, ..Table::default() })))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes other options. What is kept stays as long as it was to, as far as it still fits.
    pub(crate) fn set(&self, options: Options) {
        let mut table = self.table();
        table.options = options;
        let gone = table.make_room(0, None, Instant::now());
        drop(table);
        drop(gone);
    }

    pub(super) fn options(&self) -> Options {
        self.table().options
    }

    /// Keeps a result; the oldest ones make room. `None` when it is larger than all that may be kept for one client.
    pub(super) fn keep(
        self: &Arc<Self>,
        owner: Owner,
        caller: &Caller,
        text: &str,
        structured: Option<&str>,
    ) -> Option<Key> {
        let now = Instant::now();
        let mut table = self.table();
        let until = now + table.options.keep_for;
        let size = text.len() + structured.map_or(0, str::len);
        if size > table.options.client_bytes_max.min(table.options.bytes_max) {
            return None;
        }
        let stay = owner.stay;
        let kept = Kept { owner, until, text: text.into(), structured: structured.map(Into::into) };
        let mut key = [0; KEY];
        key.copy_from_slice(&trunkline_runtime::random_key()[..KEY]);
        let gone = table.make_room(size, Some(&kept.owner), now);
        table.bytes += size;
        table.order.push_back(key);
        table.kept.insert(key, Arc::new(kept));
        let first_of_stay = stay.is_some_and(|stay| table.stays.insert(stay));
        let starts_sweep = !std::mem::replace(&mut table.is_swept, true);
        drop(table);
        // Megabytes are freed outside of the lock.
        drop(gone);
        if let (true, Some(stay)) = (first_of_stay, &caller.stay) {
            let (results, number) = (Arc::downgrade(self), stay.number());
            stay.on_end(move || {
                if let Some(results) = results.upgrade() {
                    results.left(number);
                }
            });
        }
        if starts_sweep {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        Some(key)
    }

    /// What is kept under this name for this client.
    pub(super) fn find(&self, owner: &Owner, key: &Key) -> Option<Arc<Kept>> {
        let found = self.table().kept.get(key).cloned();
        found.filter(|kept| kept.owner == *owner && kept.until > Instant::now())
    }

    /// The client has left: nobody can ask any more.
    fn left(&self, stay: u64) {
        let mut table = self.table();
        table.stays.remove(&stay);
        let gone = table.drop_those(|kept| kept.owner.stay == Some(stay));
        drop(table);
        drop(gone);
    }

    /// Forgets what is too old. When to look again; `None` when nothing is left.
    fn tidy(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut table = self.table();
        let gone = table.drop_those(|kept| kept.until <= now);
        let next = table.kept.values().map(|kept| kept.until).min();
        table.is_swept = next.is_some();
        drop(table);
        drop(gone);
        next
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.table().bytes
    }
}

impl Table {
    /// Makes room for so much more of an owner; gives what had to go.
    fn make_room(&mut self, size: usize, owner: Option<&Owner>, now: Instant) -> Vec<Arc<Kept>> {
        let mut gone = self.drop_those(|kept| kept.until <= now);
        if let Some(owner) = owner {
            let of_owner = self.kept.values().filter(|kept| kept.owner == *owner);
            let mut over = (of_owner.map(|kept| kept.size()).sum::<usize>() + size)
                .saturating_sub(self.options.client_bytes_max);
            gone.extend(self.drop_those(|kept| drops(kept, &mut over, kept.owner == *owner)));
        }
        let mut over = (self.bytes + size).saturating_sub(self.options.bytes_max);
        gone.extend(self.drop_those(|kept| drops(kept, &mut over, true)));
        gone
    }

    /// Takes out what is chosen, asking from the oldest on.
    fn drop_those(&mut self, mut chosen: impl FnMut(&Kept) -> bool) -> Vec<Arc<Kept>> {
        let mut gone = Vec::new();
        let Self { kept, order, bytes, .. } = self;
        order.retain(|key| {
            if !kept.get(key).is_some_and(|one| chosen(one)) {
                return true;
            }
            if let Some(one) = kept.remove(key) {
                *bytes -= one.size();
                gone.push(one);
            }
            false
        });
        gone
    }
}

/// Whether one goes because there is still too much.
fn drops(kept: &Kept, over: &mut usize, concerns: bool) -> bool {
    let goes = concerns && *over > 0;
    if goes {
        *over = over.saturating_sub(kept.size());
    }
    goes
}

/// Looks after what is too old, as long as there is anything.
async fn sweep(results: Weak<Results>) {
    loop {
        let next = match results.upgrade() {
            Some(results) => results.tidy(),
            None => return,
        };
        let Some(next) = next else { return };
        sleep_until(next).await;
    }
}

pub(super) fn spell(key: &Key) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

pub(super) fn parse(text: &str) -> Option<Key> {
    // The length is looked at first: a URI may be long.
    (text.len() == KEY / 3 * 4).then(|| URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()).flatten()
}
