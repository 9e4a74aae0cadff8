//! Reading a server's lists, every page of them, within bounds.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};
use trunkline_model::{ListKind, Text};
use trunkline_protocol::hello::Introduction;
use trunkline_protocol::json::escape_into;
use trunkline_protocol::list::{self, Item};
use trunkline_protocol::{Revision, extensions, method};

use crate::options::Options;
use crate::session::{AskError, Session};

/// Most bytes kept of one list. Pages and items are bounded by number, but a page may be as large as a message: a
/// hundred of 16 MiB would fill the memory, and the catalog holds each list several times.
const LIST_BYTES_MAX: usize = 32 << 20;
/// Largest single item that is kept. The largest schemas in the wild have about 100 KiB; what is larger by an order is
/// an accident or an attack, and it would be sent to every client.
const ITEM_BYTES_MAX: usize = 1 << 20;

/// One whole list.
pub(crate) struct Fetched {
    pub(crate) items: Arc<[Item]>,
    pub(crate) ttl_ms: Option<u64>,
    pub(crate) public: bool,
}

/// Whether a server is worth asking for a list.
pub(crate) fn offered(introduction: &Introduction, kind: ListKind) -> bool {
    if kind == ListKind::Skills {
        return extensions::has_skills(&introduction.capabilities);
    }
    let capability = match kind {
        ListKind::Tools => "tools",
        ListKind::Prompts => "prompts",
        ListKind::Resources | ListKind::Templates | ListKind::Skills => "resources",
    };
    introduction.has(capability)
}

/// Fetches all pages of one list.
pub(crate) async fn fetch(session: &Session, options: &Options, kind: ListKind) -> Result<Fetched, String> {
    let mut all = Fetched { items: Arc::from([]), ttl_ms: None, public: true };
    if !offered(&session.introduction, kind) {
        return Ok(all);
    }
    let deadline = Instant::now() + options.timeouts.list;
    let mut gathered = Gathered::new(options.items_max);
    let mut cursors: HashSet<Text> = HashSet::new();
    let mut cursor: Option<Text> = None;
    for _ in 0..options.pages_max {
        let page = page(session, kind, cursor.as_ref(), deadline, options.timeouts.list).await?;
        let Some(page) = page else { break };
        if page.malformed > 0 {
            let count = page.malformed;
            tracing::warn!(
                server = &*options.name,
                list = kind.key(),
                count,
                "left out malformed list entries"
            );
        }
        all.ttl_ms = match (all.ttl_ms, page.ttl_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        all.public &= page.public;
        let next = page.next.clone();
        if let Err(cut) = gathered.add(page) {
            tracing::warn!(server = &*options.name, list = kind.key(), ?cut, "the list was cut");
            break;
        }
        match next {
            Some(next) if cursors.insert(next.clone()) => cursor = Some(next),
            Some(_) => return Err(format!("{} repeats a page cursor", method::of_list(kind))),
            None => break,
        }
    }
    if gathered.oversized > 0 {
        let count = gathered.oversized;
        tracing::warn!(server = &*options.name, list = kind.key(), count, "left out oversized list entries");
    }
    all.items = gathered.items.into();
    Ok(all)
}

/// What was kept of the pages so far.
#[derive(Debug)]
struct Gathered {
    items: Vec<Item>,
    bytes: usize,
    /// Items left out for their size.
    oversized: usize,
    items_max: usize,
    bytes_max: usize,
}

/// Why a list ends before the server's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Items(usize),
    Bytes(usize),
}

impl Gathered {
    fn new(items_max: usize) -> Self {
        Self { items: Vec::new(), bytes: 0, oversized: 0, items_max, bytes_max: LIST_BYTES_MAX }
    }

