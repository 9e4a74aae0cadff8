//! Requests of the modern era on a pipe.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use trunkline_model::{Call, Caller, Era, Fault, Operation, Watch};
use trunkline_protocol::hello::Greeting;
use trunkline_protocol::{Revision, Scanned};

use super::super::follow::Follower;
use super::super::running::Entry;
use super::super::{answer, decode, listen};
use super::{Pipe, pump, room};

impl Pipe {
    /// Begins a request. It is noted as running before the next line is read, which may be its cancellation.
    pub(super) async fn modern(self: &Arc<Self>, scanned: &Scanned) {
        let id = scanned.id_bytes().unwrap_or_default();
        match self.begin(&id, scanned) {
            Ok((call, entry, room)) => {
                let this = Arc::clone(self);
                tokio::spawn(async move {
                    this.serve(&id, call, entry).await;
                    drop(room);
                });
            }
            Err(fault) => {
                self.metrics.gateway().rejected(fault.kind.reason());
                self.say(answer::refusal(Some(&id), &fault, Era::Modern)).await;
            }
        }
    }

    fn begin(&self, id: &[u8], scanned: &Scanned) -> Result<(Call, Entry, OwnedSemaphorePermit), Fault> {
        let (caller, level) = decode::modern_caller(scanned, self.peer)?;
        let call = decode::call(scanned, Arc::new(caller), level, None, self.notes())?;
        let places = if matches!(call.operation, Operation::Listen(_)) { &self.listens } else { &self.calls };
        let room = room(places, 1)?;
        Ok((call, self.running.begin(id)?, room))
    }

    async fn serve(&self, id: &[u8], call: Call, entry: Entry) {
        match &call.operation {
            Operation::Hello => {
                let introduced = Arc::clone(&self.host).greet(self.view.clone()).await;
                let greeting = Greeting {
                    capabilities: &introduced.modern_capabilities,
                    server_info: &introduced.server_info,
                    instructions: introduced.instructions.as_deref(),
                };
                self.say(answer::result(id, &greeting.discover(introduced.ttl_ms))).await;
            }
            Operation::Listen(watch) => self.listen(id, watch, &call.caller, &entry).await,
            _ => {
                let operation = call.operation.clone();
                let served = Arc::clone(&self.host).serve(self.view.clone(), call);
                let outcome = tokio::select! {
                    biased;
                    () = entry.cancelled() => return,
                    () = self.over.cancelled() => return,
                    served = served => served.outcome(),
                };
                self.say(answer::outcome(id, &outcome, Revision::MODERN_LATEST, &operation)).await;
            }
        }
    }

    async fn listen(&self, id: &[u8], watch: &Watch, caller: &Arc<Caller>, entry: &Entry) {
        let Some(changes) = self.host.changes(&self.view) else {
            let fault = Fault::internal("the view has gone");
            return self.say(answer::refusal(Some(id), &fault, Era::Modern)).await;
        };
        let reader = listen::reader(&self.host, &self.view, caller, id, watch);
        if let Some(first) = listen::acknowledgement(&reader) {
            let _ = self.outbox.send(first).await;
        }
        let taken_back = CancellationToken::new();
        let follower = Follower::new(reader, changes, [taken_back.clone(), self.over.clone()]);
        let mut following = pin!(pump(follower, self.outbox.clone(), Some(listen::completion(id))));
        tokio::select! {
            () = &mut following => return,
            () = entry.cancelled() => taken_back.cancel(),
        }
        following.await;
    }
}
