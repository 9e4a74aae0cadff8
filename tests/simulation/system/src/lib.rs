//! Chance and time of a simulated process.
//!
//! Whatever a process knows of chance it has from `getrandom`, and of time from `clock_gettime`: hash seeds of the standard
//! library, the order in which `tokio::select!` looks at its branches, keys, ids, clocks. A program that links this crate
//! has both from here; once [`begin`] was called, they follow from a seed and from [`advance_to`]. That is how a history
//! can be played again byte for byte without one line of the code under test being different (decision 0061).
//!
//! Meant for programs that play one history and end: the state is that of the process.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// 2026-11-01: when every history begins.
const EPOCH_SECS: i64 = 1_793_491_200;
/// A machine is up for a while before the program begins, so that there is a time before.
const UPTIME_NS: i64 = 1_000_000_000_000;

static SIMULATED: AtomicBool = AtomicBool::new(false);
static CHANCE: AtomicU64 = AtomicU64::new(0);
static ELAPSED_NS: AtomicI64 = AtomicI64::new(0);
static JUMPED_NS: AtomicI64 = AtomicI64::new(0);

/// From here on chance follows from `seed`, and time stands still until it is told otherwise.
pub fn begin(seed: u64) {
    CHANCE.store(seed, Ordering::SeqCst);
    SIMULATED.store(true, Ordering::SeqCst);
}

/// Sets how long the history has been going on. Both clocks follow.
pub fn advance_to(elapsed: std::time::Duration) {
    ELAPSED_NS.store(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX), Ordering::SeqCst);
}

/// Moves the wall clock alone, as an operator or a time server does.
pub fn jump_wall_clock(by_secs: i64) {
    JUMPED_NS.fetch_add(by_secs.saturating_mul(1_000_000_000), Ordering::SeqCst);
}

/// The next number (SplitMix64; Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
fn next() -> u64 {
    let mut z = CHANCE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Stands in for `getrandom(2)`.
///
/// # Safety
/// `buffer` points to `length` bytes that may be written, as for the function of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, flags: libc::c_uint) -> isize {
    if !SIMULATED.load(Ordering::SeqCst) {
        // SAFETY: the caller's promise is that of the system call.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) } as isize;
    }
    for at in 0..length {
        // SAFETY: `at` is below `length`, and the caller promises as much room.
        unsafe { buffer.add(at).write(next().to_le_bytes()[0]) };
    }
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// Stands in for `clock_gettime(2)`.
///
/// # Safety
/// `into` points to a `timespec` that may be written, as for the function of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, into: *mut libc::timespec) -> libc::c_int {
    if !SIMULATED.load(Ordering::SeqCst) {
        // SAFETY: the caller's promise is that of the system call.
        let done = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, into) };
        return libc::c_int::try_from(done).unwrap_or(-1);
    }
    let elapsed = ELAPSED_NS.load(Ordering::SeqCst);
    let ns = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => {
            EPOCH_SECS * 1_000_000_000 + elapsed + JUMPED_NS.load(Ordering::SeqCst)
        }
        _ => UPTIME_NS + elapsed,
    };
    // SAFETY: the caller promises that there is room for a `timespec`.
    unsafe { into.write(libc::timespec { tv_sec: ns / 1_000_000_000, tv_nsec: ns % 1_000_000_000 }) };
    0
}
