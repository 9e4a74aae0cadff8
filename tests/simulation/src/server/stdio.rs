//! Servers that are started: one process for each start, one channel for everything.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trunkline_transport::back::BoxFuture;
use trunkline_transport::process::{Guest, Launch, Launched, Spec};

use super::mind::{Channel, Said};
use super::{Server, lock};
use crate::wire;

/// What can be started, by name.
pub struct Programs {
    servers: BTreeMap<String, Arc<Server>>,
    tasks: TaskTracker,
}

impl Programs {
    /// These servers.
    pub fn new(servers: &[Arc<Server>], tasks: &TaskTracker) -> Arc<Self> {
        let servers = servers.iter().map(|server| (server.name.clone(), Arc::clone(server))).collect();
        Arc::new(Self { servers, tasks: tasks.clone() })
    }
}

impl Launch for Programs {
    fn launch(&self, spec: &Spec<'_>) -> io::Result<Launched> {
        let server = self.servers.get(spec.program).ok_or_else(|| io::Error::other("no such program"))?;
        if server.is_down() {
            return Err(io::Error::other("simulated: it does not start"));
        }
        // One process of many, of the server's life.
        let over = server.life().child_token();
        server.history.note(&server.name, "is started");
        let temper = server.temper();
        let calm = wire::Temper { breaks_after: None, ..temper };
        let (stdin, input) = wire::connect(server.branch(), calm, &over);
        let (stdout, output) = wire::connect(server.branch(), temper, &over);
        let guest = Arc::new(Process { over: over.clone(), ended: CancellationToken::new() });
        server.processes.fetch_add(1, Ordering::SeqCst);
        let speaking = speak(Arc::clone(server), input, output, over, self.tasks.clone());
        let (server, process) = (Arc::clone(server), Arc::clone(&guest));
        self.tasks.spawn(async move {
            speaking.await;
            server.history.note(&server.name, "has ended a process");
            server.processes.fetch_sub(1, Ordering::SeqCst);
            process.ended.cancel();
        });
        Ok(Launched {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(tokio::io::empty()),
            guest,
        })
    }
}

struct Process {
    over: CancellationToken,
    ended: CancellationToken,
}

impl Guest for Process {
    fn ended(&self) -> BoxFuture<'_, ExitStatus> {
        Box::pin(async {
            self.ended.cancelled().await;
            ExitStatus::from_raw(0)
        })
    }

    fn terminate(&self) {
        self.over.cancel();
    }

    fn kill(&self) {
        self.over.cancel();
    }
}

struct Pipe {
    lines: mpsc::UnboundedSender<Value>,
    over: CancellationToken,
}

impl Channel for Pipe {
    fn say(&self, message: &Value) {
        let _ = self.lines.send(message.clone());
    }

    fn spread(&self, message: &Value) {
        self.say(message);
    }

    fn cut(&self) {
        self.over.cancel();
    }
}

/// Speaks line by line until either side ends or `over`, which is cancelled in the end. Calls run among `tasks`.
pub async fn speak(
    server: Arc<Server>,
    input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
    over: CancellationToken,
    tasks: TaskTracker,
) {
    let (lines, mut said) = mpsc::unbounded_channel::<Value>();
    let channel: Arc<dyn Channel> = Arc::new(Pipe { lines: lines.clone(), over: over.clone() });
    server.adopt(&channel);
    let writing = async {
        while let Some(message) = said.recv().await {
            let written = output.write_all(format!("{message}\n").as_bytes()).await;
            if written.is_err() || output.flush().await.is_err() {
                return;
            }
        }
    };
    let running = Mutex::new(BTreeMap::<String, CancellationToken>::new());
    let reading = async {
        let mut asks = false;
        let mut input = BufReader::new(input).lines();
        while let Ok(Some(line)) = input.next_line().await {
            let Ok(message) = serde_json::from_str::<Value>(&line) else {
                server.history.broken("what is sent is JSON", line);
                continue;
            };
            if server.is_stalled() {
                continue;
            }
            match (message["method"].as_str(), message.get("id")) {
                (Some("initialize"), _) => asks = !message["params"]["capabilities"]["elicitation"].is_null(),
                (Some("notifications/cancelled"), _) => {
                    let id = message["params"]["requestId"].to_string();
                    if let Some(token) = lock(&running).remove(&id) {
                        token.cancel();
                    }
                }
                _ => {}
            }
            match (message["method"].as_str(), message.get("id")) {
                (Some(_), Some(id)) => {
                    let token = over.child_token();
                    lock(&running).insert(id.to_string(), token.clone());
                    let (server, channel, lines) = (Arc::clone(&server), Arc::clone(&channel), lines.clone());
                    tasks.spawn(async move {
                        let said = tokio::select! {
                            said = server.request(&channel, &message, asks) => said,
                            () = token.cancelled() => Said::Nothing,
                        };
                        if let Said::Answer(answer) = said {
                            let _ = lines.send(answer);
                        }
                    });
                }
                (None, Some(_)) => server.hear_answer(&message),
                _ => {}
            }
        }
    };
    tokio::select! {
        () = writing => {}
        () = reading => {}
        () = over.cancelled() => {}
    }
    over.cancel();
}
