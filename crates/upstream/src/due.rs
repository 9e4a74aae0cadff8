//! When a server's lists are read again without a word from it.

use std::time::Duration;

use tokio::time::Instant;
use trunkline_model::{Era, ListKind};

use crate::lists;
use crate::member::Shared;
use crate::session::Session;
use crate::status::Phase;

/// How often lists are read again from a server that cannot tell us of changes.
const POLL: Duration = Duration::from_mins(1);

/// When lists must be read again without being told, and which: never, when the server pushes or its lists are fixed;
/// but nobody pushes a change of skills.
pub(crate) fn next_refresh(
    shared: &Shared,
    session: &Session,
    live: bool,
    last: Instant,
) -> (Option<Instant>, &'static [ListKind]) {
    let all = all_due(shared, session, live, last);
    // A server that is impaired is not well again because of its skills.
    let impaired = matches!(shared.status.borrow().phase, Phase::Impaired(_));
    if all.is_some() || impaired || !lists::offered(&session.introduction, ListKind::Skills) {
        return (all, &ListKind::ALL);
    }
    let ttl = shared.offer.borrow().as_ref().and_then(|offer| offer.skills_ttl_ms).unwrap_or(0);
    (Some(last + Duration::from_millis(ttl).max(POLL)), &[ListKind::Skills])
}

fn all_due(shared: &Shared, session: &Session, live: bool, last: Instant) -> Option<Instant> {
    let ttl = shared
        .offer
        .borrow()
        .as_ref()
        .and_then(|offer| offer.ttl_ms)
        .filter(|_| session.era() == Era::Modern);
    let pushes = live && lists::announces(&session.introduction);
    if pushes {
        return None;
    }
    match ttl {
        Some(ms) => Some(last + Duration::from_millis(ms).max(POLL)),
        None if session.era() == Era::Legacy && !lists::announces(&session.introduction) => None,
        None => Some(last + POLL),
    }
}
