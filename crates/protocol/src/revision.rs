//! The dated revisions of the protocol. Nothing outside this crate spells them.

use trunkline_model::Era;

/// A published MCP revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// 2024-11-05.
    R2024_11_05,
    /// 2025-03-26.
    R2025_03_26,
    /// 2025-06-18.
    R2025_06_18,
    /// 2025-11-25.
    R2025_11_25,
    /// 2026-07-28.
    R2026_07_28,
}

impl Revision {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] =
        [Self::R2024_11_05, Self::R2025_03_26, Self::R2025_06_18, Self::R2025_11_25, Self::R2026_07_28];
    /// The newest revision with `initialize`.
    pub const LEGACY_LATEST: Self = Self::R2025_11_25;
    /// The newest revision with per-request metadata.
    pub const MODERN_LATEST: Self = Self::R2026_07_28;

    /// The date string used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::R2024_11_05 => "2024-11-05",
            Self::R2025_03_26 => "2025-03-26",
            Self::R2025_06_18 => "2025-06-18",
            Self::R2025_11_25 => "2025-11-25",
            Self::R2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of that date.
    pub fn parse(date: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == date)
    }

    /// Which era the revision belongs to.
    pub const fn era(self) -> Era {
        match self {
            Self::R2026_07_28 => Era::Modern,
            _ => Era::Legacy,
        }
    }

    /// What to answer a legacy client that asked for `date`: a known legacy revision is echoed, anything else gets
    /// the newest legacy one (lifecycle page of 2025-11-25, version negotiation).
    pub fn negotiate(date: &str) -> Self {
        Self::parse(date).filter(|r| r.era() == Era::Legacy).unwrap_or(Self::LEGACY_LATEST)
    }

    /// Whether a header value claims the modern era: a date not older than the first modern revision.
    pub fn claims_modern(value: &str) -> bool {
        let dated = value.len() == 10 && value.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        dated && value >= Self::R2026_07_28.as_str()
    }
}
