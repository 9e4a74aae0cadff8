//! Several equal members of one server: endpoints, or child processes.
//!
//! A call goes to the member with the fewest calls under way, unless something binds it to one: a client with a conversation
//! of its own, a task, a round of questions (`bindings.rs`). A call that certainly did not begin goes on to another member
//! at once. A member that fails while others do not is left out for a while (`outliers.rs`). What the server offers and
//! how it stands is what its leading member says (`lead.rs`).

mod bindings;
mod lead;
pub(crate) mod outliers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use trunkline_model::{Call, Caller, Era, Operation, Outcome, Served, Text};
use trunkline_observe::events::MemberEjected;
use trunkline_observe::metrics::UpstreamHandle;
use trunkline_protocol::tasks;

use crate::breaker::Verdict;
use crate::judged::judged;
use crate::member::{Ended, Hold, Member};
use crate::options::Options;
use crate::pool::Pool;
use crate::status::{Offer, Phase, Status};
use crate::succession::Before;
use crate::tools::Tools;
use bindings::Bindings;
use lead::Common;
pub use outliers::Options as OutlierOptions;
use outliers::Outliers;

/// Most members of one server.
pub const MEMBERS_MAX: usize = 32;

/// How one of several members stands, for operators.
#[derive(Clone, Debug)]
pub struct MemberState {
    /// Its state.
    pub status: Status,
    /// Whether it is left out for a while because it failed.
    pub ejected: bool,
    /// Whether the server's lists are its.
    pub leads: bool,
    /// Calls under way.
    pub running: usize,
}

/// The members of one server.
pub(crate) struct Group {
    server: Arc<str>,
    common: Arc<Common>,
    outliers: Arc<Outliers>,
    bindings: Arc<Bindings>,
    meter: UpstreamHandle,
    task: JoinHandle<()>,
}

/// Members that a call was sent to.
#[derive(Clone, Copy, Default)]
struct Tried(u32);

impl Tried {
    const fn has(self, index: usize) -> bool {
        self.0 & 1 << index != 0
    }

    const fn with(self, index: usize) -> Self {
        Self(self.0 | 1 << index)
    }
}

/// What a call is bound to.
enum Bound {
    /// Nothing: any member will do.
    Free,
    /// A client's own conversation. Where its member is gone it begins anew on another.
    Client(u64),
    /// A task or a round that only this member knows.
    Member(usize),
}

