//! Sixteen bytes at a time: which of them need a look.
//!
//! `wide` uses what the target always has (SSE2, NEON) and falls back to plain code elsewhere, so nothing is decided at
//! run time and nothing here is unsafe.

use wide::i8x16;

/// Bytes of a block.
pub(super) const LEN: usize = 16;

/// The bytes of the block at `at` that do not stand for themselves in a string or are not ASCII: quotes, backslashes,
/// control characters and everything from 0x80. One bit each, first byte lowest; `None` when the text ends before.
#[inline(always)]
pub(super) fn stops(text: &[u8], at: usize) -> Option<u32> {
    text.get(at..)?.first_chunk().map(stops_in)
}

/// The same for a block at hand.
#[inline(always)]
pub(super) fn stops_in(block: &[u8; LEN]) -> u32 {
    let block = i8x16::new(block.map(u8::cast_signed));
    let quote = block.simd_eq(i8x16::splat(b'"'.cast_signed()));
    let backslash = block.simd_eq(i8x16::splat(b'\\'.cast_signed()));
    // As signed numbers, bytes from 0x80 are below all others.
    let low = block.simd_lt(i8x16::splat(0x20));
    (quote | backslash | low).to_bitmask()
}

/// Bytes of a wide block.
pub(super) const WIDE: usize = 2 * LEN;

/// [`stops_in`] for a wide block.
#[inline(always)]
pub(super) fn stops_in_wide(block: &[u8; WIDE]) -> u32 {
    let (halves, _) = block.as_chunks::<LEN>();
    stops_in(&halves[0]) | stops_in(&halves[1]) << LEN
}

/// What stands from `at` to a quote, if it is plain and the quote is in the first block; else how far it is plain, at
/// least.
#[inline(always)]
pub(super) fn plain_till_quote(text: &[u8], at: usize) -> Result<&[u8], usize> {
    let Some(rest) = text.get(at..) else { return Err(at) };
    let Some(block) = rest.first_chunk::<LEN>() else { return Err(at) };
    let stops = stops_in(block);
    if stops == 0 {
        return Err(at + LEN);
    }
    let first = stops.trailing_zeros() as usize % LEN;
    if block[first] == b'"' { Ok(&rest[..first]) } else { Err(at + first) }
}
