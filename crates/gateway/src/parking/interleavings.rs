//! Random interleavings of questions, answers, withdrawals, timeouts and disconnects, against what may come of them: one
//! outcome per call, no answer told twice or to another call, no call run twice, nothing left behind.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use trunkline_model::{AskAnswer, Call, Offers};

use super::holding::LAST_WORDS;
use super::stage::{Alive, Seen, WAIT, accept, ask, call, never, parking, result, run};
use super::{Duration, Parking, Work};

/// What the server does, one after another.
#[derive(Clone, Debug)]
enum Step {
    /// Asks this much at once, and waits for all answers or goes on.
    Ask { questions: usize, waits: bool },
    /// Works for some milliseconds.
    Work(u64),
    /// Takes its newest open question back.
    Withdraw,
}

/// What the client does with a round of questions.
#[derive(Clone, Debug)]
enum Act {
    AnswerAll,
    AnswerFirst,
    AnswerNothing,
    Malformed,
    /// Under keys that nobody asked for.
    WrongKeys,
    /// Two retries with one state at a time.
    Twice,
    OldState,
    Tampered,
    OtherArguments,
    FewerOffers,
    Think(u64),
    /// Answers, and goes away after some milliseconds.
    Leave(u64),
    /// Never comes back.
    Vanish,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..4_usize, any::<bool>()).prop_map(|(questions, waits)| Step::Ask { questions, waits }),
        // Around the 30 ms in which questions are collected, and the ten minutes that a call waits.
        3 => prop_oneof![Just(0), Just(5), Just(29), Just(30), Just(31), Just(100), Just(599_999), Just(700_000)]
            .prop_map(Step::Work),
        1 => Just(Step::Withdraw),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::AnswerAll),
        2 => Just(Act::AnswerFirst),
        1 => Just(Act::AnswerNothing),
        1 => Just(Act::Malformed),
        1 => Just(Act::WrongKeys),
        2 => Just(Act::Twice),
        2 => Just(Act::OldState),
        1 => Just(Act::Tampered),
        1 => Just(Act::OtherArguments),
        1 => Just(Act::FewerOffers),
        3 => prop_oneof![Just(1), Just(1000), Just(300_000), Just(599_999), Just(600_000), Just(600_001)].prop_map(Act::Think),
        2 => prop_oneof![Just(0), Just(1), Just(30), Just(31), Just(200)].prop_map(Act::Leave),
        1 => Just(Act::Vanish),
    ]
}

/// A call: when it begins, when its client gives up waiting for the first word, what the server and the client do.
#[derive(Clone, Debug)]
struct Plan {
    begins: u64,
    leaves: Option<u64>,
    steps: Vec<Step>,
    acts: Vec<Act>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let leaves =
        prop_oneof![6 => Just(None), 1 => prop_oneof![Just(0), Just(15), Just(30), Just(45)].prop_map(Some)];
    let parts = (0..50_u64, leaves, prop::collection::vec(step(), 0..7), prop::collection::vec(act(), 0..9));
    parts.prop_map(|(begins, leaves, steps, acts)| Plan { begins, leaves, steps, acts })
}

/// What is counted over all calls.
#[derive(Default)]
struct Tally {
    alive: Arc<AtomicUsize>,
    begun: Mutex<Vec<usize>>,
    /// Texts of the answers that came to a server, with the call that they came to.
    told: Mutex<Vec<(usize, String)>>,
}

async fn server(me: usize, steps: Vec<Step>, call: Call, tally: Arc<Tally>) -> trunkline_model::Outcome {
    let _alive = Alive::among(&tally.alive);
    let mut open = Vec::new();
    let hear = |said: Result<AskAnswer, _>| match said {
        Ok(AskAnswer::Result(raw)) => {
            let raw: Value = serde_json::from_slice(&raw).unwrap();
            let text = raw["content"]["text"].as_str().unwrap().to_owned();
            tally.told.lock().unwrap().push((me, text));
        }
        Ok(AskAnswer::Refused(_)) | Err(_) => {}
    };
    for step in steps {
        match step {
            Step::Work(ms) => sleep(Duration::from_millis(ms)).await,
            Step::Withdraw => {
                if let Some((number, _)) = open.pop() {
                    call.notes.withdraw(number);
                }
            }
            Step::Ask { questions, waits } => {
                open.extend((0..questions).map(|_| ask(&call.notes, "elicitation/create")));
                if waits {
                    for (_, answer) in open.drain(..) {
                        hear(answer.await);
                    }
                }
            }
        }
    }
    for (number, answer) in open {
        // What it does not wait for any more it takes back, like the upstream does when a call ends.
        call.notes.withdraw(number);
        hear(answer.await);
    }
    result(&json!({ "call": me }))
}

