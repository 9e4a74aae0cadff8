//! Ways to cut a text into pieces. They follow from the text itself, so that a finding is a file and nothing else.

/// The ways in which each text is cut: whole, byte by byte, and by chance.
pub(crate) fn ways(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let whole = vec![text];
    let bytes = text.chunks(1).collect();
    [whole, bytes].into_iter().chain((1..=3).map(move |turn| by_chance(text, turn)))
}

/// Pieces of a few bytes, sometimes of many.
fn by_chance(text: &[u8], turn: u64) -> Vec<&[u8]> {
    let mut state = text.iter().fold(0x9e37_79b9_7f4a_7c15_u64 ^ turn, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    }) | 1;
    let mut rest = text;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let most = if state & 7 == 0 { 600 } else { 12 };
        let length = 1 + usize::try_from(state >> 32).unwrap_or_default() % most;
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}
