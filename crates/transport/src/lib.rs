//! The wires: Streamable HTTP and stdio, towards clients (front) and towards servers (back).

pub mod back;
pub mod front;
pub mod names;
mod pieces;
pub mod process;
pub mod sse;
