//! Section 3.9: slowness, connections that lead nowhere, and clients that leave.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use trunkline_e2e::client::{Client, Era};
use trunkline_e2e::http::{Connection, Events};
use trunkline_e2e::scripted::{self, Scripted};
use trunkline_e2e::{process, wait};

use crate::bench::Bench;

/// Sends `part` again and again, a second apart, until the other side closes; how long that took.
fn trickle(mut connection: Connection, part: &[u8], limit: Duration) -> Duration {
    let start = Instant::now();
    while start.elapsed() < limit {
        if connection.closes_within(Duration::from_secs(1)) || connection.send(part).is_err() {
            return start.elapsed();
        }
    }
    panic!("still open after {limit:?}");
}

#[test]
fn r_01() {
    let mut bench = Bench::new();
    let start = |bench: &Bench, bytes: &[u8]| {
        let mut connection = bench.gateway.connection();
        connection.send(bytes).expect("it reads");
        connection
    };
    let lines = start(&bench, b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n");
    let silent = start(&bench, b"PO");
    let limit = Duration::from_secs(20);
    let took = std::thread::scope(|scope| {
        let lines = scope.spawn(move || trickle(lines, b"X-A: b\r\n", limit));
        let silent = scope.spawn(move || trickle(silent, b"", limit));
        bench.all_is_well("slow heads");
        [lines, silent].map(|one| one.join().expect("it is closed"))
    });
    for one in took {
        assert!(one > Duration::from_secs(5), "closed after {one:?}: an honest head may take a while");
    }
    bench.all_is_well("slow heads");
}

#[test]
fn r_02() {
    let mut bench = Bench::new();
    let before = bench.effects();
    let mut connection = bench.gateway.connection();
    connection.send(format!("{}{{", bench.head("Content-Length: 1000\r\n")).as_bytes()).expect("it reads");
    let took = trickle(connection, b" ", Duration::from_mins(1));
    assert!(took > Duration::from_secs(10), "{took:?}: an honest body may take a while");
    bench.all_is_well("a slow body");
    assert_eq!(bench.effects(), before);
    // With a limit of its own, and with its status.
    let mut quick = Bench::with(json!({ "limits": { "headerTimeout": "1s", "bodyTimeout": "1s" } }));
    let mut slow: Vec<Connection> = (0..50).map(|_| quick.gateway.connection()).collect();
    for connection in &mut slow {
        connection.send(b"POST /mcp HTTP/1.1\r\nHost: ").expect("it reads");
    }
    let mut body = quick.gateway.connection();
    body.send(format!("{}{{", quick.head("Content-Length: 100\r\n")).as_bytes()).expect("it reads");
    quick.all_is_well("fifty slow heads");
    assert_eq!(body.answer().expect("an answer").head.status, 408);
    for connection in &mut slow {
        assert!(connection.closes_within(Duration::from_secs(5)), "a head that never ends");
    }
}

/// The slowest of a hundred calls but for five.
fn p95(client: &mut Client) -> Duration {
    let mut took: Vec<Duration> = (0..100)
        .map(|_| {
            let start = Instant::now();
            client.call("one__echo", "{}").result();
            start.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[94]
}

#[test]
fn r_03() {
    let mut bench = Bench::new();
    let pid = bench.gateway.pid();
    p95(&mut bench.bystanders[1]);
    let before = process::resident_kib(pid);
    let held: Vec<Client> = (0..150)
        .map(|_| {
            let mut client = Client::connect(bench.gateway.address(), "/mcp", Era::Modern);
            client.request("tools/list", "{}").result();
            client
        })
        .collect();
    let each = process::resident_kib(pid).saturating_sub(before) / 150;
    assert!(each <= 64, "{each} KiB for each idle connection");
    let p95 = p95(&mut bench.bystanders[1]);
    assert!(p95 < Duration::from_secs(2), "{p95:?}");
    bench.all_is_well("150 idle connections");
    drop(held);
}

/// Waits until the gateway has as many descriptors as before, or a few more: a pooled connection may come and go.
fn descriptors_come_back(bench: &Bench, before: usize) {
    wait::until(Duration::from_secs(3), "the descriptors to come back", || {
        (process::descriptors(bench.gateway.pid()) <= before + 2).then_some(())
    });
}

#[test]
fn r_04() {
    let mut bench = Bench::new();
    let body = bench.good();
    let whole = format!("{}{body}", bench.head(&format!("Content-Length: {}\r\n", body.len())));
    // In the first line, in a header, behind the head, in the body, and with all of it said.
    let points = [4, 60, whole.len() - body.len(), whole.len() - 20, whole.len()];
    let abort = |rounds: usize| {
        for round in 0..rounds {
            let mut connection = bench.gateway.connection();
            let _ = connection.send(&whole.as_bytes()[..points[round % points.len()]]);
            if round % 2 == 0 {
                connection.end_with_reset();
            }
        }
    };
    abort(30);
    let pid = bench.gateway.pid();
    bench.gateway.client(Era::Modern).call("one__echo", "{}").result();
    wait::until(Duration::from_secs(3), "the first ones to be gone", || {
        let now = process::descriptors(pid);
        std::thread::sleep(Duration::from_millis(50));
        (process::descriptors(pid) == now).then_some(())
    });
    let (descriptors, resident) = (process::descriptors(pid), process::resident_kib(pid));
    abort(300);
    descriptors_come_back(&bench, descriptors);
    let grown = process::resident_kib(pid).saturating_sub(resident);
    assert!(grown < 4096, "memory grew by {grown} KiB");
    bench.all_is_well("300 aborted requests");
}

#[test]
fn r_05() {
    let left: Arc<Mutex<Option<Instant>>> = Arc::default();
    let noted = Arc::clone(&left);
    let server = Scripted::start(move |seen, to| {
        let tools = r#"[{"name":"echo","inputSchema":{"type":"object"}}]"#;
        if scripted::introduce(true, seen, to) || scripted::list(true, tools, seen, to) {
            return;
        }
        let params: Value = serde_json::from_str(&seen.params()).unwrap_or_default();
        let token = &params["_meta"]["progressToken"];
        let note = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
        );
        let event = format!("data: {note}\n\n");
        to.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        to.raw(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
        // Ends when the gateway closes.
        to.hang();
        *noted.lock().expect("nobody panics with it") = Some(Instant::now());
    });
    let mut bench = Bench::with(json!({ "mcpServers": { "two": server.entry() } }));
    let mut client = bench.gateway.client(Era::Modern);
    client.meta = r#""progressToken":"mine""#.to_owned();
    client.start("tools/call", r#"{"name":"two__echo","arguments":{}}"#).expect("it reads");
    let head = client.connection().head().expect("a stream");
    assert!(head.is_stream());
    client.connection().chunk().expect("progress");
    let gone = Instant::now();
    drop(client);
    let told = wait::until(Duration::from_secs(8), "the server to learn of it", || {
        *left.lock().expect("nobody panics with it")
    });
    let took = told.duration_since(gone);
    assert!(took < Duration::from_secs(8), "{took:?}");
    println!("the server learned after {took:?}");
    bench.all_is_well("a client that left");
}

#[test]
fn r_07() {
    const STREAMS: u64 = 40;
    let mut bench = Bench::new();
    let pid = bench.gateway.pid();
    let before = process::resident_kib(pid);
    let mut streams: Vec<(Client, Events)> = Vec::new();
    for _ in 0..STREAMS {
        let mut client = bench.gateway.client(Era::Modern);
        client
            .start("subscriptions/listen", r#"{"notifications":{"toolsListChanged":true}}"#)
            .expect("it reads");
        assert!(client.connection().head().expect("a stream").is_stream());
        let mut events = Events::default();
        let first = client.connection().event(&mut events).expect("it lives").expect("it goes on");
        assert!(first.contains("notifications/subscriptions/acknowledged"), "{first}");
        streams.push((client, events));
    }
    let each = process::resident_kib(pid).saturating_sub(before) / STREAMS;
    assert!(each <= 32, "{each} KiB for each stream");
    // A sign of life in time, of each.
    for (client, _) in &mut streams {
        client.set_patience(Duration::from_secs(30));
        let chunk = client.connection().chunk().expect("a sign of life").expect("it goes on");
        assert!(chunk.starts_with(b":"), "{}", String::from_utf8_lossy(&chunk));
    }
    bench.all_is_well("forty listen streams");
    process::signal(pid, Signal::SIGTERM);
    for (client, events) in &mut streams {
        let mut last = String::new();
        while let Some(event) = client.connection().event(events).expect("an orderly end") {
            last = event;
        }
        let last: Value = serde_json::from_str(&last).unwrap_or_else(|_| panic!("no completion: {last}"));
        assert_eq!((&last["id"], last["result"].is_object()), (&json!(1), true), "{last}");
    }
}

#[test]
fn r_10() {
    let mut bench = Bench::new();
    let pid = bench.gateway.pid();
    let knock = |times: usize| {
        for round in 0..times {
            let connection = bench.gateway.connection();
            if round % 3 == 0 {
                connection.end_with_reset();
            }
        }
    };
    knock(50);
    bench.gateway.client(Era::Modern).call("one__echo", "{}").result();
    wait::until(Duration::from_secs(3), "the first ones to be gone", || {
        let now = process::descriptors(pid);
        std::thread::sleep(Duration::from_millis(50));
        (process::descriptors(pid) == now).then_some(())
    });
    let before = process::descriptors(pid);
    knock(800);
    descriptors_come_back(&bench, before);
    // What it does while nobody wants anything: a loop around a dead socket would take all of a second.
    let ticks = process::ticks(pid);
    std::thread::sleep(Duration::from_secs(1));
    let used = process::ticks(pid) - ticks;
    assert!(used < 30, "{used} of 100 ticks without any work");
    bench.all_is_well("800 connections");
}
