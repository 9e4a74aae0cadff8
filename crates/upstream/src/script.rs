//! A wire that answers from a script, and the behaviour of a conversation over it.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{broadcast, watch};
use trunkline_model::{Call, Caller, Change, Era, Level, Note, Notes, Operation, Outcome, Params, Served};
use trunkline_protocol::hello::Introduction;
use trunkline_protocol::{Message, Revision, method, scan};
use trunkline_transport::back::{Answered, BoxFuture, Headers, Heard, Outgoing, Refusal, Wire, WireError};

use crate::member::Wanted;
use crate::options::Timeouts;
use crate::push;
use crate::session::Session;
use crate::stray::Stray;

/// What the script does with a request.
pub(crate) enum Act {
    /// Answers with this result.
    Result(&'static str),
    /// Says these notifications first, in order, then answers.
    Say(Vec<String>, &'static str),
    /// Says these and then nothing more.
    SayAndHang(Vec<String>),
    /// Refuses with this HTTP status.
    Http(u16),
    /// Breaks the connection.
    Break,
}

type Script = dyn Fn(&str, u64) -> Act + Send + Sync;

struct Scripted {
    script: Box<Script>,
    /// Methods of the requests that came.
    asked: Mutex<Vec<String>>,
    /// Notifications that came, whole.
    told: Mutex<Vec<String>>,
    under_way: AtomicUsize,
}

struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn text(message: &Message) -> String {
    message.pieces().iter().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

fn hear(heard: Option<&Arc<dyn Heard>>, said: &[String]) {
    for one in said {
        if let Some(heard) = heard {
            heard.hear(scan(Bytes::from(one.clone())).unwrap());
        }
    }
}

impl Wire for Scripted {
    fn exchange(&self, out: Outgoing) -> BoxFuture<'_, Result<Answered, WireError>> {
        Box::pin(async move {
            let request = scan(Bytes::from(text(&out.message))).unwrap();
            let method = request.method().to_string();
            self.asked.lock().unwrap().push(method.clone());
            self.under_way.fetch_add(1, Ordering::Relaxed);
            let _under_way = UnderWay(&self.under_way);
            let result = match (self.script)(&method, out.id) {
                Act::Result(result) => result,
                Act::Say(said, result) => {
                    hear(out.heard.as_ref(), &said);
                    result
                }
                Act::SayAndHang(said) => {
                    hear(out.heard.as_ref(), &said);
                    return std::future::pending().await;
                }
                Act::Break => return Err(WireError::Broken("it broke".to_owned())),
                Act::Http(status) => {
                    return Err(WireError::Refused(Box::new(Refusal {
                        status,
                        headers: http::HeaderMap::new(),
                        body: Bytes::new(),
                        message: None,
                    })));
                }
            };
            let raw = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}", out.id);
            Ok(Answered { message: scan(Bytes::from(raw)).unwrap(), session: None })
        })
    }

    fn tell(&self, message: Message, headers: Headers) -> BoxFuture<'_, Result<(), WireError>> {
        self.tell_soon(message, headers);
        Box::pin(async { Ok(()) })
    }

    fn tell_soon(&self, message: Message, _headers: Headers) {
        self.told.lock().unwrap().push(text(&message));
    }

    fn ended(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }

    fn drop_tells(&self) -> bool {
        false
    }
}

struct Stage {
    wire: Arc<Scripted>,
    session: Arc<Session>,
    changes: broadcast::Receiver<Change>,
}

/// A conversation with a server that has nothing more to say of itself than its capabilities.
pub(crate) fn conversation(
    wire: Arc<dyn Wire>,
    revision: Revision,
    capabilities: &'static [u8],
    stray: Arc<Stray>,
) -> Session {
    let metrics = Arc::new(trunkline_observe::metrics::Metrics::new("test"));
    Session {
        server: "s".into(),
        wire,
        http: None,
        introduction: Introduction {
            revision,
            capabilities: Bytes::from_static(capabilities),
            server_info: None,
            instructions: None,
        },
        session_id: None,
        stray,
        ids: Arc::new(AtomicU64::new(1)),
        timeouts: Timeouts::default(),
        level: AtomicU8::new(u8::MAX),
        lost: crate::loss::Loss::default(),
        turns: crate::turns::Turns::new(),
        faults: Arc::new(crate::faults::Faults::new(metrics)),
    }
}

