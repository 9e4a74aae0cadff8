//! How a call ended.

use bytes::Bytes;

use crate::{Era, Fault};

/// The end of a call. There is exactly one per call.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The peer, or the gateway itself, gave a result.
    Result(Reply),
    /// The upstream answered with an error of its own.
    Error(PeerError),
    /// The gateway decided that the call failed.
    Fault(Box<Fault>),
}

/// A result as the bytes that came.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The result object: one JSON object, already checked to be one.
    pub raw: Bytes,
    /// The era it was said in; the front bridges it when the caller lives in the other.
    pub era: Era,
}

/// An error that an upstream sent.
#[derive(Clone, Debug)]
pub struct PeerError {
    /// The JSON-RPC error code.
    pub code: i64,
    /// The whole error object as it came.
    pub raw: Bytes,
    /// The era it was said in.
    pub era: Era,
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}
