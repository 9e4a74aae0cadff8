//! What we know of one client: its files and the dialect spoken in them.

use std::path::PathBuf;

use crate::places::{FileAt, Places};

/// Whom a configuration file applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything this person does.
    User,
    /// One project directory, usually committed with it.
    Project,
}

/// Syntax of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, read with comments and trailing commas allowed.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
        })
    }
}

/// How servers are held under the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// Name to server.
    Map,
    /// A list whose elements carry `name`.
    List,
}

/// How a program to start is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandStyle {
    /// `command` and `args`.
    Split,
    /// `command` as one array (OpenCode).
    Array,
    /// `cmd` and `args` (Goose).
    Cmd,
}

/// The words a client uses for transports, and the key they stand under.
#[derive(Debug, Clone, Copy)]
pub struct TypeWords {
    /// `type` or `transport`.
    pub key: &'static str,
    /// For a program; nothing when the client expects none.
    pub stdio: Option<&'static str>,
    /// For Streamable HTTP; nothing when the client expects none.
    pub http: Option<&'static str>,
}

impl TypeWords {
    /// The client tells transports apart by `command` and `url` alone.
    pub(crate) const NONE: Self = Self { key: "type", stdio: None, http: None };

    /// `type` with these words.
    pub(crate) const fn new(stdio: &'static str, http: &'static str) -> Self {
        Self { key: "type", stdio: Some(stdio), http: Some(http) }
    }
}

/// A value every new entry of a client must carry.
#[derive(Debug, Clone, Copy)]
pub enum Fixed {
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(u64),
    /// A text.
    Text(&'static str),
    /// A list of texts.
    Texts(&'static [&'static str]),
    /// The entry's own name.
    Name,
}

/// One MCP client program.
#[derive(Debug, Clone, Copy)]
pub struct ClientKind {
    /// Stable word for the command line, such as `claude-desktop`.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// The files it reads, the preferred one of a scope first.
    pub files: &'static [FileAt],
    /// Their syntax.
    pub format: Format,
    /// Paths of keys to the servers; the first is where a new file gets them, the longest that exists is used.
    pub keys: &'static [&'static [&'static str]],
    /// Map or list.
    pub container: Container,
    /// Key of the Streamable HTTP address.
    pub url_key: &'static str,
    /// Key that means an address of the older HTTP+SSE transport, where that is another one (Gemini CLI).
    pub sse_url_key: Option<&'static str>,
    /// Spelling of transports.
    pub types: TypeWords,
    /// How a program is written.
    pub command: CommandStyle,
    /// Whether the file can only describe programs to start.
    pub stdio_only: bool,
    /// How many milliseconds one unit of `timeout` is.
    pub timeout_unit_ms: u32,
    /// Further keys of an entry that we write.
    pub fixed: &'static [(&'static str, Fixed)],
    /// Key of a map whose values hold servers again, per project (Claude Code's `projects`).
    pub per_project_key: Option<&'static str>,
}

impl ClientKind {
    /// A client of the widespread shape: JSON, `mcpServers`, `command`/`args`, `url`, no `type`, milliseconds.
    pub(crate) const fn usual(id: &'static str, name: &'static str, files: &'static [FileAt]) -> Self {
        Self {
            id,
            name,
            files,
            format: Format::Json,
            keys: &[&["mcpServers"]],
            container: Container::Map,
            url_key: "url",
            sse_url_key: None,
            types: TypeWords::NONE,
            command: CommandStyle::Split,
            stdio_only: false,
            timeout_unit_ms: 1,
            fixed: &[],
            per_project_key: None,
        }
    }

    /// Every path this client may read for `scope`, the preferred one first.
    pub fn paths(&self, scope: Scope, places: &Places) -> Vec<PathBuf> {
        self.files.iter().filter(|file| file.scope == scope).filter_map(|file| file.resolve(places)).collect()
    }

    /// The path to use for `scope`: the first that exists, else the preferred one. Asks the file system
    /// whether the files exist and nothing else.
    pub fn locate(&self, scope: Scope, places: &Places) -> Option<PathBuf> {
        let paths = self.paths(scope, places);
        paths.iter().find(|path| path.exists()).or(paths.first()).cloned()
    }
}
