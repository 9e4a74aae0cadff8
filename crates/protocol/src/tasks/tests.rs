use bytes::Bytes;
use proptest::prelude::*;
use trunkline_model::{Era, Text};

use super::*;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

const LEGACY: &str = r#"{"task":{"taskId":"a","status":"working","statusMessage":"m\u0041","createdAt":"2025-11-25T10:30:00Z","lastUpdatedAt":"2025-11-25T10:40:00Z","ttl":60000,"pollInterval":5000},"_meta":{"x":1.10}}"#;
const MODERN: &str = r#"{"resultType":"task","taskId":"a","status":"working","statusMessage":"m\u0041","createdAt":"2025-11-25T10:30:00Z","lastUpdatedAt":"2025-11-25T10:40:00Z","ttlMs":60000,"pollIntervalMs":5000}"#;

#[test]
fn a_task_says_the_same_in_both_dialects() {
    let old = created(&bytes(LEGACY), Era::Legacy).unwrap();
    let new = created(&bytes(MODERN), Era::Modern).unwrap();
    assert_eq!(old, new);
    assert_eq!(old.said().as_deref(), Some("mA"));
    assert_eq!(old.say(Era::Modern, "a", Some("task")), MODERN);
    let inside =
        LEGACY.strip_prefix(r#"{"task":"#).and_then(|rest| rest.strip_suffix(r#","_meta":{"x":1.10}}"#));
    assert_eq!(old.say(Era::Legacy, "a", Some("task")), inside.unwrap());
    let nested = format!(r#"{{"resultType":"task","task":{}}}"#, inside.unwrap());
    assert_eq!(created(&bytes(&nested), Era::Modern), Some(old));
    for no_task in [r#"{"content":[]}"#, r#"{"resultType":"complete","taskId":"a","status":"working"}"#, "7"]
    {
        assert!(created(&bytes(no_task), Era::Modern).is_none(), "{no_task}");
        assert!(created(&bytes(no_task), Era::Legacy).is_none(), "{no_task}");
    }
}

#[test]
fn the_details_go_with_the_status() {
    let task = |status: &str, rest: &str| {
        let raw = format!(
            r#"{{"taskId":"a","status":"{status}","createdAt":"c","lastUpdatedAt":"u","ttlMs":null{rest}}}"#
        );
        Task::read(&bytes(&raw)).unwrap().say(Era::Modern, "b", Some("complete"))
    };
    assert_eq!(
        task("completed", r#","result":{"content":[],"n":1.10}"#),
        r#"{"resultType":"complete","taskId":"b","status":"completed","createdAt":"c","lastUpdatedAt":"u","ttlMs":null,"result":{"content":[],"n":1.10}}"#
    );
    assert!(task("failed", "").ends_with(br#""error":{"code":-32603,"message":"the task failed"}}"#));
    assert!(task("input_required", "").ends_with(br#""inputRequests":{}}"#));
    assert!(task("cancelled", r#","result":{}"#).ends_with(br#""ttlMs":null}"#));
    assert!(Task::read(&bytes(r#"{"taskId":"a","status":"dreaming"}"#)).is_none());
    assert!(Task::read(&bytes(r#"{"taskId":7,"status":"working"}"#)).is_none());
    let odd =
        Task::read(&bytes(r#"{"taskId":"a","status":"working","ttl":1000.0,"pollInterval":-5}"#)).unwrap();
    assert_eq!((odd.ttl_ms, odd.poll_ms), (Some(1000), None));
}

#[test]
fn only_the_id_changes_within_an_era() {
    assert_eq!(renumbered(&bytes(MODERN), "b"), MODERN.replace(r#""taskId":"a""#, r#""taskId":"b""#));
    assert_eq!(renumbered(&bytes(LEGACY), "b"), LEGACY.replace(r#""taskId":"a""#, r#""taskId":"b""#));
    assert_eq!(renumbered(&bytes(r#"{"content":[{"taskId":"a"}]}"#), "b"), r#"{"content":[{"taskId":"a"}]}"#);
}

#[test]
fn who_supports_tasks_is_read_from_capabilities_and_tools() {
    assert!(legacy_server(br#"{"tasks":{"list":{},"requests":{"tools":{"call":{}}}}}"#));
    assert!(!legacy_server(br#"{"tasks":{"requests":{}}}"#) && !legacy_server(b"{}"));
    assert!(declared(NEEDED.as_bytes()) && !declared(br#"{"extensions":{"x":{}}}"#) && !declared(b"7"));
    assert_eq!(declaring(&bytes("{}")), NEEDED);
    let more = declaring(&bytes(r#"{"roots":{},"extensions":{"x":{}}}"#));
    assert_eq!(more, r#"{"extensions":{"io.modelcontextprotocol/tasks":{}},"roots":{}}"#);
    assert_eq!(support(br#"{"name":"a","execution":{"taskSupport":"required"}}"#), Support::Required);
    assert_eq!(support(br#"{"name":"a","execution":{"taskSupport":"forbidden"}}"#), Support::None);
    assert_eq!(support(br#"{"name":"a"}"#), Support::None);
    assert_eq!(
        offered_downward(&bytes(r#"{"name":"a","execution":{}}"#)),
        r#"{"execution":{"taskSupport":"optional"},"name":"a"}"#
    );
    let error = format!(r#"{{"code":-32021,"message":"m","data":{{"requiredCapabilities":{NEEDED}}}}}"#);
    assert!(is_missing(error.as_bytes()));
    assert!(!is_missing(br#"{"code":-32021,"message":"m","data":{"requiredCapabilities":{"roots":{}}}}"#));
}

#[test]
fn params_ask_for_a_task_or_not() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"task":{}},"_meta":{"k":1}}}"#;
    let scanned = crate::scan::scan(bytes(text)).unwrap();
    let plain = crate::request::params_of(&scanned, scanned.params.name.as_ref());
    assert!(!requested(&plain.raw));
    let with = with_task(&plain);
    assert!(requested(&with.raw));
    assert_eq!(with.raw, r#"{"task":{},"name":"x","arguments":{"task":{}},"_meta":{"k":1}}"#);
    for params in [&with, &without_task(&with)] {
        assert_eq!(&params.raw[params.target.clone().unwrap()], b"\"x\"");
        assert_eq!(&params.raw[params.arguments.clone().unwrap()], br#"{"task":{}}"#);
        assert_eq!(&params.raw[params.meta.clone().unwrap()], br#"{"k":1}"#);
    }
    assert_eq!(without_task(&with).raw, plain.raw);
    let update = updating("a\"b", &[(Text::from("k"), bytes("{}"))]);
    assert_eq!(update.raw, r#"{"taskId":"a\"b","inputResponses":{"k":{}}}"#);
    assert_eq!(&update.raw[update.target.clone().unwrap()], br#""a\"b""#);
}

#[test]
fn the_mark_of_a_task_is_set_replaced_and_taken_away() {
    let marked = related_to(&Bytes::new(), "a");
    assert_eq!(marked, r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"a"}}}"#);
    assert_eq!(unrelated(&marked), "{}");
    let more = related_to(&bytes(r#"{"message":"m","_meta":{"k":1}}"#), "a");
    assert!(about(&more, "a"));
    assert_eq!(unrelated(&more), r#"{"message":"m","_meta":{"k":1}}"#);
    assert_eq!(related(&renamed(&more, "b")).as_deref(), Some("b"));
    assert_eq!(renamed(&bytes(r#"{"m":1}"#), "b"), r#"{"m":1}"#);
}

proptest! {
    #[test]
    fn any_id_survives_its_way_through_both_dialects(id in "\\PC{1,40}", era in prop_oneof![Just(Era::Legacy), Just(Era::Modern)]) {
        let task = created(&bytes(MODERN), Era::Modern).unwrap();
        let said = task.say(era, &id, Some("complete"));
        prop_assert_eq!(&*Task::read(&said).unwrap().id, id.as_str());
        prop_assert_eq!(&*Task::read(&renumbered(&said, "z")).unwrap().id, "z");
        prop_assert_eq!(related(&related_to(&bytes("{}"), &id)), Some(id));
    }

    #[test]
    fn nothing_that_a_server_sends_panics(text in "\\PC{0,60}") {
        let raw = bytes(&text);
        let _ = (created(&raw, Era::Legacy), created(&raw, Era::Modern), Task::read(&raw), support(&raw));
        let _ = (related_to(&raw, "a"), unrelated(&raw), renumbered(&raw, "a"), declaring(&raw), requested(&raw));
    }
}
