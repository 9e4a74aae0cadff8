//! Waiting for a condition, within bounds.

use std::time::{Duration, Instant};

/// For anything that involves starting a process. Node takes seconds on a busy machine.
pub const LONG: Duration = Duration::from_mins(1);

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none within `limit`; the message names `what`.
pub fn until<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
