//! One call, as often as it is sent.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use trunkline_model::{Call, Fault, Quiet, Served};

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
    pub(crate) async fn once(&self, call: &Call, avoid: Option<usize>) -> Ended {
        self.upstream.send(self, call, avoid).await
    }

    /// Sends a call that may run twice, and again when it fails.
    pub(crate) async fn repeatedly(&self, retry: &Retry) -> Served {
        let begun = Instant::now();
        let first = match retry.options.hedge_after.filter(|_| self.manner.hedges) {
            Some(after) => Box::pin(self.hedged(retry, after)).await,
            None => self.once(self.call, None).await,
        };
        if first.verdict == Verdict::Well {
            return first.served;
        }
        Box::pin(self.again(retry, first, begun)).await
    }

    /// Sends it again while that may help, within the call's total deadline and the budget.
    async fn again(&self, retry: &Retry, first: Ended, begun: Instant) -> Served {
        let upstream = self.upstream;
        let total = upstream.options().timeouts.total;
        let end = begun + total;
        let (mut ended, mut sent) = (first, 1);
        loop {
            let chance = trunkline_runtime::random_byte();
            let others = upstream.has_others();
            let Some((wait, why)) = retry.wait(ended.verdict, &ended.served, sent, others, chance) else {
                return ended.served;
            };
            if Instant::now() + wait >= end {
                return ended.served;
            }
            if !retry.afford(upstream.calls()) {
                upstream.meter.retry_unaffordable();
                return ended.served;
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = upstream.stopped() => return ended.served,
            }
            upstream.meter.retried(why);
            tracing::debug!(server = &**upstream.name(), reason = why.as_str(), sent, "a call is sent again");
            let Ok(next) = timeout_at(end, self.once(self.call, ended.member)).await else {
                return Fault::timed_out(upstream.name(), total).into();
            };
            if next.never_began() {
                // What came of the attempt before says more than that there was no other.
                return ended.served;
            }
            (ended, sent) = (next, sent + 1);
        }
    }

    /// Sends a second one beside the first after a while, and takes what comes first; the other is taken back.
    async fn hedged(&self, retry: &Retry, after: Duration) -> Ended {
        let mut first = std::pin::pin!(self.once(self.call, None));
        tokio::select! {
            ended = &mut first => return ended,
            () = sleep(after) => {}
        }
        let meter = &self.upstream.meter;
        if !retry.afford(self.upstream.calls()) {
            meter.retry_unaffordable();
            return first.await;
        }
        meter.hedged();
        // The caller hears of the progress of the first alone: that of two would go back and forth.
        let quiet = Call { notes: Arc::new(Quiet), progress: None, ..self.call.clone() };
        let mut second = std::pin::pin!(self.once(&quiet, None));
        tokio::select! {
            ended = &mut first => if is_answer(&ended) { ended } else { second.await },
            ended = &mut second => {
                if is_answer(&ended) {
                    meter.hedge_won();
                    ended
                } else {
                    first.await
                }
            }
        }
    }
}

/// Whether nothing better is to be expected of the other one.
fn is_answer(ended: &Ended) -> bool {
    !matches!(ended.verdict, Verdict::Failed(_) | Verdict::Wait) && !ended.never_began()
}
