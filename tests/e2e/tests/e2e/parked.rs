//! Calls of modern clients that a legacy server holds open while it asks: every way in which a retry can be wrong has
//! its typed refusal, and none of them runs the call a second time. The server counts.

use std::time::Duration;

use serde_json::{Value, json};
use trunkline_e2e::client::{Client, Era};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::http::{Connection, Events};
use trunkline_e2e::reply::Reply;
use trunkline_e2e::{json, peers, process, wait};

const FORMS: &str = r#"{"elicitation":{"form":{}}}"#;

fn asking(gateway: &Gateway) -> Client {
    let mut client = gateway.client(Era::Modern);
    FORMS.clone_into(&mut client.capabilities);
    client
}

/// The params of a call of `ask_counted`, with what a retry brings.
fn params(tool: &str, key: &str, retry: Option<(&str, &Value)>) -> String {
    let mut params = json!({ "name": tool, "arguments": { "key": key } });
    if let Some((state, responses)) = retry {
        params["requestState"] = json!(state);
        params["inputResponses"] = responses.clone();
    }
    params.to_string()
}

const TOOL: &str = "one__ask_counted";

/// Calls until it asks; the state and the key of the question.
fn begin(client: &mut Client, key: &str) -> (String, String) {
    asked(&client.request("tools/call", &params(TOOL, key, None)), key)
}

fn asked(reply: &Reply, key: &str) -> (String, String) {
    let value = reply.value();
    assert_eq!(value["resultType"], "input_required", "{value}");
    let requests = value["inputRequests"].as_object().expect("questions");
    assert_eq!(requests.len(), 1, "{value}");
    let (name, question) = requests.iter().next().expect("one question");
    assert_eq!(question["params"]["message"], format!("a word for {key}"), "another call's question");
    (value["requestState"].as_str().expect("a state").to_owned(), name.clone())
}

fn retry(client: &mut Client, key: &str, state: &str, responses: &Value) -> Reply {
    client.request("tools/call", &params(TOOL, key, Some((state, responses))))
}

fn word(question: &str, word: &str) -> Value {
    json!({ question: { "action": "accept", "content": { "word": word } } })
}

#[track_caller]
fn refused(reply: &Reply, reason: &str) {
    assert_eq!((reply.code(), reply.reason().as_deref()), (Some(-32602), Some(reason)), "{}", reply.raw);
}

/// How often the tool was begun and ended for a key. Asked by a client that can be asked: over a pipe each session is a
/// process that counts for itself.
fn counts(gateway: &Gateway, key: &str) -> (i64, i64) {
    let mut client = asking(gateway);
    let mut count = |what: &str| {
        let arguments = json!({ "key": format!("{key}-{what}"), "peek": true }).to_string();
        client.call("one__count", &arguments).value()["structuredContent"]["count"]
            .as_i64()
            .expect("a number")
    };
    (count("begun"), count("ended"))
}

fn gateway_with(fixture: &Fixture, answer: &str) -> Gateway {
    let mut entry = fixture.entry();
    entry["timeouts"] = json!({ "answer": answer });
    Gateway::start(&json!({ "one": entry }))
}

#[test]
fn every_wrong_retry_has_its_refusal_and_the_call_runs_once() {
    let fixture = Fixture::ts("legacy-only", &[]);
    let gateway = gateway_with(&fixture, "10m");
    let client = &mut asking(&gateway);
    let (state, question) = begin(client, "k");
    let answer = word(&question, "yes");

    let mut bad = state.clone().into_bytes();
    let at = bad.len() - 8;
    bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
    refused(&retry(client, "k", &String::from_utf8(bad).expect("text"), &answer), "state_invalid");
    refused(&retry(client, "k", "gw1.", &answer), "state_invalid");
    refused(&retry(client, "k", "anything", &answer), "state_invalid");
    refused(&retry(client, "other", &state, &answer), "state_mismatch");
    let other_tool = params("one__count", "k", Some((&state, &answer)));
    refused(&client.request("tools/call", &other_tool), "state_mismatch");
    let no_object =
        json!({ "name": TOOL, "arguments": { "key": "k" }, "requestState": state, "inputResponses": [] });
    assert_eq!(client.request("tools/call", &no_object.to_string()).code(), Some(-32602));

    client.capabilities = "{}".to_owned();
    let reply = retry(client, "k", &state, &answer);
    assert_eq!((reply.code(), reply.head.status), (Some(-32021), 400), "{}", reply.raw);
    assert_eq!(reply.error()["data"]["requiredCapabilities"], json!({ "elicitation": { "form": {} } }));
    client.capabilities = FORMS.to_owned();

    // Wrong keys and malformed answers: the same question again, under a new state.
    let mut newest = state.clone();
    for wrong in [
        json!({}),
        json!({ "elicit_99": { "action": "accept", "content": {} } }),
        json!({ &question: null }),
        json!({ &question: { "content": {} } }),
        json!({ &question: { "action": "perhaps" } }),
    ] {
        let (next, same) = asked(&retry(client, "k", &newest, &wrong), "k");
        assert_eq!(same, question);
        refused(&retry(client, "k", &newest, &answer), "state_reused");
        newest = next;
    }
    assert_eq!(counts(&gateway, "k"), (1, 0));
    assert_eq!(retry(client, "k", &newest, &answer).text(), "k: accept yes");
    refused(&retry(client, "k", &newest, &answer), "state_reused");
    refused(&retry(client, "k", &state, &answer), "state_reused");
    assert_eq!(counts(&gateway, "k"), (1, 1));
    // Without a state it is a call of its own.
    let (_, _) = begin(client, "k");
    assert_eq!(counts(&gateway, "k"), (2, 1));
}

