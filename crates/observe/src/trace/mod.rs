//! W3C Trace Context (Recommendation, level 1): who caused a call, in two headers.

mod random;
mod state;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use random::{Random, ThreadRandom};

/// The length of a `traceparent` header of version 00.
const PARENT_BYTES: usize = 55;

/// The position of one call in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The whole trace; never all zero.
    pub trace_id: [u8; 16],
    /// This step in it; never all zero.
    pub span_id: [u8; 8],
    /// Whether the caller records the trace.
    pub sampled: bool,
    /// What tracing systems added, passed on as it came.
    pub tracestate: Option<Arc<str>>,
}

impl TraceContext {
    /// The start of a new trace.
    pub fn root(sampled: bool, random: &impl Random) -> Self {
        let (high, low) = (non_zero(random), non_zero(random));
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&high);
        trace_id[8..].copy_from_slice(&low);
        Self { trace_id, span_id: non_zero(random), sampled, tracestate: None }
    }

    /// The next step of the same trace.
    pub fn child(&self, random: &impl Random) -> Self {
        Self { span_id: non_zero(random), ..self.clone() }
    }

    /// Reads a `traceparent` header. `None` if it is not exactly as the recommendation says; then a new trace begins.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let bytes = traceparent.as_bytes();
        let (known, rest) = bytes.split_at_checked(PARENT_BYTES)?;
        let [version] = hex(&known[..2])?;
        // A later version may append to what we know, after a dash.
        let fits = if version == 0 { rest.is_empty() } else { rest.is_empty() || rest[0] == b'-' };
        let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
        let (trace_id, span_id, [flags]) = (hex(&known[3..35])?, hex(&known[36..52])?, hex(&known[53..])?);
        let valid = version != 0xff && fits && dashes && trace_id != [0; 16] && span_id != [0; 8];
        valid.then_some(Self { trace_id, span_id, sampled: flags & 1 == 1, tracestate: None })
    }

    /// Reads both headers. A `tracestate` that breaks the recommendation is left out, as that demands.
    pub fn from_headers(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let tracestate = tracestate.and_then(state::valid).map(Arc::from);
        Some(Self { tracestate, ..Self::parse(traceparent)? })
    }

    /// The `traceparent` header, without an allocation.
    pub fn traceparent(&self) -> [u8; PARENT_BYTES] {
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut out[3..35], &self.trace_id);
        write_hex(&mut out[36..52], &self.span_id);
        write_hex(&mut out[53..], &[u8::from(self.sampled)]);
        out
    }

    /// The trace's id as text, for logs.
    pub fn trace_id(&self) -> impl fmt::Display {
        Hex(self.trace_id)
    }

    /// The step's id as text, for logs.
    pub fn span_id(&self) -> impl fmt::Display {
        Hex(self.span_id)
    }
}

impl fmt::Display for TraceContext {
    /// The `traceparent` header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.traceparent()).map_err(|_| fmt::Error)?)
    }
}

/// Bytes shown as lower-case hexadecimal digits.
struct Hex<const N: usize>([u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// All zero is no id.
fn non_zero(random: &impl Random) -> [u8; 8] {
    random.next().max(1).to_be_bytes()
}

fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// Upper case is not allowed.
fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

fn write_hex(out: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}
