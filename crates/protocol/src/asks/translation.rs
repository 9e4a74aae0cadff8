//! A question on its way to a legacy client, and the answer on its way back.

use bytes::Bytes;

use crate::bridge::content::{Place, Reading};
use crate::bridge::messages;
use crate::json::{Object, quoted, splice};
use crate::revision::Revision;

use super::form::{self, Form, Respelled};
use super::{CANCELLED, ELICIT, SAMPLE, is_url};

/// A question in the words of the client's revision, and what its answer needs to be the one that the server asked for.
#[derive(Clone, Debug)]
pub struct Translation {
    params: Bytes,
    form: Option<Form>,
    asked_again: bool,
}

/// The same question once more, with the reason in its message: the answer was none that the server would take.
pub type AskAgain = Box<Translation>;

impl Translation {
    /// Translates the params of a question for a legacy client of `revision`. `id` is minted for elicitations by URL,
    /// which needed one in 2025-11-25. `None` when the revision has no such question, or the form has more fields than
    /// are converted: then nobody can be asked.
    pub fn downward(method: &str, params: &Bytes, revision: Revision, id: &str) -> Option<Self> {
        let plain = |params: Bytes| Self { params, form: None, asked_again: false };
        match method {
            ELICIT if revision < Revision::R2025_06_18 => None,
            ELICIT if is_url(params) => Some(plain(with_id(params, id))),
            ELICIT if revision < Revision::R2025_11_25 => Self::of_form(params),
            SAMPLE => Some(plain(sampling(params, revision))),
            _ => Some(plain(params.clone())),
        }
    }

    fn of_form(params: &Bytes) -> Option<Self> {
        let mut object = Object::open(params).ok()?;
        object.remove("mode");
        let form = match object.get("requestedSchema").map_or(Respelled::Same, form::downward) {
            Respelled::Same => None,
            Respelled::To(schema, form) => {
                object.set("requestedSchema", schema);
                Some(form)
            }
            Respelled::TooLarge => return None,
        };
        let params = object.finish().map_or_else(|| params.clone(), Bytes::from);
        Some(Self { params, form, asked_again: false })
    }

    /// The params of the question.
    pub fn params(&self) -> &Bytes {
        &self.params
    }

    /// The client's answer as the server wants it.
    ///
    /// # Errors
    /// The question to put once more, when the answer does not fit. After the second time the answer is that the user
    /// cancelled.
    pub fn answer(&self, raw: &Bytes) -> Result<Bytes, AskAgain> {
        let Some(form) = &self.form else { return Ok(raw.clone()) };
        match form.answer(raw) {
            Ok(converted) => Ok(converted.map_or_else(|| raw.clone(), Bytes::from)),
            Err(why) => match self.again(&why) {
                Some(again) => Err(Box::new(again)),
                None => Ok(Bytes::from_static(CANCELLED)),
            },
        }
    }

    fn again(&self, why: &str) -> Option<Self> {
        if self.asked_again {
            return None;
        }
        let mut object = Object::open(&self.params).ok()?;
        let message = object.text("message").unwrap_or_default();
        object.set_text("message", &format!("{message}\n{why}"));
        let params = Bytes::from(object.into_bytes());
        Some(Self { params, form: self.form.clone(), asked_again: true })
    }
}

fn with_id(params: &Bytes, id: &str) -> Bytes {
    if Object::open(params).is_ok_and(|object| object.get("elicitationId").is_some()) {
        return params.clone();
    }
    let head = [&b"\"elicitationId\":"[..], &quoted(id), b","].concat();
    Bytes::from(splice(params, &[(1..1, &head)]))
}

fn sampling(params: &Bytes, revision: Revision) -> Bytes {
    let reading = Reading { place: Place::Sampling, revision };
    let respelled = || {
        let mut object = Object::open(params).ok()?;
        let messages = messages::downward(object.get("messages")?, reading).ok()??;
        object.set("messages", messages);
        object.finish()
    };
    respelled().map_or_else(|| params.clone(), Bytes::from)
}

/// The params of a legacy server's question in the words of the modern era, where questions have no id and no progress
/// of their own. Titles in `enumNames` are legal there too.
pub fn params_upward(method: &str, params: &Bytes) -> Bytes {
    let Ok(mut object) = Object::open(params) else { return params.clone() };
    if method == ELICIT && object.get("elicitationId").is_some() {
        object.remove("elicitationId");
    }
    if let Some(mut meta) = object.get("_meta").and_then(|meta| Object::open(meta).ok()) {
        meta.remove("progressToken");
        let empty = meta.iter().all(|(key, _)| key == "progressToken");
        match meta.finish() {
            Some(_) if empty => object.remove("_meta"),
            Some(meta) => object.set("_meta", meta),
            None => {}
        }
    }
    object.finish().map_or_else(|| params.clone(), Bytes::from)
}

#[cfg(test)]
mod tests;
