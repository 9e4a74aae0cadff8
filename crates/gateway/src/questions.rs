//! The open questions of one call or one task, as a modern client is told of them: each under a key of ours, answered by it.

use bytes::Bytes;
use trunkline_model::{Ask, AskAnswer, Text};
use trunkline_protocol::{asks, rounds};

/// Questions that wait for answers. Those that are taken out must be dropped outside of any lock: that refuses them, and
/// a refusal may do something of its own.
#[derive(Default)]
pub(crate) struct Questions {
    open: Vec<Question>,
    /// Questions so far, for their keys: none is used twice.
    asked: usize,
}

/// One question.
pub(crate) struct Question {
    key: String,
    number: u64,
    pub(crate) method: Text,
    pub(crate) params: Bytes,
    reply: Box<dyn FnOnce(AskAnswer) + Send>,
}

/// Answers on their way to who asked. They are not to be said under a lock.
pub(crate) struct Answered(Vec<(Question, Bytes)>);

impl Answered {
    /// Says them.
    pub(crate) fn say(self) {
        for (question, raw) in self.0 {
            (question.reply)(AskAnswer::Result(raw));
        }
    }
}

impl Questions {
    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// One more.
    pub(crate) fn add(&mut self, ask: Ask) {
        self.asked += 1;
        let kind = match &*ask.method {
            asks::ELICIT => "elicit",
            asks::SAMPLE => "sample",
            _ => "roots",
        };
        let key = format!("{kind}_{}", self.asked);
        let Ask { number, method, params, reply, .. } = ask;
        self.open.push(Question { key, number, method, params, reply });
    }

    /// Takes one back.
    #[must_use]
    pub(crate) fn withdraw(&mut self, number: u64) -> Option<Question> {
        let at = self.open.iter().position(|one| one.number == number)?;
        Some(self.open.remove(at))
    }

    /// Takes out all of them.
    #[must_use]
    pub(crate) fn take(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.open)
    }

    /// Takes out those that `responses` answer in the right form; the others stay open.
    pub(crate) fn answer(&mut self, responses: &Bytes) -> Answered {
        let mut answered = Vec::new();
        for question in self.take() {
            match rounds::response(responses, &question.key, &question.method) {
                Some(raw) => answered.push((question, raw)),
                None => self.open.push(question),
            }
        }
        Answered(answered)
    }

    /// The open ones, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Question> {
        self.open.iter()
    }

    /// Key, method and params of each, as they are put to the client.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (&str, &Text, &Bytes)> {
        self.open.iter().map(|one| (one.key.as_str(), &one.method, &one.params))
    }
}
