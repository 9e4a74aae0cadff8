//! What an operator decides about the merged catalog and its views. Compiled by `config`.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::GlobSet;

use crate::results;

/// The gateway's own options.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How exposed names are built.
    pub naming: Naming,
    /// Replaces the generated instructions when given.
    pub instructions: Option<Arc<str>>,
    /// Per upstream, in configuration order: what of it is shown, and under which names.
    pub servers: Vec<ServerRules>,
    /// Views besides the default one, each at a path of its own.
    pub profiles: Vec<Profile>,
    /// How much is kept of large results, and for how long.
    pub results: results::Options,
    /// How much callers may; `None` is without any limit.
    pub limits: Option<trunkline_policy::limits::options::Options>,
}

/// How exposed names are built from a server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Put between prefix and original name.
    pub separator: String,
    /// Which characters and length are allowed.
    pub alphabet: Alphabet,
    /// Most items in one page of a list.
    pub page_items: usize,
}

impl Default for Naming {
    fn default() -> Self {
        Self { separator: "__".to_owned(), alphabet: Alphabet::Llm, page_items: 1000 }
    }
}

/// The alphabet and length limit of exposed names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alphabet {
    /// `[A-Za-z0-9_-]`, 64 characters: what the large model APIs accept.
    #[default]
    Llm,
    /// `[A-Za-z0-9_.-]`, 128 characters: what the MCP tools page accepts.
    Mcp,
}

/// What of one upstream is shown, and how.
#[derive(Clone, Debug)]
pub struct ServerRules {
    /// The upstream's name.
    pub server: Arc<str>,
    /// The prefix of its names; `None` takes the server's name.
    pub prefix: Option<String>,
    /// Pass names, server identity and instructions through unchanged. Only with a single upstream in a view.
    pub transparent: bool,
    /// The server whose tools of the same own name answer when this one is not available.
    pub fallback: Option<Arc<str>>,
    /// Filters on original tool names.
    pub tools: Filter,
    /// Filters on original prompt names.
    pub prompts: Filter,
    /// Filters on resource URIs and templates.
    pub resources: Filter,
    /// Changes per original tool name.
    pub tool_overrides: BTreeMap<String, Override>,
    /// Changes per original prompt name.
    pub prompt_overrides: BTreeMap<String, Override>,
    /// Which results of its tools are kept; `None` keeps none.
    pub results: Option<results::Keeping>,
}

impl ServerRules {
    /// Everything of `server` is shown, under default names.
    pub fn new(server: impl Into<Arc<str>>) -> Self {
        Self {
            server: server.into(),
            prefix: None,
            transparent: false,
            fallback: None,
            tools: Filter::default(),
            prompts: Filter::default(),
            resources: Filter::default(),
            tool_overrides: BTreeMap::new(),
            prompt_overrides: BTreeMap::new(),
            results: None,
        }
    }
}

/// Include and exclude patterns; exclude wins.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// When given, only what matches is shown.
    pub include: Option<GlobSet>,
    /// What matches is never shown.
    pub exclude: Option<GlobSet>,
}

impl Filter {
    /// Whether `name` is shown.
    pub fn admits(&self, name: &str) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match(name)) && !self.excludes(name)
    }

    /// Whether `name` is never shown, whatever else is said of it.
    pub fn excludes(&self, name: &str) -> bool {
        self.exclude.as_ref().is_some_and(|set| set.is_match(name))
    }
}

/// A change to how one tool or prompt is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// The whole exposed name (no prefix is added).
    pub name: Option<String>,
    /// Replaces the title.
    pub title: Option<String>,
    /// Replaces the description.
    pub description: Option<String>,
}

/// A named subset of the upstreams at a path of its own (`/mcp/<name>`).
#[derive(Clone, Debug)]
pub struct Profile {
    /// The profile's name, also the last segment of its path.
    pub name: Arc<str>,
    /// Upstreams shown, in this order.
    pub servers: Vec<Arc<str>>,
    /// A further filter on *exposed* tool names.
    pub tools: Filter,
    /// Replaces the generated instructions when given.
    pub instructions: Option<Arc<str>>,
}
