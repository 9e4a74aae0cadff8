//! What can be seen: metrics, logs, trace context.

pub mod events;
pub mod logs;
pub mod metrics;
pub mod printable;
pub mod time;
pub mod trace;
