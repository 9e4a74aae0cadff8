//! One call, as often as it is sent.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use trunkline_model::{Call, Fault, Outcome, Quiet, Retry as Advice, Served};

use super::Retry;
use crate::breaker::Verdict;
use crate::manner::Manner;
use crate::member::Ended;
use crate::policies::Policies;
use crate::upstream::Upstream;

/// One call on its way to its server.
pub(crate) struct Sending<'a> {
    pub(crate) upstream: &'a Upstream,
    pub(crate) policies: &'a Policies,
    pub(crate) manner: &'a Manner,
    pub(crate) call: &'a Call,
    pub(crate) target: Option<&'a str>,
    pub(crate) extra: &'a [(String, String)],
    /// Whether a large result may be handed on while it arrives.
    pub(crate) passes: bool,
}

impl Sending<'_> {
    /// Sends it once; not to the member to avoid, where there is another.
    pub(crate) fn once<'a>(
        &'a self,
        call: &'a Call,
        avoid: Option<usize>,
    ) -> impl Future<Output = Ended> + Send + 'a {
        self.upstream.send(self, call, avoid)
    }

    /// Sends a call that may run twice, and again when it fails.
    pub(crate) async fn repeatedly(&self, retry: &Retry) -> Served {
        let end = Instant::now() + self.upstream.options().timeouts.total;
        let hedge_after =
            retry.options.hedge_after.filter(|_| self.manner.hedges && retry.options.attempts > 1);
        let (first, sent) = match hedge_after {
            Some(after) => Box::pin(self.hedged(retry, after, end)).await,
            None => (self.once(self.call, None).await, 1),
        };
        if first.verdict == Verdict::Well {
            return first.served;
        }
        Box::pin(self.again(retry, first, sent, end)).await
    }

    /// Sends it again while that may help, within the call's total deadline and the budget. It was `sent` so often.
    async fn again(&self, retry: &Retry, first: Ended, mut sent: u32, end: Instant) -> Served {
        let upstream = self.upstream;
        let (mut ended, mut may_have_run) = (first, None);
        loop {
            let chance = trunkline_runtime::random_byte();
            let others = upstream.has_others(ended.member);
            let Some((wait, why)) = retry.wait(ended.verdict, &ended.served, sent, others, chance) else {
                return told(ended, may_have_run);
            };
            if Instant::now() + wait >= end {
                return told(ended, may_have_run);
            }
            if !retry.afford(upstream.calls()) {
                upstream.meter.retry_unaffordable();
                return told(ended, may_have_run);
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = upstream.stopped() => return told(ended, may_have_run),
            }
            upstream.meter.retried(why);
            tracing::debug!(server = &**upstream.name(), reason = why.as_str(), sent, "a call is sent again");
            let Ok(next) = timeout_at(end, self.once(self.call, ended.member)).await else {
                return Fault::timed_out(upstream.name(), upstream.options().timeouts.total).into();
            };
            if next.never_began() {
                // What came of the attempt before says more than that there was no other.
                return told(ended, may_have_run);
            }
            may_have_run = ran_perhaps(&ended).or(may_have_run);
            (ended, sent) = (next, sent + 1);
        }
    }

    /// Sends a second one beside the first after a while, and takes what comes first; the other is taken back. With it
    /// comes how many were sent.
    async fn hedged(&self, retry: &Retry, after: Duration, end: Instant) -> (Ended, u32) {
        let mut first = std::pin::pin!(self.once(self.call, None));
        tokio::select! {
            ended = &mut first => return (ended, 1),
            () = sleep(after) => {}
        }
        let meter = &self.upstream.meter;
        if !retry.afford(self.upstream.calls()) {
            meter.retry_unaffordable();
            return (first.await, 1);
        }
        meter.hedged();
        // The caller hears of the progress of the first alone: that of two would go back and forth.
        let quiet = Call { notes: Arc::new(Quiet), progress: None, ..self.call.clone() };
        let mut second = std::pin::pin!(self.once(&quiet, None));
        let (one, other) = tokio::select! {
            ended = &mut first => {
                if is_answer(&ended) {
                    return (ended, 2);
                }
                // Its own deadline counts from later on.
                (ended, timeout_at(end, second).await.ok())
            }
            ended = &mut second => {
                if is_answer(&ended) {
                    meter.hedge_won();
                    return (ended, 2);
                }
                (ended, Some(first.await))
            }
        };
        match other {
            // That one of them never began is not all there is to say.
            Some(other) if !other.never_began() => (other, 2),
            _ => (one, 2),
        }
    }
}

/// The fault of an attempt that may have run.
fn ran_perhaps(ended: &Ended) -> Option<Box<Fault>> {
    match &ended.served {
        Served::Whole(Outcome::Fault(fault)) if fault.retry == Advice::AtOwnRisk => Some(fault.clone()),
        _ => None,
    }
}

/// How a call ended that was sent several times: where the last attempt was only refused, an earlier one may have run.
fn told(last: Ended, may_have_run: Option<Box<Fault>>) -> Served {
    match (last.served, may_have_run) {
        (Served::Whole(Outcome::Fault(fault)), Some(before)) if matches!(fault.retry, Advice::After(_)) => {
            Outcome::Fault(before).into()
        }
        (served, _) => served,
    }
}

/// Whether nothing better is to be expected of the other one.
fn is_answer(ended: &Ended) -> bool {
    !matches!(ended.verdict, Verdict::Failed(_) | Verdict::Wait) && !ended.never_began()
}

#[cfg(test)]
#[path = "sending_tests.rs"]
mod tests;
