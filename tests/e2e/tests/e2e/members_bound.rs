//! What is bound to one of several members stays there: sessions, tasks, rounds of questions, subscriptions. When that
//! member has died, what only it knew has a typed error, and never the answer of another.

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use trunkline_e2e::client::{Client, ERAS, Era};
use trunkline_e2e::fixture::Fixture;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::http::{Connection, Events};
use trunkline_e2e::reply::Reply;
use trunkline_e2e::{json as text, process, wait};

const FORMS: &str = r#"{"elicitation":{"form":{}}}"#;
const TASKS: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
const WATCHED: &str = "test://watched-resource";
/// Things that are begun, so that by all chance both members have some.
const MANY: usize = 8;

/// A gateway before two equal members, both of them ready.
fn before_two(member: impl Fn() -> Fixture) -> ([Fixture; 2], Gateway) {
    let members = [member(), member()];
    let urls = members.each_ref().map(|member| member.url.clone());
    let gateway = Gateway::start(&json!({ "one": { "urls": urls } }));
    wait::until(wait::LONG, "both members", || {
        states(&gateway).iter().all(|member| member["state"] == "ready").then_some(())
    });
    (members, gateway)
}

fn legacy() -> Fixture {
    Fixture::ts("legacy-only", &[])
}

fn modern() -> Fixture {
    Fixture::ts("modern-only", &[])
}

fn states(gateway: &Gateway) -> Vec<Value> {
    let status = gateway.client(Era::Modern).status();
    status["servers"]["one"]["members"].as_array().cloned().unwrap_or_default()
}

fn able(gateway: &Gateway, era: Era, capabilities: &str) -> Client {
    Client::able(gateway.address(), "/mcp", era, capabilities)
}

fn address(member: &Fixture) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], member.port()))
}

/// Kills a member; nobody listens there any more when this returns.
fn kill(member: &Fixture) {
    process::signal(member.pid(), Signal::SIGKILL);
    wait::until(wait::LONG, "its end", || TcpStream::connect(address(member)).is_err().then_some(()));
}

fn counted(reply: &Reply) -> i64 {
    reply.value()["structuredContent"]["count"].as_i64().unwrap_or_else(|| panic!("no count: {}", reply.raw))
}

/// What a member itself has counted under a key, asked past the gateway.
fn counts(member: &Fixture, era: Era, key: &str) -> i64 {
    let mut client = Client::connect(address(member), "/mcp", era);
    counted(&client.call("count", &json!({ "key": key, "peek": true }).to_string()))
}

fn count(client: &mut Client, key: &str) -> Reply {
    client.call("one__count", &json!({ "key": key }).to_string())
}

#[test]
fn a_stateful_session_stays_with_its_member_and_begins_anew_only_when_that_has_died() {
    let (members, gateway) = before_two(legacy);
    let mut clients: Vec<Client> = (0..MANY).map(|_| able(&gateway, Era::Legacy, FORMS)).collect();
    for turn in 1..=4 {
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(counted(&count(client, &format!("c{number}"))), turn, "client {number}");
        }
    }
    for number in 0..MANY {
        let key = format!("c{number}");
        let mut each = members.each_ref().map(|member| counts(member, Era::Legacy, &key));
        each.sort_unstable();
        assert_eq!(each, [0, 4], "client {number}");
    }
    let client = &mut clients[0];
    let home = usize::from(counts(&members[1], Era::Legacy, "c0") == 4);
    client.start("tools/call", r#"{"name":"one__slow","arguments":{"ms":60000}}"#).expect("it is sent");
    wait::until(wait::LONG, "the call", || (states(&gateway)[home]["running"] == 1).then_some(()));
    kill(&members[home]);
    let broken = client.finish().expect("an answer");
    assert_eq!(broken.reason().as_deref(), Some("outcome_unknown"), "{}", broken.raw);
    for turn in 1..=3 {
        assert_eq!(counted(&count(client, "c0")), turn, "a session on the other member");
    }
}

/// A call that gave up, because nobody but a member that has died could answer it.
fn is_unavailable(reply: &Reply) -> bool {
    reply.reason().as_deref() == Some("upstream_unavailable")
}

/// Begins many things, and looks at each with both members, with one, and with none: it is the thing itself, or said to be
/// unavailable.
fn outlive<T>(
    members: &[Fixture; 2],
    mut things: Vec<T>,
    mut look: impl FnMut(&mut T) -> Reply,
    is_it: impl Fn(&T, &Reply) -> bool,
) {
    for _ in 0..3 {
        for thing in &mut things {
            let reply = look(thing);
            assert!(is_it(thing, &reply), "both live: {}", reply.raw);
        }
    }
    kill(&members[0]);
    let mut left = Vec::new();
    for mut thing in things {
        let reply = look(&mut thing);
        if is_it(&thing, &reply) {
            left.push(thing);
        } else {
            assert!(is_unavailable(&reply), "one has died: {}", reply.raw);
        }
    }
    // Both were used, or this shows nothing: of eight all on one is a matter of bad luck, but then on the same.
    kill(&members[1]);
    for thing in &mut left {
        let reply = look(thing);
        assert!(is_unavailable(&reply), "both have died: {}", reply.raw);
    }
}

