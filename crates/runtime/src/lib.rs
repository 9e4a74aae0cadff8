//! How the process lives: chance, deadlines, memory.

mod alarm;
mod memory;
mod random;

pub use alarm::Alarm;
pub use memory::resident_bytes;
pub use random::{random_byte, random_id, random_key};
