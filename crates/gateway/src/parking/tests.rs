//! Corners of parking, one by one. What random interleavings find is in `interleavings.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use trunkline_model::{Ask, Call, Era, Fault, Level, Note, Notes, Offers, Outcome, PeerError};

use super::holding::LAST_WORDS;
use super::stage::{Alive, Seen, WAIT, accept, ask, call, never, parking, result, run};
use super::{Duration, Work};

const FORM: &str = "elicitation/create";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn first() -> Call {
    call(Offers::FORM, &json!({}), None)
}

fn retry(state: &str, responses: &Value) -> Call {
    call(Offers::FORM, &json!({}), Some((state, responses)))
}

/// A server that asks once and says what it was told.
fn asks_once(call: Call) -> Work {
    Box::pin(async move {
        let (_, answer) = ask(&call.notes, FORM);
        let told = answer.await.is_ok();
        result(&json!({ "told": told }))
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_that_asks_goes_on_with_the_answer() {
    let parking = parking(1);
    let (state, keys) = run(&parking, first(), asks_once).await.asked();
    assert_eq!((keys, parking.count()), (vec!["elicit_1".to_owned()], 1));
    let seen = run(&parking, retry(&state, &json!({ "elicit_1": accept("x") })), never).await;
    assert_eq!(seen, Seen::Done(json!({ "told": true })));
    sleep(ms(1)).await;
    assert_eq!(parking.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_question_taken_back_while_questions_are_collected_is_never_put() {
    let parking = parking(1);
    let begin = |call: Call| -> Work {
        Box::pin(async move {
            let (number, _answer) = ask(&call.notes, FORM);
            sleep(ms(10)).await;
            call.notes.withdraw(number);
            sleep(ms(100)).await;
            result(&json!({}))
        })
    };
    assert_eq!(run(&parking, first(), begin).await, Seen::Done(json!({})));
    assert_eq!(parking.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_while_its_questions_are_collected_just_ends() {
    let parking = parking(1);
    let begin = |call: Call| -> Work {
        Box::pin(async move {
            let _open = ask(&call.notes, FORM);
            sleep(ms(29)).await;
            result(&json!({}))
        })
    };
    assert_eq!(run(&parking, first(), begin).await, Seen::Done(json!({})));
    assert_eq!(parking.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_came_while_the_user_thought_is_kept_for_the_retry() {
    let parking = parking(1);
    let begin = |call: Call| -> Work {
        Box::pin(async move {
            let _open = ask(&call.notes, FORM);
            sleep(ms(60_000)).await;
            result(&json!({ "gave": "up" }))
        })
    };
    let (state, _) = run(&parking, first(), begin).await.asked();
    sleep(ms(120_000)).await;
    let seen = run(&parking, retry(&state, &json!({ "elicit_1": accept("late") })), never).await;
    assert_eq!(seen, Seen::Done(json!({ "gave": "up" })));
    let seen = run(&parking, retry(&state, &json!({})), never).await;
    assert_eq!(seen, Seen::Refused("state_reused"));
}

#[tokio::test(start_paused = true)]
async fn a_call_nobody_came_back_for_is_told_so_and_may_end_in_order() {
    let parking = parking(1);
    let (told, alive) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (heard, lives) = (Arc::clone(&told), Arc::clone(&alive));
    let begin = move |call: Call| -> Work {
        Box::pin(async move {
            let _alive = Alive::among(&lives);
            let (_, answer) = ask(&call.notes, FORM);
            assert!(answer.await.is_err());
            // It asks again, and hears at once that nobody is there.
            let (_, answer) = ask(&call.notes, FORM);
            assert!(answer.await.is_err());
            heard.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        })
    };
    let (state, _) = run(&parking, first(), begin).await.asked();
    sleep(WAIT + ms(1)).await;
    assert_eq!((told.load(Ordering::SeqCst), alive.load(Ordering::SeqCst)), (1, 1), "it has its last words");
    let seen = run(&parking, retry(&state, &json!({})), never).await;
    assert_eq!(seen, Seen::Refused("state_expired"));
    sleep(LAST_WORDS).await;
    assert_eq!((alive.load(Ordering::SeqCst), parking.count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_the_moment_of_the_expiry_counts_or_is_refused_but_nothing_between() {
    for late in [0, 1] {
        let parking = parking(1);
        let (state, _) = run(&parking, first(), asks_once).await.asked();
        sleep(WAIT + ms(late)).await;
        let seen = run(&parking, retry(&state, &json!({ "elicit_1": accept("x") })), never).await;
        let fine = [
            Seen::Done(json!({ "told": true })),
            Seen::Refused("state_expired"),
            Seen::Refused("state_reused"),
        ];
        assert!(fine.contains(&seen), "{seen:?}");
        sleep(LAST_WORDS + ms(1)).await;
        assert_eq!(parking.count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn with_no_room_a_question_is_refused_and_the_call_goes_on() {
    let parking = parking(1);
    let (state, _) = run(&parking, first(), asks_once).await.asked();
    assert_eq!(run(&parking, first(), asks_once).await, Seen::Done(json!({ "told": false })));
    let seen = run(&parking, retry(&state, &json!({ "elicit_1": accept("x") })), never).await;
    assert_eq!(seen, Seen::Done(json!({ "told": true })));
    sleep(ms(1)).await;
    assert!(matches!(run(&parking, first(), asks_once).await, Seen::Asked(..)), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_offers_less_on_the_retry_can_come_again_with_more() {
    let parking = parking(1);
    let (state, _) = run(&parking, first(), asks_once).await.asked();
    let answers = json!({ "elicit_1": accept("x") });
    let less = call(Offers::NONE, &json!({}), Some((&state, &answers)));
    assert_eq!(run(&parking, less, never).await, Seen::Refused("missing_capability"));
    let seen = run(&parking, retry(&state, &answers), never).await;
    assert_eq!(seen, Seen::Done(json!({ "told": true })));
}

#[tokio::test(start_paused = true)]
async fn a_state_is_bound_to_its_server_tool_and_arguments_but_not_to_their_spelling() {
    let parking = parking(1);
    let arguments = json!({ "a": 1, "b": [true] });
    let begun = call(Offers::FORM, &arguments, None);
    let (state, _) = run(&parking, begun, asks_once).await.asked();
    let answers = json!({ "elicit_1": accept("x") });
    let other = call(Offers::FORM, &json!({ "a": 2, "b": [true] }), Some((&state, &answers)));
    assert_eq!(run(&parking, other, never).await, Seen::Refused("state_mismatch"));
    let same = call(Offers::FORM, &arguments, Some((&state, &answers)));
    let mut tool = same.clone();
    tool.operation = trunkline_model::Operation::CallTool("u".into());
    assert_eq!(run(&parking, tool, never).await, Seen::Refused("state_mismatch"));
    let elsewhere = Seen::of(&parking.run("another", WAIT, &same, never).await);
    assert_eq!(elsewhere, Seen::Refused("state_mismatch"));
    let mut spelled = same;
    let raw = String::from_utf8(spelled.params.raw.to_vec()).unwrap();
    let was = arguments.to_string();
    let now = r#"{ "b" : [ true ], "a" : 1.0 }"#;
    let at = raw.find(&was).unwrap();
    spelled.params.raw = Bytes::from(raw.replace(&was, now));
    spelled.params.arguments = Some(at..at + now.len());
    assert_eq!(run(&parking, spelled, never).await, Seen::Done(json!({ "told": true })));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_takes_the_call_along_and_frees_everything() {
    let parking = parking(1);
    let alive = Arc::<AtomicUsize>::default();
    let lives = Arc::clone(&alive);
    let begin = move |call: Call| -> Work {
        Box::pin(async move {
            let _alive = Alive::among(&lives);
            let (_, answer) = ask(&call.notes, FORM);
            let _ = answer.await;
            std::future::pending().await
        })
    };
    let (state, _) = run(&parking, first(), begin).await.asked();
    let responses = json!({ "elicit_1": accept("x") });
    {
        let going = run(&parking, retry(&state, &responses), never);
        assert!(tokio::time::timeout(ms(50), going).await.is_err());
    }
    sleep(ms(1)).await;
    assert_eq!((alive.load(Ordering::SeqCst), parking.count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_leaves_nobody_waiting() {
    let parking = parking(1);
    let begin = |call: Call| -> Work {
        Box::pin(async move {
            let (_, answer) = ask(&call.notes, FORM);
            let _ = answer.await;
            panic!("on purpose")
        })
    };
    let (state, _) = run(&parking, first(), begin).await.asked();
    let seen = run(&parking, retry(&state, &json!({ "elicit_1": accept("x") })), never).await;
    assert_eq!((seen, parking.count()), (Seen::Refused("internal"), 0));
}

#[tokio::test(start_paused = true)]
async fn an_orderly_end_does_not_wait_for_outcomes_that_nobody_fetches() {
    let parking = parking(1);
    let begin = |call: Call| -> Work {
        Box::pin(async move {
            let _open = ask(&call.notes, FORM);
            sleep(ms(100)).await;
            result(&json!({}))
        })
    };
    let (_state, _) = run(&parking, first(), begin).await.asked();
    sleep(ms(200)).await;
    let begun = Instant::now();
    parking.ended().await;
    assert!(begun.elapsed() < ms(10), "{:?}", begun.elapsed());
}

/// Keeps what a request is told.
#[derive(Default)]
struct Heap(Mutex<Vec<String>>);

impl Notes for Heap {
    fn note(&self, note: Note) {
        let (Note::Progress(params) | Note::Log(_, params)) = note;
        self.0.lock().unwrap().push(String::from_utf8(params.to_vec()).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn each_request_hears_of_progress_under_its_own_token_and_of_logs_at_its_own_level() {
    let parking = parking(1);
    let begin = |call: Call| -> Work {
        Box::pin(async move {
            let progress = |n: u32| {
                let params = format!("{{\"progressToken\":\"a\",\"progress\":{n}}}");
                call.notes.note(Note::Progress(Bytes::from(params)));
                call.notes.note(Note::Log(Level::Info, Bytes::from_static(b"{}")));
            };
            progress(1);
            let (_, answer) = ask(&call.notes, FORM);
            sleep(ms(50)).await;
            progress(2);
            progress(3);
            let _ = answer.await;
            progress(4);
            result(&json!({}))
        })
    };
    let listening = |mut call: Call, token: Option<&'static str>, level| {
        let heap = Arc::<Heap>::default();
        call.notes = Arc::clone(&heap) as Arc<dyn Notes>;
        call.progress = token.map(|token| Bytes::from_static(token.as_bytes()));
        call.log_level = level;
        (call, heap)
    };
    let (begun, heap) = listening(first(), Some("\"a\""), Some(Level::Info));
    let (state, _) = run(&parking, begun, begin).await.asked();
    assert_eq!(*heap.0.lock().unwrap(), [r#"{"progressToken":"a","progress":1}"#, "{}"]);
    sleep(ms(100)).await;
    let answers = json!({ "elicit_1": accept("x") });
    let (next, heap) = listening(retry(&state, &answers), Some("7"), Some(Level::Error));
    run(&parking, next, never).await;
    let told = [r#"{"progressToken":7,"progress":3}"#, r#"{"progressToken":7,"progress":4}"#];
    assert_eq!(*heap.0.lock().unwrap(), told, "what was missed comes first");
}

/// A server that refuses until a page was visited, for as often as there are refusals left.
fn demands(left: &Arc<AtomicUsize>, seen: &Arc<Mutex<Vec<Call>>>) -> impl FnOnce(Call) -> Work + use<> {
    let (left, seen) = (Arc::clone(left), Arc::clone(seen));
    move |call: Call| -> Work {
        Box::pin(async move {
            seen.lock().unwrap().push(call);
            let more = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            if !more {
                return result(&json!({ "done": true }));
            }
            let raw = json!({ "code": -32042, "message": "visit", "data": { "elicitations": [
                { "mode": "url", "url": "https://a.example/", "elicitationId": "1", "message": "go" },
            ] } });
            let raw = Bytes::from(raw.to_string());
            Outcome::Error(PeerError { code: -32042, raw, era: Era::Legacy })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_demanded_twice_is_asked_for_twice_and_the_retry_is_the_first_try_again() {
    let (left, calls) = (Arc::new(AtomicUsize::new(2)), Arc::<Mutex<Vec<Call>>>::default());
    let parking = parking(1);
    fn url(retry: Option<(&str, &Value)>) -> Call {
        call(Offers::URL, &json!({ "a": 1 }), retry)
    }
    let accepted = json!({ "elicit_1": { "action": "accept" } });
    let (one, _) = run(&parking, url(None), demands(&left, &calls)).await.asked();
    // Offering less, or answering nothing, uses nothing up.
    let less = call(Offers::FORM, &json!({ "a": 1 }), Some((&one, &accepted)));
    assert_eq!(run(&parking, less, never).await, Seen::Refused("missing_capability"));
    assert!(matches!(run(&parking, url(Some((&one, &json!({})))), never).await, Seen::Asked(..)));
    let (two, _) = run(&parking, url(Some((&one, &accepted))), demands(&left, &calls)).await.asked();
    assert_eq!(run(&parking, url(Some((&one, &accepted))), never).await, Seen::Refused("state_reused"));
    let seen = run(&parking, url(Some((&two, &accepted))), demands(&left, &calls)).await;
    assert_eq!(seen, Seen::Done(json!({ "done": true })));
    let raws: Vec<Bytes> = calls.lock().unwrap().iter().map(|call| call.params.raw.clone()).collect();
    assert_eq!(raws.len(), 3);
    let bare = |raw: &Bytes| serde_json::from_slice::<Value>(raw).unwrap();
    assert!(raws.iter().all(|raw| bare(raw) == bare(&raws[0])), "{raws:?}");
    assert_eq!(parking.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn visits_that_are_declined_or_forgotten_are_over() {
    let (left, calls) = (Arc::new(AtomicUsize::new(9)), Arc::<Mutex<Vec<Call>>>::default());
    let parking = parking(1);
    fn url(retry: Option<(&str, &Value)>) -> Call {
        call(Offers::URL, &json!({}), retry)
    }
    let (state, _) = run(&parking, url(None), demands(&left, &calls)).await.asked();
    let declined = json!({ "elicit_1": { "action": "decline" } });
    let seen = run(&parking, url(Some((&state, &declined))), never).await;
    assert_eq!((seen, parking.count()), (Seen::Refused("cannot_bridge"), 0));
    let (_, _) = run(&parking, url(None), demands(&left, &calls)).await.asked();
    assert!(
        matches!(run(&parking, url(None), demands(&left, &calls)).await, Seen::Failed(-32042)),
        "no room"
    );
    sleep(WAIT + ms(1)).await;
    assert_eq!(parking.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_question_whose_reply_answers_at_once_does_not_deadlock() {
    let parking = parking(1);
    // The reply asks the next question itself, as a server on the same thread could.
    let begin = |call: Call| -> Work {
        Box::pin(async move {
            let (done, ended) = oneshot::channel();
            let notes = Arc::clone(&call.notes);
            let reply = Box::new(move |_| {
                let (number, _answer) = ask(&notes, FORM);
                notes.withdraw(number);
                let _ = done.send(());
            });
            let question = Ask {
                number: Ask::fresh_number(),
                server: "server".into(),
                method: FORM.into(),
                params: Bytes::new(),
                reply,
            };
            call.notes.ask(question);
            let _ = ended.await;
            result(&json!({}))
        })
    };
    let (state, _) = run(&parking, first(), begin).await.asked();
    let seen = run(&parking, retry(&state, &json!({ "elicit_1": accept("x") })), never).await;
    assert_eq!(seen, Seen::Done(json!({})));
}

#[tokio::test(start_paused = true)]
async fn a_retry_whose_target_has_gone_is_not_told_that_nothing_ran() {
    let parking = parking(1);
    let (state, _) = run(&parking, first(), asks_once).await.asked();
    let gone = || Fault::unknown_name("tool", "t", Vec::new());
    let told = |call: &Call| parking.explain(call, gone()).kind.reason();
    assert_eq!(told(&retry(&state, &json!({}))), "instance_lost");
    assert_eq!(told(&first()), "unknown_name");
    assert_eq!(told(&retry("of a server's own", &json!({}))), "unknown_name");
    // Nor is it held up until the server is back.
    assert!(parking.gave(&retry(&state, &json!({}))));
    assert!(!parking.gave(&retry("of a server's own", &json!({}))) && !parking.gave(&first()));
}
