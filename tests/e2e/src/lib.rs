//! What the end-to-end tests are made of. Everything blocks, and every wait has an end.

pub mod client;
pub mod driver;
pub mod fixture;
pub mod gateway;
pub mod http;
pub mod json;
pub mod load;
pub mod peers;
pub mod pipe;
pub mod process;
pub mod reply;
pub mod scripted;
pub mod scripted_sse;
pub mod wait;