#[test]
fn a_call_that_nobody_came_back_for_expires_and_its_server_is_told() {
    for entry in [None, Some(peers::ts_server("legacy-only").entry())] {
        let fixture = Fixture::ts("legacy-only", &[]);
        let mut entry = entry.unwrap_or_else(|| fixture.entry());
        entry["timeouts"] = json!({ "answer": "1s" });
        let gateway = Gateway::start(&json!({ "one": entry }));
        let client = &mut asking(&gateway);
        let (state, question) = begin(client, "late");
        // The user counts as gone: the tool ends with `cancel`.
        wait::until(Duration::from_secs(10), "the end of the call", || {
            (counts(&gateway, "late") == (1, 1)).then_some(())
        });
        wait::until(Duration::from_secs(10), "the refusal", || {
            let reply = retry(client, "late", &state, &word(&question, "x"));
            refused(&reply, "state_expired");
            Some(())
        });
        assert_eq!(counts(&gateway, "late"), (1, 1));
    }
}

#[test]
fn a_gateway_that_died_between_rounds_says_that_the_outcome_is_unknown() {
    let fixture = Fixture::ts("legacy-only", &[]);
    let mut first = gateway_with(&fixture, "10m");
    let (state, question) = begin(&mut asking(&first), "k");
    first.kill();
    let second = gateway_with(&fixture, "10m");
    let reply = retry(&mut asking(&second), "k", &state, &word(&question, "x"));
    refused(&reply, "instance_lost");
    assert_eq!(reply.error()["data"]["outcome"], "unknown");
    assert_eq!(counts(&second, "k"), (1, 0), "not run again");
}

#[test]
fn an_answer_that_comes_before_its_server_is_up_is_not_a_new_call() {
    let fixture = Fixture::ts("legacy-only", &[]);
    let mut first = gateway_with(&fixture, "10m");
    let (state, question) = begin(&mut asking(&first), "k");
    first.kill();
    let mut entry = peers::ts_server("legacy-only").entry();
    entry["timeouts"] = json!({ "answer": "10m" });
    let second = Gateway::unready(json!({ "mcpServers": { "one": entry } }));
    let mut client = asking(&second);
    refused(&retry(&mut client, "k", &state, &word(&question, "x")), "instance_lost");
    assert_eq!(counts(&second, "k"), (0, 0));
}

#[test]
fn parallel_calls_of_two_clients_over_one_pipe_get_their_own_questions_and_answers() {
    for sessions in [1, 8] {
        let mut entry = peers::ts_server("legacy-only").entry();
        entry["maxSessions"] = json!(sessions);
        let gateway = Gateway::start(&json!({ "one": entry }));
        let keys = ["a", "b", "c", "d", "e", "f"];
        std::thread::scope(|scope| {
            for key in keys {
                let gateway = &gateway;
                scope.spawn(move || {
                    let client = &mut asking(gateway);
                    let (state, question) = begin(client, key);
                    // Some think for longer than the others, so that answers come in another order than questions.
                    std::thread::sleep(Duration::from_millis(u64::from(b'f' - key.as_bytes()[0]) * 300));
                    let reply = retry(client, key, &state, &word(&question, &format!("word-{key}")));
                    assert_eq!(reply.text(), format!("{key}: accept word-{key}"));
                });
            }
        });
        for key in keys.into_iter().filter(|_| sessions == 1) {
            assert_eq!(counts(&gateway, key), (1, 1), "{key}");
        }
        // The shared one, and at most four for callers that offer the same.
        let children = gateway.children("ts-server.mjs").len();
        assert!(children <= 1 + sessions.min(4), "{children} processes");
    }
}

