//! The wires towards clients.
//!
//! `host.rs` is the seam to the gateway; `answer.rs` puts outcomes into the caller's words; `session.rs` is what a
//! legacy client's session holds; `running.rs` is how a call is cancelled; `follow.rs` is what open streams tell, `listen.rs` what frames it;
//! `replay/` is what a client may come back for; `said.rs` reads messages, `frames.rs` makes events of them, `batch.rs` answers many at once; `pipe/` is a client that is spoken to over one pipe of
//! messages; `http/` and `stdio/` are the wires.

mod answer;
mod aside;
mod asking;
mod batch;
mod bell;
mod decode;
mod follow;
mod frames;
pub mod host;
pub mod http;
mod listen;
mod notes;
mod pipe;
mod replay;
mod running;
mod said;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, expect(dead_code, reason = "fuzz targets hold no call back"))]
mod scripted;
mod session;
pub mod stdio;