fn stage(revision: Revision, script: impl Fn(&str, u64) -> Act + Send + Sync + 'static) -> Stage {
    let wire = Arc::new(Scripted {
        script: Box::new(script),
        asked: Mutex::default(),
        told: Mutex::default(),
        under_way: AtomicUsize::new(0),
    });
    let (sender, changes) = broadcast::channel(64);
    let stray = Arc::new(Stray::new("s".into(), sender));
    let session_id = Some(http::HeaderValue::from_static("x"));
    let played = Arc::clone(&wire) as Arc<dyn Wire>;
    let session = Session { session_id, ..conversation(played, revision, b"{\"logging\":{}}", stray) };
    let session = Arc::new(session);
    Stage { wire, session, changes }
}

#[derive(Default)]
struct Heap(Mutex<Vec<Note>>);

impl Notes for Heap {
    fn note(&self, note: Note) {
        self.0.lock().unwrap().push(note);
    }
}

fn call(era: Era, operation: Operation, level: Option<Level>, notes: &Arc<Heap>) -> Call {
    let params = Params { raw: Bytes::from_static(b"{}"), ..Params::default() };
    let notes = Arc::clone(notes) as Arc<dyn Notes>;
    Call { log_level: level, ..Call::new(operation, params, Arc::new(Caller::new(era)), notes) }
}

fn log(padding: usize) -> String {
    let data = "x".repeat(padding);
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"level\":\"error\",\"data\":\"{data}\"}}}}"
    )
}

fn acknowledgement(id: u64) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{{\"_meta\":{{\"io.modelcontextprotocol/subscriptionId\":{id}}},\"notifications\":{{}}}}}}"
    )
}

/// A legacy conversation in which every request succeeds.
pub(crate) fn willing() -> Arc<Session> {
    stage(LEGACY, |_, _| Act::Result("{}")).session
}

/// A legacy conversation in which this many requests succeed and the others are never answered.
pub(crate) fn answering(times: usize) -> Arc<Session> {
    let asked = AtomicUsize::new(0);
    let script = move |_: &str, _| {
        let answers = asked.fetch_add(1, Ordering::Relaxed) < times;
        if answers { Act::Result("{}") } else { Act::SayAndHang(Vec::new()) }
    };
    stage(LEGACY, script).session
}

