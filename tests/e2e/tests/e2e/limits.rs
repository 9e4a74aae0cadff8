//! Rates, calls at a time, overload: who is refused, in which words, and who is not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_e2e::client::{Client, ERAS, Era};
use trunkline_e2e::driver::Driver;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::reply::Reply;
use trunkline_e2e::scripted::{self, Scripted};
use trunkline_e2e::{process, wait};

const TOOLS: &str =
    r#"[{"name":"fine","inputSchema":{"type":"object"}},{"name":"hang","inputSchema":{"type":"object"}}]"#;

/// A modern server whose tool `hang` never answers.
fn server() -> Scripted {
    Scripted::start(|seen, to| {
        if scripted::introduce(true, seen, to) || scripted::list(true, TOOLS, seen, to) {
            return;
        }
        if seen.params().contains(r#""name":"hang""#) {
            return to.hang();
        }
        let result = r#"{"resultType":"complete","content":[{"type":"text","text":"done"}]}"#;
        to.result(&seen.id(), result);
    })
}

fn gateway(server: &Scripted, entry: &Value, limits: &Value) -> Gateway {
    let mut one = server.entry();
    for (key, value) in entry.as_object().into_iter().flatten() {
        one[key] = value.clone();
    }
    Gateway::with(json!({ "mcpServers": { "one": one }, "limits": limits }))
}

fn field<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.head.field(name).unwrap_or_else(|| panic!("no {name}: {:?} {}", reply.head, reply.raw))
}

#[test]
fn a_rate_is_refused_in_the_words_of_each_era_and_says_when_to_come_again() {
    let server = server();
    let rates = json!({ "rates": [
        { "name": "few", "per": "principal", "match": { "tools": ["one__*"] }, "rate": "2/h" },
    ] });
    let gateway = gateway(&server, &json!({}), &rates);
    let mut client = gateway.client(Era::Modern);
    for _ in 0..2 {
        assert_eq!(client.call("one__fine", "{}").text(), "done");
    }
    for (era, status) in [(Era::Modern, 429), (Era::Legacy, 200)] {
        // Every client of this machine is one principal.
        let mut client = gateway.client(era);
        assert_eq!(client.tool_names().len(), 2, "what the limit does not name goes on");
        let refused = client.call("one__fine", "{}");
        assert_eq!((refused.head.status, refused.code()), (status, Some(-32603)), "{}", refused.raw);
        let error = refused.error();
        assert_eq!(
            (&error["data"]["reason"], &error["data"]["retryable"]),
            (&json!("rate_limited"), &json!(true))
        );
        let wait = error["data"]["retryAfterMs"].as_u64().expect("a number");
        assert!((1_790_000..=1_800_000).contains(&wait), "{wait}");
        let after: u64 = field(&refused, "retry-after").parse().expect("seconds");
        assert_eq!(after, wait.div_ceil(1000));
        assert_eq!(field(&refused, "ratelimit-policy"), r#""few";q=2;w=3600"#);
        assert_eq!(field(&refused, "ratelimit"), format!(r#""few";r=0;t={after}"#));
    }
    assert_eq!(server.seen_of("tools/call").len(), 2, "nothing that was refused has run");
    let decided = |decision| gateway.metric("trunkline_limit_decisions_total", &["limit=\"few\"", decision]);
    assert!((decided("decision=\"admitted\"") - 2.0).abs() < 0.1);
    assert!((decided("decision=\"refused\"") - 2.0).abs() < 0.1);
}

#[test]
fn headers_that_anybody_can_write_make_nobody_another_caller() {
    let server = server();
    let gateway = gateway(&server, &json!({}), &json!({ "rates": [{ "per": "principal", "rate": "1/h" }] }));
    let mut client = gateway.client(Era::Modern);
    assert_eq!(client.call("one__fine", "{}").text(), "done");
    let params = r#"{"name":"one__fine","arguments":{}}"#;
    for header in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP"] {
        let mut fields = client.fields("tools/call", params);
        fields.push((header.to_owned(), "203.0.113.9".to_owned()));
        let meta = trunkline_e2e::client::modern_meta("");
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"one__fine","arguments":{{}},"_meta":{meta}}}}}"#
        );
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut connection = gateway.connection();
        connection.request("POST", "/mcp", &fields, body.as_bytes()).expect("it is sent");
        let answer = connection.answer().expect("an answer");
        assert_eq!(answer.head.status, 429, "{header}: {}", answer.text());
    }
}

