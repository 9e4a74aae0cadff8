//! Large results: what is kept of them.

use std::ops::RangeInclusive;

use trunkline_gateway::results::{Keeping, Options};

use super::is_off;
use crate::check::Check;
use crate::fields::Fields;
use crate::tree::Node;

/// What a result must have at least to be worth keeping, in bytes; and at most, to fit in a machine.
const ABOVE: RangeInclusive<usize> = 4096..=1 << 30;
/// A preview of less tells nothing.
const PREVIEW: RangeInclusive<usize> = 256..=1 << 20;
/// All that is kept.
const KEPT: RangeInclusive<usize> = 64 * 1024..=1 << 40;

/// The section, compiled.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) store: Options,
    /// What holds for servers that do not say otherwise.
    above: Option<usize>,
    preview: usize,
}

pub(super) fn all(node: Option<&Node>, check: &mut Check<'_>) -> Results {
    let mut out = Results { store: Options::default(), above: None, preview: Keeping::PREVIEW_BYTES };
    let Some(mut fields) = node.and_then(|node| Fields::open(node, "results", check)) else { return out };
    (out.above, out.preview) = keeping(&mut fields, out.above, out.preview, check);
    if let Some(wait) = fields.take("keepFor", check).and_then(|node| check.duration(node)) {
        out.store.keep_for = wait;
    }
    let mut bytes =
        |key, check: &mut Check<'_>| fields.take(key, check).and_then(|node| check.bytes(node, KEPT));
    let (all, client) = (bytes("maxBytes", check), bytes("maxBytesPerClient", check));
    out.store.bytes_max = all.unwrap_or(out.store.bytes_max);
    out.store.client_bytes_max = client.unwrap_or(out.store.bytes_max / 2).min(out.store.bytes_max);
    fields.finish(check);
    out
}

impl Results {
    /// What holds for one server.
    pub(super) fn of_server(&self, node: Option<&Node>, check: &mut Check<'_>) -> Option<Keeping> {
        let (mut above, mut preview) = (self.above, self.preview);
        if let Some(mut fields) = node.and_then(|node| Fields::open(node, "server.results", check)) {
            (above, preview) = keeping(&mut fields, above, preview, check);
            fields.finish(check);
        }
        // A preview never has more than what it stands for.
        above.map(|above| Keeping { above, preview_bytes: preview.min(above) })
    }
}

fn keeping(
    fields: &mut Fields<'_>,
    above: Option<usize>,
    preview: usize,
    check: &mut Check<'_>,
) -> (Option<usize>, usize) {
    let above = match fields.take("keepAbove", check) {
        Some(node) if is_off(node) => None,
        Some(node) => check.bytes(node, ABOVE),
        None => above,
    };
    let given = fields.take("previewBytes", check).and_then(|node| check.bytes(node, PREVIEW));
    (above, given.unwrap_or(preview))
}
