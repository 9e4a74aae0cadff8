//! Clients at work: each calls again and again, as fast as it is told to, and notes everything that is not an answer.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::client::{Client, Era};
use crate::scripted::{Responder, Scripted, Seen, introduce, list};
use crate::{json, wait};

/// How a client calls.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where.
    pub address: SocketAddr,
    /// How it speaks.
    pub era: Era,
    /// The tool, as it is exposed; it must echo its argument `text`.
    pub tool: String,
    /// Between the beginnings of two calls.
    pub every: Duration,
    /// Calls on one connection, unless the gateway says that one is the last.
    pub kept: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Calls that had their own result.
    pub calls: usize,
    /// Sessions that were gone (404), and were opened anew, as the specification wants of legacy clients.
    pub sessions: usize,
    /// Everything else, with its number.
    pub failures: BTreeMap<String, usize>,
}

/// Clients at work until it is finished.
#[derive(Debug)]
pub struct Load {
    over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    tally: Arc<Mutex<Tally>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Sets one client to work for each plan.
    pub fn start(plans: impl IntoIterator<Item = Plan>) -> Self {
        let (over, calls, tally) = (Arc::default(), Arc::default(), Arc::default());
        let mut load = Self { over, calls, tally, clients: Vec::new() };
        for (number, plan) in plans.into_iter().enumerate() {
            let (over, calls) = (Arc::clone(&load.over), Arc::clone(&load.calls));
            let tally = Arc::clone(&load.tally);
            load.clients.push(std::thread::spawn(move || work(number, &plan, &over, &calls, &tally)));
        }
        load
    }

    /// Calls so far.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Waits for so many calls more.
    ///
    /// # Panics
    /// When they do not come.
    pub fn more(&self, calls: usize) {
        let wanted = self.calls() + calls;
        wait::until(wait::LONG, "calls", || (self.calls() >= wanted).then_some(()));
    }

    /// Ends the work; what came of it.
    ///
    /// # Panics
    /// When a client has panicked.
    pub fn finish(self) -> Tally {
        self.over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("a client ends in order");
        }
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn work(number: usize, plan: &Plan, over: &AtomicBool, calls: &AtomicUsize, tally: &Mutex<Tally>) {
    let note =
        |change: &dyn Fn(&mut Tally)| change(&mut tally.lock().unwrap_or_else(PoisonError::into_inner));
    let failed = |why: String| note(&|tally| *tally.failures.entry(why.clone()).or_default() += 1);
    let mut client: Option<Client> = None;
    let mut session: Option<String> = None;
    let mut used = 0;
    let mut turn = 0_u64;
    let began = Instant::now();
    while !over.load(Ordering::Relaxed) {
        let due = began + plan.every * u32::try_from(turn).unwrap_or(u32::MAX);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        turn += 1;
        let text = format!("{number}-{turn}");
        match once(plan, &mut client, &mut session, &text) {
            Ok(Called::Answered { last }) => {
                note(&|tally| tally.calls += 1);
                calls.fetch_add(1, Ordering::Relaxed);
                used += 1;
                if last || used >= plan.kept {
                    (client, used) = (None, 0);
                }
            }
            Ok(Called::SessionGone) => {
                note(&|tally| tally.sessions += 1);
                (client, session, used) = (None, None, 0);
            }
            Err(why) => {
                failed(why);
                (client, used) = (None, 0);
            }
        }
    }
}

enum Called {
    Answered { last: bool },
    SessionGone,
}

fn once(
    plan: &Plan,
    client: &mut Option<Client>,
    session: &mut Option<String>,
    text: &str,
) -> Result<Called, String> {
    let at = |what: &str, error: io::Error| format!("{what}: {error}");
    let fresh = client.is_none();
    let one = if let Some(one) = client {
        one
    } else {
        let one = Client::unconnected(plan.address, "/mcp", plan.era);
        client.insert(one.map_err(|e| at("connecting", e))?)
    };
    if plan.era == Era::Legacy {
        one.session.clone_from(session);
        if session.is_none() {
            match one.try_initialize().map_err(|e| at("initialize", e))? {
                Some(id) => *session = Some(id),
                None => return Ok(Called::SessionGone),
            }
            if one.said_close() {
                *client = None;
                return once(plan, client, session, text);
            }
        }
    }
    let arguments = format!(r#"{{"text":"{text}","message":"{text}"}}"#);
    let params = format!(r#"{{"name":"{}","arguments":{arguments}}}"#, plan.tool);
    let reply = one.try_request("tools/call", &params);
    let reply = reply.map_err(|e| {
        at(if fresh { "a call on a new connection" } else { "a call on a kept connection" }, e)
    })?;
    if plan.era == Era::Legacy && reply.head.status == 404 {
        return Ok(Called::SessionGone);
    }
    let result = json::member(&reply.raw, "result").unwrap_or_default();
    if reply.head.status != 200 || !result.contains(&format!("\"{text}\"")) {
        return Err(format!("HTTP {}: {:.300}", reply.head.status, reply.raw));
    }
    let last = reply.says_close();
    Ok(Called::Answered { last })
}

/// The tools of [`echo`].
const TOOLS: &str =
    r#"[{"name":"echo","inputSchema":{"type":"object"}},{"name":"slow","inputSchema":{"type":"object"}}]"#;

/// A server in one era with `echo` (answers at once with its argument `text`) and `slow` (the same after `ms`).
pub fn echo(modern: bool) -> Scripted {
    Scripted::start(move |seen: &Seen, to: &mut Responder| {
        if introduce(modern, seen, to) || list(modern, TOOLS, seen, to) {
            return;
        }
        let arguments = json::member(&seen.params(), "arguments").unwrap_or_default();
        let ms = json::member(&arguments, "ms").and_then(|ms| ms.parse().ok()).unwrap_or(0);
        std::thread::sleep(Duration::from_millis(ms));
        let text = json::member(&arguments, "text").unwrap_or_else(|| "\"\"".to_owned());
        let extra = if modern { r#","resultType":"complete""# } else { "" };
        to.result(&seen.id(), &format!(r#"{{"content":[{{"type":"text","text":{text}}}]{extra}}}"#));
    })
}
