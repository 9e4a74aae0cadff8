//! How a row is played: hit clients of each era, look at everything, let the fault go, look again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use trunkline_e2e::client::{Client, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::reply::Reply;
use trunkline_e2e::{process, wait};

use crate::neighbour;
use crate::row::{CANARY, Reaches, Row, STDERR, Sees, Target};
use crate::server::Server;
use crate::vitals::Vitals;

/// Callers that are hit while the neighbour is looked at.
const CALLERS: usize = 3;
/// Connections to the server that are opened before, and with them what can be hit at a time.
const CONNECTIONS: usize = CALLERS + 2;
/// Between two calls of one of them. The machine is not to be busy with calls that fail at once.
const PAUSE: Duration = Duration::from_millis(25);
/// What a busy machine adds to a stated time.
const BUSY: Duration = Duration::from_millis(750);
/// How long the gateway may take to end, children included.
const END: Duration = Duration::from_secs(10);

/// Plays a row.
///
/// # Panics
/// When anything is not as stated.
pub fn run(row: &Row) {
    let target = &*(row.target)();
    let near = Server::polite();
    let near_entry = json!({ "url": near.url() });
    let document = json!({ "mcpServers": { "hit": target.entry(), "near": near_entry.clone() } });
    let gateway = Gateway::with(document);
    let twin = Gateway::with(json!({ "mcpServers": { "near": near_entry } }));
    warm_up(&gateway, &twin, row);
    let before = Vitals::settled(&gateway);

    for &era in row.eras {
        hit(&gateway, row, target, era);
        comes_back(&gateway, row, era, 1);
    }
    under_fire(&gateway, &twin, row, target);
    comes_back(&gateway, row, Era::Modern, CONNECTIONS);

    before.wait_until_back(&gateway, row.grown_mib);
    target.check();
    no_secret(&gateway.log().join("\n"), "the log");
    ends(gateway);
}

/// Opens what a gateway keeps open anyway: pools with as many connections as the row needs.
fn warm_up(gateway: &Gateway, twin: &Gateway, row: &Row) {
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                assert_eq!(refused(&mut gateway.client(Era::Modern), "hit__echo", r#","slow":true"#), None);
                assert_eq!(refused(&mut gateway.client(Era::Modern), "near__echo", r#","slow":true"#), None);
            });
        }
        scope.spawn(|| assert_eq!(refused(&mut twin.client(Era::Modern), "near__echo", ""), None));
    });
    for &era in row.eras {
        with_client(gateway, era, |client| assert_eq!(refused(client, "hit__echo", ""), None));
    }
}

/// One call during the fault, in every detail.
fn hit(gateway: &Gateway, row: &Row, target: &dyn Target, era: Era) {
    with_client(gateway, era, |client| {
        let reached = target.calls();
        target.arm();
        let (reply, took) = call(client, row);
        target.disarm();
        assert!(took <= row.within + BUSY, "{era:?}: it took {took:?}: {reply:?}");
        no_secret(&reply.raw, "the answer");
        sees(row, era, &reply);
        if row.reaches == Reaches::Once {
            // A gateway that sees its connection end may say so before the server has read what was sent.
            wait::until(BUSY, "the call at the server", || (target.calls() > reached).then_some(()));
        }
        let reached = target.calls() - reached;
        let right = match row.reaches {
            Reaches::Once => reached == 1,
            Reaches::Never => reached == 0,
            Reaches::AtMostOnce => reached <= 1,
        };
        assert!(right, "{era:?}: the call reached the server {reached} times, expected: {:?}", row.reaches);
    });
}

fn call(client: &mut Client, row: &Row) -> (Reply, Duration) {
    let arguments = unique("");
    client.set_patience(row.within + Duration::from_secs(15));
    let start = Instant::now();
    let reply = client.call("hit__echo", &arguments);
    let took = start.elapsed();
    if reply.raw.contains("\"content\"") && reply.reason().is_none() {
        assert_eq!(reply.text(), arguments, "somebody else's answer");
    }
    (reply, took)
}

