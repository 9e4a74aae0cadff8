//! The wires towards clients.
//!
//! `host.rs` is the seam to the gateway; `answer.rs` puts outcomes into the caller's words; `session.rs` is what a
//! legacy client's session holds; `running.rs` is how a call is cancelled; `follow.rs` is what open streams tell, `listen.rs` what frames it;
//! `http/` and `stdio/` are the wires.

mod answer;
mod aside;
mod asking;
mod decode;
mod follow;
pub mod host;
pub mod http;
mod listen;
mod notes;
mod running;
#[cfg(test)]
mod scripted;
mod session;
pub mod stdio;
