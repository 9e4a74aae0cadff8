//! The wires towards clients.
//!
//! `host.rs` is the seam to the gateway; `answer.rs` puts outcomes into the caller's words; `session.rs` is what a
//! legacy client's session holds; `follow.rs` is what open streams tell; `http/` and `stdio.rs` are the wires.

mod answer;
mod decode;
mod follow;
pub mod host;
pub mod http;
mod notes;
mod session;
pub mod stdio;
