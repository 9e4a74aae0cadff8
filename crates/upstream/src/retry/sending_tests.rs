//! Calls that are sent more than once, to a server that answers from a script.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use trunkline_model::{Call, Caller, Kind, Offers, Outcome};

use crate::manner::Manner;
use crate::member::tests::member;
use crate::retry;
use crate::script::{Act, scripted, tool_call};
use crate::upstream::Upstream;

const BELIEVED: Manner = Manner { breaker: None, repeats: true, hedges: true };

struct Stage {
    upstream: Upstream,
    sent: Arc<AtomicUsize>,
}

/// A server with one conversation, which goes as the script says.
fn stage(rules: retry::Options, script: fn(usize) -> Act) -> Stage {
    let (member, sent) = (member(), Arc::<AtomicUsize>::default());
    let counted = Arc::clone(&sent);
    // It has its conversation, and is to look for no other.
    member.is_left_alone();
    member.shared.session.store(Some(scripted(move |number| {
        counted.fetch_add(1, Ordering::Relaxed);
        script(number)
    })));
    let mut options = member.options().clone();
    options.live.retry = Some(rules);
    options.timeouts.total = options.timeouts.idle;
    Stage { upstream: Upstream::of(options, member), sent }
}

impl Stage {
    async fn call(&self) -> Outcome {
        self.upstream.call_as(&BELIEVED, &tool_call(), None, &[]).await
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

fn kind(outcome: &Outcome) -> Option<&Kind> {
    match outcome {
        Outcome::Fault(fault) => Some(&fault.kind),
        _ => None,
    }
}

const fn silence() -> Act {
    Act::SayAndHang(Vec::new())
}

fn hedging(attempts: u32, after: Duration) -> retry::Options {
    retry::Options { attempts, hedge_after: Some(after), ..retry::Options::default() }
}

#[tokio::test(start_paused = true)]
async fn a_call_beside_the_first_is_one_of_the_times_that_it_may_be_sent() {
    for (attempts, sent) in [(1, 1), (2, 2)] {
        let script = |number| if number == 0 { silence() } else { Act::Http(500) };
        let stage = stage(hedging(attempts, Duration::from_secs(1)), script);
        stage.call().await;
        assert_eq!(stage.sent(), sent, "{attempts} attempts");
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_that_of_both_calls() {
    let stage = stage(hedging(2, Duration::from_secs(30)), |_| silence());
    let begun = Instant::now();
    assert_eq!(kind(&stage.call().await), Some(&Kind::TimedOut));
    assert_eq!((begun.elapsed().as_secs(), stage.sent()), (60, 2));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_hide_that_an_earlier_attempt_may_have_run() {
    for (script, told) in [
        (
            (|number| if number == 0 { Act::Break } else { Act::Http(503) }) as fn(usize) -> Act,
            Kind::OutcomeUnknown,
        ),
        (|number| if number == 0 { Act::Http(503) } else { Act::Break }, Kind::OutcomeUnknown),
        (|_| Act::Http(503), Kind::Unavailable),
    ] {
        let stage = stage(retry::Options::default(), script);
        assert_eq!(kind(&stage.call().await), Some(&told));
        assert_eq!(stage.sent(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn as_long_as_nobody_knows_the_era_the_user_may_be_asked() {
    let stage = stage(retry::Options::default(), |_| Act::Break);
    let call = tool_call();
    let caller = Arc::new(Caller { offers: Offers::FORM, ..(*call.caller).clone() });
    let call = Call { caller, ..call };
    assert!(!stage.upstream.asks(&call), "a modern server asks before it runs anything");
    let members = stage.upstream.lead();
    members.shared.session.store(None);
    assert!(stage.upstream.asks(&call));
}
