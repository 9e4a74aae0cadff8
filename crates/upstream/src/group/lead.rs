//! Which member speaks for the server: its lists are the server's, and updates of resources come from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use futures_util::future::select_all;
use tokio::sync::watch;
use trunkline_model::{Era, ListKind};
use trunkline_observe::metrics::{Era as MeteredEra, UpstreamHandle};

use crate::member::{Member, Wanted};
use crate::status::{Offer, Phase, Status};

/// What the group and its task share.
pub(super) struct Common {
    pub(super) members: Box<[Arc<Member>]>,
    /// The member that speaks for the server.
    pub(super) lead: AtomicUsize,
    pub(super) status: watch::Sender<Status>,
    pub(super) offer: watch::Sender<Option<Arc<Offer>>>,
    pub(super) wanted: watch::Sender<Wanted>,
    meter: UpstreamHandle,
}

/// What was last seen of a member.
struct Seen {
    status: watch::Receiver<Status>,
    offer: watch::Receiver<Option<Arc<Offer>>>,
}

impl Common {
    pub(super) fn new(members: Vec<Arc<Member>>, meter: UpstreamHandle) -> Self {
        let status = members[0].status().borrow().clone();
        Self {
            members: members.into(),
            lead: AtomicUsize::new(0),
            status: watch::Sender::new(status),
            offer: watch::Sender::new(None),
            wanted: watch::Sender::default(),
            meter,
        }
    }
}

/// Follows the members for as long as it is polled.
pub(super) async fn follow(common: Arc<Common>) {
    let mut seen: Vec<Seen> =
        common.members.iter().map(|m| Seen { status: m.status(), offer: m.offer() }).collect();
    let mut wanted = common.wanted.subscribe();
    loop {
        renew(&common, &mut seen, &mut wanted);
        let changes = seen.iter_mut().map(|seen| {
            Box::pin(async {
                tokio::select! {
                    _ = seen.status.changed() => {}
                    _ = seen.offer.changed() => {}
                }
            })
        });
        tokio::select! {
            _ = select_all(changes) => {}
            _ = wanted.changed() => {}
        }
    }
}

fn renew(common: &Common, seen: &mut [Seen], wanted: &mut watch::Receiver<Wanted>) {
    let before = common.lead.load(Ordering::Relaxed);
    let changed =
        |(index, seen): (usize, &Seen)| index != before && seen.offer.has_changed().unwrap_or(false);
    let others_changed = seen.iter().enumerate().any(changed);
    let statuses: Vec<Status> = seen.iter_mut().map(|seen| seen.status.borrow_and_update().clone()).collect();
    let offers: Vec<_> = seen.iter_mut().map(|seen| seen.offer.borrow_and_update().clone()).collect();
    let lead = chosen(before, &statuses);
    common.lead.store(lead, Ordering::Relaxed);
    let wanted = wanted.borrow_and_update().clone();
    for (index, member) in common.members.iter().enumerate() {
        // Updates are told once, by the member that leads.
        member.want(if index == lead { wanted.iter().cloned().collect() } else { Wanted::new() });
    }
    if others_changed && lead == before && differ(&offers, lead) {
        // Another member has changed. This one has too, and cannot tell; or they are not equal.
        common.members[lead].look_again();
    }
    if let Some(offer) = &offers[lead] {
        common.offer.send_if_modified(|old| {
            let same = old.as_ref().is_some_and(|old| Arc::ptr_eq(old, offer));
            if !same {
                *old = Some(Arc::clone(offer));
            }
            !same
        });
    }
    common.meter.set_up(matches!(statuses[lead].phase, Phase::Ready | Phase::Impaired(_) | Phase::Idle));
    match statuses[lead].era {
        Some(Era::Legacy) => common.meter.set_era(MeteredEra::Legacy),
        Some(Era::Modern) => common.meter.set_era(MeteredEra::Modern),
        None => {}
    }
    tell(common, &statuses, lead);
}

/// Tells the server's state: the leading member's, with the starts of all.
fn tell(common: &Common, statuses: &[Status], lead: usize) {
    let mut now = statuses[lead].clone();
    now.starts = statuses.iter().map(|status| status.starts).sum();
    common.status.send_if_modified(|old| {
        let changed = old.phase != now.phase || old.era != now.era;
        // `since` counts from when the server as a whole was in this state.
        now.since = if old.phase.as_str() == now.phase.as_str() { old.since } else { SystemTime::now() };
        *old = now;
        changed
    });
}

/// The lead stays where it is as long as no other member is better off.
fn chosen(lead: usize, statuses: &[Status]) -> usize {
    let rank = |status: &Status| match status.phase {
        Phase::Ready => 0,
        Phase::Impaired(_) => 1,
        Phase::Idle => 2,
        Phase::Starting => 3,
        Phase::Down { .. } => 4,
        Phase::Stopped => 5,
    };
    let best = (0..statuses.len()).min_by_key(|index| rank(&statuses[*index])).unwrap_or(lead);
    if rank(&statuses[best]) < rank(&statuses[lead]) { best } else { lead }
}

/// Whether some member lists other things than the lead.
fn differ(offers: &[Option<Arc<Offer>>], lead: usize) -> bool {
    let Some(leading) = &offers[lead] else { return false };
    let same = |offer: &Arc<Offer>, kind: ListKind| {
        let (ours, theirs) = (leading.list(kind), offer.list(kind));
        ours.len() == theirs.len() && ours.iter().zip(theirs.iter()).all(|(a, b)| a.raw == b.raw)
    };
    offers.iter().flatten().any(|offer| ListKind::ALL.iter().any(|kind| !same(offer, *kind)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn status(phase: Phase) -> Status {
        Status { phase, since: SystemTime::now(), era: None, handshake: None, starts: 1, stderr: Vec::new() }
    }

    fn down() -> Phase {
        Phase::Down { reason: "r".into(), retry_in: Duration::ZERO }
    }

    #[test]
    fn the_lead_changes_only_to_a_member_that_is_better_off() {
        let [ready, starting, down] = [Phase::Ready, Phase::Starting, down()].map(status);
        assert_eq!(chosen(1, &[ready.clone(), ready.clone()]), 1);
        assert_eq!(chosen(0, &[down.clone(), starting.clone(), ready.clone()]), 2);
        assert_eq!(chosen(1, &[down.clone(), down.clone()]), 1);
        assert_eq!(chosen(0, &[starting, down]), 0);
    }
}
