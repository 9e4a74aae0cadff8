//! What is fed with anything at all, and what must hold whatever it is.
//!
//! Each module is one target: a function that takes bytes and panics where a property does not hold. `bin/` wraps each for
//! libFuzzer; `cargo xtask fuzz` builds and runs them. `docs/testing.md` says how a finding becomes a test.

pub mod answer;
pub mod config;
mod cuts;
pub mod envelope;
pub mod exchange;
pub mod headers;
mod running;
pub mod sse;
pub mod state;
pub mod stdio;
mod strict;
pub mod uris;
pub mod websocket;
