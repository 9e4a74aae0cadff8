//! What a client said: one message, or a batch of the revisions that had them.

use bytes::Bytes;
use trunkline_model::{Fault, Kind};
use trunkline_protocol::scan::split_batch;
use trunkline_protocol::{ScanError, Scanned, Shape, method, scan};

/// Most messages in one batch.
pub(crate) const BATCH_MAX: usize = 100;

/// One or more messages.
pub(crate) enum Said {
    /// A message.
    One(Box<Scanned>),
    /// A batch.
    Batch(Vec<Scanned>),
}

/// Why something could not be read, and which request it was as far as that can be told.
pub(crate) struct Unreadable {
    pub(crate) id: Option<Bytes>,
    pub(crate) fault: Fault,
}

impl Said {
    /// Reads what was said.
    ///
    /// # Errors
    /// What is no JSON, no message, or no batch of messages.
    pub(crate) fn read(raw: Bytes) -> Result<Self, Box<Unreadable>> {
        match scan(raw.clone()) {
            Ok(message) => Ok(Self::One(Box::new(message))),
            Err(ScanError::Batch) => split(&raw).map(Self::Batch).map_err(|text| {
                Box::new(Unreadable { id: None, fault: Fault::client(Kind::InvalidRequest, text) })
            }),
            Err(error) => Err(unreadable(&raw, &error)),
        }
    }
}

/// What to say of a text that is no message.
pub(crate) fn unreadable(raw: &Bytes, error: &ScanError) -> Box<Unreadable> {
    let kind = if error.is_syntax() { Kind::Unparsable } else { Kind::InvalidRequest };
    let id = if let ScanError::Invalid { id, .. } = error { id.clone() } else { None };
    Box::new(Unreadable {
        id: id.and_then(|span| raw.get(span)).map(Bytes::copy_from_slice),
        fault: Fault::client(kind, error.to_string()),
    })
}

/// The messages of a batch.
///
/// # Errors
/// Something that is no batch of messages, or one with `initialize` in it (2025-03-26, lifecycle).
pub(crate) fn split(raw: &Bytes) -> Result<Vec<Scanned>, &'static str> {
    let parts = split_batch(raw, BATCH_MAX).map_err(|_| "a batch holds between 1 and 100 messages")?;
    let messages: Result<Vec<Scanned>, _> = parts.into_iter().map(scan).collect();
    let messages = messages.map_err(|_| "the batch holds something that is no message")?;
    if messages.iter().any(|m| m.shape == Shape::Request && &*m.method() == method::INITIALIZE) {
        return Err("initialize cannot be part of a batch");
    }
    Ok(messages)
}
