//! What is tried in a cell, and how it can turn out.

/// A feature of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Feature {
    Connect,
    Lists,
    Call,
    Errors,
    Progress,
    Read,
    Prompt,
    Complete,
    Elicit,
    Sample,
    Roots,
}

/// All, in the order of the record.
pub(crate) const FEATURES: [Feature; 11] = [
    Feature::Connect,
    Feature::Lists,
    Feature::Call,
    Feature::Errors,
    Feature::Progress,
    Feature::Read,
    Feature::Prompt,
    Feature::Complete,
    Feature::Elicit,
    Feature::Sample,
    Feature::Roots,
];

impl Feature {
    /// As in the record and in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Lists => "lists",
            Self::Call => "calls",
            Self::Errors => "errors",
            Self::Progress => "progress",
            Self::Read => "resources",
            Self::Prompt => "prompts",
            Self::Complete => "completion",
            Self::Elicit => "elicitation",
            Self::Sample => "sampling",
            Self::Roots => "roots",
        }
    }

    /// What the client is asked during a call that tries this.
    pub(crate) fn ask(self) -> Option<&'static str> {
        match self {
            Self::Elicit => Some("elicitation/create"),
            Self::Sample => Some("sampling/createMessage"),
            Self::Roots => Some("roots/list"),
            _ => None,
        }
    }

    /// By its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        FEATURES.into_iter().find(|feature| feature.name() == name)
    }
}

/// How a feature turned out in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As without the gateway.
    Works,
    /// It does, but differs in something that a user may notice.
    Noted(String),
    /// It does not.
    Fails(String),
    /// The server does not offer it, or the client has no way to ask for it.
    Absent,
}

impl Verdict {
    /// One sign, for the record.
    pub(crate) fn sign(&self) -> char {
        match self {
            Self::Works => '+',
            Self::Noted(_) => '~',
            Self::Fails(_) => '-',
            Self::Absent => '.',
        }
    }

    /// What there is to say about it.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Noted(text) | Self::Fails(text) => Some(text),
            Self::Works | Self::Absent => None,
        }
    }

    /// Higher is better. What is absent cannot get worse.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Fails(_) => 0,
            Self::Noted(_) => 1,
            Self::Works => 2,
            Self::Absent => 2,
        }
    }
}
