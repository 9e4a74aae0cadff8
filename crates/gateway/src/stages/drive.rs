//! Driving: a modern server answers a legacy client's call with questions; each is put to the client as a real request,
//! and the call is sent again with the answers (`bridging.md` section 6).
//!
//! Nothing is run twice here: a server that asks has not run the call, and says so by asking.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};
use trunkline_model::{Ask, AskAnswer, Call, Era, Fault, Kind, Notes, Outcome, Side, Text};
use trunkline_protocol::asks::{self, Question, Wanted};
use trunkline_protocol::{bridge, rounds};
use trunkline_upstream::Upstream;

/// Most rounds of questions for one call; other clients give up at eight to ten.
const ROUNDS_MAX: usize = 10;
/// Waits between looks at a server that says "not yet": it asks nothing, or asks again for a URL that was visited.
const AGAIN_FIRST: Duration = Duration::from_secs(2);
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// Longest time spent on looking again.
const LOOKS_MAX: usize = 40;

/// Takes a first outcome to the end that the client can be told.
pub(crate) async fn drive(
    upstream: &Upstream,
    call: &Call,
    target: Option<&str>,
    extra: &[(String, String)],
    first: Outcome,
) -> Outcome {
    // Boxed: it is rare, and would make every call's future larger.
    if questions(call, &first).is_some() {
        Box::pin(asked(upstream, call, target, extra, first)).await
    } else {
        first
    }
}

async fn asked(
    upstream: &Upstream,
    call: &Call,
    target: Option<&str>,
    extra: &[(String, String)],
    first: Outcome,
) -> Outcome {
    let mut outcome = first;
    let (mut rounds, mut looks) = (0, 0);
    let mut again = AGAIN_FIRST;
    let mut visited: HashSet<String> = HashSet::new();
    loop {
        let Some(wanted) = questions(call, &outcome) else { return outcome };
        let fresh = wanted
            .questions
            .iter()
            .any(|q| asks::url_of(&q.params).is_none_or(|url| !visited.contains(&url)));
        if fresh && !wanted.questions.is_empty() {
            rounds += 1;
        } else {
            looks += 1;
            sleep(again).await;
            again = (again * 2).min(AGAIN_MAX);
        }
        if rounds > ROUNDS_MAX || looks > LOOKS_MAX {
            return given_up(upstream, "the server asks again and again; giving up").into();
        }
        let answers = match answers(upstream, call, &wanted, &mut visited).await {
            Ok(answers) => answers,
            Err(fault) => return fault.into(),
        };
        let retry = retry(call, &answers, &wanted);
        outcome = upstream.call(&retry, target, extra).await;
    }
}

/// The questions in an outcome, if they must be put to a client that cannot read them.
fn questions(call: &Call, outcome: &Outcome) -> Option<Wanted> {
    let Outcome::Result(reply) = outcome else { return None };
    if reply.era != Era::Modern || call.caller.era != Era::Legacy {
        return None;
    }
    asks::wanted(&reply.raw)
}

fn retry(call: &Call, answers: &[(Text, Bytes)], wanted: &Wanted) -> Call {
    Call { params: asks::answered(&call.params, answers, wanted.state.as_ref()), ..call.clone() }
}

/// Puts all questions of a round at once and waits for every answer.
pub(crate) async fn answers(
    upstream: &Upstream,
    call: &Call,
    wanted: &Wanted,
    visited: &mut HashSet<String>,
) -> Result<Vec<(Text, Bytes)>, Fault> {
    let able = |q: &&Question| asks::can_answer(&call.caller.capabilities, &q.method, &q.params);
    if let Some(question) = wanted.questions.iter().find(|q| !able(q)) {
        return Err(unable(upstream, question));
    }
    let pending: Vec<_> = wanted
        .questions
        .iter()
        .map(|question| {
            let known = asks::url_of(&question.params).is_some_and(|url| visited.contains(&url));
            (question, (!known).then(|| Put::to(&call.notes, upstream.name(), question)))
        })
        .collect();
    // One time for all of them: they were put at once.
    let until = Instant::now() + upstream.options().timeouts.answer;
    let mut out = Vec::with_capacity(pending.len());
    for (question, answer) in pending {
        let said = match answer {
            // The user has agreed to this visit before; asking again would only annoy.
            None => Some(AskAnswer::Result(Bytes::from_static(b"{\"action\":\"accept\"}"))),
            Some(put) => put.answer(until).await,
        };
        let raw = judged(upstream, question, said)?;
        if let Some(url) = asks::url_of(&question.params)
            && rounds::is_accepted(&raw)
        {
            visited.insert(url);
        }
        out.push((question.key.clone(), raw));
    }
    Ok(out)
}