#[test]
fn a_call_that_asks_twice_goes_on_over_two_rounds() {
    let gateway = Gateway::start(&json!({ "one": peers::ts_server("legacy-only").entry() }));
    let client = &mut asking(&gateway);
    let begun = client
        .request("tools/call", r#"{"name":"one__test_input_required_result_multi_round","arguments":{}}"#);
    let first = begun.value();
    let state = first["requestState"].as_str().expect("a state");
    let responses = json!({ "elicit_1": { "action": "accept", "content": { "name": "n" } } });
    let params = json!({
        "name": "one__test_input_required_result_multi_round", "arguments": {},
        "requestState": state, "inputResponses": responses,
    });
    let next = client.request("tools/call", &params.to_string()).value();
    assert_eq!(
        next["inputRequests"].as_object().expect("questions").keys().collect::<Vec<_>>(),
        ["elicit_2"]
    );
    let answered = json!({ "elicit_2": { "action": "accept", "content": { "color": "red" } } });
    let mut last = params;
    last["requestState"] = next["requestState"].clone();
    last["inputResponses"] = answered;
    assert_eq!(client.request("tools/call", &last.to_string()).text(), "n likes red.");
}

/// A legacy client by hand: its calls, its stream, and what it answers.
struct Legacy {
    client: Client,
    stream: Option<Connection>,
}

impl Legacy {
    fn open(gateway: &Gateway, capabilities: &str, stream: bool) -> Self {
        let mut client = gateway.client(Era::Modern);
        client.era = Era::Legacy;
        capabilities.clone_into(&mut client.capabilities);
        client.initialize("2025-11-25");
        let stream = stream.then(|| client.stream());
        Self { client, stream }
    }

    /// Says something on a connection of its own: an answer or a notification.
    fn say(&self, body: &Value) {
        let mut connection = Connection::open(self.client.address);
        let fields = self.client.fields("", "{}");
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        connection
            .request("POST", &self.client.path, &fields, body.to_string().as_bytes())
            .expect("it reads");
        assert_eq!(connection.answer().expect("it answers").head.status, 202);
    }

    /// The next event of the stream of the call that was started, or of the stream of its own.
    fn next(connection: &mut Connection, events: &mut Events) -> Value {
        json::parse(&connection.event(events).expect("the stream lives").expect("it goes on"))
    }

    fn end(mut self) {
        let host = self.client.address.to_string();
        let session = self.client.session.clone().expect("a session");
        let fields = [("Host", host.as_str()), ("Mcp-Session-Id", &session)];
        let path = self.client.path.clone();
        let connection = self.client.connection();
        connection.request("DELETE", &path, &fields, b"").expect("it reads");
        assert_eq!(connection.answer().expect("it answers").head.status, 204);
    }
}

/// Roots of one folder, as the answer to this question.
fn roots(question: &Value, folder: &str) -> Value {
    assert_eq!(question["method"], "roots/list", "{question}");
    json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [{ "uri": folder, "name": "r" }] } })
}

fn everything() -> Value {
    let entry = peers::everything().entry();
    json!({ "one": entry })
}

