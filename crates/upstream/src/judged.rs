//! A result that is handed on while it arrives: what it says about its server shows at its end.

use std::task::{Context, Poll};

use bytes::Bytes;
use trunkline_model::{Arriving, Fault, Source};

use crate::breaker::Verdict;

/// The same result; `tell` hears at its end, once, what that says about the server. Of one that is given up before, it
/// never hears.
pub(crate) fn judged(arriving: Arriving, tell: impl FnOnce(Verdict) + Send + 'static) -> Arriving {
    Arriving::new(Judged { arriving, tell: Some(tell) })
}

struct Judged<F> {
    arriving: Arriving,
    tell: Option<F>,
}

impl<F: FnOnce(Verdict) + Send> Source for Judged<F> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Box<Fault>>>> {
        let polled = self.arriving.poll_piece(cx);
        let verdict = match &polled {
            Poll::Pending | Poll::Ready(Some(Ok(_))) => return polled,
            Poll::Ready(None) => Verdict::Well,
            Poll::Ready(Some(Err(fault))) => Verdict::on_rest(fault),
        };
        if let Some(tell) = self.tell.take() {
            tell(verdict);
        }
        polled
    }

    fn is_whole(&self) -> bool {
        self.arriving.is_whole()
    }

    fn is_tool_error(&self) -> bool {
        self.arriving.is_tool_error()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use trunkline_model::Side;
    use trunkline_observe::metrics::Metrics;

    use super::*;
    use crate::breaker::{Circuits, Guard, Options, State, Trouble};

    type End = fn() -> Option<Fault>;

    /// One piece, then this end.
    struct Script(usize, End);

    impl Source for Script {
        fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Box<Fault>>>> {
            self.0 += 1;
            match self.0 {
                1 => Poll::Ready(Some(Ok(Bytes::from_static(b"{")))),
                _ => Poll::Ready((self.1)().map(|fault| Err(Box::new(fault)))),
            }
        }

        fn is_whole(&self) -> bool {
            false
        }

        fn is_tool_error(&self) -> bool {
            false
        }
    }

    fn server() -> Arc<str> {
        Arc::from("s")
    }

    fn broken() -> Fault {
        Fault::outcome_unknown(&server(), "it broke")
    }

    fn piece(arriving: &mut Arriving) -> Option<Result<Bytes, Box<Fault>>> {
        arriving.piece().now_or_never().expect("it is there")
    }

    #[test]
    fn the_verdict_is_told_once_at_the_end_and_never_of_what_is_given_up() {
        let late = || Fault::timed_out(&server(), Duration::from_secs(1));
        let cases: [(End, Verdict); 5] = [
            (|| None, Verdict::Well),
            (|| Some(broken()), Verdict::Failed(Trouble::Broken)),
            (|| Some(Fault::bad_answer(&server(), "no JSON")), Verdict::Failed(Trouble::BadAnswer)),
            (
                || Some(Fault::timed_out(&server(), Duration::from_secs(1))),
                Verdict::Failed(Trouble::TimedOut),
            ),
            (|| Some(Fault::result_too_large(&server(), 1)), Verdict::Nothing),
        ];
        for (end, verdict) in cases {
            let told = Arc::new(Mutex::new(Vec::new()));
            let hears = Arc::clone(&told);
            let script = Arriving::new(Script(0, end));
            let mut arriving = judged(script, move |verdict| hears.lock().unwrap().push(verdict));
            assert!(matches!(piece(&mut arriving), Some(Ok(_))));
            assert!(told.lock().unwrap().is_empty(), "nothing is known before the end");
            let _ = (piece(&mut arriving), piece(&mut arriving));
            assert_eq!(*told.lock().unwrap(), [verdict]);
        }
        let told = Arc::<AtomicUsize>::default();
        let hears = Arc::clone(&told);
        let mut arriving = judged(Arriving::new(Script(0, || Some(broken()))), move |_| {
            hears.fetch_add(1, Ordering::Relaxed);
        });
        assert!(piece(&mut arriving).is_some());
        drop(arriving);
        assert_eq!(told.load(Ordering::Relaxed), 0);
        assert_eq!(Verdict::on_rest(&Fault { side: Side::Client, ..late() }), Verdict::Nothing);
    }

    fn passed(circuits: &Arc<Circuits>, end: End, pieces: usize) {
        let rest = Guard::begin(Some(circuits), None).expect("it is closed").rest().expect("it counts");
        let mut arriving = judged(Arriving::new(Script(0, end)), |verdict| rest.ended(verdict));
        for _ in 0..pieces {
            let _ = piece(&mut arriving);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_that_breaks_off_is_one_failure_and_no_success() {
        let meter = Metrics::new("test").upstream("s");
        let options = Options { consecutive: Some(2), calls_min: 1000, ..Options::default() };
        let circuits = Circuits::new(server(), options, meter);
        passed(&circuits, || Some(broken()), 2);
        assert_eq!(circuits.stand().state, State::Closed, "it counts once");
        passed(&circuits, || None, 2);
        passed(&circuits, || Some(broken()), 2);
        assert_eq!(circuits.stand().state, State::Closed, "there was a whole one between them");
        passed(&circuits, || Some(broken()), 1);
        assert_eq!(circuits.stand().state, State::Closed, "given up, it counts as nothing");
        passed(&circuits, || Some(broken()), 2);
        assert_eq!(circuits.stand().state, State::Open, "its beginning did not count as a success");
    }
}
