//! The event stream format.