#[test]
fn a_server_that_asks_outside_of_calls_asks_the_client_on_its_stream_and_hears_of_changed_roots() {
    let gateway = Gateway::start(&everything());
    let mut legacy = Legacy::open(&gateway, r#"{"roots":{"listChanged":true}}"#, true);
    // Its conversation opens with its first call; the server asks for roots as soon as it has.
    assert_eq!(legacy.client.call("one__echo", r#"{"message":"m"}"#).text(), "Echo: m");
    let mut events = Events::default();
    let mut ask = |legacy: &mut Legacy, folder: &str| {
        let stream = legacy.stream.as_mut().expect("a stream");
        let question = loop {
            let event = Legacy::next(stream, &mut events);
            if event["method"] == "roots/list" {
                break event;
            }
        };
        legacy.say(&roots(&question, folder));
    };
    ask(&mut legacy, "file:///one");
    let knows = |legacy: &mut Legacy, folder: &str| {
        wait::until(Duration::from_secs(5), folder, || {
            legacy.client.call("one__get-roots-list", "{}").text().contains(folder).then_some(())
        });
    };
    knows(&mut legacy, "file:///one");
    legacy.say(&json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" }));
    ask(&mut legacy, "file:///two");
    knows(&mut legacy, "file:///two");
}

#[test]
fn without_a_stream_of_its_own_the_client_is_asked_on_that_of_its_call() {
    let gateway = Gateway::start(&everything());
    let mut legacy = Legacy::open(&gateway, r#"{"roots":{}}"#, false);
    let params = r#"{"name":"one__trigger-long-running-operation","arguments":{"duration":3,"steps":1}}"#;
    legacy.client.start("tools/call", params).expect("it reads");
    let head = legacy.client.connection().head().expect("an answer");
    assert!(head.is_stream(), "{head:?}");
    let mut events = Events::default();
    let question = Legacy::next(legacy.client.connection(), &mut events);
    legacy.say(&roots(&question, "file:///mine"));
    let last = loop {
        let event = Legacy::next(legacy.client.connection(), &mut events);
        if event.get("result").is_some() {
            break event;
        }
    };
    assert!(last["result"]["content"][0]["text"].to_string().contains("completed"), "{last}");
}

#[test]
fn log_level_and_subscriptions_of_a_client_with_its_own_session_are_its_own() {
    let gateway = Gateway::start(&everything());
    let mut quiet = Legacy::open(&gateway, r#"{"roots":{}}"#, true);
    let mut keen = Legacy::open(&gateway, r#"{"roots":{}}"#, true);
    keen.client.request("logging/setLevel", r#"{"level":"debug"}"#).result();
    quiet.client.request("logging/setLevel", r#"{"level":"emergency"}"#).result();
    let uri = "demo://resource/dynamic/text/1";
    keen.client.request("resources/subscribe", &json!({ "uri": uri }).to_string()).result();
    for legacy in [&mut quiet, &mut keen] {
        legacy.client.call("one__toggle-simulated-logging", "{}").result();
        legacy.client.call("one__toggle-subscriber-updates", "{}").result();
    }
    let (mut updated, mut logged) = (false, false);
    let stream = keen.stream.as_mut().expect("a stream");
    let mut events = Events::default();
    while !updated || !logged {
        let event = Legacy::next(stream, &mut events);
        updated |= event["method"] == "notifications/resources/updated" && event["params"]["uri"] == uri;
        logged |= event["method"] == "notifications/message";
    }
    // By now the other one's server has said as much; it hears none of it.
    let stream = quiet.stream.as_mut().expect("a stream");
    stream.set_patience(Duration::from_secs(6));
    let mut events = Events::default();
    while let Ok(Some(event)) = stream.event(&mut events) {
        let note = json::parse(&event);
        // The server logs at levels by chance.
        let unwanted = note["method"] == "notifications/message" && note["params"]["level"] != "emergency";
        assert!(
            note["method"] != "notifications/resources/updated" && !unwanted,
            "not subscribed, and only emergencies wanted: {event}"
        );
    }
}

#[test]
fn clients_that_leave_take_their_processes_along_also_in_the_middle_of_a_question() {
    let gateway = Gateway::start(&json!({ "one": peers::ts_server("legacy-only").entry() }));
    let processes = || gateway.children("ts-server.mjs");
    assert_eq!(processes().len(), 1);
    let mut stay = Vec::new();
    for at in 0..3 {
        let mut legacy = Legacy::open(&gateway, FORMS, false);
        let params = params(TOOL, &format!("k{at}"), None);
        legacy.client.start("tools/call", &params).expect("it reads");
        assert!(legacy.client.connection().head().expect("an answer").is_stream());
        let event = Legacy::next(legacy.client.connection(), &mut Events::default());
        assert_eq!(event["method"], "elicitation/create");
        stay.push(legacy);
    }
    let all = processes();
    assert_eq!(all.len(), 4, "one shared, and one for each client that can be asked");
    // One takes its call back, with the question open; its server is told that nobody answers, and goes on.
    let taken_back = stay.pop().expect("three");
    let id = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 2 } });
    taken_back.say(&id);
    for mut legacy in stay.into_iter().chain([taken_back]) {
        // A connection of its own: the first still carries the stream of the call.
        let address = legacy.client.address;
        *legacy.client.connection() = Connection::open(address);
        legacy.end();
    }
    wait::until(Duration::from_secs(15), "the end of the clients' processes", || {
        (processes().len() == 1).then_some(())
    });
    let gone: Vec<u32> = all.into_iter().filter(|pid| !processes().contains(pid)).collect();
    process::wait_until_gone(&gone, Duration::from_secs(5));
    assert!(gateway.metric("trunkline_sessions", &[]) < 0.5, "sessions");
}

#[test]
fn the_process_of_a_client_that_only_stopped_coming_ends_with_its_idle_session() {
    let mut limits = json!({ "mcpServers": { "one": peers::ts_server("legacy-only").entry() } });
    limits["limits"] = json!({ "sessionIdle": "1s" });
    let gateway = Gateway::with(limits);
    let mut legacy = Legacy::open(&gateway, FORMS, false);
    legacy.client.call("one__echo", "{}").result();
    assert_eq!(gateway.children("ts-server.mjs").len(), 2);
    // Not ended, only left.
    drop(legacy);
    wait::until(Duration::from_secs(20), "the end of an idle session's process", || {
        (gateway.children("ts-server.mjs").len() == 1).then_some(())
    });
}
