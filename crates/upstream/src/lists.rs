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
use trunkline_protocol::{Revision, method};

use crate::options::Options;
use crate::session::Session;

/// One whole list.
pub(crate) struct Fetched {
    pub(crate) items: Arc<[Item]>,
    pub(crate) ttl_ms: Option<u64>,
    pub(crate) public: bool,
}

/// Whether a server is worth asking for a list.
pub(crate) fn offered(introduction: &Introduction, kind: ListKind) -> bool {
    let capability = match kind {
        ListKind::Tools => "tools",
        ListKind::Prompts => "prompts",
        ListKind::Resources | ListKind::Templates => "resources",
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
    let mut items: Vec<Item> = Vec::new();
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
        items.extend(page.items);
        if items.len() >= options.items_max {
            tracing::warn!(
                server = &*options.name,
                list = kind.key(),
                max = options.items_max,
                "the list was cut"
            );
            items.truncate(options.items_max);
            break;
        }
        match page.next {
            Some(next) if cursors.insert(next.clone()) => cursor = Some(next),
            Some(_) => return Err(format!("{} repeats a page cursor", method::of_list(kind))),
            None => break,
        }
    }
    all.items = items.into();
    Ok(all)
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
        // Servers of the first revision declare resources without knowing templates.
        Ok(Err(error)) if kind == ListKind::Templates && error.contains("(-32601)") => {
            tracing::debug!(server = &*session.server, %error, "no templates");
            return Ok(None);
        }
        Ok(answer) => answer?,
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
