//! The wires towards clients.

pub mod host;
