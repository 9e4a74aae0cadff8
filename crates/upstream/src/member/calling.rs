//! One call on a member: the conversation that it runs on, and another when that is lost before it began.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use trunkline_model::{Call, Era, Fault, Outcome, Served};

use super::Member;
use super::hold::{Conversation, Hold, Running};
use crate::breaker::{Trouble, Verdict};
use crate::pool::{Pool, Refused};
use crate::session::{Lost, Session};
use crate::status::Phase;

/// How a call ended, and what that says about its server.
pub(crate) struct Ended {
    pub(crate) served: Served,
    pub(crate) verdict: Verdict,
    /// The member that it was sent to last, where there are several.
    pub(crate) member: Option<usize>,
}

impl Ended {
    /// A call that was refused before it began.
    pub(crate) fn refused(fault: Fault) -> Self {
        Self { served: fault.before_it_began().into(), verdict: Verdict::Nothing, member: None }
    }

    /// Whether it is certain that the call never began.
    pub(crate) fn never_began(&self) -> bool {
        matches!(&self.served, Served::Whole(Outcome::Fault(fault)) if fault.unbegun)
    }
}

impl Member {
    /// Runs one call. `target` is the upstream's own spelling where the caller's differs; `extra` are headers that
    /// mirror arguments; `passes` is whether a large result may be handed on while it arrives. What the call runs on is
    /// in use until that has ended.
    pub(crate) async fn call(
        &self,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
        passes: bool,
    ) -> Ended {
        let _running = Running::begin(&*self.shared);
        let (served, conversation, verdict) = self.run(call, target, extra, passes).await;
        let served = match served {
            Served::Arriving(arriving) => {
                let running = Running::begin(Arc::clone(&self.shared));
                Served::Arriving(arriving.holding((conversation, running)))
            }
            whole @ Served::Whole(_) => whole,
        };
        Ended { served, verdict, member: None }
    }

    /// Runs one call like [`Member::call`], and keeps what it ran on; `None` when it did not run.
    pub(crate) async fn call_holding(
        &self,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
    ) -> (Ended, Option<Hold>) {
        let running = Running::begin(Arc::clone(&self.shared));
        let (served, conversation, verdict) = self.run(call, target, extra, false).await;
        let hold = conversation.map(|conversation| Hold::new(conversation, running));
        (Ended { served, verdict, member: None }, hold)
    }

    async fn run(
        &self,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
        passes: bool,
    ) -> (Served, Option<Conversation>, Verdict) {
        // While there is no conversation the supervisor holds calls back; that is no news for the breaker.
        let mut verdict = Verdict::Nothing;
        for attempt in 0..2 {
            let conversation = match self.conversation(call).await {
                Ok(conversation) => conversation,
                Err(fault) => return (fault.before_it_began().into(), None, verdict),
            };
            match conversation.session().call(call, target, extra, passes).await {
                Ok((served, verdict)) => return (served, Some(conversation), verdict),
                // The call certainly did not run: it may be sent again, once, over a new conversation.
                Err(Lost(why)) => {
                    verdict = Verdict::Failed(Trouble::Connect);
                    tracing::debug!(server = &**self.name(), %why, attempt, "the conversation was lost before the call began");
                    match &conversation {
                        Conversation::Shared(session) => self.lost(session, &why),
                        Conversation::Own(lease) => self.shared.pool.lost(lease, &why),
                    }
                }
            }
        }
        let after = self.shared.options.backoff.first;
        let fault = Fault::unavailable(self.name(), "it cannot be reached", after).before_it_began();
        (fault.into(), None, verdict)
    }

    /// The conversation for a call: the shared one, unless the server is a legacy one and may ask the caller something.
    async fn conversation(&self, call: &Call) -> Result<Conversation, Fault> {
        let shared = &self.shared;
        let key = Pool::key(shared.options.sessions, call);
        let main = self.session().await?;
        let Some(key) = key.filter(|_| main.era() == Era::Legacy) else {
            return Ok(Conversation::Shared(main));
        };
        match Pool::lease(shared, key, &call.caller).await {
            Ok(lease) => Ok(Conversation::Own(lease)),
            Err(Refused::Full(fault)) => Err(fault),
            Err(Refused::Unopened(why)) => {
                tracing::debug!(server = &**self.name(), %why, "the shared conversation serves a call that could be asked");
                Ok(Conversation::Shared(main))
            }
        }
    }

    /// The conversation, waiting for one that is about to be.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, Fault> {
        if let Some(session) = &*self.shared.session.load() {
            return Ok(Arc::clone(session));
        }
        let mut status = self.shared.status.subscribe();
        let patience = self.shared.options.timeouts.connect;
        let ready = timeout(patience, async {
            loop {
                // The status is looked at first: a session that comes after the look changes the status again.
                let phase = status.borrow_and_update().phase.clone();
                if let Some(session) = &*self.shared.session.load() {
                    return Ok(Arc::clone(session));
                }
                // A server that was idle is woken; one that is starting is waited for; one that is down is not.
                match phase {
                    Phase::Down { reason, retry_in } => return Err((reason, retry_in)),
                    Phase::Stopped => return Err((Arc::from("it was shut down"), Duration::from_secs(5))),
                    Phase::Idle => self.shared.wake.notify_one(),
                    Phase::Starting | Phase::Ready | Phase::Impaired(_) => {}
                }
                if status.changed().await.is_err() {
                    return Err((Arc::from("it was shut down"), Duration::from_secs(5)));
                }
            }
        });
        match ready.await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err((reason, retry_in))) => Err(Fault::unavailable(self.name(), &reason, retry_in)),
            Err(_) => Err(Fault::unavailable(self.name(), "it is still starting", Duration::from_secs(2))),
        }
    }

    /// Takes a broken conversation out of use and has the task open another.
    pub(super) fn lost(&self, session: &Arc<Session>, why: &str) {
        self.shared.retire(session);
        session.lost.tell(why);
    }
}
