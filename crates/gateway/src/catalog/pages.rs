//! The finished list results of a catalog, page by page, and how long they may be kept by whom.

use bytes::Bytes;
use trunkline_model::{Era, ListKind};
use trunkline_protocol::{extensions, list};
use trunkline_upstream::Phase;

use super::build::{Input, Shown, Source};

/// Time that lists may be kept when a part is missing or unsure, in milliseconds.
pub(super) const UNSURE_TTL_MS: u64 = 5_000;
/// Time that lists of a legacy server may be kept while it tells us of changes, in milliseconds.
pub(super) const LEGACY_TTL_MS: u64 = 60_000;

pub(super) fn pages(
    input: &Input<'_>,
    kind: ListKind,
    era: Era,
    asked: bool,
    items: &[Shown],
    meta: Option<&[u8]>,
    hints: (u64, bool),
) -> Vec<Bytes> {
    let size = input.naming.page_items.max(1);
    let items: Vec<&Shown> = items.iter().filter(|item| asked || !item.asked).collect();
    let count = items.len().div_ceil(size).max(1);
    let page = |number: usize| {
        let part = items.iter().skip(number * size).take(size);
        let part = part.map(|item| if era == Era::Modern { &item.modern } else { &item.legacy });
        let next = (number + 1 < count).then(|| input.cursors.seal(kind, input.version, number + 1));
        list::render(kind, part, next.as_deref(), meta, (era == Era::Modern).then_some(hints))
    };
    (0..count).map(page).collect()
}

/// The least of what the parts allow.
pub(super) fn hints(sources: &[Source]) -> (u64, bool) {
    let mut ttl = u64::MAX;
    let mut public = true;
    for source in sources {
        let well = matches!(source.status.phase, Phase::Ready | Phase::Idle);
        let part = match (&source.offer, well) {
            (Some(offer), true) => match (offer.introduction.era(), offer.ttl_ms) {
                (_, Some(ms)) => ms,
                (Era::Legacy, None) if offer.pushes => LEGACY_TTL_MS,
                _ => 0,
            },
            _ => UNSURE_TTL_MS,
        };
        ttl = ttl.min(part);
        public &= source.offer.as_ref().is_some_and(|offer| offer.public);
    }
    (if ttl == u64::MAX { UNSURE_TTL_MS } else { ttl }, public && !sources.is_empty())
}

/// The same for skills, where only the servers that have some count. A legacy server says nothing of how long they may
/// be kept, and nobody tells of their changes.
pub(super) fn skill_hints(sources: &[Source]) -> (u64, bool) {
    let (mut ttl, mut public, mut unwell) = (u64::MAX, true, false);
    for source in sources {
        let Some(offer) = &source.offer else {
            unwell = true;
            continue;
        };
        if extensions::has_skills(&offer.introduction.capabilities) {
            unwell |= !matches!(source.status.phase, Phase::Ready | Phase::Idle);
            ttl = ttl.min(offer.skills_ttl_ms.unwrap_or(0));
            public &= offer.skills_public;
        }
    }
    if ttl == u64::MAX {
        // Nobody has any yet.
        (ttl, public) = (UNSURE_TTL_MS, false);
    }
    (if unwell { ttl.min(UNSURE_TTL_MS) } else { ttl }, public)
}
