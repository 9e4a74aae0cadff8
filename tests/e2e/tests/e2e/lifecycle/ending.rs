//! The end: what runs may end, what waits may be taken up, what is new is refused, and nothing is left behind.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use trunkline_e2e::client::{Client, Era};
use trunkline_e2e::gateway::{Gateway, binary};
use trunkline_e2e::http::{Connection, Events};
use trunkline_e2e::load::{Load, echo};
use trunkline_e2e::scripted::{Responder, Scripted, Seen, introduce, list};
use trunkline_e2e::{json, process, wait};

use super::{clients, none_failed};

/// How long an end without anything to wait for may take, the machine being busy.
const SOON: Duration = Duration::from_secs(10);

fn document(upstream: &Scripted, grace: &str) -> Value {
    json!({
        "shutdown": { "grace": grace },
        "mcpServers": { "one": upstream.entry(), "child": { "command": binary(), "args": ["__sample"] } },
    })
}

fn slow(gateway: &Gateway, upstream: &Scripted, era: Era, ms: u64) -> Client {
    let before = upstream.seen_of("tools/call").len();
    let mut client = gateway.client(era);
    let params = format!(r#"{{"name":"one__slow","arguments":{{"text":"late","ms":{ms}}}}}"#);
    client.start("tools/call", &params).expect("sent");
    wait::until(wait::LONG, "the call", || (upstream.seen_of("tools/call").len() > before).then_some(()));
    client
}

/// Everything that comes on a stream until its end, and whether that was an orderly one.
fn to_the_end(connection: &mut Connection) -> (Vec<String>, bool) {
    let (mut events, mut heard) = (Events::default(), Vec::new());
    loop {
        match connection.chunk() {
            Ok(Some(chunk)) => heard.extend(events.feed(&chunk)),
            Ok(None) => return (heard, true),
            Err(_) => return (heard, false),
        }
    }
}

#[test]
fn what_runs_ends_streams_get_their_last_word_and_new_calls_are_refused() {
    let upstream = echo(true);
    let mut gateway = Gateway::with(document(&upstream, "20s"));
    let mut children = process::descendants(gateway.pid());
    let mut running = [Era::Legacy, Era::Modern].map(|era| slow(&gateway, &upstream, era, 2500));
    let mut listening = gateway.client(Era::Modern);
    let wishes = r#"{"notifications":{"toolsListChanged":true}}"#;
    listening.start("subscriptions/listen", wishes).expect("sent");
    assert!(listening.connection().head().expect("a stream").is_stream());
    let session = gateway.client(Era::Legacy);
    let mut stream = session.stream();
    let mut idle = Connection::open(gateway.address());
    let began = Instant::now();
    gateway.signal(Signal::SIGTERM);
    wait::until(SOON, "/readyz to say no", || (gateway.admin("/readyz").head.status == 503).then_some(()));
    let unready = began.elapsed();
    println!("not ready after {unready:?}");
    // The promise is 100 ms; a debug build on a machine that runs other tests gets some more.
    assert!(unready < Duration::from_millis(500), "{unready:?}");
    let body = gateway.admin("/readyz").text();
    assert!(body.contains("draining") && body.contains("about to end"), "{body}");
    let (heard, whole) = to_the_end(listening.connection());
    let last = heard.last().expect("a last word");
    assert!(whole && json::parse(last)["result"]["resultType"] == "complete", "{heard:?}");
    assert!(to_the_end(&mut stream).1, "the legacy stream ends in order");
    // Whoever is connected and says nothing is let go; whoever comes is refused, by the system or by us.
    assert!(idle.closes_within(SOON));
    assert!(Connection::try_open(gateway.address()).is_err(), "nobody listens, for no call is parked");
    for client in &mut running {
        let reply = client.finish().expect("an answer");
        assert!(reply.text() == "late", "{reply:?}");
    }
    let status = gateway.ended(SOON);
    assert_eq!(status.code(), Some(0));
    children.retain(|pid| process::lives(*pid));
    process::wait_until_gone(&children, Duration::from_secs(5));
    let log = gateway.log().join("\n");
    assert!(!log.contains("did not end in time"), "{log}");
}

/// A server over HTTP that never answers a call or a prompt. Of a call with a token it tells progress first.
fn stuck(modern: bool) -> Scripted {
    const TOOLS: &str = r#"[{"name":"stuck","inputSchema":{"type":"object"}}]"#;
    let extra = if modern { r#","resultType":"complete","ttlMs":60000,"cacheScope":"private""# } else { "" };
    Scripted::start(move |seen: &Seen, to: &mut Responder| {
        if seen.method() == "prompts/list" {
            return to.result(&seen.id(), &format!(r#"{{"prompts":[{{"name":"stuck"}}]{extra}}}"#));
        }
        if introduce(modern, seen, to) || list(modern, TOOLS, seen, to) {
            return;
        }
        let token =
            json::member(&seen.params(), "_meta").and_then(|meta| json::member(&meta, "progressToken"));
        if let Some(token) = token {
            let note = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
            );
            to.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
            to.raw(format!("data: {note}\n\n").as_bytes());
        }
        to.hang();
    })
}

#[test]
fn calls_that_do_not_end_in_time_are_given_up_and_their_callers_hear_so() {
    for (era, modern) in
        [(Era::Legacy, false), (Era::Legacy, true), (Era::Modern, false), (Era::Modern, true)]
    {
        let upstream = stuck(modern);
        let mut gateway = Gateway::with(document(&upstream, "1s"));
        let start = |method: &str, meta: &str, params: &str| {
            let mut client = gateway.client(era);
            let mut params = params.to_owned();
            if era == Era::Legacy && !meta.is_empty() {
                params.insert_str(1, &format!(r#""_meta":{{{meta}}},"#));
            } else {
                meta.clone_into(&mut client.meta);
            }
            let before = upstream.seen_of(method).len();
            client.start(method, &params).expect("sent");
            wait::until(wait::LONG, "the call", || (upstream.seen_of(method).len() > before).then_some(()));
            client
        };
        let call = r#"{"name":"one__stuck","arguments":{}}"#;
        let mut plain = start("tools/call", "", call);
        let mut told = start("tools/call", r#""progressToken":"p""#, call);
        let mut prompt = start("prompts/get", "", r#"{"name":"one__stuck"}"#);
        gateway.signal(Signal::SIGTERM);
        let began = Instant::now();
        let fault = |what: &str, client: &mut Client| {
            let reply = client.finish().unwrap_or_else(|error| panic!("{era:?} {modern} {what}: {error}"));
            let answer: Value = serde_json::from_str(&reply.raw).expect("an answer");
            let of_tool = &answer["result"]["_meta"]["io.trunkline/fault"];
            let fault = if of_tool.is_null() { &answer["error"]["data"] } else { of_tool };
            (reply, fault["reason"].clone(), fault["retryable"].clone())
        };
        let (reply, reason, retryable) = fault("a call", &mut plain);
        assert_eq!((reason, retryable), (json!("outcome_unknown"), json!(false)), "{reply:?}");
        let (reply, reason, retryable) = fault("a call with events", &mut told);
        assert_eq!((reason, retryable), (json!("outcome_unknown"), json!(false)), "{reply:?}");
        assert!(
            reply.head.is_stream() && reply.notes.len() == 1,
            "the last message of its stream: {reply:?}"
        );
        let (reply, reason, retryable) = fault("a prompt", &mut prompt);
        assert_eq!((reason, retryable), (json!("upstream_unavailable"), json!(true)), "{reply:?}");
        assert_eq!(gateway.ended(SOON).code(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        wait::until(SOON, "the word about it", || {
            gateway.log().iter().any(|line| line.contains("did not end in time")).then_some(())
        });
    }
}

#[test]
fn a_second_signal_ends_at_once_and_leaves_nothing_behind() {
    let upstream = echo(true);
    let mut gateway = Gateway::with(document(&upstream, "60s"));
    let children = process::descendants(gateway.pid());
    assert!(!children.is_empty());
    let _running = slow(&gateway, &upstream, Era::Modern, 20_000);
    gateway.signal(Signal::SIGTERM);
    wait::until(SOON, "/readyz to say no", || (gateway.admin("/readyz").head.status == 503).then_some(()));
    let began = Instant::now();
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.ended(SOON).code(), Some(128 + 15));
    let took = began.elapsed();
    println!("ended {took:?} after the second signal");
    assert!(took < Duration::from_secs(3), "{took:?}");
    process::wait_until_gone(&children, Duration::from_secs(5));
}

#[test]
fn with_a_delay_clients_are_served_until_they_have_gone() {
    let upstream = echo(true);
    let mut document = document(&upstream, "20s");
    document["shutdown"]["delay"] = json!("2s");
    let mut gateway = Gateway::with(document);
    let load = Load::start(clients(gateway.address(), 4, 100, ["one__echo", "one__echo"]));
    load.more(20);
    gateway.signal(Signal::SIGTERM);
    wait::until(SOON, "/readyz to say no", || (gateway.admin("/readyz").head.status == 503).then_some(()));
    load.more(40);
    none_failed(&load.finish(), 60);
    assert_eq!(gateway.ended(SOON).code(), Some(0));
}

/// A legacy server over HTTP whose tool `ask` asks its caller for a word, and answers with it.
fn asking() -> Scripted {
    const TOOLS: &str =
        r#"[{"name":"ask","inputSchema":{"type":"object"}},{"name":"echo","inputSchema":{"type":"object"}}]"#;
    let (told, hears) = std::sync::mpsc::channel::<String>();
    let hears = std::sync::Mutex::new(hears);
    let told = std::sync::Mutex::new(told);
    Scripted::start(move |seen: &Seen, to: &mut Responder| {
        if introduce(false, seen, to) || list(false, TOOLS, seen, to) {
            return;
        }
        if seen.method().is_empty() {
            // The answer to the question.
            told.lock().expect("unbroken").send(seen.body.clone()).expect("somebody waits");
            return to.send(202, &[], "");
        }
        if !seen.params().contains("\"ask\"") {
            return to.result(&seen.id(), r#"{"content":[]}"#);
        }
        let question = r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"a word","requestedSchema":{"type":"object","properties":{"word":{"type":"string"}}}}}"#;
        to.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
        to.raw(format!("data: {question}\n\n").as_bytes());
        let answer = hears.lock().expect("unbroken").recv().expect("an answer");
        let word = json::parse(&answer)["result"]["content"]["word"].clone();
        to.raw(format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":{word}}}]}}}}\n\n", seen.id()).as_bytes());
        to.close();
    })
}

#[test]
fn a_parked_call_is_taken_up_by_a_new_connection_until_the_deadline() {
    let upstream = asking();
    let mut gateway =
        Gateway::with(json!({ "shutdown": { "grace": "20s" }, "mcpServers": { "one": upstream.entry() } }));
    let ask = |client: &mut Client, more: &str| {
        client.capabilities = r#"{"elicitation":{"form":{}}}"#.to_owned();
        client.request("tools/call", &format!(r#"{{"name":"one__ask","arguments":{{}}{more}}}"#))
    };
    let asked = ask(&mut gateway.client(Era::Modern), "").value();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let state = asked["requestState"].as_str().expect("a state").to_owned();
    let key =
        asked["inputRequests"].as_object().and_then(|all| all.keys().next()).expect("a question").clone();
    gateway.signal(Signal::SIGTERM);
    wait::until(SOON, "/readyz to say no", || (gateway.admin("/readyz").head.status == 503).then_some(()));
    let refused = wait::until(SOON, "the refusal of new calls", || {
        let reply = gateway.client(Era::Modern).call("one__echo", "{}");
        (reply.head.status == 503).then_some(reply)
    });
    assert!(refused.head.field("retry-after").is_some() && refused.says_close(), "{refused:?}");
    let answers = format!(
        r#","requestState":"{state}","inputResponses":{{"{key}":{{"action":"accept","content":{{"word":"plugh"}}}}}}"#
    );
    assert_eq!(ask(&mut gateway.client(Era::Modern), &answers).text(), "plugh");
    assert_eq!(gateway.ended(SOON).code(), Some(0), "with the last parked call there is nothing to wait for");
}
