//! What the two test servers share.

pub mod http;
pub mod json;

/// What ends a program of this folder.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
