//! What can change behind a client's back.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Era, Level, Text};

/// The lists that a server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListKind {
    /// Tools.
    Tools,
    /// Prompts.
    Prompts,
    /// Resources.
    Resources,
    /// Resource templates.
    Templates,
    /// Skills, of servers with that extension.
    Skills,
}

impl ListKind {
    /// Every list, in the order they are fetched.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Tools, Self::Prompts, Self::Resources, Self::Templates, Self::Skills];

    /// How many lists there are.
    pub const COUNT: usize = 5;

    /// The key of the list's array in a result, equal in every revision.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Skills => "skills",
        }
    }
}

/// Something an upstream said outside of any call.
#[derive(Clone, Debug)]
pub enum Change {
    /// A resource has new content; the URI is the upstream's own.
    ResourceUpdated {
        /// The upstream.
        server: Arc<str>,
        /// The resource.
        uri: Text,
        /// The stay that it concerns alone; `None` concerns every subscriber.
        to: Option<u64>,
    },
    /// Resources of this upstream may have changed unseen, after a gap in its notifications.
    ResourcesUnsure {
        /// The upstream.
        server: Arc<str>,
    },
    /// A task stands differently.
    TaskChanged {
        /// The upstream.
        server: Arc<str>,
        /// The upstream's own id of the task.
        task: Text,
        /// The notification's params as they came.
        params: Bytes,
        /// The era they were said in.
        era: Era,
    },
    /// A log message that belongs to no call.
    Logged {
        /// The upstream.
        server: Arc<str>,
        /// Its severity.
        level: Level,
        /// The notification's params as they came.
        params: Bytes,
        /// The stay that it is meant for alone; `None` is for everybody.
        to: Option<u64>,
    },
}
