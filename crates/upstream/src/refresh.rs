//! Reading a server's lists into its offer.

use std::sync::{Arc, PoisonError};

use trunkline_model::{Era, ListKind};
use trunkline_protocol::hello::Introduction;

use crate::extras;
use crate::lists::{self, Fetched};
use crate::member::Shared;
use crate::reason::printable;
use crate::session::Session;
use crate::status::Offer;
use crate::stray::Stray;

/// How each list in the offer may be kept, as it said when it was last read. A list that was not read this time, or
/// could not be, keeps its word: the items shown are still those it was said about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hints([Hint; ListKind::COUNT]);

/// By default nothing is known, and what is not known to be public is private.
#[derive(Clone, Copy, Debug, Default)]
struct Hint {
    ttl_ms: Option<u64>,
    public: bool,
}

impl Hints {
    fn set(&mut self, kind: ListKind, ttl_ms: Option<u64>, public: bool) {
        self.0[kind as usize] = Hint { ttl_ms, public };
    }

    /// The shortest of the times. Skills do not count: nobody tells of their changes, so servers let them be kept for
    /// less, and that must not make clients read everything else as often.
    fn ttl_ms(&self) -> Option<u64> {
        self.others().filter_map(|hint| hint.ttl_ms).min()
    }

    fn public(&self) -> bool {
        self.others().all(|hint| hint.public)
    }

    fn skills(&self) -> Hint {
        self.0[ListKind::Skills as usize]
    }

    fn others(&self) -> impl Iterator<Item = &Hint> {
        self.0.iter().enumerate().filter(|(kind, _)| *kind != ListKind::Skills as usize).map(|(_, hint)| hint)
    }
}

/// What came of reading lists.
#[derive(Debug)]
pub(crate) enum Read {
    /// There was nothing to read.
    Nothing,
    /// All of them were read.
    Whole,
    /// Some could not be read and keep their last good state; holds the first reason.
    Partly(Arc<str>),
}

/// Reads the given lists again, of which the server announced some as changed. Dropping the future leaves the offer as
/// it was and puts the announced ones back.
pub(crate) async fn refresh(
    shared: &Shared,
    session: &Session,
    kinds: &[ListKind],
    announced: &[ListKind],
) -> Read {
    if kinds.is_empty() {
        return Read::Nothing;
    }
    let unread = Unread { stray: &shared.stray, kinds: announced.to_vec() };
    let mut trouble = None;
    let mut fetched: Vec<(ListKind, Fetched)> = Vec::with_capacity(kinds.len());
    for kind in kinds {
        match lists::fetch(session, &shared.options, *kind).await {
            Ok(list) => fetched.push((*kind, list)),
            Err(error) => {
                let error = printable(&error);
                tracing::warn!(server = &*shared.options.name, %error, "could not read a list");
                trouble.get_or_insert_with(|| Arc::from(error));
            }
        }
    }
    unread.read();
    let mut hints = shared.hints.lock().unwrap_or_else(PoisonError::into_inner);
    shared.offer.send_modify(|offer| {
        let new = merged(offer.as_deref(), &mut hints, &session.introduction, fetched, announced);
        *offer = Some(Arc::new(new));
    });
    trouble.map_or(Read::Whole, Read::Partly)
}

/// The last offer with what was read in place of what it had.
fn merged(
    old: Option<&Offer>,
    hints: &mut Hints,
    introduction: &Introduction,
    fetched: Vec<(ListKind, Fetched)>,
    announced: &[ListKind],
) -> Offer {
    let mut lists = old.map_or_else(|| std::array::from_fn(|_| Arc::from([])), |o| o.lists.clone());
    let mut counts = old.map_or([0; ListKind::COUNT], |o| o.announced);
    for kind in announced {
        counts[*kind as usize] += 1;
    }
    for (kind, list) in fetched {
        hints.set(kind, list.ttl_ms, list.public);
        lists[kind as usize] = list.items;
    }
    Offer {
        introduction: introduction.clone(),
        lists,
        extra: old.map_or_else(extras::nothing, |offer| offer.extra.clone()),
        ttl_ms: hints.ttl_ms(),
        public: introduction.era() == Era::Modern && hints.public(),
        skills_ttl_ms: hints.skills().ttl_ms,
        skills_public: introduction.era() == Era::Modern && hints.skills().public,
        pushes: lists::announces(introduction),
        announced: counts,
    }
}

