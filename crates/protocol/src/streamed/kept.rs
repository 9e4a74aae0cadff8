//! What is kept of a text that passes.

/// The first `N` bytes of something, and whether there were more.
#[derive(Debug, Default)]
pub(super) struct Kept<const N: usize> {
    /// Not an array: hardly anything is kept, and the reader is moved about.
    bytes: Vec<u8>,
    more: bool,
}

impl<const N: usize> Kept<N> {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.more = false;
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        let (kept, more) = bytes.split_at(bytes.len().min(N - self.bytes.len()));
        self.bytes.extend_from_slice(kept);
        self.more |= !more.is_empty();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All of it, if it was kept whole.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        (!self.more).then_some(&self.bytes)
    }
}

/// How much of a watched value is kept, in bytes: enough for every known `resultType`.
const NOTED_BYTES_MAX: usize = 32;

/// The beginning of the value of a watched key.
#[derive(Debug, Default)]
pub struct Noted {
    text: Kept<NOTED_BYTES_MAX>,
    times: u32,
    ended: bool,
}

impl Noted {
    /// The literal as far as it has come, and no more than 32 bytes of it.
    pub fn text(&self) -> &[u8] {
        &self.text.bytes
    }

    /// Whether [`Noted::text`] is all of the literal.
    pub fn is_whole(&self) -> bool {
        self.ended && !self.text.more
    }

    /// Whether the key came more than once. What is noted is its first value, and readers may differ on which counts.
    pub const fn is_doubled(&self) -> bool {
        self.times > 1
    }

    pub(super) const fn is_there(&self) -> bool {
        self.times > 0
    }

    /// The key has come; whether its value is to be noted.
    pub(super) fn begin(&mut self) -> bool {
        self.times = self.times.saturating_add(1);
        self.times == 1
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.text.add(bytes);
    }

    pub(super) const fn end(&mut self) {
        self.ended = true;
    }
}
