//! How a catalog introduces itself: what its servers can do together, and their instructions.

use std::sync::Arc;

use bytes::Bytes;
use trunkline_protocol::hello::own_info;
use trunkline_protocol::{capabilities, extensions};
use trunkline_transport::front::host::Introduced;

use super::build::{Input, offers, runs_tasks};
use super::pages::{LEGACY_TTL_MS, UNSURE_TTL_MS};

/// Longest instructions taken from one server, and all together, in bytes.
const INSTRUCTIONS_PART_MAX: usize = 2 * 1024;
const INSTRUCTIONS_MAX: usize = 8 * 1024;

pub(super) fn introduce(input: &Input<'_>, transparent: bool) -> Introduced {
    let only = if transparent { input.sources.first().and_then(|s| s.offer.as_ref()) } else { None };
    let (legacy, modern) = if let Some(offer) = only {
        capabilities::mirrored(&offer.introduction.capabilities, offer.introduction.era())
    } else {
        let mut shared = extensions::Shared::default();
        offers(input.sources).for_each(|(_, offer)| shared.add(&offer.introduction.capabilities));
        capabilities::own(&shared, offers(input.sources).any(|(_, offer)| runs_tasks(offer)))
    };
    let server_info = match only.and_then(|offer| offer.introduction.server_info.clone()) {
        Some(info) => info,
        None => Bytes::from(own_info(env!("CARGO_PKG_VERSION"))),
    };
    let instructions = match (input.instructions, only) {
        (Some(own), _) => Some(Arc::clone(own)),
        (None, Some(offer)) => offer.introduction.instructions.as_deref().map(Arc::from),
        (None, None) => gathered(input),
    };
    let complete = input.sources.iter().all(|s| s.offer.is_some());
    let ttl_ms = if complete { LEGACY_TTL_MS } else { UNSURE_TTL_MS };
    Introduced { legacy_capabilities: legacy, modern_capabilities: modern, server_info, instructions, ttl_ms }
}

/// The servers' instructions, one section each, within bounds.
fn gathered(input: &Input<'_>) -> Option<Arc<str>> {
    let mut text = String::new();
    for (source, offer) in offers(input.sources) {
        let Some(said) = offer.introduction.instructions.as_deref().filter(|s| !s.trim().is_empty()) else {
            continue;
        };
        let prefix = source.rules.prefix.as_deref().unwrap_or(&source.rules.server);
        let section = format!(
            "## {} (tools prefixed {prefix}{})\n{}\n\n",
            source.rules.server,
            input.naming.separator,
            cut(said.trim(), INSTRUCTIONS_PART_MAX)
        );
        if text.len() + section.len() <= INSTRUCTIONS_MAX {
            text.push_str(&section);
        }
    }
    (!text.is_empty()).then(|| Arc::from(text.trim_end()))
}

fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
