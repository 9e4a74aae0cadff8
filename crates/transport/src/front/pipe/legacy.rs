//! The legacy session of a pipe: it begins with `initialize` and lives as long as the pipe.

use std::sync::{Arc, PoisonError};

use trunkline_model::{Era, Fault, Kind, Notes};
use trunkline_protocol::{Scanned, Shape};

use super::super::answer;
use super::super::asking::{Asking, Voice};
use super::super::batch;
use super::super::follow::{Follower, Reader};
use super::super::session::{Begun, Calling, Session};
use super::{Pipe, pump, room};

impl Pipe {
    pub(super) async fn initialize(&self, scanned: &Scanned) {
        let id = scanned.id_bytes().unwrap_or_default();
        let counted = self.metrics.gateway().sessions().hold();
        let session = match Session::open(self.view.clone(), scanned, self.peer, counted) {
            Ok(session) => Arc::new(session),
            Err(fault) => return self.say(answer::refusal(Some(&id), &fault, Era::Legacy)).await,
        };
        let welcome = session.welcome(&self.host).await;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        self.say(answer::result(&id, &welcome)).await;
        if let Some(changes) = self.host.changes(&self.view) {
            let follower =
                Follower::new(Reader::Session(session), changes, [self.over.clone(), self.over.clone()]);
            tokio::spawn(pump(follower, self.outbox.clone(), None));
        }
    }

    /// Where what is said during a call of the session goes.
    fn voice(&self, session: &Arc<Session>) -> Arc<dyn Notes> {
        if session.can_be_asked() {
            Asking::through(Voice::Outbox(self.outbox.clone()), Arc::clone(session))
        } else {
            self.notes()
        }
    }

    pub(super) async fn legacy(self: &Arc<Self>, session: &Arc<Session>, scanned: &Scanned) {
        let calling = match session.request(&self.host, scanned, self.voice(session), false) {
            Begun::Answered(answer) => return self.say(answer).await,
            Begun::Call(calling) => calling,
        };
        match room(&self.calls, 1) {
            Ok(room) => self.run(calling, room),
            Err(fault) => {
                self.say(answer::refusal(scanned.id_bytes().as_deref(), &fault, Era::Legacy)).await;
            }
        }
    }

    pub(super) async fn batch(self: &Arc<Self>, messages: Vec<Scanned>) {
        self.outbox.room().await;
        let refused = |text| Fault::client(Kind::InvalidRequest, text);
        let session = self.session().ok_or_else(|| refused("a batch needs a session; start with initialize"));
        let admitted = session.and_then(|session| {
            batch::allowed(&session).map_err(refused)?;
            let requests = messages.iter().filter(|message| message.shape == Shape::Request).count();
            Ok((session, room(&self.calls, requests)?))
        });
        match admitted {
            Ok((session, room)) => {
                self.run(batch::begin(&session, &self.host, messages, || self.voice(&session)), room);
            }
            Err(fault) => self.refuse(None, &fault).await,
        }
    }

    /// Runs what was begun and says its answer. A task each: one reader serves many calls that end in any order.
    fn run(self: &Arc<Self>, calling: Calling, room: tokio::sync::OwnedSemaphorePermit) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let answered = tokio::select! {
                answered = calling => answered,
                () = this.over.cancelled() => None,
            };
            if let Some(answer) = answered {
                this.say(answer).await;
            }
            drop(room);
        });
    }
}
