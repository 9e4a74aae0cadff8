//! What is left to do for a message once it has been read and understood.
//!
//! All that leads here is done at once, by functions that wait for nothing: so a message and what was read from it are not
//! part of what waits for the call.

use std::sync::Arc;

use http::Response;

use super::super::host::BoxFuture;
use super::super::notes::Pad;
use super::super::session::Session;
use super::body::Body;
use super::modern::Serving;
use super::route::Handled;
use super::unhurried::Unhurried;
use super::{Front, stream};

/// An answer, or what it waits for.
pub(crate) enum Ahead {
    /// Nothing.
    Answered(Response<Body>),
    /// A call of the modern era. Without a pad its client takes no events.
    Modern(Serving, Option<Arc<Pad>>),
    /// A call of a session.
    Legacy(Unhurried, Option<Arc<Pad>>, Arc<Session>),
    /// What is rare: it would make the future of every request larger.
    Rare(BoxFuture<Handled>),
}

impl Ahead {
    /// Waits for it.
    pub(crate) async fn finish(self, front: &Front) -> Handled {
        match self {
            Self::Answered(response) => Ok(response),
            Self::Modern(serving, pad) => Ok(stream::answer(serving, pad).await),
            Self::Legacy(calling, Some(pad), session) => {
                Ok(stream::resumable(calling, pad, &session, &front.kept).await)
            }
            Self::Legacy(calling, None, _) => Ok(stream::answer(calling, None).await),
            Self::Rare(rest) => rest.await,
        }
    }
}