const OFFERS: Offers = Offers::FORM;

/// What a client knows.
struct Client {
    me: usize,
    parking: Arc<Parking>,
    /// Every state that it was given, the newest last.
    states: Vec<String>,
    outcomes: usize,
    /// It left while the call was its own.
    gone: bool,
    /// The questions may have been open for too long.
    late: bool,
    answers: usize,
}

impl Client {
    fn arguments(&self) -> Value {
        json!({ "me": self.me })
    }

    fn retry(&self, state: &str, responses: &Value) -> Call {
        call(OFFERS, &self.arguments(), Some((state, responses)))
    }

    fn answer(&mut self, keys: &[String]) -> Value {
        let me = self.me;
        let one = |key: &String| {
            self.answers += 1;
            (key.clone(), accept(&format!("{me}/{key}/{}", self.answers)))
        };
        Value::Object(keys.iter().map(one).collect())
    }

    /// Checks what came, and returns the next round.
    fn take(&mut self, seen: Seen) -> Option<Vec<String>> {
        match seen {
            Seen::Asked(state, keys) => {
                assert!(!keys.is_empty(), "a round without questions");
                assert!(!self.gone, "a call that was left goes on");
                assert!(!self.states.contains(&state));
                self.states.push(state);
                self.late = false;
                return Some(keys);
            }
            Seen::Done(value) => {
                assert_eq!(value, json!({ "call": self.me }), "another call's outcome");
                assert!(!self.gone, "a call that was left has an outcome");
                self.outcomes += 1;
            }
            Seen::Refused(reason) => {
                assert!(matches!(reason, "state_reused" | "state_expired"), "{reason}");
                assert!(self.gone || self.late || self.outcomes > 0, "refused for nothing: {reason}");
            }
            Seen::Failed(code) => panic!("error {code}"),
        }
        None
    }
}