fn sees(row: &Row, era: Era, reply: &Reply) {
    let reason = reply.reason();
    match row.sees {
        Sees::Answer => assert_eq!(reason, None, "{era:?}: {}", reply.raw),
        Sees::Either(reasons) => {
            assert!(reason.as_deref().is_none_or(|seen| reasons.contains(&seen)), "{era:?}: {}", reply.raw);
        }
        Sees::Reason(reasons) => {
            let seen = reason.as_deref().unwrap_or("none");
            assert!(reasons.contains(&seen), "{era:?}: {seen}, expected one of {reasons:?}: {reply:?}");
        }
    }
}

/// Calls in a row that show that a server is back.
const IN_A_ROW: usize = 4;

/// The fault is gone: calls pass again, and each gets its own answer. So many connections were hit by it.
fn comes_back(gateway: &Gateway, row: &Row, era: Era, connections: usize) {
    with_client(gateway, era, |client| {
        let start = Instant::now();
        let (mut passed, mut strays) = (0, 0);
        while passed < IN_A_ROW {
            let refused = refused(client, "hit__echo", "");
            let Some(raw) = refused else {
                passed += 1;
                continue;
            };
            assert!(start.elapsed() <= row.back + BUSY, "{era:?}: calls still do not pass: {raw}");
            if row.stray.iter().any(|reason| raw.contains(reason)) {
                // Found out at once: what is left on one connection is no reason for another call to fail.
                strays += 1;
                assert!(strays <= connections, "{era:?}: {strays} calls met what was left: {raw}");
                continue;
            }
            // Whoever is back stays: else a call would be a matter of luck.
            assert!(passed == 0, "{era:?}: back for {passed} calls only: {raw}");
            // As users do.
            thread::sleep(Duration::from_millis(100));
        }
    });
}

/// Several callers are hit again and again; the neighbour must not notice.
fn under_fire(gateway: &Gateway, twin: &Gateway, row: &Row, target: &dyn Target) {
    let over = AtomicBool::new(false);
    let trouble = Mutex::new(Vec::new());
    target.arm();
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                let mut client = gateway.client(Era::Modern);
                while !over.load(Ordering::Relaxed) {
                    let (reply, took) = call(&mut client, row);
                    no_secret(&reply.raw, "an answer");
                    if took > row.within * 2 + BUSY {
                        trouble.lock().expect("nobody panics in here").push(took);
                    }
                    thread::sleep(PAUSE);
                }
            });
        }
        // Whatever it finds, the callers must be let go first: the scope waits for them.
        let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            neighbour::is_not_slowed_down(gateway, twin);
        }));
        over.store(true, Ordering::Relaxed);
        if let Err(panic) = looked {
            std::panic::resume_unwind(panic);
        }
    });
    target.disarm();
    let late = trouble.into_inner().expect("nobody panics in there");
    assert!(late.is_empty(), "some calls took longer than twice the stated time: {late:?}");
}

/// Calls with arguments of its own. `None` is its answer, anything else what came instead.
fn refused(client: &mut Client, tool: &str, more: &str) -> Option<String> {
    let arguments = unique(more);
    let reply = client.call(tool, &arguments);
    if reply.reason().is_some() || reply.code().is_some() {
        return Some(reply.raw);
    }
    assert_eq!(reply.text(), arguments, "somebody else's answer");
    None
}

/// Arguments that no other call has.
fn unique(more: &str) -> String {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    format!(r#"{{"n":{}{more}}}"#, NUMBERS.fetch_add(1, Ordering::Relaxed))
}

/// A client that ends its session afterwards.
fn with_client(gateway: &Gateway, era: Era, work: impl FnOnce(&mut Client)) {
    let mut client = gateway.client(era);
    work(&mut client);
    client.end();
}

fn no_secret(text: &str, whose: &str) {
    assert!(whose == "the log" || !text.contains(STDERR), "stderr in {whose}: {text:.2000}");
    assert!(!text.contains(CANARY), "a secret of the server in {whose}: {text:.2000}");
}

/// Ends the gateway; nothing of it may be left.
fn ends(gateway: Gateway) {
    let children = process::descendants(gateway.pid());
    let start = Instant::now();
    drop(gateway);
    process::wait_until_gone(&children, END);
    assert!(start.elapsed() < END, "it took {:?} to end", start.elapsed());
}