    /// Takes what still fits; the error says that the list is full.
    fn add(&mut self, page: list::Page) -> Result<(), Cut> {
        for mut item in page.items {
            let size = item.raw.len();
            if size > ITEM_BYTES_MAX {
                self.oversized += 1;
                continue;
            }
            if self.bytes + size > self.bytes_max {
                return Err(Cut::Bytes(self.bytes_max));
            }
            if self.items.len() >= self.items_max {
                return Err(Cut::Items(self.items_max));
            }
            self.bytes += size;
            // A copy of its own: as a slice it would keep its whole page, which may be nothing but padding besides.
            item.raw = Bytes::copy_from_slice(&item.raw);
            self.items.push(item);
        }
        Ok(())
    }
}

async fn page(
    session: &Session,
    kind: ListKind,
    cursor: Option<&Text>,
    deadline: Instant,
    whole: Duration,
) -> Result<Option<list::Page>, String> {
    let mut params = b"{".to_vec();
    if let Some(cursor) = cursor {
        params.extend_from_slice(b"\"cursor\":");
        escape_into(&mut params, cursor);
    }
    params.push(b'}');
    let name = method::of_list(kind);
    let asked = session.ask(name, Bytes::from(params), whole);
    let raw = match timeout_at(deadline, asked).await {
        Err(_) => return Err(format!("{name} took longer than {:.1} s", whole.as_secs_f64())),
        // Servers of the first revision declare resources without knowing templates, and drafts of the skills
        // extension had no methods.
        Ok(Err(error))
            if matches!(kind, ListKind::Templates | ListKind::Skills)
                && error.code == Some(AskError::NO_METHOD) =>
        {
            tracing::debug!(server = &*session.server, list = kind.key(), %error, "no such list");
            return Ok(None);
        }
        Ok(answer) => answer.map_err(|error| error.to_string())?,
    };
    list::page(kind, &raw).map(Some).map_err(|error| format!("{name} gave a malformed list: {error}"))
}

/// Whether the server tells of list changes by itself, on a channel that we hold.
pub(crate) fn announces(introduction: &Introduction) -> bool {
    introduction.revision == Revision::R2024_11_05
        || ["tools", "prompts", "resources"]
            .into_iter()
            .filter(|capability| introduction.has(capability))
            .all(|capability| introduction.has_flag(capability, "listChanged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names: &[(&str, usize)]) -> list::Page {
        let tools: Vec<String> = names
            .iter()
            .map(|(name, padding)| format!("{{\"name\":\"{name}\",\"x\":\"{}\"}}", "x".repeat(*padding)))
            .collect();
        let raw = Bytes::from(format!("{{\"tools\":[{}]}}", tools.join(",")));
        list::page(ListKind::Tools, &raw).unwrap()
    }

    fn names(gathered: &Gathered) -> Vec<&str> {
        gathered.items.iter().map(|item| &*item.key).collect()
    }

    #[test]
    fn a_list_is_cut_at_its_bytes_and_keeps_what_came_before() {
        let mut gathered = Gathered { bytes_max: 500, ..Gathered::new(100) };
        assert_eq!(gathered.add(page(&[("a", 200)])), Ok(()));
        assert_eq!(gathered.add(page(&[("b", 200), ("c", 200)])), Err(Cut::Bytes(500)));
        assert_eq!(names(&gathered), ["a", "b"]);
    }

    #[test]
    fn a_list_is_cut_at_its_items() {
        let mut gathered = Gathered::new(2);
        assert_eq!(gathered.add(page(&[("a", 0), ("b", 0), ("c", 0)])), Err(Cut::Items(2)));
        assert_eq!(names(&gathered), ["a", "b"]);
    }

    #[test]
    fn an_oversized_item_is_left_out_and_the_others_stay() {
        let mut gathered = Gathered::new(100);
        assert_eq!(gathered.add(page(&[("a", 0), ("huge", ITEM_BYTES_MAX), ("b", 0)])), Ok(()));
        assert_eq!((names(&gathered), gathered.oversized), (vec!["a", "b"], 1));
    }
}