fn about(task: &str) -> String {
    json!({ "taskId": task }).to_string()
}

fn task_id(task: &Value) -> String {
    task["taskId"].as_str().unwrap_or_else(|| panic!("no taskId: {task}")).to_owned()
}

#[test]
fn a_modern_servers_task_is_asked_about_where_it_was_made() {
    let (members, gateway) = before_two(Fixture::rmcp_suite);
    let mut client = able(&gateway, Era::Modern, TASKS);
    let mut make = |label: usize| {
        let arguments = json!({ "seconds": 60, "label": label.to_string() }).to_string();
        task_id(&client.call("one__slow_compute", &arguments).value())
    };
    let tasks: Vec<String> = (0..MANY).map(&mut make).collect();
    // Whoever cancels cancels it there.
    let gone = make(MANY);
    client.request("tasks/cancel", &about(&gone)).result();
    wait::until(wait::LONG, "the end of the task", || {
        let task = client.request("tasks/get", &about(&gone)).value();
        (task["status"] == "cancelled").then_some(())
    });
    outlive(
        &members,
        tasks,
        |task| client.request("tasks/get", &about(task)),
        |task, reply| {
            reply.code().is_none() && task_id(&reply.value()) == *task && reply.value()["status"] == "working"
        },
    );
}

#[test]
fn a_legacy_servers_task_is_asked_about_where_it_was_made() {
    let (members, gateway) = before_two(Fixture::everything);
    let mut client = gateway.client(Era::Legacy);
    let make = |label: usize| {
        let call = json!({
            "name": "one__simulate-research-query",
            "arguments": { "topic": label.to_string() },
            "task": { "ttl": 600_000 },
        });
        task_id(&client.request("tools/call", &call.to_string()).value()["task"])
    };
    let tasks: Vec<String> = (0..MANY).map(make).collect();
    outlive(
        &members,
        tasks,
        |task| client.request("tasks/get", &about(task)),
        |task, reply| reply.code().is_none() && task_id(&reply.value()) == *task,
    );
}

/// The state of a round, and the key of its question.
fn asked(reply: &Reply) -> (String, String) {
    let value = reply.value();
    let key = value["inputRequests"].as_object().and_then(|all| all.keys().next().cloned());
    let state = value["requestState"].as_str().map(str::to_owned);
    state.zip(key).unwrap_or_else(|| panic!("no question: {value}"))
}

fn answer(client: &mut Client, call: &Value, state: &str, key: &str, content: Value) -> Reply {
    let mut retry = call.clone();
    retry["requestState"] = json!(state);
    retry["inputResponses"] = json!({ key: { "action": "accept", "content": content } });
    client.request("tools/call", &retry.to_string())
}

#[test]
fn a_round_of_questions_returns_to_the_member_that_asked() {
    // Each of them takes only states that it sealed itself.
    let (members, gateway) = before_two(modern);
    let mut client = able(&gateway, Era::Modern, FORMS);
    let call = json!({ "name": "one__test_input_required_result_multi_round", "arguments": {} });
    let rounds: Vec<_> = (0..MANY).map(|_| asked(&client.request("tools/call", &call.to_string()))).collect();
    for (number, (state, key)) in rounds.iter().enumerate() {
        let name = json!({ "name": format!("n{number}") });
        let (state, key) = asked(&answer(&mut client, &call, state, key, name));
        let last = answer(&mut client, &call, &state, &key, json!({ "color": "red" }));
        assert_eq!(last.text(), format!("n{number} likes red."));
    }
    let open: Vec<_> = (0..MANY).map(|_| asked(&client.request("tools/call", &call.to_string()))).collect();
    let look =
        |round: &mut (String, String)| answer(&mut client, &call, &round.0, &round.1, json!({ "name": "x" }));
    outlive(&members, open, look, |_, reply| reply.raw.contains("\"input_required\""));
}