/// A question that was put; dropped before it is answered, it is taken back.
struct Put<'a> {
    notes: &'a Arc<dyn Notes>,
    number: u64,
    answer: Option<oneshot::Receiver<AskAnswer>>,
}

impl<'a> Put<'a> {
    fn to(notes: &'a Arc<dyn Notes>, server: &Arc<str>, question: &Question) -> Self {
        let (reply, answer) = oneshot::channel();
        let reply = Box::new(move |said| {
            // The call may have ended meanwhile; then nobody waits.
            let _ = reply.send(said);
        });
        let number = Ask::fresh_number();
        let (method, params) = (question.method.clone(), question.params.clone());
        notes.ask(Ask { number, server: Arc::clone(server), method, params, reply });
        Self { notes, number, answer: Some(answer) }
    }

    /// The answer; `None` when the client cannot be asked, or did not answer in time.
    async fn answer(mut self, until: Instant) -> Option<AskAnswer> {
        let said = timeout_at(until, self.answer.as_mut()?).await.ok()?;
        self.answer = None;
        said.ok()
    }
}

impl Drop for Put<'_> {
    fn drop(&mut self) {
        if self.answer.is_some() {
            self.notes.withdraw(self.number);
        }
    }
}

/// What goes back to the server for an answer. A refused elicitation is a cancelled one; the other questions have no
/// way to say no, so the call ends.
fn judged(upstream: &Upstream, question: &Question, said: Option<AskAnswer>) -> Result<Bytes, Fault> {
    let why = match said {
        Some(AskAnswer::Result(raw)) if asks::is_answer(&question.method, &raw) => return Ok(raw),
        Some(AskAnswer::Result(_)) => "the answer is malformed".to_owned(),
        Some(AskAnswer::Refused(error)) => bridge::message_of(&error).unwrap_or_else(|| "refused".to_owned()),
        None => "there was no answer".to_owned(),
    };
    if *question.method == *asks::ELICIT {
        return Ok(Bytes::from_static(asks::CANCELLED));
    }
    let shown: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
    Err(given_up(upstream, &format!("the client did not answer {}: {shown}", question.method)))
}

/// The client cannot be asked this. With a page to visit the user can still be told where it is.
fn unable(upstream: &Upstream, question: &Question) -> Fault {
    let needed = asks::needed(&question.method, &question.params);
    let text = asks::told(upstream.name(), &question.method, &question.params);
    Fault::client(Kind::MissingCapability(needed.into()), text).of(upstream.name())
}

fn given_up(upstream: &Upstream, text: &str) -> Fault {
    let mut fault = Fault::cannot_bridge(upstream.name(), text);
    fault.side = Side::Client;
    fault
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use trunkline_model::Note;

    use super::*;

    #[derive(Default)]
    struct User {
        asked: Mutex<Vec<Ask>>,
        withdrawn: Mutex<Vec<u64>>,
    }

    impl Notes for User {
        fn note(&self, _note: Note) {}

        fn ask(&self, ask: Ask) {
            self.asked.lock().unwrap().push(ask);
        }

        fn withdraw(&self, number: u64) {
            self.withdrawn.lock().unwrap().push(number);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_is_taken_back_when_nobody_waits_for_it_any_more_and_only_then() {
        let user = Arc::<User>::default();
        let notes = Arc::clone(&user) as Arc<dyn Notes>;
        let question = Question { key: "k".into(), method: asks::ROOTS.into(), params: Bytes::new() };
        let put = || Put::to(&notes, &"s".into(), &question);
        let until = Instant::now() + Duration::from_secs(1);

        let answered = put();
        let ask = user.asked.lock().unwrap().pop().unwrap();
        (ask.reply)(AskAnswer::Result(Bytes::from_static(b"{}")));
        assert!(answered.answer(until).await.is_some());
        let refused = put();
        drop(user.asked.lock().unwrap().pop());
        assert!(refused.answer(until).await.is_none());
        assert!(user.withdrawn.lock().unwrap().is_empty());

        let (late, other) = (put(), put());
        let numbers = [late.number, other.number];
        assert!(late.answer(until).await.is_none());
        drop(other);
        assert_eq!(*user.withdrawn.lock().unwrap(), numbers);
    }
}
