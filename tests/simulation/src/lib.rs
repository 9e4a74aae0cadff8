//! Deterministic simulation of the gateway's core (decision 0061).
//!
//! `world.rs` plays one history: the real gateway, upstreams and fronts on one thread, in time that is told to them, over
//! connections in memory. `setup.rs` is what the operator decided, `server/` and `client/` are the others, `wire.rs` what lies
//! between, `fate.rs` what befalls them, `laws/` what must hold.
//! `main.rs` plays many, each in a process of its own.

pub mod chance;
pub mod client;
mod fate;
pub mod history;
mod laws;
mod passing;
pub mod server;
pub mod setup;
pub mod wire;
pub mod world;
