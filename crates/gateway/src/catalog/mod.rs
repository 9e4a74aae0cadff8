//! The merged catalog of one view: what is shown, under which names, and where each name leads. Immutable; a change
//! behind it makes a new one.

mod build;
mod cursor;
mod introduction;
pub mod names;
mod pages;
mod roots;
mod template;
#[cfg(test)]
mod tests;
mod uris;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use trunkline_model::{Era, Fault, Kind, ListKind, Text};
use trunkline_transport::front::host::Introduced;
use trunkline_upstream::Offer;

pub(crate) use build::mirrored;
pub use build::{Input, Source, build};
pub use cursor::Cursors;
pub use uris::{Speller, Uris};

/// The merged catalog of one view.
#[derive(Debug)]
pub struct Catalog {
    /// Counts catalogs of this view.
    pub version: u64,
    /// Where each tool name leads.
    pub tools: Names,
    /// Where each prompt name leads.
    pub prompts: Names,
    /// Where URIs lead.
    pub uris: Uris,
    /// Servers that serve skills, in configuration order.
    pub(crate) skilled: Vec<usize>,
    /// Servers that read directories.
    pub(crate) directories: Vec<usize>,
    /// The introduction.
    pub introduced: Introduced,
    /// Whether some server runs tasks.
    pub tasks: bool,
    /// Whether one server is passed through unchanged.
    pub transparent: bool,
    /// The servers of the view by number, in configuration order.
    pub servers: Vec<(usize, Arc<str>)>,
    /// Servers that have never been read: what their names begin with, and why they are missing.
    pub(crate) absent: Vec<Absent>,
    /// Exposed items per list, for finding out what changed.
    pub(crate) shown: [Vec<Bytes>; ListKind::COUNT],
    /// Changes announced by the one server of a transparent view; they are passed on even when nothing differs.
    pub(crate) announced: [u64; ListKind::COUNT],
    /// The offers that it was made from, by server.
    pub(crate) made_from: Vec<(usize, Option<Arc<Offer>>)>,
    /// Finished list results for clients that can be asked nothing and for the others, per era and list.
    pages: [[[Vec<Bytes>; ListKind::COUNT]; 2]; 2],
}

/// Where an exposed name leads.
#[derive(Clone, Debug)]
pub struct Route {
    /// The upstream's number.
    pub server: usize,
    /// Its own name for the thing, where it differs from the exposed one.
    pub original: Option<Text>,
    /// Arguments that are mirrored in headers towards HTTP servers (`x-mcp-header`).
    pub mirrored: Arc<[trunkline_protocol::mirror::Mirrored]>,
    /// Whether the tool can be called as a task.
    pub tasks: trunkline_protocol::tasks::Support,
    /// Counts this tool's calls.
    pub meter: Option<trunkline_observe::metrics::ToolHandle>,
    /// Legacy clients do not see the tool's output schema, so its results have no structured content for them.
    pub unstructured: bool,
    /// The tool has an output schema: its results have structured content.
    pub structured: bool,
    /// How its calls are carried out.
    pub manner: trunkline_upstream::Manner,
    /// Who answers when its server is not available.
    pub fallback: Option<Arc<Fallback>>,
}

/// The tool that answers when another's server is not available.
#[derive(Clone, Debug)]
pub struct Fallback {
    /// The upstream's number.
    pub server: usize,
    /// Its name for the tool, which is also the other's.
    pub name: Text,
    /// Arguments that are mirrored in headers towards HTTP servers.
    pub mirrored: Arc<[trunkline_protocol::mirror::Mirrored]>,
    /// How its calls are carried out.
    pub manner: trunkline_upstream::Manner,
}

/// A table of exposed names, with the original ones as a second way in.
#[derive(Debug, Default)]
pub struct Names {
    exposed: HashMap<Arc<str>, Route, foldhash::fast::RandomState>,
    originals: HashMap<Text, Vec<Arc<str>>, foldhash::fast::RandomState>,
}

impl Names {
    fn insert(&mut self, exposed: Arc<str>, original: &Text, route: Route) {
        self.originals.entry(original.clone()).or_default().push(Arc::clone(&exposed));
        self.exposed.insert(exposed, route);
    }

    /// Where `name` leads: an exposed name, or an original one that only one visible server has (instructions and
    /// apps use those).
    ///
    /// # Errors
    /// Names that several servers share are answered with the exposed ones.
    pub fn find(&self, what: &str, name: &str) -> Result<Route, Fault> {
        if let Some(route) = self.exposed.get(name) {
            return Ok(route.clone());
        }
        match self.originals.get(name).map(Vec::as_slice) {
            Some([only]) => {
                let mut route =
                    self.exposed.get(only).cloned().ok_or_else(|| Fault::internal("dangling name"))?;
                // The caller's spelling is the original one already, but the exposed may differ from both.
                route.original = Some(Text::from(name));
                Ok(route)
            }
            Some(several) => Err(Fault::unknown_name(what, name, several.to_vec())),
            None => Err(Fault::unknown_name(what, name, Vec::new())),
        }
    }

    /// The exposed names, in no order.
    pub fn len(&self) -> usize {
        self.exposed.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.exposed.is_empty()
    }
}

impl Catalog {
    /// A finished page of a list; `asked` is for clients that can be asked something.
    ///
    /// # Errors
    /// [`Kind::BadCursor`] for cursors that we did not give out or that are too old.
    pub fn page(
        &self,
        kind: ListKind,
        era: Era,
        asked: bool,
        cursor: Option<&Text>,
        cursors: &Cursors,
    ) -> Result<Bytes, Fault> {
        let pages = &self.pages[usize::from(asked)][era as usize][kind as usize];
        let number = match cursor {
            None => 0,
            Some(text) => cursors.open(text, kind, self.version).ok_or_else(bad_cursor)?,
        };
        pages.get(number).cloned().ok_or_else(bad_cursor)
    }
}

/// A server of the view whose lists are not known yet.
#[derive(Clone, Debug)]
pub(crate) struct Absent {
    pub(crate) server: Arc<str>,
    pub(crate) beginning: String,
    pub(crate) reason: Arc<str>,
}

impl Catalog {
    /// Says of a name that is not known whether it would be one of a server that is missing: "unknown" would be wrong.
    pub(crate) fn explain(&self, name: &str, fault: Fault) -> Fault {
        let missing =
            self.absent.iter().find(|absent| self.transparent || name.starts_with(&absent.beginning));
        match missing {
            Some(absent) if matches!(fault.kind, Kind::UnknownName(_)) => {
                Fault::unavailable(&absent.server, &absent.reason, std::time::Duration::from_secs(5))
            }
            _ => fault,
        }
    }
}

fn bad_cursor() -> Fault {
    Fault::client(Kind::BadCursor, "the page cursor is unknown or too old; start again without one")
}
