//! What the end of a call says about its server, which is not what it says to its caller: a tool that reports an error
//! has answered.

use trunkline_model::{Fault, Kind, Outcome, Served, Side};
use trunkline_transport::back::{Refusal, WireError};

/// What the end of a call says about its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answered, or began to; whether it liked the request is between it and the caller.
    Well,
    /// It failed.
    Failed(Trouble),
    /// It asks for patience (429, or 503 with `Retry-After`).
    Wait,
    /// Nothing: the caller gave up, or the call never got as far.
    Nothing,
}

/// How a server failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It could not be reached: the call did not run.
    Connect,
    /// It did not answer in time.
    TimedOut,
    /// The connection or process ended during the call.
    Broken,
    /// HTTP 5xx.
    Status,
    /// What it sent is no answer.
    BadAnswer,
}

impl Verdict {
    /// The verdict on the end of an exchange.
    pub(crate) fn on<T>(ended: &Result<T, WireError>) -> Self {
        match ended {
            Ok(_) => Self::Well,
            Err(WireError::NotSent(_)) => Self::Failed(Trouble::Connect),
            Err(WireError::Broken(_)) => Self::Failed(Trouble::Broken),
            Err(WireError::Invalid(_)) => Self::Failed(Trouble::BadAnswer),
            // One result is larger than we take; the server is none the worse.
            Err(WireError::TooLarge(_)) => Self::Nothing,
            Err(WireError::Refused(refusal)) => Self::refused(refusal),
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        match refusal.status {
            429 => Self::Wait,
            503 if refusal.headers.contains_key(http::header::RETRY_AFTER) => Self::Wait,
            500.. => Self::Failed(Trouble::Status),
            // The request was not to its liking.
            _ => Self::Well,
        }
    }

    /// The verdict on a result whose rest did not come. Where the caller did not take it in time, that is nobody else's doing.
    pub(crate) fn on_rest(fault: &Fault) -> Self {
        match fault.kind {
            _ if fault.side != Side::Upstream => Self::Nothing,
            Kind::TimedOut => Self::Failed(Trouble::TimedOut),
            Kind::BadAnswer => Self::Failed(Trouble::BadAnswer),
            Kind::OutcomeUnknown | Kind::Unavailable => Self::Failed(Trouble::Broken),
            _ => Self::Nothing,
        }
    }

    /// The same, in the light of what was made of the answer.
    pub(crate) fn with(self, served: &Served) -> Self {
        match served {
            Served::Whole(Outcome::Fault(fault)) if self == Self::Well && fault.kind == Kind::BadAnswer => {
                Self::Failed(Trouble::BadAnswer)
            }
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn refused(status: u16, patience: bool) -> Verdict {
        let mut headers = HeaderMap::new();
        if patience {
            headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Verdict::on::<()>(&Err(WireError::Refused(Box::new(Refusal {
            status,
            headers,
            body: Bytes::new(),
            message: None,
        }))))
    }

    #[test]
    fn only_what_the_server_is_to_blame_for_is_a_failure() {
        for (status, patience, verdict) in [
            (500, false, Verdict::Failed(Trouble::Status)),
            (502, true, Verdict::Failed(Trouble::Status)),
            (503, false, Verdict::Failed(Trouble::Status)),
            (503, true, Verdict::Wait),
            (429, false, Verdict::Wait),
            (400, false, Verdict::Well),
            (401, false, Verdict::Well),
            (404, false, Verdict::Well),
        ] {
            assert_eq!(refused(status, patience), verdict, "{status} {patience}");
        }
        assert_eq!(
            Verdict::on::<()>(&Err(WireError::Broken(String::new()))),
            Verdict::Failed(Trouble::Broken)
        );
        assert_eq!(Verdict::on::<()>(&Err(WireError::TooLarge(1))), Verdict::Nothing);
    }
}
