//! Extensions (SEP-2133): who declares which, and the ones of which we know what to do with several servers in one view.

use bytes::Bytes;

use crate::bridge::{members, without};
use crate::json::{Reader, escape_into, splice};

/// Skills (SEP-2640).
pub const SKILLS: &str = "io.modelcontextprotocol/skills";
/// Apps: tools with a user interface.
pub const APPS: &str = "io.modelcontextprotocol/ui";
/// The setting of [`SKILLS`] that says that directories can be read.
const DIRECTORY_READ: &str = "directoryRead";

/// What the capabilities object of a server says about one extension: its settings, raw.
pub fn settings<'a>(capabilities: &'a [u8], extension: &str) -> Option<&'a [u8]> {
    let inside = |object: &'a [u8], wanted: &str| -> Option<&'a [u8]> {
        let mut reader = Reader::new(object).ok()?;
        let mut found = None;
        let walked = reader.object(|key, reader| {
            let span = reader.value()?;
            if key == wanted {
                found = object.get(span);
            }
            Ok(())
        });
        walked.ok()?;
        found.filter(|value| value.starts_with(b"{"))
    };
    inside(inside(capabilities, "extensions")?, extension)
}

/// What some servers declare together, of the extensions that are served for several servers at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    skills: bool,
    directories: bool,
    /// The settings: those that all who declare it agree on, or none.
    apps: Option<Bytes>,
}

impl Shared {
    /// Counts in a server with these capabilities.
    pub fn add(&mut self, capabilities: &[u8]) {
        self.skills |= has_skills(capabilities);
        self.directories |= reads_directories(capabilities);
        if let Some(said) = settings(capabilities, APPS) {
            let agreed = self.apps.as_ref().is_none_or(|before| **before == *said);
            self.apps = Some(if agreed { Bytes::copy_from_slice(said) } else { Bytes::from_static(b"{}") });
        }
    }

    /// `capabilities` with these extensions declared beside what it declares already.
    pub fn declared_in(&self, capabilities: &Bytes) -> Bytes {
        let mut out = Vec::new();
        if self.skills {
            let settings: &[u8] = if self.directories { b"{\"directoryRead\":true}" } else { b"{}" };
            member(&mut out, SKILLS, settings);
        }
        if let Some(settings) = &self.apps {
            member(&mut out, APPS, settings);
        }
        if out.is_empty() { capabilities.clone() } else { with(capabilities, &out) }
    }
}

fn member(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    if !out.is_empty() {
        out.push(b',');
    }
    escape_into(out, key);
    out.push(b':');
    out.extend_from_slice(value);
}

/// Puts members into the `extensions` of a capabilities object, replacing what it says of the same ones.
fn with(capabilities: &Bytes, added: &[u8]) -> Bytes {
    let mut there = None;
    let _ = members(capabilities, |key, value| {
        if key == "extensions" && value.starts_with(b"{") {
            there = Some(value.to_vec());
        }
    });
    let mut extensions = b"{".to_vec();
    extensions.extend_from_slice(added);
    if let Some(there) = there {
        let kept = without(&there, |key, _| matches!(key, SKILLS | APPS)).unwrap_or(there);
        if members(&kept, |_, _| {}).is_ok_and(|count| count > 0) {
            extensions.push(b',');
            extensions.extend_from_slice(&kept[1..kept.len() - 1]);
        }
    }
    extensions.push(b'}');
    let rest = without(capabilities, |key, _| key == "extensions");
    let rest = rest.as_deref().unwrap_or(capabilities);
    let end = rest.len().saturating_sub(1);
    let comma: &[u8] = if members(rest, |_, _| {}) == Ok(0) { b"" } else { b"," };
    let new = [comma, b"\"extensions\":", &extensions].concat();
    Bytes::from(splice(rest, &[(end..end, &new)]))
}

/// Whether a server with these capabilities serves skills.
pub fn has_skills(capabilities: &[u8]) -> bool {
    settings(capabilities, SKILLS).is_some()
}

/// Whether it reads directories.
pub fn reads_directories(capabilities: &[u8]) -> bool {
    let mut reads = false;
    if let Some(settings) = settings(capabilities, SKILLS) {
        let _ = members(settings, |key, value| reads |= key == DIRECTORY_READ && value == b"true");
    }
    reads
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKILLED: &[u8] =
        br#"{"extensions":{"io.modelcontextprotocol/skills":{"directoryRead":true},"x":{}}}"#;

    #[test]
    fn settings_are_found_where_they_are_declared_and_nowhere_else() {
        assert_eq!(settings(SKILLED, SKILLS), Some(&br#"{"directoryRead":true}"#[..]));
        assert!(has_skills(SKILLED) && reads_directories(SKILLED));
        for other in [
            r#"{"experimental":{"io.modelcontextprotocol/skills":{}}}"#,
            r#"{"extensions":{"io.modelcontextprotocol/skills":true}}"#,
            r#"{"extensions":[]}"#,
            "{}",
            "nonsense",
        ] {
            assert!(!has_skills(other.as_bytes()), "{other}");
        }
        let plain = br#"{"extensions":{"io.modelcontextprotocol/skills":{"directoryRead":"true"}}}"#;
        assert!(has_skills(plain) && !reads_directories(plain));
    }

    #[test]
    fn a_view_declares_what_some_server_declares_and_only_what_is_understood() {
        let mut shared = Shared::default();
        let base = Bytes::from_static(br#"{"tools":{}}"#);
        assert_eq!(shared.declared_in(&base), base);
        shared.add(br#"{"extensions":{"io.modelcontextprotocol/skills":{},"y":{}}}"#);
        assert_eq!(
            shared.declared_in(&base),
            r#"{"tools":{},"extensions":{"io.modelcontextprotocol/skills":{}}}"#
        );
        shared.add(SKILLED);
        shared.add(br#"{"extensions":{"io.modelcontextprotocol/ui":{"a":1}}}"#);
        assert_eq!(
            shared.declared_in(&Bytes::from_static(b"{}")),
            r#"{"extensions":{"io.modelcontextprotocol/skills":{"directoryRead":true},"io.modelcontextprotocol/ui":{"a":1}}}"#
        );
        shared.add(br#"{"extensions":{"io.modelcontextprotocol/ui":{"a":2}}}"#);
        assert!(shared.declared_in(&base).ends_with(br#""io.modelcontextprotocol/ui":{}}}"#));
    }

    #[test]
    fn extensions_declared_already_stay() {
        let mut shared = Shared::default();
        shared.add(SKILLED);
        let base = Bytes::from_static(
            br#"{"extensions":{"t":{"b":1},"io.modelcontextprotocol/skills":{}},"tools":{}}"#,
        );
        assert_eq!(
            shared.declared_in(&base),
            r#"{"tools":{},"extensions":{"io.modelcontextprotocol/skills":{"directoryRead":true},"t":{"b":1}}}"#
        );
    }
}
