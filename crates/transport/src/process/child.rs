//! The handle of one child process.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::AsyncWrite;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::environment::Environment;
use super::group::Group;
use super::guest::{Launch, Launched, Leader, Output};
use super::keeper::{Keeper, State};
use super::limits::Limits;
use super::reader::LineReader;
use super::shepherd::Shepherd;
use super::spec::Spec;
use super::stderr::{self, Tail};
use super::writer::{self, ChildWriter};

/// Why a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It exited, or somebody else killed it.
    Itself,
    /// It was shut down in order.
    Shutdown,
    /// It stopped reading its stdin and was killed.
    Stuck,
    /// Its handle was dropped and it was killed.
    Dropped,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The leader's status; `None` if it could not be had in time.
    pub status: Option<ExitStatus>,
    /// Why it ended.
    pub cause: Cause,
}

/// One running child. Dropping it kills the whole process group and reaps the leader.
pub struct Child {
    pid: u32,
    group: Arc<Group>,
    writer: ChildWriter,
    reader: Option<LineReader<Output>>,
    tail: Tail,
    orders: mpsc::Sender<Duration>,
    state: watch::Receiver<State>,
}

/// Starts a program in a process group of its own, with a clean environment and its three streams piped. Must be
/// called within a Tokio runtime. With a shepherd the group is registered before this returns.
pub fn spawn(
    spec: &Spec<'_>,
    environment: &Environment,
    limits: &Limits,
    shepherd: Option<&Shepherd>,
) -> io::Result<Child> {
    let mut command = spec.command(environment);
    command.process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().map_err(|error| explained(error, spec))?;

    let pid = process.id().ok_or_else(|| missing("process id"))?;
    let group = Arc::new(Group::of(pid, shepherd));
    let stdin = process.stdin.take().ok_or_else(|| missing("stdin"))?;
    let stdout = process.stdout.take().ok_or_else(|| missing("stdout"))?;
    let stderr = process.stderr.take().ok_or_else(|| missing("stderr"))?;

    let leader = Leader::Process(process);
    Ok(keep(pid, group, leader, [Box::new(stdout), Box::new(stderr)], stdin, (spec.name, limits)))
}

/// Starts a child by `launch`; to us it is one like any other.
pub fn welcome(spec: &Spec<'_>, limits: &Limits, launch: &dyn Launch) -> io::Result<Child> {
    let Launched { stdin, stdout, stderr, guest } = launch.launch(spec)?;
    let (group, leader) = (Arc::new(Group::guest(Arc::clone(&guest))), Leader::Guest(guest));
    Ok(keep(0, group, leader, [stdout, stderr], stdin, (spec.name, limits)))
}

/// Starts the tasks of a child: what writes, what reads its complaints, and its keeper.
fn keep(
    pid: u32,
    group: Arc<Group>,
    leader: Leader,
    [stdout, stderr]: [Output; 2],
    stdin: impl AsyncWrite + Send + Unpin + 'static,
    (name, limits): (&str, &Limits),
) -> Child {
    let (writer, drain) = writer::queue(limits);
    let closing = CancellationToken::new();
    let tail = Tail::default();
    let (orders, received) = mpsc::channel(1);
    let (changed, state) = watch::channel(State::default());
    let keeper = Keeper {
        leader,
        group: Arc::clone(&group),
        orders: received,
        writing: tokio::spawn(drain.run(stdin, closing.clone())),
        closing,
        stderr: tokio::spawn(stderr::drain(stderr, tail.clone(), name.into(), *limits)),
        state: changed,
    };
    tokio::spawn(keeper.run());
    let reader = Some(LineReader::new(stdout, limits.message_bytes_max));
    Child { pid, group, writer, reader, tail, orders, state }
}

/// A missing directory and a missing program look the same from outside; the operator should know which it is.
fn explained(error: io::Error, spec: &Spec<'_>) -> io::Error {
    let text = match spec.cwd {
        Some(cwd) if !cwd.is_dir() => format!("working directory {} does not exist", cwd.display()),
        _ => format!("cannot start {}: {error}", spec.program),
    };
    io::Error::new(error.kind(), text)
}

fn missing(what: &str) -> io::Error {
    io::Error::other(format!("the new process has no {what}"))
}

impl Child {
    /// The process id of the leader, which is also the id of its group; 0 for a guest.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// A handle for writing; any number may exist.
    pub fn writer(&self) -> ChildWriter {
        self.writer.clone()
    }

    /// The reader of stdout; `None` when it was taken before. Its end is the end of the last process that holds
    /// stdout, so watch [`Child::wait`] as well.
    pub fn take_reader(&mut self) -> Option<LineReader<Output>> {
        self.reader.take()
    }

    /// The last lines of stderr, oldest first, printable. Complete once [`Child::wait`] has returned.
    pub fn stderr_tail(&self) -> Vec<String> {
        self.tail.lines()
    }

    /// How the child ended; `None` while it runs.
    pub fn try_exit(&self) -> Option<Exit> {
        self.state.borrow().exit
    }

    /// Waits until the leader has ended. Cancel safe; may be called from several tasks.
    pub async fn wait(&self) -> Exit {
        let mut state = self.state.clone();
        let ended = state.wait_for(|state| state.exit.is_some()).await.ok().and_then(|state| state.exit);
        // The keeper is gone without a word only when the runtime itself went down.
        ended.unwrap_or(Exit { status: None, cause: Cause::Dropped })
    }

    /// Ends the child in order: closes stdin and waits `grace`, sends SIGTERM to the group and waits `grace`, sends
    /// SIGKILL and reaps. Returns when nothing of the group is left. Cancelling it kills the group at once.
    pub async fn shutdown(self, grace: Duration) -> Exit {
        // Full or closed means that it is ending already.
        let _ = self.orders.try_send(grace);
        let mut state = self.state.clone();
        let _ = state.wait_for(|state| state.swept).await;
        self.wait().await
    }
}

impl std::fmt::Debug for Child {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Child").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.group.signal(Signal::SIGKILL);
    }
}
