//! How the process lives: chance, deadlines, memory, futures in boxes.

mod alarm;
mod boxed;
mod memory;
mod random;

pub use alarm::Alarm;
pub use boxed::boxed;
pub use memory::resident_bytes;
pub use random::{random_byte, random_id, random_key};
