//! Questions of a legacy server: whom they go to, and whose clock stands still.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use trunkline_model::{Era, Notes, Offers, Outcome, Stay};

use crate::played::{FORM, ROOTS, Scene, settle, users};
use crate::stray::Relay;

#[tokio::test(start_paused = true)]
async fn on_a_pipe_calls_take_turns_and_one_whose_user_thinks_gives_its_turn_up() {
    let scene = Scene::new(Relay::Calls, false);
    let (ann, bob) = users();
    let first = scene.call(Era::Modern, &ann).await;
    let second = scene.call(Era::Modern, &bob).await;
    assert_eq!(scene.running(), 1, "the second waits for its turn");
    scene.ask(101, FORM).await;
    // What comes in the same breath is the same call's.
    scene.ask(102, FORM).await;
    assert_eq!((ann.open(), bob.open(), scene.running()), (2, 0, 1));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(scene.running(), 2, "Ann thinks, so the second call runs");
    scene.ask(103, FORM).await;
    assert_eq!((ann.open(), bob.open()), (2, 1));
    // Ann's answers wait until it is her call's turn again.
    ann.answer();
    ann.answer();
    settle().await;
    assert_eq!((scene.answer(101), scene.answer(102)), (None, None));
    sleep(Duration::from_secs(2)).await;
    assert!(scene.accepted(101) && scene.accepted(102), "Bob thinks, so it is");
    scene.ask(104, FORM).await;
    assert_eq!((ann.open(), bob.open()), (1, 1), "the call that has the turn asks");
    ann.answer();
    settle().await;
    scene.end(1);
    first.await.unwrap();
    bob.answer();
    settle().await;
    assert!(scene.accepted(103) && scene.accepted(104));
    scene.end(2);
    second.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn calls_take_turns_even_where_each_has_a_stream_of_its_own() {
    let scene = Scene::new(Relay::Calls, true);
    let (ann, bob) = users();
    let first = scene.call(Era::Modern, &ann).await;
    let _second = scene.call(Era::Modern, &bob).await;
    assert_eq!(scene.running(), 1, "a question on the session's stream must not be that of two");
    scene.ask(101, FORM).await;
    assert_eq!((ann.open(), bob.open()), (1, 0));
    ann.answer();
    settle().await;
    assert!(scene.accepted(101));
    scene.end(1);
    first.await.unwrap();
    settle().await;
    scene.ask(102, FORM).await;
    assert_eq!((ann.open(), bob.open()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn questions_of_a_call_that_was_given_up_are_answered_and_taken_back() {
    for streams in [true, false] {
        let scene = Scene::new(Relay::Calls, streams);
        let (ann, bob) = users();
        let first = scene.call(Era::Modern, &ann).await;
        scene.ask(101, FORM).await;
        assert_eq!(ann.open(), 1);
        first.abort();
        assert!(first.await.is_err());
        settle().await;
        assert!(scene.answer(101).is_some_and(|answer| answer.contains("cancel")));
        assert_eq!((ann.open(), ann.withdrawn.lock().unwrap().len()), (0, 1));
        assert_eq!(Arc::strong_count(&ann), 1, "nothing of the call is kept");
        // The turn is free for others.
        let _second = scene.call(Era::Modern, &bob).await;
        scene.ask(102, FORM).await;
        assert_eq!(bob.open(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_the_server_takes_back_is_gone_and_needs_no_answer() {
    let scene = Scene::new(Relay::Calls, false);
    let (ann, _) = users();
    let call = scene.call(Era::Modern, &ann).await;
    scene.ask(101, FORM).await;
    let raw = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":101}}"#;
    scene.say(raw).await;
    assert_eq!((ann.open(), scene.answer(101)), (0, None));
    scene.end(1);
    call.await.unwrap();
    settle().await;
    assert_eq!(scene.answer(101), None);
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_a_call_stands_still_while_its_user_thinks_and_only_then() {
    let scene = Scene::new(Relay::Calls, false);
    let (ann, bob) = users();
    let begun = Instant::now();
    let first = scene.call(Era::Modern, &ann).await;
    sleep(Duration::from_secs(30)).await;
    scene.ask(101, FORM).await;
    // Much longer than the call may take.
    sleep(Duration::from_mins(8)).await;
    assert!(!first.is_finished());
    ann.answer();
    settle().await;
    let outcome = first.await.unwrap();
    assert!(matches!(outcome, Outcome::Fault(_)), "{outcome:?}");
    let silent = begun.elapsed().saturating_sub(Duration::from_mins(8) + Duration::from_secs(30));
    assert!(
        silent >= Duration::from_secs(59) && silent <= Duration::from_mins(2),
        "the minute of silence counts from the answer: {silent:?}"
    );
    // One that asks nothing has its minute and no more, whoever thought before.
    let begun = Instant::now();
    assert!(matches!(scene.call(Era::Modern, &bob).await.await.unwrap(), Outcome::Fault(_)));
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn with_several_calls_of_one_client_a_question_outlives_any_of_them_and_stops_all_clocks() {
    let (aside, ann) = users();
    let stay = Arc::new(Stay::new(1, Arc::clone(&aside) as Arc<dyn Notes>));
    let offers = Offers::FORM | Offers::ROOTS;
    let scene = Scene::new(Relay::Stay(Arc::downgrade(&stay), offers), false);
    let first = scene.call(Era::Legacy, &ann).await;
    scene.ask(100, FORM).await;
    assert_eq!((ann.open(), aside.open()), (1, 0), "with one call it is that call's");
    ann.answer();
    settle().await;
    let second = scene.call(Era::Legacy, &ann).await;
    assert_eq!(scene.running(), 2, "calls of one client need no turns");
    scene.ask(101, FORM).await;
    assert_eq!((ann.open(), aside.open()), (0, 1));
    scene.end(2);
    second.await.unwrap();
    sleep(Duration::from_mins(8)).await;
    assert!(!first.is_finished() && aside.open() == 1);
    aside.answer();
    settle().await;
    assert!(scene.accepted(101));
    scene.end(1);
    assert!(matches!(first.await.unwrap(), Outcome::Result(_)));
}

#[tokio::test(start_paused = true)]
async fn what_a_stay_is_asked_outside_of_calls_goes_aside_and_nowhere_once_it_is_over() {
    let (aside, _) = users();
    let stay = Arc::new(Stay::new(1, Arc::clone(&aside) as Arc<dyn Notes>));
    let scene = Scene::new(Relay::Stay(Arc::downgrade(&stay), Offers::ROOTS), false);
    scene.ask(101, ROOTS).await;
    assert_eq!(aside.open(), 1);
    scene.ask(102, FORM).await;
    assert!(scene.answer(102).is_some_and(|answer| answer.contains("cancel")), "it does not offer forms");
    drop(stay);
    scene.ask(103, ROOTS).await;
    assert!(scene.answer(103).is_some_and(|answer| answer.contains("\"roots\":[]")));
}

#[tokio::test(start_paused = true)]
async fn roots_asked_between_calls_wait_for_the_next_call_but_not_for_ever() {
    let scene = Scene::new(Relay::Calls, true);
    let (ann, bob) = users();
    scene.ask(101, ROOTS).await;
    scene.ask(102, FORM).await;
    assert!(scene.answer(102).is_some(), "a form is nobody else's");
    let first = scene.call(Era::Modern, &ann).await;
    assert_eq!(ann.open(), 1);
    // The call ends without the answer, and the next one is asked.
    scene.end(1);
    first.await.unwrap();
    settle().await;
    assert_eq!((ann.open(), scene.answer(101)), (0, None));
    let second = scene.call(Era::Modern, &bob).await;
    assert_eq!(bob.open(), 1);
    scene.end(2);
    second.await.unwrap();
    sleep(Duration::from_secs(3)).await;
    assert!(scene.answer(101).is_some_and(|answer| answer.contains("\"roots\":[]")));
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_its_turn_no_longer_than_a_call_may_take() {
    let scene = Scene::new(Relay::Calls, false);
    let (ann, bob) = users();
    let turns = Arc::clone(&scene.session.turns);
    let held = turns.take().await;
    let begun = Instant::now();
    let call = scene.call(Era::Modern, &ann).await;
    assert!(matches!(call.await.unwrap(), Outcome::Fault(_)));
    assert_eq!((begun.elapsed(), scene.running()), (scene.session.timeouts.total, 0));
    drop(held);
    let _next = scene.call(Era::Modern, &bob).await;
    assert_eq!(scene.running(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_to_hear_of_it_hears_that_its_user_still_thinks_and_then_no_more() {
    let scene = Scene::new(Relay::Calls, false);
    let (ann, _) = users();
    let call = scene.call(Era::Modern, &ann).await;
    let raw = r#"{"jsonrpc":"2.0","id":101,"method":"elicitation/create","params":{"message":"?","_meta":{"progressToken":"p"}}}"#;
    scene.say(raw).await;
    let progress = || {
        let told = scene.wire.told.lock().unwrap();
        told.iter().filter(|one| one.contains("notifications/progress") && one.contains("\"p\"")).count()
    };
    sleep(Duration::from_secs(65)).await;
    assert_eq!(progress(), 3);
    call.abort();
    let _ = call.await;
    sleep(Duration::from_mins(5)).await;
    assert_eq!(progress(), 3, "the call is over");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_closed_in_time_and_the_calls_clock_goes_on() {
    let scene = Scene::new(Relay::Calls, false);
    let (ann, _) = users();
    let begun = Instant::now();
    let call = scene.call(Era::Legacy, &ann).await;
    scene.ask(101, FORM).await;
    sleep(Duration::from_mins(10) + Duration::from_secs(1)).await;
    assert!(scene.answer(101).is_some_and(|answer| answer.contains("cancel")), "the user counts as gone");
    assert_eq!(ann.open(), 0, "and is told so");
    assert!(matches!(call.await.unwrap(), Outcome::Fault(_)));
    // Ten minutes for the user, one for the silence that follows.
    assert!(begun.elapsed() <= Duration::from_mins(11) + Duration::from_secs(2), "{:?}", begun.elapsed());
}
