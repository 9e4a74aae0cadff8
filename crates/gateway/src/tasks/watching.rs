//! Telling modern clients how their tasks stand: while a stream listens, the gateway asks the server, and says what
//! changed. A server's own word only makes it ask sooner, so that clients of every server hear the same.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Duration, Instant, sleep_until, timeout_at};
use trunkline_model::{Call, Caller, Change, Era, Operation, Outcome, Quiet, TaskRequest, Text};
use trunkline_protocol::tasks::{self, Task};
use trunkline_transport::front::host::{TaskWatch, ViewName};
use trunkline_upstream::Upstream;

use super::held::Held;
use super::ids::Named;
use super::pace::Pace;
use super::requests::{Server, about};
use super::{Place, Tasks, upward};
use crate::stages::dispatch::way_back;
use crate::view::Current;

/// Most tasks that are watched at a time, for all streams.
pub(super) const WATCHED_MAX: usize = 1000;
/// Most tasks that one stream watches.
const WATCHED_PER_STREAM_MAX: usize = 64;
/// How often in a row the server may fail to say how a task stands.
const FAILURES_MAX: usize = 5;
/// A server's word about a task is taken up after this, so that several make one question.
const SOON: Duration = Duration::from_millis(100);

/// Watches tasks of a modern client.
pub(crate) fn watch(
    tasks: &Arc<Tasks>,
    view: &ViewName,
    now: &Arc<Current>,
    caller: &Arc<Caller>,
    ids: &[Text],
    changes: &broadcast::Sender<Change>,
) -> TaskWatch {
    let place = Place { tasks, view, now };
    let owner = place.owner(caller);
    let (told, news) = mpsc::channel(8);
    let mut watched: Vec<Text> = Vec::new();
    for id in ids {
        if watched.len() >= WATCHED_PER_STREAM_MAX || watched.contains(id) {
            continue;
        }
        let known = match place.tasks.ids.open(&owner, id) {
            Some(Named::Remote { server, id }) => place.upstream(&server).map(|found| (found, id, None)),
            Some(Named::Held(key)) => place.tasks.find(&owner, &key).and_then(|held| {
                let found = place.upstream(&held.server)?;
                Some((found, held.original.clone(), Some(held)))
            }),
            None => None,
        };
        let Some(((server, upstream), original, held)) = known else { continue };
        let Ok(room) = Arc::clone(&place.tasks.watched).try_acquire_owned() else { break };
        // Copied: the name it came with would keep the whole message alive.
        let id = Text::from(id.as_str());
        let one = Watching {
            tasks: Arc::clone(tasks),
            now: Arc::clone(now),
            server,
            upstream: Arc::clone(upstream),
            held,
            call: asking(caller, &id),
            id: id.clone(),
            original,
        };
        let (told, changes) = (told.clone(), changes.subscribe());
        tokio::spawn(async move {
            let _room = room;
            tokio::select! {
                () = one.follow(&told, changes) => {}
                () = told.closed() => {}
            }
        });
        watched.push(id);
    }
    TaskWatch { ids: watched, news }
}

/// What the questions are asked with: the caller's capabilities, in a form that servers of both eras are spoken to with.
fn asking(caller: &Arc<Caller>, id: &Text) -> Call {
    let caller = Caller {
        era: Era::Legacy,
        info: caller.info.clone(),
        capabilities: tasks::declaring(&caller.capabilities),
        offers: caller.offers,
        stay: None,
        peer: caller.peer,
    };
    let operation = Operation::Task(TaskRequest::Get, id.clone());
    Call::new(operation, tasks::addressed(id), Arc::new(caller), Arc::new(Quiet))
}

struct Watching {
    tasks: Arc<Tasks>,
    /// What the ids of the view meant when the stream was opened.
    now: Arc<Current>,
    server: usize,
    upstream: Arc<Upstream>,
    held: Option<Arc<Held>>,
    call: Call,
    id: Text,
    original: Text,
}

impl Watching {
    /// Tells of each change until the task has ended.
    async fn follow(&self, told: &mpsc::Sender<Bytes>, mut changes: broadcast::Receiver<Change>) {
        let mut last = Bytes::new();
        let (mut pace, mut failures) = (None::<Pace>, 0);
        loop {
            let Some(task) = self.look().await else {
                failures += 1;
                if failures >= FAILURES_MAX {
                    return;
                }
                tokio::time::sleep(SOON * 10).await;
                continue;
            };
            failures = 0;
            let said = task.say(Era::Modern, &self.id, None);
            let news = said != last;
            if news {
                if told.send(said.clone()).await.is_err() {
                    return;
                }
                last = said;
            }
            if task.status.is_final() {
                return;
            }
            let wait = pace.get_or_insert_with(|| Pace::of(&task)).wait(&task, news);
            self.rest(wait, &mut changes).await;
        }
    }

    async fn look(&self) -> Option<Task> {
        let outcome = if let Some(held) = &self.held {
            upward::get(&self.tasks, &self.upstream, &self.call, held).await
        } else {
            let server = Server { upstream: &self.upstream, hold: None };
            let get = about(&self.call, TaskRequest::Get, &self.original, Arc::new(Quiet));
            server.call(&get, &self.original).await
        };
        match way_back(&self.now.catalog, self.server, &self.call, outcome) {
            Outcome::Result(reply) => Task::read(&reply.raw),
            _ => None,
        }
    }

    /// Waits, but not for long if the server says that the task changed.
    async fn rest(&self, wait: Duration, changes: &mut broadcast::Receiver<Change>) {
        let until = Instant::now() + wait;
        loop {
            match timeout_at(until, changes.recv()).await {
                Ok(Ok(Change::TaskChanged { server, task, .. }))
                    if server == *self.upstream.name() && task == self.original =>
                {
                    return sleep_until(until.min(Instant::now() + SOON)).await;
                }
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => {}
                Ok(Err(RecvError::Closed)) => return sleep_until(until).await,
                Err(_) => return,
            }
        }
    }
}
