//! What is kept, for whom, how much of it and for how long.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use trunkline_model::{Call, Caller, Era, Kind, Notes, Operation, Outcome, Params, Quiet, Reply, Stay, Text};

use super::options::{Keeping, Options};
use super::{Results, asked, keep};

const KEEPING: Keeping = Keeping { above: 1000, preview_bytes: 100 };

fn caller(stay: Option<u64>) -> Arc<Caller> {
    let stay = stay.map(|number| Arc::new(Stay::new(number, Arc::new(Quiet) as Arc<dyn Notes>)));
    let era = if stay.is_some() { Era::Legacy } else { Era::Modern };
    Arc::new(Caller { stay, ..Caller::new(era) })
}

fn call(caller: &Arc<Caller>, operation: Operation) -> Call {
    Call::new(operation, Params::default(), Arc::clone(caller), Arc::new(Quiet))
}

fn options(bytes: usize, client_bytes: usize) -> Options {
    Options { keep_for: Duration::from_mins(10), bytes_max: bytes, client_bytes_max: client_bytes }
}

/// Runs a result of so many bytes through; the URI under which it is kept.
fn kept(results: &Arc<Results>, caller: &Arc<Caller>, text: &str) -> Option<String> {
    let raw = json!({ "content": [{ "type": "text", "text": text }] }).to_string();
    let outcome = Outcome::Result(Reply { raw: Bytes::from(raw), era: caller.era });
    let call = call(caller, Operation::CallTool(Text::from("t")));
    let Outcome::Result(reply) = keep(results, &None, KEEPING, &call, outcome) else { panic!("no result") };
    let value: Value = serde_json::from_slice(&reply.raw).unwrap();
    value["_meta"]["io.trunkline/kept"]["uri"].as_str().map(str::to_owned)
}

fn read(results: &Arc<Results>, caller: &Arc<Caller>, uri: &str) -> Option<Result<Value, Kind>> {
    let call = call(caller, Operation::ReadResource(Text::from(uri)));
    match asked(results, &None, &call)?.answer(&call) {
        Outcome::Result(reply) => Some(Ok(serde_json::from_slice(&reply.raw).unwrap())),
        Outcome::Fault(fault) => Some(Err(fault.kind)),
        Outcome::Error(error) => panic!("{error:?}"),
    }
}

fn text(results: &Arc<Results>, caller: &Arc<Caller>, uri: &str) -> Option<String> {
    let read = read(results, caller, uri)?.unwrap();
    Some(read["contents"][0]["text"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_kept_text_is_read_whole_and_in_parts() {
    let results = Results::new(Options::default());
    let me = caller(None);
    let all = "0123456789é".repeat(200);
    let uri = kept(&results, &me, &all).unwrap();
    assert_eq!(text(&results, &me, &uri).as_ref(), Some(&all));
    let part = read(&results, &me, &format!("{uri}?offset=8&length=4")).unwrap().unwrap();
    // The part would end within a character.
    assert_eq!(part["contents"][0]["text"], "89é");
    let part = read(&results, &me, &format!("{uri}?offset=8&length=3")).unwrap().unwrap();
    assert_eq!(part["contents"][0]["text"], "89");
    let expected = json!({ "offset": 8, "length": 2, "total": 2400, "next": 10 });
    assert_eq!(part["_meta"]["io.trunkline/part"], expected);
    for wrong in ["?offset=2400", "?offset=x", "?page=1"] {
        assert_eq!(read(&results, &me, &format!("{uri}{wrong}")), Some(Err(Kind::InvalidParams)), "{wrong}");
    }
    for unknown in [format!("{uri}/structured"), format!("{uri}x"), uri.replace("results", "result")] {
        assert_eq!(read(&results, &me, &unknown), None, "{unknown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_is_read_by_whoever_made_the_call_and_nobody_else() {
    let results = Results::new(Options::default());
    let (one, other, modern) = (caller(Some(1)), caller(Some(2)), caller(None));
    let uri = kept(&results, &one, &"x".repeat(2000)).unwrap();
    assert!(text(&results, &one, &uri).is_some());
    assert!(text(&results, &other, &uri).is_none() && text(&results, &modern, &uri).is_none());
    let elsewhere = call(&one, Operation::ReadResource(Text::from(uri.as_str())));
    assert!(asked(&results, &Some("view".into()), &elsewhere).is_none());
    // With the session, what is kept for it goes.
    drop((elsewhere, one));
    assert_eq!(results.bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn results_are_forgotten_in_time() {
    let results = Results::new(options(1 << 20, 1 << 20));
    let me = caller(None);
    let first = kept(&results, &me, &"x".repeat(2000)).unwrap();
    tokio::time::sleep(Duration::from_mins(6)).await;
    let second = kept(&results, &me, &"y".repeat(2000)).unwrap();
    assert!(text(&results, &me, &first).is_some());
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(text(&results, &me, &first).is_none() && text(&results, &me, &second).is_some());
    assert_eq!(results.bytes(), 2000, "nobody had to ask");
    tokio::time::sleep(Duration::from_mins(6)).await;
    assert_eq!(results.bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_results_make_room_first_of_the_same_client() {
    let results = Results::new(options(10_000, 5_000));
    let (one, other) = (caller(Some(1)), caller(Some(2)));
    let keep_one = |fill: &str| kept(&results, &one, &fill.repeat(2000)).unwrap();
    let others = kept(&results, &other, &"o".repeat(4000)).unwrap();
    let (first, second, third) = (keep_one("1"), keep_one("2"), keep_one("3"));
    assert!(text(&results, &one, &first).is_none(), "5000 bytes are one client's");
    for uri in [&second, &third] {
        assert!(text(&results, &one, uri).is_some());
    }
    assert!(text(&results, &other, &others).is_some());
    // All together 10000: the oldest of anybody goes.
    let third_client = caller(Some(3));
    kept(&results, &third_client, &"t".repeat(4000)).unwrap();
    assert!(text(&results, &other, &others).is_none());
    assert!(results.bytes() <= 10_000);
    assert_eq!(kept(&results, &one, &"x".repeat(6000)), None, "what does not fit is left whole");
    results.set(options(4_000, 4_000));
    assert!(results.bytes() <= 4_000);
}

#[tokio::test]
async fn small_results_and_other_outcomes_pass() {
    let results = Results::new(Options::default());
    let me = caller(None);
    assert_eq!(kept(&results, &me, &"x".repeat(1000)), None);
    // Large as JSON, small as text.
    assert_eq!(kept(&results, &me, &"\n".repeat(900)), None);
    assert_eq!(results.bytes(), 0);
}