async fn client(me: usize, plan: Plan, parking: Arc<Parking>, tally: Arc<Tally>) -> Client {
    let mut c = Client {
        me,
        parking: Arc::clone(&parking),
        states: Vec::new(),
        outcomes: 0,
        gone: false,
        late: false,
        answers: 0,
    };
    sleep(Duration::from_millis(plan.begins)).await;
    let steps = plan.steps.clone();
    let counted = Arc::clone(&tally);
    let begin = move |call: Call| -> Work {
        counted.begun.lock().unwrap().push(me);
        Box::pin(server(me, steps, call, counted))
    };
    let first = run(&parking, call(OFFERS, &c.arguments(), None), begin);
    let seen = match plan.leaves {
        Some(ms) => timeout(Duration::from_millis(ms), first).await,
        None => Ok(first.await),
    };
    let Ok(seen) = seen else { return c };
    let Some(mut keys) = c.take(seen) else { return c };
    for act in plan.acts {
        let newest = c.states.last().unwrap().clone();
        let seen = match act {
            Act::Vanish => return c,
            Act::Think(ms) => {
                sleep(Duration::from_millis(ms)).await;
                // Thinking adds up until the next round.
                c.late |= ms >= 300_000;
                continue;
            }
            Act::AnswerAll => {
                let responses = c.answer(&keys);
                run(&c.parking, c.retry(&newest, &responses), never).await
            }
            Act::AnswerFirst => {
                let responses = c.answer(&keys[..1]);
                run(&c.parking, c.retry(&newest, &responses), never).await
            }
            Act::AnswerNothing => run(&c.parking, c.retry(&newest, &json!({})), never).await,
            Act::WrongKeys => {
                run(&c.parking, c.retry(&newest, &json!({ "elicit_99": accept("wrong") })), never).await
            }
            Act::Malformed => {
                let responses = json!({ keys[0].as_str(): { "action": "perhaps" } });
                run(&c.parking, c.retry(&newest, &responses), never).await
            }
            Act::Twice => {
                let (one, two) = (c.answer(&keys), c.answer(&keys));
                let (one, two) = (c.retry(&newest, &one), c.retry(&newest, &two));
                let (one, two) = tokio::join!(run(&c.parking, one, never), run(&c.parking, two, never));
                match (one, two) {
                    (seen, Seen::Refused("state_reused" | "state_expired")) => seen,
                    (Seen::Refused("state_reused" | "state_expired"), seen) => seen,
                    both => panic!("both retries were taken: {both:?}"),
                }
            }
            Act::OldState => {
                let Some(old) = c.states.iter().rev().nth(1).cloned() else { continue };
                let responses = c.answer(&keys);
                let seen = run(&c.parking, c.retry(&old, &responses), never).await;
                assert!(matches!(seen, Seen::Refused("state_reused" | "state_expired")), "{seen:?}");
                continue;
            }
            Act::Tampered => {
                let mut bad = newest.into_bytes();
                let at = bad.len() - 20;
                bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
                let bad = String::from_utf8(bad).unwrap();
                let responses = c.answer(&keys);
                let seen = run(&c.parking, c.retry(&bad, &responses), never).await;
                assert_eq!(seen, Seen::Refused("state_invalid"));
                continue;
            }
            Act::OtherArguments => {
                let responses = c.answer(&keys);
                let other = call(OFFERS, &json!({ "me": "other" }), Some((&newest, &responses)));
                assert_eq!(run(&c.parking, other, never).await, Seen::Refused("state_mismatch"));
                continue;
            }
            Act::FewerOffers => {
                let responses = c.answer(&keys);
                let fewer = call(Offers::ROOTS, &c.arguments(), Some((&newest, &responses)));
                match run(&c.parking, fewer, never).await {
                    Seen::Refused("missing_capability") => continue,
                    // There is nothing open any more that this client would have to be able to answer.
                    seen => seen,
                }
            }
            Act::Leave(ms) => {
                let responses = c.answer(&keys);
                let retry = c.retry(&newest, &responses);
                let parking = Arc::clone(&c.parking);
                let waited = timeout(Duration::from_millis(ms), run(&parking, retry, never)).await;
                let Ok(seen) = waited else {
                    c.gone = true;
                    // What it left is not to be had any more.
                    let seen = run(&c.parking, c.retry(&newest, &json!({})), never).await;
                    assert!(c.take(seen).is_none());
                    return c;
                };
                seen
            }
        };
        let Some(next) = c.take(seen) else {
            // Once there is an outcome, no state is good for anything.
            for state in c.states.clone() {
                let seen = run(&c.parking, c.retry(&state, &json!({})), never).await;
                assert!(matches!(seen, Seen::Refused("state_reused" | "state_expired")), "{seen:?}");
            }
            return c;
        };
        keys = next;
    }
    c
}

async fn play(max: usize, plans: Vec<Plan>) {
    let (parking, tally) = (parking(max), Arc::<Tally>::default());
    let calls = plans.len();
    let clients: Vec<_> = plans
        .into_iter()
        .enumerate()
        .map(|(me, plan)| tokio::spawn(client(me, plan, Arc::clone(&parking), Arc::clone(&tally))))
        .collect();
    for client in clients {
        let client = client.await.unwrap();
        assert!(client.outcomes <= 1, "call {} has {} outcomes", client.me, client.outcomes);
    }
    // Whoever will not come back is given up by then; a call that runs may end in its own time first.
    sleep(WAIT * 10 + LAST_WORDS * 2).await;
    assert_eq!(parking.count(), 0, "left parked");
    assert_eq!(tally.alive.load(Ordering::SeqCst), 0, "left running");
    let mut begun = tally.begun.lock().unwrap().clone();
    begun.sort_unstable();
    assert_eq!(begun, (0..calls).collect::<Vec<_>>(), "each call is run once");
    let told = tally.told.lock().unwrap().clone();
    for (call, text) in &told {
        assert!(text.starts_with(&format!("{call}/")), "call {call} was told {text}");
        let key = text.rsplit_once('/').unwrap().0;
        let times = told.iter().filter(|(_, other)| other.rsplit_once('/').unwrap().0 == key).count();
        assert_eq!(times, 1, "{key} was answered more than once");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_call_has_one_outcome_and_leaves_nothing(
        max in 1..4_usize,
        plans in prop::collection::vec(plan(), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(max, plans));
    }
}
