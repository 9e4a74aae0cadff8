//! One channel for all callers: answers are matched by our numbers, progress by our tokens, and everything else is
//! nobody's. What a pipe, a WebSocket and the event stream of HTTP+SSE have in common.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use trunkline_protocol::{Scanned, Shape, method};

use super::{Answered, Heard, WireError};

/// The requests that wait for an answer on one channel, and whether the channel still stands. It holds as many as
/// exchanges are polled: each one forgets its own when it is dropped.
#[derive(Default)]
pub(super) struct Pending {
    waiting: Mutex<Waiting>,
    ended: CancellationToken,
    /// Messages so far.
    heard: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    /// By our own numbers.
    calls: HashMap<u64, Call, foldhash::fast::RandomState>,
    /// Set when the channel has ended: nothing is waited for any more.
    over: Option<String>,
}

struct Call {
    answer: oneshot::Sender<Result<Scanned, WireError>>,
    heard: Option<Arc<dyn Heard>>,
}

/// An answer that is waited for; dropping it forgets the request.
pub(super) struct Expected<'a> {
    pending: &'a Pending,
    id: u64,
    /// No other was waited for when this one began to be.
    pub(super) alone: bool,
    answer: oneshot::Receiver<Result<Scanned, WireError>>,
    /// It was answered, and with that forgotten.
    is_over: bool,
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Expects the answer to request `id`, from before it is sent. Refused once the channel has ended.
    pub(super) fn expect(&self, id: u64, heard: Option<Arc<dyn Heard>>) -> Result<Expected<'_>, WireError> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.lock();
        if let Some(why) = &waiting.over {
            return Err(WireError::NotSent(why.clone()));
        }
        let alone = waiting.calls.is_empty();
        waiting.calls.insert(id, Call { answer: sender, heard });
        drop(waiting);
        Ok(Expected { pending: self, id, alone, answer, is_over: false })
    }

    /// Hands a message to whom it concerns; `stray` hears what belongs to no request of ours.
    pub(super) fn deliver(&self, message: Scanned, stray: &dyn Heard) {
        self.heard.fetch_add(1, Ordering::Relaxed);
        if message.shape == Shape::Answer {
            let call = message.id_number().and_then(|id| self.lock().calls.remove(&id));
            if let Some(call) = call {
                let _ = call.answer.send(Ok(message));
            }
            return;
        }
        // Progress names its request by our token, which is the request's number.
        let progress = message.shape == Shape::Notification && message.method_name() == method::PROGRESS;
        let token = message.params.progress_token.as_ref().filter(|_| progress);
        let owner = token.and_then(|span| std::str::from_utf8(message.at(span)).ok()?.parse::<u64>().ok());
        let heard = owner.and_then(|id| self.lock().calls.get(&id).and_then(|call| call.heard.clone()));
        match heard {
            Some(heard) => heard.hear(message),
            None if progress => {}
            None => stray.hear(message),
        }
    }

    /// A message of more than `limit` bytes came, after which the channel cannot be read any further. Whose it was is not
    /// known; where only one request waits, it was its answer in all likelihood, and there will be no other. Gives the
    /// reason of the channel's end.
    pub(super) fn too_large(&self, limit: usize) -> String {
        let mut waiting = self.lock();
        let only = (waiting.calls.len() == 1).then(|| std::mem::take(&mut waiting.calls));
        drop(waiting);
        for (_, call) in only.unwrap_or_default() {
            let _ = call.answer.send(Err(WireError::TooLarge(limit)));
        }
        format!("the server sent a message of more than {limit} bytes")
    }

    /// The channel has ended: everything that waits fails, and nothing is expected any more. The first reason counts.
    pub(super) fn close(&self, why: &str) {
        let mut waiting = self.lock();
        waiting.over.get_or_insert_with(|| why.to_owned());
        let calls = std::mem::take(&mut waiting.calls);
        drop(waiting);
        // In the order in which they were made, whatever order the table has.
        let mut calls: Vec<_> = calls.into_iter().collect();
        calls.sort_unstable_by_key(|(id, _)| *id);
        for (_, call) in calls {
            let _ = call.answer.send(Err(WireError::Broken(why.to_owned())));
        }
        self.ended.cancel();
    }

    /// How many messages have come so far.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Cancelled when the channel has ended.
    pub(super) const fn ending(&self) -> &CancellationToken {
        &self.ended
    }

    /// Resolves with the reason once the channel has ended.
    pub(super) async fn ended(&self) -> String {
        self.ended.cancelled().await;
        self.why_over()
    }

    /// Why it ended.
    pub(super) fn why_over(&self) -> String {
        self.lock().over.clone().unwrap_or_else(|| "the connection ended".to_owned())
    }
}

impl Expected<'_> {
    /// Waits for the answer, or for the end of the channel. Cancel safe.
    pub(super) async fn answer(&mut self) -> Result<Answered, WireError> {
        let answer = (&mut self.answer).await;
        self.is_over = true;
        match answer {
            Ok(Ok(message)) => Ok(Answered { message, session: None }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(WireError::Broken(self.pending.why_over())),
        }
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.pending.lock().calls.remove(&self.id);
        }
    }
}
