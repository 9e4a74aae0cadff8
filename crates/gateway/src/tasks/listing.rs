//! `tasks/list`: the tasks of one legacy session, as the gateway knows them. Whatever their servers are, the list is one.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use trunkline_model::{Call, Era, Fault, Kind, Outcome, Reply, Text};
use trunkline_protocol::tasks;

use super::Place;
use super::held::Held;
use super::requests::{Server, declaring};

/// Tasks in one page.
const PAGE: usize = 50;
/// Servers that are asked at a time how a task stands.
const AT_ONCE: usize = 8;

pub(super) async fn list(place: Place<'_>, call: &Call, cursor: Option<&Text>) -> Outcome {
    // The number of the last task that was told.
    let after: u64 = match cursor.map(|cursor| cursor.parse()) {
        None => 0,
        Some(Ok(number)) => number,
        Some(Err(_)) => return Fault::client(Kind::BadCursor, "unknown cursor").into(),
    };
    let own = place.tasks.of_owner(&place.owner(&call.caller));
    let mut rest = own.into_iter().filter(|held| held.number > after);
    let page: Vec<Arc<Held>> = rest.by_ref().take(PAGE).collect();
    let next = rest.next().and_then(|_| page.last()).map(|held| held.number.to_string());
    let mut tasks: Vec<Bytes> = Vec::with_capacity(page.len());
    for some in page.chunks(AT_ONCE) {
        let asked: Vec<_> = some.iter().map(|held| now(place, call, held)).collect();
        tasks.extend(join_all(asked).await);
    }
    Outcome::Result(Reply { raw: tasks::listed(&tasks, next.as_deref()), era: Era::Legacy })
}

/// How a task stands; where its server does not say, how it last stood.
async fn now(place: Place<'_>, call: &Call, held: &Held) -> Bytes {
    let known = {
        let state = held.state();
        (state.task.status.is_final() || state.outcome.is_some()).then(|| state.task.clone())
    };
    if let (None, Some((_, upstream))) = (&known, place.upstream(&held.server)) {
        let server = Server { upstream, hold: held.hold.as_ref() };
        let call = if held.back == Era::Modern { declaring(call) } else { call.clone() };
        if let Ok(task) = server.get(&call, &held.original).await {
            held.heard(&task);
        }
    }
    let task = held.state().task.clone();
    task.say(Era::Legacy, &held.id, None)
}
