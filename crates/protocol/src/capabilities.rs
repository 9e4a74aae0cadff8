//! Capabilities towards clients.

use bytes::Bytes;
use trunkline_model::Era;

use crate::extensions::Shared;
use crate::{bridge, tasks};

/// What the gateway offers legacy clients where some server runs tasks: it keeps the list of a client's tasks itself.
const TASKS: &str = r#""tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}"#;

/// What the gateway itself offers in front of several servers: every era-neutral feature, whether or not a server has
/// it right now, because servers come and go behind one introduction. Extensions only if some server declares them, and
/// tasks if some server `has_tasks`, in either dialect.
pub fn own(extensions: &Shared, has_tasks: bool) -> (Bytes, Bytes) {
    let all = Bytes::from_static(
        b"{\"tools\":{\"listChanged\":true},\"prompts\":{\"listChanged\":true},\"resources\":{\"listChanged\":true,\"subscribe\":true},\"completions\":{},\"logging\":{}}",
    );
    let (mut legacy, mut modern) = (all.clone(), all);
    if has_tasks {
        (legacy, modern) = (with(&legacy, TASKS), with(&modern, inside(tasks::NEEDED)));
    }
    (extensions.declared_in(&legacy), extensions.declared_in(&modern))
}

/// Whether a server that said this of itself runs tasks.
pub fn has_tasks(raw: &[u8], era: Era) -> bool {
    match era {
        Era::Legacy => tasks::legacy_server(raw),
        Era::Modern => tasks::declared(raw),
    }
}

fn inside(object: &str) -> &str {
    object.get(1..object.len() - 1).unwrap_or_default()
}

fn with(object: &Bytes, member: &str) -> Bytes {
    let end = object.len() - 1;
    let comma = if end > 1 { "," } else { "" };
    Bytes::from(crate::json::splice(object, &[(end..end, format!("{comma}{member}").as_bytes())]))
}

/// What one server offers, for legacy and for modern clients. Features that cannot cross to the other era yet are left
/// out there; list changes are always offered, because the gateway produces them.
pub fn mirrored(raw: &[u8], era: Era) -> (Bytes, Bytes) {
    let render = |to: Era| {
        let mut out = b"{".to_vec();
        let walked = bridge::members(raw, |key, value| {
            let list = matches!(key, "tools" | "prompts" | "resources");
            let neutral = list || matches!(key, "completions" | "logging");
            // Of tasks we say what we relay, below.
            let passes = neutral || (era == to && key != "tasks");
            if !passes {
                return;
            }
            if out.len() > 1 {
                out.push(b',');
            }
            crate::json::escape_into(&mut out, key);
            out.push(b':');
            if list { out.extend(with_list_changed(value)) } else { out.extend_from_slice(value) }
        });
        debug_assert!(walked.is_ok(), "the introduction was read before");
        out.push(b'}');
        Bytes::from(out)
    };
    let (legacy, modern) = (render(Era::Legacy), render(Era::Modern));
    let (legacy, modern) = match (has_tasks(raw, era), era) {
        (false, _) => (legacy, modern),
        (true, Era::Legacy) => (with(&legacy, TASKS), with(&modern, inside(tasks::NEEDED))),
        // A modern server's own words hold the extension.
        (true, Era::Modern) => (with(&legacy, TASKS), modern),
    };
    // Of the extensions that we understand every client hears, whatever it and the server speak.
    let mut shared = Shared::default();
    shared.add(raw);
    match era {
        Era::Legacy => (legacy, shared.declared_in(&modern)),
        Era::Modern => (shared.declared_in(&legacy), modern),
    }
}

fn with_list_changed(value: &[u8]) -> Vec<u8> {
    let mut out = b"{\"listChanged\":true".to_vec();
    let _ = bridge::members(value, |key, value| {
        if key != "listChanged" {
            out.push(b',');
            crate::json::escape_into(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value);
        }
    });
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_either_dialect_are_offered_to_clients_of_both() {
        let old = br#"{"tasks":{"requests":{"tools":{"call":{}}}}}"#;
        for (raw, era) in [(&old[..], Era::Legacy), (tasks::NEEDED.as_bytes(), Era::Modern)] {
            let (legacy, modern) = mirrored(raw, era);
            assert!(tasks::legacy_server(&legacy) && tasks::declared(&modern), "{legacy:?} {modern:?}");
            assert_eq!(mirrored(b"{}", era), (Bytes::from_static(b"{}"), Bytes::from_static(b"{}")));
        }
        let (legacy, modern) = own(&Shared::default(), true);
        assert!(tasks::legacy_server(&legacy) && tasks::declared(&modern), "{legacy:?} {modern:?}");
        assert!(
            !tasks::legacy_server(&own(&Shared::default(), false).0)
                && !tasks::declared(&own(&Shared::default(), false).1)
        );
    }

    #[test]
    fn extensions_stay_in_their_era_and_list_changes_are_always_offered() {
        let raw = br#"{"tools":{},"resources":{"subscribe":true,"listChanged":false},"extensions":{"x":{}},"logging":{}}"#;
        let (legacy, modern) = mirrored(raw, Era::Modern);
        assert_eq!(
            legacy,
            r#"{"tools":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"logging":{}}"#
        );
        assert_eq!(
            modern,
            r#"{"tools":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"extensions":{"x":{}},"logging":{}}"#
        );
    }

    #[test]
    fn extensions_that_we_understand_are_declared_in_both_eras() {
        let raw = br#"{"extensions":{"io.modelcontextprotocol/skills":{"directoryRead":true,"z":1},"x":{}}}"#;
        let crossed = r#"{"extensions":{"io.modelcontextprotocol/skills":{"directoryRead":true}}}"#;
        let (legacy, modern) = mirrored(raw, Era::Modern);
        assert_eq!((legacy, modern), (Bytes::from(crossed), Bytes::from_static(raw)));
        let (legacy, modern) = mirrored(raw, Era::Legacy);
        assert_eq!((legacy, modern), (Bytes::from_static(raw), Bytes::from(crossed)));
        let mut shared = Shared::default();
        assert!(!own(&shared, false).0.ends_with(b"}}}"));
        shared.add(raw);
        assert!(
            own(&shared, false)
                .0
                .ends_with(br#""extensions":{"io.modelcontextprotocol/skills":{"directoryRead":true}}}"#)
        );
    }
}