impl Group {
    /// Begins to start all members.
    pub(crate) fn start(options: &Options, tools: &Tools, meter: UpstreamHandle, before: &Before) -> Self {
        let reaches = std::iter::once(&options.reach).chain(&options.others).take(MEMBERS_MAX);
        let members: Vec<Arc<Member>> = reaches
            .enumerate()
            .map(|(index, reach)| {
                let own = Options { reach: reach.clone(), others: Vec::new(), ..options.clone() };
                let label = format!("{}#{}", options.name, index + 1);
                Arc::new(Member::begin(own, tools.clone(), &label, before.clone()))
            })
            .collect();
        let outliers = Arc::new(Outliers::new(members.len(), Instant::now()));
        let common = Arc::new(Common::new(members, meter.clone()));
        let task = tokio::spawn(lead::follow(Arc::clone(&common)));
        let server = Arc::clone(&options.name);
        Self { server, common, outliers, bindings: Arc::default(), meter, task }
    }

    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.common.members
    }

    /// Whether another member than the one that failed is up.
    pub(crate) fn has_others(&self, failed: Option<usize>) -> bool {
        self.members().iter().enumerate().any(|(index, member)| Some(index) != failed && member.is_up())
    }

    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.common.status.subscribe()
    }

    pub(crate) fn offer(&self) -> watch::Receiver<Option<Arc<Offer>>> {
        self.common.offer.subscribe()
    }

    pub(crate) fn want_changed(&self, edit: impl FnOnce(&mut BTreeSet<Text>) -> bool) {
        self.common.wanted.send_if_modified(edit);
    }

    pub(crate) fn lead(&self) -> &Arc<Member> {
        &self.members()[self.common.lead.load(Ordering::Relaxed)]
    }

    pub(crate) fn stand(&self) -> Vec<MemberState> {
        let (now, leading) = (Instant::now(), self.common.lead.load(Ordering::Relaxed));
        let one = |(index, member): (usize, &Arc<Member>)| MemberState {
            status: member.status().borrow().clone(),
            ejected: self.outliers.leaves_out(index, now),
            leads: index == leading,
            running: member.running(),
        };
        self.members().iter().enumerate().map(one).collect()
    }

    pub(crate) async fn stop(&self) {
        futures_util::future::join_all(self.members().iter().map(|member| member.stop())).await;
        self.task.abort();
    }

    /// The member on which a client has its conversation.
    pub(crate) fn of_client(&self, caller: &Caller) -> &Arc<Member> {
        let stay = caller.stay.as_ref().map(|stay| stay.number());
        let index =
            stay.map_or_else(|| self.common.lead.load(Ordering::Relaxed), |stay| self.client(stay, caller));
        &self.members()[index]
    }

    /// Runs one call on a member; on the one to avoid only when there is no other.
    pub(crate) async fn call(
        &self,
        rules: &outliers::Options,
        avoid: Option<usize>,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
        passes: bool,
    ) -> Ended {
        let bound = self.bound(call, target);
        let mut tried = Tried::default();
        loop {
            let index = self.choose(&bound, call, tried, avoid);
            let ended = self.members()[index].call(call, target, extra, passes).await;
            let ended = Ended { member: Some(index), ..ended };
            let ended = self.ended(index, ended, rules, call);
            tried = tried.with(index);
            if !self.goes_on(&bound, &ended, tried) {
                return ended;
            }
        }
    }

    /// Runs one call on a member, and keeps what it ran on.
    pub(crate) async fn call_holding(
        &self,
        rules: &outliers::Options,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
    ) -> (Ended, Option<Hold>) {
        let bound = self.bound(call, target);
        let mut tried = Tried::default();
        loop {
            let index = self.choose(&bound, call, tried, None);
            let (ended, hold) = self.members()[index].call_holding(call, target, extra).await;
            let ended = self.ended(index, ended, rules, call);
            tried = tried.with(index);
            if !self.goes_on(&bound, &ended, tried) {
                return (ended, hold.map(|hold| hold.of(index)));
            }
        }
    }

    /// Whether a call that ended so goes to another member: only when it certainly did not begin.
    fn goes_on(&self, bound: &Bound, ended: &Ended, tried: Tried) -> bool {
        let others = tried.0.count_ones() < self.members().len() as u32;
        let goes_on = others && ended.never_began() && !matches!(bound, Bound::Member(_));
        if goes_on {
            self.meter.failed_over();
        }
        goes_on
    }

    fn bound(&self, call: &Call, target: Option<&str>) -> Bound {
        if let Operation::Task(_, id) = &call.operation
            && let Some(index) = self.bindings.thing(target.unwrap_or(id).as_bytes())
        {
            return Bound::Member(index);
        }
        if let Some(index) =
            bindings::goes_on_from(call).and_then(|state| self.bindings.thing(state.as_bytes()))
        {
            return Bound::Member(index);
        }
        let lead = self.lead();
        match Pool::own(lead.options().sessions, &call.caller).filter(|_| lead.keeps_own(&call.caller)) {
            Some(_) => call.caller.stay.as_ref().map_or(Bound::Free, |stay| Bound::Client(stay.number())),
            None => Bound::Free,
        }
    }

    fn choose(&self, bound: &Bound, call: &Call, tried: Tried, avoid: Option<usize>) -> usize {
        match bound {
            Bound::Member(index) => *index,
            Bound::Client(stay) => {
                let index = self.client(*stay, &call.caller);
                if !tried.has(index) {
                    return index;
                }
                // Its member is gone, and with it the conversation.
                let other = self.pick(tried, avoid);
                self.bindings.bind_client(*stay, other);
                // What it wants to hear of it wants to hear of from there.
                for uri in self.members()[index].shared.pool.take_wishes(*stay) {
                    self.members()[other].want_own(&call.caller, &uri, true);
                }
                other
            }
            Bound::Free => self.pick(tried, avoid),
        }
    }

    /// The member of a client; its first call decides.
    fn client(&self, stay: u64, caller: &Caller) -> usize {
        if let Some(index) = self.bindings.client(stay) {
            return index;
        }
        let index = self.pick(Tried::default(), None);
        if self.bindings.bind_client(stay, index)
            && let Some(client) = &caller.stay
        {
            let bindings = Arc::downgrade(&self.bindings);
            client.on_end(move || {
                if let Some(bindings) = bindings.upgrade() {
                    bindings.forget_client(stay);
                }
            });
        }
        index
    }

    /// The member with the fewest calls under way: of those that are up and not left out, else of those that may come up,
    /// else of all.
    fn pick(&self, tried: Tried, avoid: Option<usize>) -> usize {
        let (members, now) = (self.members(), Instant::now());
        let start = usize::from(trunkline_runtime::random_byte()) % members.len();
        let least = |fits: &dyn Fn(usize) -> bool| {
            // From anywhere on, so that equal ones take turns.
            let all = (0..members.len()).map(|offset| (start + offset) % members.len());
            all.filter(|index| !tried.has(*index) && fits(*index))
                .min_by_key(|index| members[*index].running())
        };
        let other = |index: usize| Some(index) != avoid;
        let fair = |index: usize| other(index) && !self.outliers.leaves_out(index, now);
        least(&|index| members[index].is_up() && fair(index))
            .or_else(|| least(&|index| members[index].is_up() && other(index)))
            .or_else(|| least(&|index| members[index].is_up()))
            .or_else(|| least(&|index| !matches!(members[index].status().borrow().phase, Phase::Down { .. })))
            .or_else(|| least(&|_| true))
            .unwrap_or(start)
    }

    /// Takes note of the end of a call.
    fn ended(&self, index: usize, mut ended: Ended, rules: &outliers::Options, call: &Call) -> Ended {
        if let Served::Arriving(arriving) = ended.served {
            let (outliers, rules, meter) = (Arc::clone(&self.outliers), *rules, self.meter.clone());
            let server = Arc::clone(&self.server);
            let tell = move |verdict| note(&outliers, &server, &meter, index, verdict, &rules);
            ended.served = Served::Arriving(judged(arriving, tell));
            return ended;
        }
        note(&self.outliers, &self.server, &self.meter, index, ended.verdict, rules);
        self.bind(index, &ended.served, call);
        ended
    }

    /// Remembers who knows the task or the round in an answer. Legacy tasks are held together with their conversation.
    fn bind(&self, index: usize, served: &Served, call: &Call) {
        let Served::Whole(Outcome::Result(reply)) = served else { return };
        if reply.era != Era::Modern || matches!(call.operation, Operation::Task(..)) {
            return;
        }
        if memchr::memmem::find(&reply.raw, b"\"taskId\"").is_some()
            && let Some(task) = tasks::created(&reply.raw, Era::Modern)
        {
            self.bindings.bind_thing(task.id.as_bytes(), index);
        }
        if let Some(state) = bindings::asked_with(reply) {
            self.bindings.bind_thing(state.as_bytes(), index);
        }
    }
}

/// Counts the end of a call for or against its member.
fn note(
    outliers: &Outliers,
    server: &str,
    meter: &UpstreamHandle,
    index: usize,
    verdict: Verdict,
    rules: &outliers::Options,
) {
    let failed = match verdict {
        Verdict::Well => false,
        Verdict::Failed(_) => true,
        Verdict::Wait | Verdict::Nothing => return,
    };
    if outliers.ended(index, failed, rules, Instant::now()) {
        MemberEjected { upstream: server, member: index + 1 }.emit(meter);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.task.abort();
    }
}
