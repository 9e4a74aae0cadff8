//! The real binary, as a person and a service manager use it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calling;
mod clients;
mod command;
mod configuration;
mod serving;
