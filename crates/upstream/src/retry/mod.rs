//! Sending a call again, where that does no harm and helps.
//!
//! A call that certainly did not begin may go to another member of its server at once (`group`). Any other is sent again only
//! when it may run twice: the operator says which tools are believed when they call themselves read-only or idempotent,
//! whether reads are harmless, and whether the server honours idempotency keys. Everything else runs once, or its outcome
//! is reported as unknown.

mod budget;
mod options;
mod sending;

use std::time::Duration;

use tokio::time::Instant;
use trunkline_model::{Call, Operation, Outcome, Retry as Advice, Served};
use trunkline_observe::metrics::Again;
use trunkline_protocol::meta;

use budget::Budget;
pub use options::Options;
pub(crate) use sending::Sending;

use crate::breaker::{Trouble, Verdict};
use crate::manner::Manner;

/// The member of `_meta` by which a caller names what it wants to happen once. A server that honours it runs calls with
/// the same key once and gives each the same answer.
pub const IDEMPOTENCY_KEY: &str = "io.trunkline/idempotencyKey";

/// The rules of one upstream, with its budget.
#[derive(Debug)]
pub(crate) struct Retry {
    pub(crate) options: Options,
    budget: Budget,
}

impl Retry {
    pub(crate) fn new(options: Options, calls: u64, now: Instant) -> Self {
        let budget = Budget::new(options.budget_percent, options.budget_per_second, calls, now);
        Self { options, budget }
    }

    /// Whether a call may run twice.
    pub(crate) fn may_repeat(&self, manner: &Manner, call: &Call) -> bool {
        match &call.operation {
            Operation::CallTool(_) => {
                manner.repeats || (self.options.honours_keys && meta::has(&call.params, IDEMPOTENCY_KEY))
            }
            Operation::ReadResource(_)
            | Operation::GetPrompt(_)
            | Operation::Complete(_)
            | Operation::GetSkill(_)
            | Operation::ReadDirectory(_) => self.options.reads,
            _ => false,
        }
    }

    /// How long to wait before a call that ended so is sent again, and why it is; `None` when that would not help.
    /// `sent` is how often it was sent; `others` is whether another member of the server could take it. `chance` spreads
    /// the wait.
    pub(crate) fn wait(
        &self,
        verdict: Verdict,
        served: &Served,
        sent: u32,
        others: bool,
        chance: u8,
    ) -> Option<(Duration, Again)> {
        if sent >= self.options.attempts {
            return None;
        }
        let asked = match served {
            Served::Whole(Outcome::Fault(fault)) => match fault.retry {
                Advice::After(wait) => Some(wait),
                _ => None,
            },
            _ => None,
        };
        let why = match verdict {
            Verdict::Wait => Again::Wait,
            Verdict::Failed(Trouble::Connect) => Again::Connect,
            Verdict::Failed(Trouble::Broken) => Again::Broken,
            Verdict::Failed(Trouble::Status) => Again::Status,
            // It was waited for once; the same server would take as long again.
            Verdict::Failed(Trouble::TimedOut) if others => Again::Timeout,
            Verdict::Failed(Trouble::TimedOut | Trouble::BadAnswer) | Verdict::Well | Verdict::Nothing => {
                return None;
            }
        };
        let full = self.options.first.saturating_mul(1 << (sent - 1).min(16)).min(self.options.max);
        let spread = full * u32::from(chance) / 255;
        match (why, asked) {
            (Again::Wait, Some(asked)) if asked > self.options.max => None,
            (Again::Wait, Some(asked)) => Some((asked + spread, why)),
            _ => Some((spread, why)),
        }
    }

    /// Takes one repeated call from the budget.
    pub(crate) fn afford(&self, calls: u64) -> bool {
        self.budget.take(calls, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use trunkline_model::Fault;

    use super::*;

    fn rules(options: Options) -> Retry {
        Retry::new(options, 0, Instant::now())
    }

    fn wait(rules: &Retry, verdict: Verdict, after: u64, sent: u32) -> Option<u128> {
        let fault = Fault::unavailable(&Arc::from("s"), "r", Duration::from_secs(after));
        rules.wait(verdict, &fault.into(), sent, false, 255).map(|(wait, _)| wait.as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_and_a_plea_for_patience_is_heard_up_to_the_longest() {
        let rules = rules(Options { attempts: 9, ..Options::default() });
        let broken = Verdict::Failed(Trouble::Broken);
        assert_eq!(wait(&rules, broken, 1, 1), Some(100));
        assert_eq!(wait(&rules, broken, 1, 3), Some(400));
        assert_eq!(wait(&rules, broken, 1, 8), Some(5000));
        assert_eq!(wait(&rules, broken, 1, 9), None, "it was sent often enough");
        assert_eq!(wait(&rules, Verdict::Wait, 2, 1), Some(2100));
        assert_eq!(wait(&rules, Verdict::Wait, 60, 1), None);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_and_silence_are_not_asked_for_again() {
        let rules = rules(Options::default());
        for verdict in [
            Verdict::Well,
            Verdict::Nothing,
            Verdict::Failed(Trouble::TimedOut),
            Verdict::Failed(Trouble::BadAnswer),
        ] {
            assert_eq!(wait(&rules, verdict, 1, 1), None, "{verdict:?}");
        }
    }
}
