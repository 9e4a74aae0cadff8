//! Batches: many messages in, their answers out as one array.

use std::sync::Arc;

use bytes::Bytes;
use trunkline_model::Notes;
use trunkline_protocol::{Message, Revision, Scanned, Shape};

use super::answer::Answer;
use super::host::Host;
use super::session::{Begun, Calling, Session};

/// Whether a session may send batches: the later revisions have none (2025-06-18, changelog).
pub(crate) fn allowed(session: &Session) -> Result<(), &'static str> {
    (session.revision <= Revision::R2025_03_26).then_some(()).ok_or("this revision has no batches")
}

/// Begins every request of a batch, in their order; the future gives their answers.
pub(crate) fn begin(
    session: &Arc<Session>,
    host: &Arc<dyn Host>,
    messages: Vec<Scanned>,
    notes: impl Fn() -> Arc<dyn Notes>,
) -> Calling {
    let mut calls: Vec<Calling> = Vec::new();
    for message in messages {
        if message.shape != Shape::Request {
            session.hear(&**host, &message);
            continue;
        }
        calls.push(match session.request(host, &message, notes(), false) {
            Begun::Answered(answer) => Box::pin(std::future::ready(Some(answer))),
            Begun::Call(calling) => calling,
        });
    }
    Box::pin(all(calls))
}

/// The answers of a batch as one array. `None` when there are none: JSON-RPC has no empty batch (JSON-RPC 2.0,
/// section 6).
async fn all(calls: Vec<Calling>) -> Option<Answer> {
    let answers = futures_util::future::join_all(calls).await;
    let answers: Vec<Bytes> =
        answers.into_iter().flatten().map(|answer| answer.message.into_bytes()).collect();
    if answers.is_empty() {
        return None;
    }
    let mut out = b"[".to_vec();
    out.extend(answers.join(&b","[..]));
    out.push(b']');
    Some(Answer::of(Message::One(Bytes::from(out)), 200))
}
