//! How the process lives: chance, and deadlines.

mod alarm;
mod random;

pub use alarm::Alarm;
pub use random::{random_byte, random_id, random_key};
