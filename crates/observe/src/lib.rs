//! What can be seen: metrics, logs, trace context.
