//! Where ids come from.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A source of numbers that are unlikely to repeat. They need not be secret.
pub trait Random {
    /// The next number.
    fn next(&self) -> u64;
}

/// A generator per thread (xorshift64*), seeded once from the operating system. A number costs no system call.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadRandom;

thread_local! {
    /// `RandomState` is the operating system's randomness as std gives it. Zero would stay zero for ever.
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0x7472_6163_6500_u64).max(1));
}

impl Random for ThreadRandom {
    fn next(&self) -> u64 {
        STATE.with(|state| {
            let mut x = state.get();
            x ^= x >> 12;
            x ^= x << 25;
            x ^= x >> 27;
            state.set(x);
            x.wrapping_mul(0x2545_f491_4f6c_dd1d)
        })
    }
}
