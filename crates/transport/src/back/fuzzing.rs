//! What the fuzz targets feed. Built for them alone (`cfg(fuzzing)`).

pub use super::client::fuzzing::{Answer, answers};
pub use super::socket::fuzzing::overheard;
