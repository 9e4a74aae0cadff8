//! Chance without a system call per use.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(std::thread::current().id()) | 1);
}

/// A byte for spreading waits. Not for secrets.
pub fn random_byte() -> u8 {
    STATE.with(|state| {
        // xorshift64 (Marsaglia, "Xorshift RNGs", 2003).
        let mut x = state.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        (x >> 32) as u8
    })
}

/// 128 unguessable bits from the operating system, as 32 hexadecimal digits; for session ids.
pub fn random_id() -> String {
    let mut bits = [0; 16];
    // Without entropy no secret can be made; there is no sane way on.
    getrandom::fill(&mut bits).expect("the operating system has a random source");
    format!("{:032x}", u128::from_ne_bytes(bits))
}

/// 256 unguessable bits from the operating system; for keys.
pub fn random_key() -> [u8; 32] {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits).expect("the operating system has a random source");
    bits
}
