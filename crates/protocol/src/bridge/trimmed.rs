//! A result that lost members at its ends, without a copy of what is between.

use bytes::Bytes;

/// A JSON object whose brackets may lie apart from its members: what was left out stood between them. The members may
/// be large, and lie where they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trimmed {
    opens: bool,
    members: Bytes,
    closes: bool,
}

impl From<Bytes> for Trimmed {
    /// An object that has its brackets.
    fn from(object: Bytes) -> Self {
        Self { opens: false, members: object, closes: false }
    }
}

impl Trimmed {
    /// An object without the bracket that opens it, where it `opens` apart, and without the one that closes it, where it
    /// `closes` apart.
    pub(super) const fn of(opens: bool, members: Bytes, closes: bool) -> Self {
        Self { opens, members, closes }
    }

    /// What comes before the members, the members, and what comes behind them.
    pub fn pieces(&self) -> (&'static [u8], &Bytes, &'static [u8]) {
        (if self.opens { b"{" } else { b"" }, &self.members, if self.closes { b"}" } else { b"" })
    }

    /// All of it in one buffer.
    pub fn into_bytes(self) -> Bytes {
        if !self.opens && !self.closes {
            return self.members;
        }
        let (before, members, behind) = self.pieces();
        Bytes::from([before, members, behind].concat())
    }
}
