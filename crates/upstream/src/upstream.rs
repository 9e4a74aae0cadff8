//! The handle by which the gateway uses one upstream.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use trunkline_model::{Call, Caller, Era, Fault, Offers, Outcome, Served, Text};
use trunkline_observe::metrics::UpstreamHandle;

use crate::breaker::{Circuit, Guard};
use crate::group::{Group, MemberState};
use crate::judged::judged;
use crate::manner::Manner;
use crate::member::{Ended, Hold, Member};
use crate::options::{Live, Options};
use crate::policies::Policies;
use crate::retry::Sending;
use crate::session::{Lost, asks_during};
use crate::status::{Offer, Status};
use crate::succession::Before;
use crate::tools::Tools;

/// One upstream server: one member as a rule, or several equal ones. Called from anywhere.
pub struct Upstream {
    options: Options,
    pub(crate) members: Members,
    policies: ArcSwap<Policies>,
    pub(crate) meter: UpstreamHandle,
}

/// The processes or endpoints behind one server.
pub(crate) enum Members {
    /// One, which costs a call nothing more.
    One(Arc<Member>),
    /// Several equal ones.
    Several(Group),
}

impl Upstream {
    /// Begins to start the upstream, in the background.
    pub fn start(options: Options, tools: Tools) -> Self {
        Self::begin(options, tools, &Before::default())
    }

    pub(crate) fn begin(options: Options, tools: Tools, before: &Before) -> Self {
        let meter = tools.metrics.upstream(&options.name);
        let members = if options.others.is_empty() {
            Members::One(Arc::new(Member::begin(options.clone(), tools, &options.name, before.clone())))
        } else {
            Members::Several(Group::start(&options, &tools, meter.clone(), before))
        };
        let policies = Policies::new(&options.name, options.live.clone(), &meter, None, 0);
        Self { options, members, policies: ArcSwap::new(policies), meter }
    }

    /// One with this member, for tests of what is made of its answers.
    #[cfg(test)]
    pub(crate) fn of(options: Options, member: Member) -> Self {
        let meter = member.shared.meter.clone();
        let policies = Policies::new(&options.name, options.live.clone(), &meter, None, 0);
        let members = Members::One(Arc::new(member));
        Self { options, members, policies: ArcSwap::new(policies), meter }
    }

    /// The operator's name for it.
    pub fn name(&self) -> &Arc<str> {
        &self.options.name
    }

    /// The options it was started with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Takes what may change while it runs.
    pub fn adopt(&self, live: &Live) {
        let old = self.policies.load_full();
        if old.live() != live {
            let new = Policies::new(self.name(), live.clone(), &self.meter, Some(&old), self.calls());
            self.policies.store(new);
            self.each(|member| member.adopt(live));
        }
    }

    /// What of it may change while it runs, as it is now.
    pub fn policies(&self) -> Arc<Policies> {
        self.policies.load_full()
    }

    /// How its circuit breakers stand; `None` when it has none.
    pub fn circuit(&self) -> Option<Circuit> {
        self.policies.load().circuits.as_ref().map(|circuits| circuits.stand())
    }

    /// How each of several members stands; none when there is only one.
    pub fn members(&self) -> Vec<MemberState> {
        match &self.members {
            Members::One(_) => Vec::new(),
            Members::Several(group) => group.stand(),
        }
    }

