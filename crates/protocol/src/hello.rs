//! Introductions: what a server says of itself, and what we say of ourselves.

use bytes::Bytes;
use trunkline_model::Era;

use crate::json::{JsonError, Problem, Reader, escape_into};
use crate::revision::Revision;
use crate::{bridge, meta};

/// What a server said of itself.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// The revision to speak from now on.
    pub revision: Revision,
    /// Its capabilities object, raw.
    pub capabilities: Bytes,
    /// Its name and version object, raw.
    pub server_info: Option<Bytes>,
    /// Its instructions.
    pub instructions: Option<String>,
}

impl Introduction {
    /// The era of the agreed revision.
    pub fn era(&self) -> Era {
        self.revision.era()
    }

    /// Whether a top-level capability is declared.
    pub fn has(&self, capability: &str) -> bool {
        let mut has = false;
        let walked =
            bridge::members(&self.capabilities, |key, value| has |= key == capability && value != b"null");
        walked.is_ok() && has
    }

    /// Whether a flag inside a capability is `true`.
    pub fn has_flag(&self, capability: &str, flag: &str) -> bool {
        let mut has = false;
        let walked = bridge::members(&self.capabilities, |key, value| {
            if key == capability && value.starts_with(b"{") {
                let _ = bridge::members(value, |key, value| has |= key == flag && value == b"true");
            }
        });
        walked.is_ok() && has
    }

    /// The `name` and `version` in the server's information object.
    pub fn name_and_version(&self) -> (Option<String>, Option<String>) {
        let (mut name, mut version) = (None, None);
        if let Some(info) = &self.server_info {
            let walked = bridge::members(info, |key, value| match key {
                "name" => name = serde_json::from_slice(value).ok(),
                "version" => version = serde_json::from_slice(value).ok(),
                _ => {}
            });
            let _ = walked;
        }
        (name, version)
    }
}

/// Why an introduction cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Not the expected object.
    #[error("malformed introduction: {0}")]
    Malformed(#[from] JsonError),
    /// No revision in common; holds what the server named.
    #[error("no revision in common (the server speaks {0})")]
    NoRevision(String),
}

/// The params of our `initialize`.
pub fn initialize_params(revision: Revision, client_version: &str, capabilities: &[u8]) -> Bytes {
    let mut out = b"{\"protocolVersion\":".to_vec();
    escape_into(&mut out, revision.as_str());
    out.extend_from_slice(b",\"capabilities\":");
    out.extend_from_slice(capabilities);
    out.extend_from_slice(b",\"clientInfo\":");
    out.extend_from_slice(&own_info(client_version));
    out.push(b'}');
    Bytes::from(out)
}

/// Our own information object.
pub fn own_info(version: &str) -> Vec<u8> {
    let mut out = b"{\"name\":\"trunkline\",\"title\":\"Trunkline\",\"version\":".to_vec();
    escape_into(&mut out, version);
    out.push(b'}');
    out
}

/// Reads the result of `initialize`.
pub fn read_initialize(raw: &Bytes) -> Result<Introduction, HelloError> {
    let parts = Parts::read(raw)?;
    let version = parts.version.ok_or(JsonError { problem: Problem::Type, at: 0 })?;
    let revision = Revision::parse(&version).filter(|r| r.era() == Era::Legacy);
    let revision = revision.ok_or(HelloError::NoRevision(version))?;
    Ok(Introduction {
        revision,
        capabilities: parts.capabilities.unwrap_or_else(|| Bytes::from_static(b"{}")),
        server_info: parts.info,
        instructions: parts.instructions,
    })
}

/// Reads the result of `server/discover`. Legacy dates in the list never mean that requests of that revision may be
/// sent without `initialize`.
pub fn read_discover(raw: &Bytes) -> Result<Introduction, HelloError> {
    let parts = Parts::read(raw)?;
    let supported = parts.supported.ok_or(JsonError { problem: Problem::Type, at: 0 })?;
    let best = supported.iter().filter_map(|v| Revision::parse(v)).filter(|r| r.era() == Era::Modern).max();
    let revision = best.ok_or_else(|| HelloError::NoRevision(supported.join(", ")))?;
    Ok(Introduction {
        revision,
        capabilities: parts.capabilities.unwrap_or_else(|| Bytes::from_static(b"{}")),
        server_info: parts.info,
        instructions: parts.instructions,
    })
}

/// The modern revision to go on with after a modern server refused the one of our request: the newest in
/// `error.data.supported` that is spoken here (2026-07-28, "Protocol version negotiation"). `None` for any other error,
/// and for a server that names only others: it may still be reached by `initialize`.
pub fn offered_instead(error: &[u8]) -> Option<Revision> {
    if bridge::code_of(error) != bridge::UNSUPPORTED_VERSION {
        return None;
    }
    let mut best = None;
    let mut reader = Reader::new(error).ok()?;
    let walked = reader.object(|key, reader| {
        if key != "data" {
            return reader.skip();
        }
        let data = reader.object(|key, reader| {
            if key != "supported" {
                return reader.skip();
            }
            let each = reader.array(|reader| {
                let date = reader.string()?;
                let revision = Revision::parse(&reader.decode(&date)).filter(|r| r.era() == Era::Modern);
                best = best.max(revision);
                Ok(())
            });
            each.map(drop)
        });
        data.map(drop)
    });
    walked.ok().and(best)
}

#[derive(Default)]
struct Parts {
    version: Option<String>,
    supported: Option<Vec<String>>,
    capabilities: Option<Bytes>,
    info: Option<Bytes>,
    instructions: Option<String>,
}

