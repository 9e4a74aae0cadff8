//! What a client wants, in words that are the same for every revision.

use crate::Text;

/// One thing a client can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who are you and what can you do: `initialize` and `server/discover`.
    Hello,
    /// Are you there (legacy only).
    Ping,
    /// One page of the tools.
    ListTools(Option<Text>),
    /// One page of the prompts.
    ListPrompts(Option<Text>),
    /// One page of the resources.
    ListResources(Option<Text>),
    /// One page of the resource templates.
    ListTemplates(Option<Text>),
    /// One page of the skills (extension).
    ListSkills(Option<Text>),
    /// Run the named tool.
    CallTool(Text),
    /// Render the named prompt.
    GetPrompt(Text),
    /// Read the resource at this URI.
    ReadResource(Text),
    /// The entry of the skill whose `SKILL.md` has this URI (extension).
    GetSkill(Text),
    /// What is in the directory at this URI (extension).
    ReadDirectory(Text),
    /// Suggest values for an argument of a prompt or template.
    Complete(Reference),
    /// Tell the session when this resource changes (legacy only).
    Subscribe(Text),
    /// Undo [`Operation::Subscribe`].
    Unsubscribe(Text),
    /// Least severe log level this session wants (legacy only).
    SetLevel(Level),
    /// A stream of change notifications (modern only).
    Listen(Watch),
    /// Something about the task with this id.
    Task(TaskRequest, Text),
    /// One page of the caller's tasks (legacy only).
    ListTasks(Option<Text>),
    /// A method this gateway has no meaning for; passed on where one upstream owns the view.
    Other(Text),
}

impl Operation {
    /// The name by which the caller addressed its target, if the operation has one.
    pub fn target(&self) -> Option<&Text> {
        match self {
            Self::CallTool(name) | Self::GetPrompt(name) => Some(name),
            Self::ReadResource(uri)
            | Self::GetSkill(uri)
            | Self::ReadDirectory(uri)
            | Self::Subscribe(uri)
            | Self::Unsubscribe(uri) => Some(uri),
            Self::Complete(Reference::Prompt(name) | Reference::Resource(name)) => Some(name),
            Self::Task(_, id) => Some(id),
            _ => None,
        }
    }
}

/// What can be asked about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskRequest {
    /// How it stands, and what came of it (modern).
    Get,
    /// What came of it; waits for its end (legacy only).
    Result,
    /// Answers to its questions (modern only).
    Update,
    /// Give it up.
    Cancel,
}

/// What an argument completion is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A prompt, by name.
    Prompt(Text),
    /// A resource template, by URI template.
    Resource(Text),
}

/// The changes a modern client wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Tool list changes.
    pub tools: bool,
    /// Prompt list changes.
    pub prompts: bool,
    /// Resource list changes.
    pub resources: bool,
    /// Updates of these resources.
    pub uris: Vec<Text>,
    /// How these tasks stand.
    pub tasks: Vec<Text>,
}

/// Severity of a log message (RFC 5424, section 6.2.1), least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Detailed debugging information.
    Debug,
    /// General informational messages.
    Info,
    /// Normal but significant events.
    Notice,
    /// Warning conditions.
    Warning,
    /// Error conditions.
    Error,
    /// Critical conditions.
    Critical,
    /// Action must be taken immediately.
    Alert,
    /// The system is unusable.
    Emergency,
}

impl Level {
    /// Every level, least severe first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The name used on the wire, equal in every revision.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The level of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}