#[test]
fn a_full_server_refuses_in_time_and_has_room_as_soon_as_a_call_is_given_up() {
    let server = server();
    let entry = json!({ "maxConcurrency": 2 });
    let gateway = gateway(&server, &entry, &json!({ "queueAge": "300ms" }));
    let mut hanging: Vec<Client> = (0..2).map(|_| gateway.client(Era::Modern)).collect();
    for client in &mut hanging {
        client.start("tools/call", r#"{"name":"one__hang","arguments":{}}"#).expect("it is sent");
    }
    wait::until(wait::LONG, "both calls", || (server.seen_of("tools/call").len() == 2).then_some(()));
    for (era, status) in [(Era::Modern, 503), (Era::Legacy, 200)] {
        let mut client = gateway.client(era);
        let before = Instant::now();
        let refused = client.call("one__fine", "{}");
        let took = before.elapsed();
        assert_eq!((refused.head.status, refused.code()), (status, Some(-32603)), "{}", refused.raw);
        assert_eq!(refused.reason().as_deref(), Some("overloaded"));
        assert_eq!(refused.error()["data"]["server"], "one");
        assert_eq!(field(&refused, "retry-after"), "1");
        assert!((0.28..2.0).contains(&took.as_secs_f64()), "{took:?}");
        assert_eq!(client.tool_names().len(), 2, "lists need no room");
    }
    let in_flight = || gateway.metric("trunkline_upstream_calls_in_flight", &["upstream=\"one\""]);
    assert!((in_flight() - 2.0).abs() < 0.1);
    // A closed connection is a cancellation.
    drop(hanging.pop());
    for era in ERAS {
        assert_eq!(gateway.client(era).call("one__fine", "{}").text(), "done");
    }
    drop(hanging);
    wait::until(wait::LONG, "every permit home", || (in_flight() < 0.1).then_some(()));
    assert!(gateway.metric("trunkline_calls_in_flight", &[]) < 0.1);
}

#[test]
fn limits_change_by_reload_and_what_was_taken_still_counts() {
    let server = server();
    let limits = |burst: u32| json!({ "rates": [{ "name": "few", "rate": "1/h", "burst": burst }] });
    let gateway = gateway(&server, &json!({}), &limits(2));
    let mut client = gateway.client(Era::Modern);
    assert_eq!(client.call("one__fine", "{}").text(), "done");
    assert_eq!(client.call("one__fine", "{}").text(), "done");
    assert_eq!(client.call("one__fine", "{}").head.status, 429);
    let mut document: Value =
        serde_json::from_slice(&std::fs::read(gateway.config()).expect("the file")).expect("JSON");
    for (number, (burst, left)) in [(3, 1), (1, 0), (5, 2)].into_iter().enumerate() {
        document["limits"] = limits(burst);
        std::fs::write(gateway.config(), document.to_string()).expect("the folder is ours");
        process::signal(gateway.pid(), nix::sys::signal::Signal::SIGHUP);
        wait::until(wait::LONG, "the reload", || {
            let said = gateway.log().iter().filter(|line| line.contains("was reloaded")).count();
            (said > number).then_some(())
        });
        for _ in 0..left {
            assert_eq!(client.call("one__fine", "{}").head.status, 200, "with {burst}");
        }
        assert_eq!(client.call("one__fine", "{}").head.status, 429, "with {burst}");
    }
}

/// What a refusal is to clients that we did not write. It must be an error of that one call, and nothing else: before this
/// was so, the Python SDK 1.16 gave up its whole session at a status that is not 2xx.
#[test]
fn every_client_survives_a_refusal_and_hears_of_it() {
    let server = server();
    let gateway = gateway(
        &server,
        &json!({}),
        &json!({ "rates": [
        { "match": { "tools": ["one__fine"] }, "rate": "1/h" },
    ] }),
    );
    assert_eq!(gateway.client(Era::Modern).call("one__fine", "{}").text(), "done");
    for driver in [
        Driver::Ts1,
        Driver::Ts2("legacy"),
        Driver::Ts2("modern"),
        Driver::Py1,
        Driver::Py2("legacy"),
        Driver::Py2("modern"),
    ] {
        let report = driver.http(&gateway.url(), &["--call", "one__fine", "{}"]);
        let text = report.to_string();
        assert!(text.contains("too many calls"), "{driver:?}: {report:#}");
        assert!(report["connected"].is_object(), "{driver:?}: {report:#}");
    }
    assert_eq!(server.seen_of("tools/call").len(), 1);
}

#[test]
fn a_slow_server_does_not_slow_down_the_others() {
    let (slow, quick) = (server(), server());
    let gateway = Gateway::with(json!({
        "mcpServers": { "slow": slow.entry(), "quick": quick.entry() },
        "limits": { "inFlight": 24, "inFlightPerServer": 8, "queue": 8 },
    }));
    let mut hanging: Vec<Client> = (0..40).map(|_| gateway.client(Era::Modern)).collect();
    for client in &mut hanging {
        client.start("tools/call", r#"{"name":"slow__hang","arguments":{}}"#).expect("it is sent");
    }
    wait::until(wait::LONG, "a full server", || (slow.seen_of("tools/call").len() == 8).then_some(()));
    let mut client = gateway.client(Era::Modern);
    let before = Instant::now();
    for _ in 0..20 {
        assert_eq!(client.call("quick__fine", "{}").text(), "done");
    }
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
}

/// R-11: more clients than descriptors. Nothing spins, who is there is served, and whoever comes after is too.
#[test]
fn without_descriptors_connections_wait_and_those_that_are_there_go_on() {
    let server = server();
    let gateway = Gateway::with_descriptors(json!({ "mcpServers": { "one": server.entry() } }), 256);
    let mut client = gateway.client(Era::Modern);
    assert_eq!(client.call("one__fine", "{}").text(), "done");
    let before = process::descriptors(gateway.pid());
    // What the kernel's queue has no room for is given up soon, as clients do.
    let patience = Duration::from_millis(10);
    let idle: Vec<_> = (0..400)
        .filter_map(|_| std::net::TcpStream::connect_timeout(&gateway.address(), patience).ok())
        .collect();
    assert!(idle.len() > 250, "{}", idle.len());
    wait::until(wait::LONG, "as many as fit", || (process::descriptors(gateway.pid()) >= 190).then_some(()));
    let (began, used) = (Instant::now(), process::ticks(gateway.pid()) as f64 / 100.0);
    while began.elapsed() < Duration::from_secs(2) {
        assert_eq!(client.call("one__fine", "{}").text(), "done");
        std::thread::sleep(Duration::from_millis(50));
    }
    let busy = (process::ticks(gateway.pid()) as f64 / 100.0 - used) / began.elapsed().as_secs_f64();
    assert!(busy < 0.5, "{busy} of a core");
    drop(idle);
    let freed = Instant::now();
    assert_eq!(gateway.client(Era::Modern).call("one__fine", "{}").text(), "done");
    assert!(freed.elapsed() < Duration::from_secs(2), "{:?}", freed.elapsed());
    wait::until(wait::LONG, "every descriptor back", || {
        (process::descriptors(gateway.pid()) <= before + 4).then_some(())
    });
}

/// The same from the other side: no descriptor is left to reach a server with.
#[test]
fn a_server_that_no_descriptor_is_left_for_is_a_typed_fault_and_nothing_leaks() {
    let server = server();
    let gateway = Gateway::with_descriptors(json!({ "mcpServers": { "one": server.entry() } }), 256);
    let mut client = gateway.client(Era::Modern);
    assert_eq!(client.call("one__fine", "{}").text(), "done");
    let before = process::descriptors(gateway.pid());
    let mut hanging: Vec<Client> = (0..170).map(|_| gateway.client(Era::Modern)).collect();
    for one in &mut hanging {
        one.start("tools/call", r#"{"name":"one__hang","arguments":{}}"#).expect("it is sent");
    }
    // Each takes a descriptor for its server: some find none.
    let refused = wait::until(wait::LONG, "a call that finds no descriptor", || {
        let reply = client.call("one__hang_not", "{}");
        assert_eq!(reply.code(), Some(-32602), "the gateway itself goes on");
        let full = process::descriptors(gateway.pid()) >= 250;
        full.then(|| client.call("one__fine", "{}"))
    });
    // Either the pooled connection served it, or there was none.
    if !refused.raw.contains("\"done\"") {
        assert_eq!(refused.reason().as_deref(), Some("upstream_unavailable"), "{}", refused.raw);
    }
    drop(hanging);
    wait::until(wait::LONG, "every descriptor back", || {
        (process::descriptors(gateway.pid()) <= before + 70).then_some(())
    });
    wait::until(wait::LONG, "a served call", || {
        client.call("one__fine", "{}").raw.contains("\"done\"").then_some(())
    });
}

#[test]
fn an_address_has_a_bound_of_its_own_for_connections_and_streams() {
    let server = server();
    let limits = json!({ "connectionsPerAddress": 6, "streamsPerAddress": 2 });
    let gateway = gateway(&server, &json!({}), &limits);
    let streams: Vec<Client> = (0..2)
        .map(|_| {
            let mut client = gateway.client(Era::Modern);
            client.start("subscriptions/listen", r#"{"notifications":{}}"#).expect("it is sent");
            let head = client.connection().head().expect("a stream");
            assert_eq!(head.status, 200);
            client
        })
        .collect();
    let refused = gateway.client(Era::Modern).request("subscriptions/listen", r#"{"notifications":{}}"#);
    assert_eq!((refused.head.status, refused.reason().as_deref()), (503, Some("overloaded")));
    let held: Vec<_> = (0..4).map(|_| gateway.connection()).collect();
    let mut one_more = gateway.connection();
    assert!(one_more.closes_within(wait::LONG), "closed without an answer");
    drop((held, streams));
    wait::until(wait::LONG, "room again", || {
        let mut connection = trunkline_e2e::http::Connection::try_open(gateway.address()).ok()?;
        let host = gateway.address().to_string();
        connection.request("GET", "/mcp", &[("Host", &host)], b"").ok()?;
        connection.answer().ok().map(|_| ())
    });
    assert!(gateway.metric("trunkline_rejected_requests_total", &["connections_of_address"]) > 0.5);
}

/// R-12: memory runs out. New calls are refused, whoever spreads calls hears of it, and nothing is killed.
#[test]
fn memory_that_runs_out_refuses_new_calls_until_there_is_some_again() {
    let server = server();
    let gateway = gateway(&server, &json!({}), &json!({ "memory": "96MiB" }));
    let mut client = gateway.client(Era::Modern);
    assert_eq!(client.call("one__fine", "{}").text(), "done");
    // Bodies that do not end are kept until their time is over.
    let body = vec![b' '; (4 << 20) - 1];
    let host = gateway.address().to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
        4 << 20
    );
    let mut slow: Vec<_> = (0..28).map(|_| gateway.connection()).collect();
    for connection in &mut slow {
        connection.send(head.as_bytes()).expect("it is read");
        connection.send(&body).expect("it is read");
    }
    let ready = wait::until(wait::LONG, "a gateway that is not ready", || {
        let answer = gateway.admin("/readyz");
        (answer.head.status == 503).then_some(answer)
    });
    assert!(ready.text().contains("overloaded"), "{}", ready.text());
    let refused = client.call("one__fine", "{}");
    assert_eq!((refused.head.status, refused.reason().as_deref()), (503, Some("overloaded")));
    assert_eq!(client.tool_names().len(), 2);
    assert_eq!(gateway.admin("/livez").head.status, 200);
    drop(slow);
    wait::until(wait::LONG, "memory", || (gateway.admin("/readyz").head.status == 200).then_some(()));
    assert_eq!(client.call("one__fine", "{}").text(), "done");
}