    /// Its state, now and from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        match &self.members {
            Members::One(member) => member.status(),
            Members::Several(group) => group.status(),
        }
    }

    /// What it offers, now and from now on; `None` until it has been read once.
    pub fn offer(&self) -> watch::Receiver<Option<Arc<Offer>>> {
        match &self.members {
            Members::One(member) => member.offer(),
            Members::Several(group) => group.offer(),
        }
    }

    /// Sets the resources whose updates are wanted.
    pub fn want(&self, uris: impl IntoIterator<Item = Text>) {
        let uris: BTreeSet<Text> = uris.into_iter().collect();
        self.want_changed(|old| {
            let changed = *old != uris;
            if changed {
                *old = uris;
            }
            changed
        });
    }

    /// Edits the set of resources whose updates are wanted, in place. `edit` says whether it changed anything; it runs
    /// under a lock and must be short.
    pub fn want_changed(&self, edit: impl FnOnce(&mut BTreeSet<Text>) -> bool) {
        match &self.members {
            Members::One(member) => member.want_changed(edit),
            Members::Several(group) => group.want_changed(edit),
        }
    }

    /// The era spoken, while there is a conversation.
    pub fn era(&self) -> Option<Era> {
        self.lead().era()
    }

    /// Whether the server of a call may ask its caller something while it runs, or did so before: a legacy server, and a
    /// caller that can be asked or answers. Waits for a server that is only starting, for then its era is not known.
    ///
    /// # Errors
    /// When the server does not come up.
    pub async fn may_ask(&self, call: &Call) -> Result<bool, Fault> {
        self.lead().may_ask(call).await
    }

    /// Makes sure, within `patience`, that what the server offers only to clients with these offers is in its [`Offer`].
    /// Costs nothing once it is known, and for servers whose lists do not depend on the client.
    pub async fn look_for(&self, offers: Offers, patience: Duration) {
        self.lead().look_for(offers, patience).await;
    }

    /// Whether a client has a session of its own with this server, if it is a legacy one.
    pub fn keeps_own(&self, caller: &Caller) -> bool {
        self.lead().keeps_own(caller)
    }

    /// Says whether a client wants to hear of a resource on its own session, which is opened if need be.
    pub fn want_own(&self, caller: &Arc<Caller>, uri: &Text, wanted: bool) {
        match &self.members {
            Members::One(member) => member.want_own(caller, uri, wanted),
            Members::Several(group) => group.of_client(caller).want_own(caller, uri, wanted),
        }
    }

    /// Tells the server that the roots of a client have changed, where the client has a session of its own.
    pub fn roots_changed(&self, stay: u64) {
        self.each(|member| member.roots_changed(stay));
    }

    /// Runs one call. `target` is the upstream's own spelling where the caller's differs; `extra` are headers that
    /// mirror arguments. A tool call is sent once, unless it certainly did not begin.
    pub async fn call(&self, call: &Call, target: Option<&str>, extra: &[(String, String)]) -> Outcome {
        self.call_as(&Manner::ONCE, call, target, extra).await
    }

    /// Runs one call of a tool in its manner: where it may run twice, it is sent again when it fails.
    pub async fn call_as(
        &self,
        manner: &Manner,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
    ) -> Outcome {
        self.serve(manner, call, target, extra, false).await.outcome()
    }

    /// Runs one call like [`Upstream::call_as`]; a large result may be handed on while it arrives. What the call runs on
    /// is in use until that has ended.
    pub async fn pass(
        &self,
        manner: &Manner,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
    ) -> Served {
        self.serve(manner, call, target, extra, call.passes).await
    }

    async fn serve(
        &self,
        manner: &Manner,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
        passes: bool,
    ) -> Served {
        let policies = self.policies.load_full();
        let sending = Sending { upstream: self, policies: &policies, manner, call, target, extra, passes };
        // A user who was asked during a call must not be asked again.
        match policies.retry.as_ref().filter(|retry| retry.may_repeat(manner, call) && !self.asks(call)) {
            None => sending.once(call, None).await.served,
            Some(retry) => sending.repeatedly(retry).await,
        }
    }

    /// Runs one call like [`Upstream::call`], and keeps what it ran on; `None` when it did not run.
    pub async fn call_holding(
        &self,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
    ) -> (Outcome, Option<Hold>) {
        let policies = self.policies.load_full();
        let guard = match Guard::begin(policies.circuits.as_ref(), None) {
            Ok(guard) => guard,
            Err(fault) => return (fault.into(), None),
        };
        let (ended, hold) = match &self.members {
            Members::One(member) => member.call_holding(call, target, extra).await,
            Members::Several(group) => {
                Box::pin(group.call_holding(&policies.live().outliers, call, target, extra)).await
            }
        };
        guard.ended(ended.verdict);
        (ended.served.outcome(), hold)
    }

    /// Runs one call on what an earlier one ran on; where that is gone, like any other, but on no other member.
    pub async fn call_on(&self, hold: &Hold, call: &Call, target: Option<&str>) -> Outcome {
        match hold.call(call, target).await {
            Ok(outcome) => outcome,
            Err(Lost(why)) => {
                tracing::debug!(server = &**self.name(), %why, "the conversation that was held is over");
                match (&self.members, hold.member) {
                    // Another member knows nothing of it, or knows something else by the same name.
                    (Members::Several(group), Some(index)) => {
                        group.members()[index].call(call, target, &[], false).await.served.outcome()
                    }
                    _ => self.call(call, target, &[]).await,
                }
            }
        }
    }

    /// One call, unless the breakers hold it back; not to the member to avoid, where there is another.
    pub(crate) async fn send(&self, sending: &Sending<'_>, call: &Call, avoid: Option<usize>) -> Ended {
        let Sending { policies, manner, target, extra, passes, .. } = *sending;
        let guard = match Guard::begin(policies.circuits.as_ref(), manner.breaker.as_ref()) {
            Ok(guard) => guard,
            Err(fault) => return Ended::refused(fault),
        };
        let mut ended = match &self.members {
            Members::One(member) => member.call(call, target, extra, passes).await,
            Members::Several(group) => {
                Box::pin(group.call(&policies.live().outliers, avoid, call, target, extra, passes)).await
            }
        };
        match ended.served {
            Served::Arriving(arriving) => {
                ended.served = Served::Arriving(match guard.rest() {
                    Some(rest) => judged(arriving, |verdict| rest.ended(verdict)),
                    None => arriving,
                });
            }
            Served::Whole(_) => guard.ended(ended.verdict),
        }
        ended
    }

    /// Counts a call that its fallback answered.
    pub fn fell_back(&self) {
        self.meter.fell_back();
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        match &self.members {
            Members::One(member) => member.calls(),
            Members::Several(group) => group.members().iter().map(|member| member.calls()).sum(),
        }
    }

    /// Whether another member than the one that failed could take a call now.
    pub(crate) fn has_others(&self, failed: Option<usize>) -> bool {
        match &self.members {
            Members::One(_) => false,
            Members::Several(group) => group.has_others(failed),
        }
    }

    /// Whether the user may be asked something during a call. While there is no conversation nobody knows: the one that
    /// the call will run on may be a legacy one.
    pub(crate) fn asks(&self, call: &Call) -> bool {
        !call.caller.offers.is_none() && asks_during(&call.operation) && self.era() != Some(Era::Modern)
    }

    /// The member that is asked about the server as a whole.
    pub(crate) fn lead(&self) -> &Arc<Member> {
        match &self.members {
            Members::One(member) => member,
            Members::Several(group) => group.lead(),
        }
    }

    pub(crate) fn each(&self, mut told: impl FnMut(&Member)) {
        match &self.members {
            Members::One(member) => told(member),
            Members::Several(group) => group.members().iter().for_each(|member| told(member)),
        }
    }

    /// Resolves when it is being stopped.
    pub(crate) async fn stopped(&self) {
        self.lead().shared.stop.cancelled().await;
    }

    /// Stops the upstream; returns when nothing of it runs any more.
    pub async fn stop(&self) {
        match &self.members {
            Members::One(member) => member.stop().await,
            Members::Several(group) => group.stop().await,
        }
    }
}
