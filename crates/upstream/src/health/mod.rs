//! Looking after silent conversations: a process that was stopped, a peer that vanished and a stream that went dumb all look
//! like a server with nothing to say.
//!
//! A server that was silent for a while is asked something cheap: a ping, or `server/discover` in the modern era. Anything
//! that it says within the time is a sign of life. While calls are under way it may be busy with them, and gets as long as
//! a call may be silent.

mod options;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use trunkline_model::Era;
use trunkline_observe::events::LinkStalled;
use trunkline_protocol::method;
use trunkline_transport::back::WireError;

pub use options::Options;
use options::Rules;

use crate::member::Shared;
use crate::session::{Session, describe};

/// How often within an interval it is looked whether something was said.
const LOOKS: u32 = 8;

/// Watches a conversation for as long as it is polled; resolves with the reason when its server does not answer any more.
pub(crate) async fn stalled(shared: &Shared, session: &Arc<Session>) -> String {
    let mut options = shared.health.subscribe();
    loop {
        let rules = options.borrow_and_update().map(|options| options.for_reach(&shared.options.reach));
        let Some(rules) = rules else {
            changed(&mut options).await;
            continue;
        };
        tokio::select! {
            () = silence(shared, session, rules.interval) => {}
            () = changed(&mut options) => continue,
        }
        match look(shared, session, rules).await {
            Look::Alive => {}
            Look::Unclear => {
                tracing::info!(
                    server = &*shared.options.name,
                    "the server does not answer pings; it is not looked after"
                );
                return std::future::pending().await;
            }
            Look::Gone(why) => {
                LinkStalled { upstream: &shared.options.name, why: &why }.emit(&shared.meter);
                return why;
            }
        }
    }
}

async fn changed(options: &mut tokio::sync::watch::Receiver<Option<Options>>) {
    if options.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Counts up with everything that the server says, or that is done with it where wires cannot tell.
fn signs(shared: &Shared, session: &Session) -> u64 {
    session.wire.heard().unwrap_or_else(|| shared.uses.load(Ordering::Relaxed))
}

/// Resolves when there was no sign of life for this long.
async fn silence(shared: &Shared, session: &Session, interval: Duration) {
    let mut last = signs(shared, session);
    let mut since = Instant::now();
    while since.elapsed() < interval {
        sleep(interval / LOOKS).await;
        let now = signs(shared, session);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}

/// What came of asking a silent server.
enum Look {
    Alive,
    /// It has never answered a ping, and there is nothing else to ask.
    Unclear,
    Gone(String),
}

async fn look(shared: &Shared, session: &Arc<Session>, rules: Rules) -> Look {
    let begun = Instant::now();
    let before = signs(shared, session);
    let said = async {
        // Whatever it says meanwhile will do.
        while session.wire.heard().is_none_or(|now| now == before) {
            sleep(rules.timeout / LOOKS).await;
        }
    };
    let busy = shared.running.load(Ordering::Relaxed) > 0;
    let patience = if busy { rules.timeout.max(session.timeouts.idle) } else { rules.timeout };
    let (ping, proven) = (ping(session.era()), shared.pings.load(Ordering::Relaxed));
    let asked = async {
        tokio::select! {
            answer = ask(session, ping) => (true, answer),
            // Some servers know no pings: until one was answered, something that was answered before is asked as well.
            answer = ask(session, method::LIST_TOOLS), if !proven && session.introduction.has("tools") => (false, answer),
            () = said => (false, Ok(())),
        }
    };
    let why = match timeout(patience, asked).await {
        Ok((pinged, Ok(()))) => {
            shared.pings.fetch_or(pinged, Ordering::Relaxed);
            return Look::Alive;
        }
        Ok((_, Err(why))) => why,
        Err(_) if !proven && !session.introduction.has("tools") => return Look::Unclear,
        Err(_) => format!("it has not answered a {ping} for {:.1} s", begun.elapsed().as_secs_f64()),
    };
    Look::Gone(why)
}

const fn ping(era: Era) -> &'static str {
    match era {
        Era::Legacy => method::PING,
        Era::Modern => method::DISCOVER,
    }
}

/// Asks the server; any answer is a good one, an error too.
async fn ask(session: &Arc<Session>, method: &'static str) -> Result<(), String> {
    let asked = session.ask_with(session.number(), method, Bytes::from_static(b"{}"), None).await;
    match asked {
        Ok(_) | Err(WireError::Invalid(_) | WireError::TooLarge(_)) => Ok(()),
        Err(WireError::Refused(refusal)) => {
            // That is how dead sessions are refused, but also how servers refuse what they do not know.
            if session.session_id.is_some() && matches!(refusal.status, 400 | 404) {
                session.look_into().await;
            }
            Ok(())
        }
        Err(error @ (WireError::NotSent(_) | WireError::Broken(_))) => Err(describe(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Member;
    use crate::member::tests::member;
    use crate::options::Live;
    use crate::script::answering;

    const SECOND: Duration = Duration::from_secs(1);

    fn watched() -> Member {
        let member = member();
        let health = Options { interval: Some(8 * SECOND), timeout: Some(5 * SECOND) };
        member.adopt(&Live { health: Some(health), ..Live::default() });
        member
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stops_answering_is_found_out_in_time() {
        let (member, begun) = (watched(), Instant::now());
        let why = stalled(&member.shared, &answering(2)).await;
        // Two pings that were answered, and one that was not.
        assert_eq!(begun.elapsed().as_secs(), 3 * 8 + 5, "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_at_work_gets_as_long_as_a_call_may_be_silent() {
        let (member, begun) = (watched(), Instant::now());
        member.shared.running.fetch_add(1, Ordering::Relaxed);
        stalled(&member.shared, &answering(1)).await;
        assert_eq!(begun.elapsed().as_secs(), 2 * 8 + 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answered_a_ping_is_left_in_peace() {
        let member = watched();
        assert!(timeout(1000 * SECOND, stalled(&member.shared, &answering(0))).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_asked_while_it_is_off() {
        let member = watched();
        member.adopt(&Live { health: None, ..Live::default() });
        assert!(timeout(1000 * SECOND, stalled(&member.shared, &answering(1))).await.is_err());
    }
}