#[test]
fn a_round_of_questions_does_not_go_to_the_fallback() {
    let (one, two) = (modern(), modern());
    let gateway = Gateway::start(&json!({
        "one": { "url": one.url, "fallback": "two" },
        "two": { "url": two.url },
    }));
    let mut client = able(&gateway, Era::Modern, FORMS);
    let call = json!({ "name": "one__test_input_required_result_multi_round", "arguments": {} });
    let (state, key) = asked(&client.request("tools/call", &call.to_string()));
    kill(&one);
    let reply = answer(&mut client, &call, &state, &key, json!({ "name": "x" }));
    assert!(is_unavailable(&reply), "{}", reply.raw);
    // Nor does it ask itself: the client's answer would come to the other server, which may be back by then.
    assert!(is_unavailable(&client.request("tools/call", &call.to_string())));
}

#[test]
fn a_parked_call_goes_on_at_its_member_and_ends_with_it() {
    let (members, gateway) = before_two(legacy);
    let mut client = able(&gateway, Era::Modern, FORMS);
    let call = |key: &str| json!({ "name": "one__ask_counted", "arguments": { "key": key } });
    let keys: Vec<String> = (0..MANY).map(|number| format!("k{number}")).collect();
    let parked: Vec<_> =
        keys.iter().map(|key| asked(&client.request("tools/call", &call(key).to_string()))).collect();
    for (key, (state, question)) in keys.iter().zip(&parked) {
        let reply = answer(&mut client, &call(key), state, question, json!({ "word": "yes" }));
        assert_eq!(reply.text(), format!("{key}: accept yes"));
        let mut each = members.each_ref().map(|member| {
            ["begun", "ended"].map(|what| counts(member, Era::Legacy, &format!("{key}-{what}")))
        });
        each.sort_unstable();
        assert_eq!(each, [[0, 0], [1, 1]], "{key}");
    }
    let (state, question) = asked(&client.request("tools/call", &call("last").to_string()));
    let home = usize::from(counts(&members[1], Era::Legacy, "last-begun") == 1);
    kill(&members[home]);
    let reply = answer(&mut client, &call("last"), &state, &question, json!({ "word": "yes" }));
    assert_eq!(reply.reason().as_deref(), Some("outcome_unknown"), "{}", reply.raw);
    assert_eq!(counts(&members[1 - home], Era::Legacy, "last-begun"), 0, "the other never heard of it");
}

/// Everything that comes on a stream, from a thread of its own, until it ends.
fn heard(mut connection: Connection) -> mpsc::Receiver<Value> {
    let (tell, hear) = mpsc::channel();
    connection.set_patience(Duration::from_mins(5));
    thread::spawn(move || {
        let mut events = Events::default();
        while let Ok(Some(data)) = connection.event(&mut events) {
            if tell.send(text::parse(&data)).is_err() {
                return;
            }
        }
    });
    hear
}

/// Touches the resource until the stream says so.
fn told(client: &mut Client, stream: &mpsc::Receiver<Value>, uri: &str) {
    let touch = json!({ "uri": WATCHED }).to_string();
    wait::until(wait::LONG, "the word about the resource", || {
        client.call("one__touch", &touch).result();
        let said = stream.recv_timeout(Duration::from_millis(200)).ok()?;
        (said["method"] == "notifications/resources/updated" && said["params"]["uri"] == uri).then_some(())
    });
    // What else was said about it belongs to the same touches.
    while stream.recv_timeout(Duration::from_millis(200)).is_ok() {}
}

#[test]
fn a_session_hears_of_its_members_resources_and_goes_on_hearing_on_the_other() {
    let (members, gateway) = before_two(legacy);
    let mut client = able(&gateway, Era::Legacy, FORMS);
    let stream = heard(client.stream());
    client.request("resources/subscribe", &json!({ "uri": WATCHED }).to_string()).result();
    told(&mut client, &stream, WATCHED);
    count(&mut client, "s");
    let home = usize::from(counts(&members[1], Era::Legacy, "s") == 1);
    kill(&members[home]);
    assert_eq!(counted(&count(&mut client, "s")), 1, "on the other member");
    told(&mut client, &stream, WATCHED);
}

#[test]
fn who_listens_goes_on_hearing_when_the_member_that_tells_has_died() {
    for (era, member) in ERAS.into_iter().zip([legacy as fn() -> Fixture, modern]) {
        let (members, gateway) = before_two(member);
        let mut listening = gateway.client(Era::Modern);
        let wishes = json!({ "notifications": { "resourceSubscriptions": [WATCHED] } }).to_string();
        listening.start("subscriptions/listen", &wishes).expect("it is sent");
        assert!(listening.connection().head().expect("a stream").is_stream());
        let stream = heard(std::mem::replace(listening.connection(), Connection::open(gateway.address())));
        let mut client = gateway.client(era);
        told(&mut client, &stream, WATCHED);
        let leads = states(&gateway).iter().position(|member| member["leads"] == true).expect("a lead");
        kill(&members[leads]);
        told(&mut client, &stream, WATCHED);
    }
}