impl Parts {
    fn read(raw: &Bytes) -> Result<Self, JsonError> {
        let mut parts = Self::default();
        let mut reader = Reader::new(raw)?;
        reader.object(|key, reader| {
            let text = reader.peek()? == b'"';
            let object = reader.peek()? == b'{';
            match &*key {
                "protocolVersion" if text => {
                    let literal = reader.string()?;
                    parts.version = Some(reader.decode(&literal).into_owned());
                }
                "instructions" if text => {
                    let literal = reader.string()?;
                    parts.instructions = Some(reader.decode(&literal).into_owned());
                }
                "supportedVersions" => {
                    let mut list = Vec::new();
                    reader.array(|reader| {
                        let literal = reader.string()?;
                        list.push(reader.decode(&literal).into_owned());
                        Ok(())
                    })?;
                    parts.supported = Some(list);
                }
                "capabilities" if object => parts.capabilities = Some(raw.slice(reader.value()?)),
                "serverInfo" if object => parts.info = Some(raw.slice(reader.value()?)),
                "_meta" if object => {
                    let span = reader.value()?;
                    let inner = raw.slice(span);
                    let _ = bridge::members(&inner, |key, value| {
                        if key == meta::SERVER_INFO {
                            parts.info = Some(inner.slice_ref(value));
                        }
                    });
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(parts)
    }
}

/// What the gateway says of itself to clients.
#[derive(Clone, Debug)]
pub struct Greeting<'a> {
    /// Capabilities object, raw.
    pub capabilities: &'a [u8],
    /// Name and version object, raw.
    pub server_info: &'a [u8],
    /// Instructions, if there are any.
    pub instructions: Option<&'a str>,
}

impl Greeting<'_> {
    /// The result of `initialize` at this revision.
    pub fn initialize(&self, revision: Revision) -> Bytes {
        let mut out = b"{\"protocolVersion\":".to_vec();
        escape_into(&mut out, revision.as_str());
        out.extend_from_slice(b",\"capabilities\":");
        out.extend_from_slice(self.capabilities);
        out.extend_from_slice(b",\"serverInfo\":");
        out.extend_from_slice(self.server_info);
        self.instruct(&mut out);
        out.push(b'}');
        Bytes::from(out)
    }

    /// The result of `server/discover`.
    pub fn discover(&self, ttl_ms: u64) -> Bytes {
        let mut out = b"{\"resultType\":\"complete\",\"supportedVersions\":[".to_vec();
        escape_into(&mut out, Revision::MODERN_LATEST.as_str());
        out.extend_from_slice(b"],\"capabilities\":");
        out.extend_from_slice(self.capabilities);
        out.extend_from_slice(b",\"_meta\":{");
        escape_into(&mut out, meta::SERVER_INFO);
        out.push(b':');
        out.extend_from_slice(self.server_info);
        out.push(b'}');
        self.instruct(&mut out);
        out.extend_from_slice(format!(",\"ttlMs\":{ttl_ms},\"cacheScope\":\"private\"}}").as_bytes());
        Bytes::from(out)
    }

    fn instruct(&self, out: &mut Vec<u8>) {
        if let Some(text) = self.instructions {
            out.extend_from_slice(b",\"instructions\":");
            escape_into(out, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_introduction_are_read() {
        let old = Bytes::from_static(br#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"s","version":"1"},"instructions":"hi"}"#);
        let got = read_initialize(&old).unwrap();
        assert_eq!(
            (got.revision, got.has("tools"), got.has("prompts"), got.has_flag("tools", "listChanged")),
            (Revision::R2025_06_18, true, false, true)
        );
        let new = Bytes::from_static(br#"{"resultType":"complete","supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"m","version":"2"}}}"#);
        let got = read_discover(&new).unwrap();
        assert_eq!(got.revision, Revision::R2026_07_28);
        assert_eq!(got.name_and_version(), (Some("m".into()), Some("2".into())));
    }

    #[test]
    fn a_list_of_legacy_dates_is_no_modern_server() {
        let raw = Bytes::from_static(br#"{"supportedVersions":["2025-11-25"],"capabilities":{}}"#);
        assert!(matches!(read_discover(&raw), Err(HelloError::NoRevision(_))));
    }

    #[test]
    fn a_refused_revision_is_followed_by_one_that_the_server_names() {
        let offered = |code: i64, supported: &str| {
            let error = format!(
                r#"{{"code":{code},"message":"no","data":{{"supported":{supported},"requested":"x"}}}}"#
            );
            offered_instead(error.as_bytes())
        };
        assert_eq!(
            offered(-32022, r#"["2099-01-01","2026-07-28","2025-11-25"]"#),
            Some(Revision::R2026_07_28)
        );
        assert_eq!(offered(-32022, r#"["2025-11-25"]"#), None);
        assert_eq!(offered(-32602, r#"["2026-07-28"]"#), None);
        assert_eq!(offered_instead(br#"{"code":-32022,"message":"no"}"#), None);
    }

    #[test]
    fn greetings_are_valid_json_in_both_eras() {
        let greeting = Greeting {
            capabilities: b"{}",
            server_info: br#"{"name":"t","version":"0"}"#,
            instructions: Some("a\nb"),
        };
        for raw in [greeting.initialize(Revision::LEGACY_LATEST), greeting.discover(60_000)] {
            serde_json::from_slice::<serde_json::Value>(&raw).unwrap();
        }
    }
}
