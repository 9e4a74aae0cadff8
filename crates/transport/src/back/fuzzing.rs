//! What the fuzz targets feed. Built for them (`cfg(fuzzing)`), and with the tests, so that clippy sees it.

pub use super::client::fuzzing::{Answer, answers};
pub use super::socket::fuzzing::overheard;
