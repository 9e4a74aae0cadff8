//! How the process lives: live snapshots, chance, bounds.

mod random;

pub use random::{random_byte, random_id, random_key};