/// A modern conversation that goes as the script says: it is asked with the number of requests before.
pub(crate) fn scripted(script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Arc<Session> {
    let asked = AtomicUsize::new(0);
    stage(MODERN, move |_, _| script(asked.fetch_add(1, Ordering::Relaxed))).session
}

/// A call of a tool, by a client that hears nothing.
pub(crate) fn tool_call() -> Call {
    call(Era::Modern, tool(), None, &Arc::default())
}

const LEGACY: Revision = Revision::LEGACY_LATEST;
const MODERN: Revision = Revision::MODERN_LATEST;

fn tool() -> Operation {
    Operation::CallTool("t".into())
}

#[tokio::test]
async fn log_messages_of_a_call_reach_its_caller_alone_and_only_when_wanted() {
    for (era, level, heard) in
        [(Era::Modern, None, 0), (Era::Modern, Some(Level::Info), 1), (Era::Legacy, None, 1)]
    {
        let mut stage = stage(LEGACY, |method, _| match method {
            method::CALL_TOOL => Act::Say(vec![log(1), log(100_000)], "{}"),
            _ => Act::Result("{}"),
        });
        let notes = Arc::new(Heap::default());
        let ended = stage.session.call(&call(era, tool(), level, &notes), None, &[], false).await;
        assert!(matches!(ended, Ok((Served::Whole(Outcome::Result(_)), _))));
        assert_eq!(notes.0.lock().unwrap().len(), heard, "{era:?} {level:?}");
        assert!(stage.changes.try_recv().is_err(), "nobody else hears it");
    }
}

#[tokio::test]
async fn an_unmarked_log_message_is_told_to_all_only_when_no_call_runs() {
    let mut stage = stage(LEGACY, |_, _| Act::Result("{}"));
    let stray = &stage.session.stray;
    let say = |padding| stray.hear(scan(Bytes::from(log(padding))).unwrap());
    stray.began(1, None);
    say(1);
    stray.began(2, None);
    say(1);
    assert!(stage.changes.try_recv().is_err(), "a call runs: it may be the call's");
    stray.finished(1);
    stray.finished(2);
    say(100_000);
    assert!(stage.changes.try_recv().is_err(), "too large to keep in a backlog");
    say(1);
    assert!(matches!(stage.changes.try_recv(), Ok(Change::Logged { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_late_log_message_of_a_call_that_was_given_up_reaches_nobody() {
    let mut stage = stage(LEGACY, |_, _| Act::SayAndHang(Vec::new()));
    let (left, stays) = (Arc::new(Heap::default()), Arc::new(Heap::default()));
    let say = |stage: &Stage| stage.session.stray.hear(scan(Bytes::from(log(1))).unwrap());
    let calls = [&left, &stays].map(|notes| call(Era::Legacy, tool(), None, notes));
    let given_up = stage.session.call(&calls[0], None, &[], false);
    assert!(tokio::time::timeout(Duration::from_secs(1), given_up).await.is_err());
    say(&stage);
    assert!(stage.changes.try_recv().is_err(), "it may be of the call that nobody waits for");
    let other = stage.session.call(&calls[1], None, &[], false);
    let other =
        tokio::time::timeout(Duration::from_secs(1), async { tokio::join!(other, async { say(&stage) }).0 });
    assert!(other.await.is_err());
    assert_eq!((left.0.lock().unwrap().len(), stays.0.lock().unwrap().len()), (0, 0));
    tokio::time::sleep(Duration::from_secs(10)).await;
    say(&stage);
    assert!(matches!(stage.changes.try_recv(), Ok(Change::Logged { .. })));
}

#[tokio::test]
async fn a_method_of_the_other_era_is_unknown_and_never_sent() {
    let notes = Arc::new(Heap::default());
    for (revision, era, sent) in
        [(LEGACY, Era::Modern, 0), (LEGACY, Era::Legacy, 1), (MODERN, Era::Legacy, 0)]
    {
        let stage = stage(revision, |_, _| Act::Result("{}"));
        let other = call(era, Operation::Other("x/y".into()), None, &notes);
        let (served, _) = stage.session.call(&other, None, &[], false).await.map_err(|lost| lost.0).unwrap();
        let outcome = served.outcome();
        assert_eq!(matches!(outcome, Outcome::Fault(_)), sent == 0);
        assert_eq!(stage.wire.asked.lock().unwrap().len(), sent);
    }
}

#[tokio::test]
async fn a_log_level_counts_as_set_only_once_the_server_took_it() {
    let refusals = AtomicUsize::new(0);
    let stage = stage(LEGACY, move |method, _| match method {
        method::SET_LEVEL if refusals.fetch_add(1, Ordering::Relaxed) == 0 => Act::Http(500),
        _ => Act::Result("{}"),
    });
    let notes = Arc::new(Heap::default());
    for _ in 0..3 {
        let ended = stage
            .session
            .call(&call(Era::Modern, tool(), Some(Level::Info), &notes), None, &[], false)
            .await
            .map(|(served, _)| served.outcome());
        assert!(ended.is_ok());
    }
    let asked = stage.wire.asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|method| *method == method::SET_LEVEL).count(), 2, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_silent_on_the_log_level_still_gets_its_call() {
    let stage = stage(LEGACY, |method, _| match method {
        method::SET_LEVEL => Act::SayAndHang(Vec::new()),
        _ => Act::Result("{}"),
    });
    let notes = Arc::new(Heap::default());
    let asking = call(Era::Modern, tool(), Some(Level::Info), &notes);
    let ended = stage.session.call(&asking, None, &[], false).await;
    assert!(matches!(ended, Ok((Served::Whole(Outcome::Result(_)), _))));
}

#[tokio::test(start_paused = true)]
async fn an_own_request_that_takes_too_long_is_taken_back() {
    let stage = stage(LEGACY, |_, _| Act::SayAndHang(Vec::new()));
    let asked =
        stage.session.ask(method::LIST_TOOLS, Bytes::from_static(b"{}"), Duration::from_secs(1)).await;
    assert!(asked.is_err());
    let told = stage.wire.told.lock().unwrap().clone();
    assert!(
        told.len() == 1 && told[0].contains("cancelled") && told[0].contains("\"requestId\":1"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_refused_list_ends_the_session_only_when_a_ping_is_refused_as_well() {
    for (ping, lost) in [(Act::Http as fn(u16) -> Act, true), (|_| Act::Result("{}"), false)] {
        let stage = stage(LEGACY, move |method, _| match method {
            method::PING => ping(404),
            _ => Act::Http(404),
        });
        let asked =
            stage.session.ask(method::LIST_TOOLS, Bytes::from_static(b"{}"), Duration::from_secs(1)).await;
        assert!(asked.is_err());
        let told = futures_util::FutureExt::now_or_never(stage.session.lost.heard());
        assert_eq!(told.is_some(), lost);
    }
}

/// Polls the change channel of `stage` while time passes.
async fn follow_for(stage: &Stage, wanted: &watch::Sender<Wanted>, script: impl Future<Output = ()>) {
    let live = watch::Sender::new(false);
    let followed = push::follow(Arc::clone(&stage.session), wanted.subscribe(), &live);
    tokio::select! {
        () = followed => unreachable!("a change channel is followed for ever"),
        () = script => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_refused_leaves_the_working_listen_stream_alone() {
    let stage = stage(MODERN, |_, id| match id {
        1 => Act::SayAndHang(vec![acknowledgement(1)]),
        // It speaks of the first stream once more, which says nothing about this one.
        2 => Act::Say(vec![acknowledgement(1)], "{}"),
        _ => Act::SayAndHang(vec![acknowledgement(id)]),
    });
    let wanted = watch::Sender::new(Wanted::new());
    follow_for(&stage, &wanted, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        wanted.send_modify(|set| {
            set.insert("a:b".into());
        });
        tokio::time::sleep(Duration::from_millis(110)).await;
        assert_eq!(stage.wire.asked.lock().unwrap().len(), 2);
        assert_eq!(stage.wire.under_way.load(Ordering::Relaxed), 1, "the first still runs");
        assert!(stage.wire.told.lock().unwrap().is_empty());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let told = stage.wire.told.lock().unwrap().clone();
        assert!(told.len() == 1 && told[0].contains("\"requestId\":1"), "the first is taken back: {told:?}");
        assert_eq!(stage.wire.under_way.load(Ordering::Relaxed), 1, "the third runs alone");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_every_listen_stream_is_not_followed_at_its_pace() {
    let stage = stage(MODERN, |_, id| Act::Say(vec![acknowledgement(id)], "{}"));
    let wanted = watch::Sender::new(Wanted::new());
    follow_for(&stage, &wanted, tokio::time::sleep(Duration::from_mins(1))).await;
    let openings = stage.wire.asked.lock().unwrap().len();
    assert!((5..=12).contains(&openings), "{openings} openings in a minute");
}

#[tokio::test]
async fn progress_of_another_request_on_a_calls_own_stream_is_nobodys() {
    let say = |token: u64| {
        format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":{token},\"progress\":1}}}}"
        )
    };
    let stage = stage(LEGACY, move |_, id| Act::Say(vec![say(id + 1), say(id)], "{}"));
    let notes = Arc::new(Heap::default());
    let mut call = call(Era::Legacy, tool(), None, &notes);
    call.progress = Some(Bytes::from_static(b"\"mine\""));
    assert!(stage.session.call(&call, None, &[], false).await.is_ok());
    let heard = notes.0.lock().unwrap();
    assert!(
        matches!(&heard[..], [Note::Progress(raw)] if raw.starts_with(b"{\"progressToken\":\"mine\"")),
        "{heard:?}"
    );
}
