//! Doing to one request what a rule says.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::sleep;
use trunkline_protocol::Scanned;
use trunkline_transport::back::{Answered, Heard, Outgoing, Refusal, Wire, WireError};

use super::rule::{Abort, Kind};

/// A fault that hits one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Struck {
    pub(super) kind: Kind,
    /// What chance there is in it.
    pub(super) chance: u64,
}

impl Struck {
    /// The exchange, with the fault in it. Errors are those that a wire gives when the same happens by itself.
    pub(crate) async fn exchange(self, wire: &dyn Wire, mut out: Outgoing) -> Result<Answered, WireError> {
        match self.kind {
            Kind::Delay { by, jitter } => {
                sleep(by + part(jitter, self.chance)).await;
                wire.exchange(out).await
            }
            Kind::Abort(abort) => Err(aborted(abort)),
            Kind::Truncate => {
                wire.exchange(out).await?;
                Err(WireError::Broken("connection closed before the end of the answer".to_owned()))
            }
            Kind::Garbage => {
                wire.exchange(out).await?;
                Err(WireError::Invalid("what it sent is no JSON".to_owned()))
            }
            Kind::Drop => {
                wire.exchange(out).await?;
                pending().await
            }
            Kind::Duplicate => {
                out.heard = out.heard.map(|heard| Arc::new(Twice(heard)) as Arc<dyn Heard>);
                wire.exchange(out).await
            }
            Kind::Stall(Some(time)) => {
                sleep(time).await;
                wire.exchange(out).await
            }
            Kind::Stall(None) => pending().await,
        }
    }
}

fn aborted(abort: Abort) -> WireError {
    match abort {
        Abort::Unreachable => WireError::NotSent("connection refused".to_owned()),
        Abort::Broken => WireError::Broken("connection reset by peer".to_owned()),
        Abort::Status(status) => {
            let headers = HeaderMap::new();
            WireError::Refused(Box::new(Refusal { status, headers, body: Bytes::new(), message: None }))
        }
    }
}

/// From nothing to all of `whole`.
fn part(whole: Duration, chance: u64) -> Duration {
    whole.mul_f64((chance >> 11) as f64 / (1_u64 << 53) as f64)
}

/// Hears everything twice.
struct Twice(Arc<dyn Heard>);

impl Heard for Twice {
    fn hear(&self, message: Scanned) {
        // A question must not be put twice: its second answer would belong to nobody.
        if message.shape == trunkline_protocol::Shape::Notification {
            self.0.hear(message.clone());
        }
        self.0.hear(message);
    }
}
