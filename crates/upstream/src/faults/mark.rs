//! Remembering, while a call runs, that a fault was injected into it: its log line says so.

use std::cell::Cell;

tokio::task_local! {
    static INJECTED: Cell<Option<&'static str>>;
}

/// Runs `work`; [`injected`] tells within it what was injected into it.
pub async fn marked<T>(work: impl Future<Output = T>) -> T {
    INJECTED.scope(Cell::new(None), work).await
}

/// The kind of the fault that was last injected into what [`marked`] runs, if any was.
pub fn injected() -> Option<&'static str> {
    INJECTED.try_with(Cell::get).ok().flatten()
}

pub(super) fn mark(kind: &'static str) {
    // Requests of the gateway's own are nobody's call.
    let _ = INJECTED.try_with(|injected| injected.set(Some(kind)));
}
