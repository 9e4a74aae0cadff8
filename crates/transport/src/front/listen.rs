//! The first and the last message of a modern listen request, and the mark of those between.

use std::sync::Arc;

use bytes::Bytes;
use trunkline_model::{Caller, Text, Watch};
use trunkline_protocol::json::escape_into;
use trunkline_protocol::{Message, compose, meta, method};

use super::follow::Reader;
use super::host::{Host, TaskWatch, ViewName};

/// What a listen request hears: as much of its wishes as can be had.
pub(crate) fn reader(
    host: &Arc<dyn Host>,
    view: &ViewName,
    caller: &Arc<Caller>,
    id: &[u8],
    watch: &Watch,
) -> Reader {
    // Copied, like the URIs: they would keep the whole message alive for as long as the stream lasts.
    let wish = |uri: &Text| {
        let uri = Text::from(uri.as_str());
        host.subscribe(view, None, &uri).ok().map(|wish| (uri, wish))
    };
    Reader::Listen {
        id: Bytes::copy_from_slice(id),
        tools: watch.tools,
        prompts: watch.prompts,
        resources: watch.resources,
        wishes: watch.uris.iter().filter_map(wish).collect(),
        tasks: match watch.tasks.as_slice() {
            [] => TaskWatch::none(),
            ids => Arc::clone(host).watch_tasks(view, caller, ids),
        },
    }
}

/// The mark of every message that belongs to a listen request: the request's id.
pub(crate) fn subscription_meta(id: &[u8]) -> Vec<u8> {
    let mut out = b"\"_meta\":{".to_vec();
    escape_into(&mut out, meta::SUBSCRIPTION);
    out.push(b':');
    out.extend_from_slice(id);
    out.push(b'}');
    out
}

/// The first message of a listen stream: what is really honoured.
pub(crate) fn acknowledgement(reader: &Reader) -> Option<Message> {
    let Reader::Listen { id, tools, prompts, resources, wishes, tasks } = reader else { return None };
    let mut out = b"{".to_vec();
    out.extend(subscription_meta(id));
    out.extend_from_slice(b",\"notifications\":{");
    let mut first = true;
    for (wanted, key) in
        [(tools, "toolsListChanged"), (prompts, "promptsListChanged"), (resources, "resourcesListChanged")]
    {
        if *wanted {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            escape_into(&mut out, key);
            out.extend_from_slice(b":true");
        }
    }
    let uris: Vec<&Text> = wishes.iter().map(|(uri, _)| uri).collect();
    let ids: Vec<&Text> = tasks.ids.iter().collect();
    for (texts, key) in [(uris, "resourceSubscriptions"), (ids, "taskIds")] {
        if texts.is_empty() {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        escape_into(&mut out, key);
        out.extend_from_slice(b":[");
        for (at, text) in texts.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            escape_into(&mut out, text);
        }
        out.push(b']');
    }
    out.extend_from_slice(b"}}");
    Some(compose::notification(method::ACKNOWLEDGED, &Bytes::from(out)))
}

/// The last message of a listen stream that the server ends: the answer to the request.
pub(crate) fn completion(id: &[u8]) -> Message {
    let mut out = b"{\"resultType\":\"complete\",".to_vec();
    out.extend(subscription_meta(id));
    out.push(b'}');
    compose::result(id, &Bytes::from(out))
}