/// Lists whose change was announced and that are being read.
struct Unread<'a> {
    stray: &'a Stray,
    kinds: Vec<ListKind>,
}

impl Unread<'_> {
    fn read(mut self) {
        self.kinds.clear();
    }
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        for kind in &self.kinds {
            self.stray.stir(*kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use trunkline_protocol::Revision;

    use super::*;

    fn introduction(revision: Revision) -> Introduction {
        Introduction {
            revision,
            capabilities: Bytes::from_static(b"{}"),
            server_info: None,
            instructions: None,
        }
    }

    fn read(kind: ListKind, ttl_ms: u64, public: bool) -> (ListKind, Fetched) {
        (kind, Fetched { items: Arc::from([]), ttl_ms: Some(ttl_ms), public })
    }

    fn all(public: bool) -> Vec<(ListKind, Fetched)> {
        ListKind::ALL.into_iter().map(|kind| read(kind, 1000, public)).collect()
    }

    #[test]
    fn a_private_list_stays_private_when_another_is_read_again() {
        let (hints, modern) = (&mut Hints::default(), introduction(Revision::R2026_07_28));
        let mut lists = all(true);
        lists[0].1.public = false;
        let first = merged(None, hints, &modern, lists, &[]);
        assert!(!first.public);
        let resources = vec![read(ListKind::Resources, 1000, true)];
        assert!(!merged(Some(&first), hints, &modern, resources, &[]).public);
        let tools = vec![read(ListKind::Tools, 1000, true)];
        assert!(merged(Some(&first), hints, &modern, tools, &[]).public, "now every list said so");
    }

    #[test]
    fn a_list_that_was_never_read_is_not_public() {
        let (hints, modern) = (&mut Hints::default(), introduction(Revision::R2026_07_28));
        let mut lists = all(true);
        lists.remove(2);
        assert!(!merged(None, hints, &modern, lists, &[]).public);
    }

    #[test]
    fn skills_are_kept_by_their_own_word() {
        let (hints, modern) = (&mut Hints::default(), introduction(Revision::R2026_07_28));
        let mut lists = all(true);
        lists[ListKind::Skills as usize] = read(ListKind::Skills, 0, false);
        let offer = merged(None, hints, &modern, lists, &[]);
        assert_eq!((offer.ttl_ms, offer.public), (Some(1000), true));
        assert_eq!((offer.skills_ttl_ms, offer.skills_public), (Some(0), false));
    }

    #[test]
    fn legacy_lists_are_never_public() {
        let (hints, legacy) = (&mut Hints::default(), introduction(Revision::LEGACY_LATEST));
        assert!(!merged(None, hints, &legacy, all(true), &[]).public);
    }

    #[test]
    fn the_shortest_time_grows_again_when_its_list_does() {
        let (hints, modern) = (&mut Hints::default(), introduction(Revision::R2026_07_28));
        let first = merged(None, hints, &modern, all(true), &[]);
        let tools = |ttl_ms| vec![read(ListKind::Tools, ttl_ms, true)];
        let shorter = merged(Some(&first), hints, &modern, tools(10), &[ListKind::Tools]);
        assert_eq!((shorter.ttl_ms, shorter.announced), (Some(10), [1, 0, 0, 0, 0]));
        assert_eq!(merged(Some(&shorter), hints, &modern, tools(5000), &[]).ttl_ms, Some(1000));
    }
}
