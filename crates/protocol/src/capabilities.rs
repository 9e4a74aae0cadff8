//! Capabilities towards clients.

use bytes::Bytes;
use trunkline_model::Era;

use crate::bridge;
use crate::extensions::Shared;

/// What the gateway itself offers in front of several servers: every era-neutral feature, whether or not a server has
/// it right now, because servers come and go behind one introduction. Extensions only if some server declares them.
pub fn own(extensions: &Shared) -> (Bytes, Bytes) {
    let all = Bytes::from_static(
        b"{\"tools\":{\"listChanged\":true},\"prompts\":{\"listChanged\":true},\"resources\":{\"listChanged\":true,\"subscribe\":true},\"completions\":{},\"logging\":{}}",
    );
    let all = extensions.declared_in(&all);
    (all.clone(), all)
}

/// What one server offers, for legacy and for modern clients. Features that cannot cross to the other era yet are left
/// out there; list changes are always offered, because the gateway produces them.
pub fn mirrored(raw: &[u8], era: Era) -> (Bytes, Bytes) {
    let render = |to: Era| {
        let mut out = b"{".to_vec();
        let walked = bridge::members(raw, |key, value| {
            let list = matches!(key, "tools" | "prompts" | "resources");
            let neutral = list || matches!(key, "completions" | "logging");
            // Tasks of the legacy experiment need a session of the caller's own.
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
    // Of the extensions that we understand every client hears, whatever it and the server speak.
    let mut shared = Shared::default();
    shared.add(raw);
    match era {
        Era::Legacy => (render(Era::Legacy), shared.declared_in(&render(Era::Modern))),
        Era::Modern => (shared.declared_in(&render(Era::Legacy)), render(Era::Modern)),
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
        assert!(!own(&shared).0.ends_with(b"}}}"));
        shared.add(raw);
        assert!(
            own(&shared)
                .0
                .ends_with(br#""extensions":{"io.modelcontextprotocol/skills":{"directoryRead":true}}}"#)
        );
    }
}
