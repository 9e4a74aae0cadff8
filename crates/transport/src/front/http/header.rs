//! What the headers of a request say, found in one pass over them.

use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName};
use trunkline_protocol::{Revision, headers};

/// The media type of event streams.
pub(crate) const EVENTS: &str = "text/event-stream";
/// The media type of messages.
const JSON: &str = "application/json";
/// What the specification has clients send (2025-03-26 and later, Streamable HTTP, sending messages).
const USUAL_ACCEPT: &[u8] = b"application/json, text/event-stream";

/// A header that may be given once: its value, and whether there was another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Once<'a> {
    values: [&'a [u8]; 2],
    count: u8,
}

impl<'a> Once<'a> {
    fn take(&mut self, value: &'a [u8]) {
        if let Some(slot) = self.values.get_mut(usize::from(self.count)) {
            *slot = value;
            self.count += 1;
        }
    }

    /// The values, two of them at most: more are as wrong as two.
    pub(crate) fn values(&self) -> &[&'a [u8]] {
        self.values.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// Whether it was given.
    pub(crate) fn is_some(self) -> bool {
        self.count > 0
    }

    /// Its first value.
    pub(crate) fn first(&self) -> Option<&'a [u8]> {
        self.values().first().copied()
    }

    /// Its first value, if that is visible ASCII.
    pub(crate) fn text(&self) -> Option<&'a str> {
        let value = self.first()?;
        // All of it, without a stop: that is done for many bytes at a time.
        let visible = value.iter().fold(true, |all, b| all & matches!(b, b'\t' | 0x20..=0x7e));
        visible.then(|| std::str::from_utf8(value).ok()).flatten()
    }
}

/// The headers of one request, as far as this front reads them.
#[derive(Debug, Default)]
pub(crate) struct Headers<'a> {
    pub(crate) host: Once<'a>,
    pub(crate) origin: Once<'a>,
    pub(crate) content_type: Once<'a>,
    pub(crate) content_length: Once<'a>,
    pub(crate) transfer_encoding: Once<'a>,
    pub(crate) content_encoding: Once<'a>,
    pub(crate) version: Once<'a>,
    pub(crate) method: Once<'a>,
    pub(crate) name: Once<'a>,
    pub(crate) session: Once<'a>,
    pub(crate) last_event_id: Once<'a>,
    pub(crate) traceparent: Once<'a>,
    /// Whether there is a header that mirrors an argument.
    pub(crate) mirrors: bool,
    accept: Accept,
    all: Option<&'a HeaderMap>,
}

impl<'a> Headers<'a> {
    /// Reads them.
    pub(crate) fn of(all: &'a HeaderMap) -> Self {
        let mut out = Self { all: Some(all), ..Self::default() };
        for (name, value) in all {
            let value = value.as_bytes();
            match out.slot(name) {
                Some(slot) => slot.take(value),
                None if name == ACCEPT => out.accept.take(value),
                None => out.mirrors |= name.as_str().starts_with(headers::PARAM_PREFIX),
            }
        }
        out
    }

    fn slot(&mut self, name: &HeaderName) -> Option<&mut Once<'a>> {
        // By length first: most names are none of these, and are told apart by it.
        let text = name.as_str();
        Some(match text.len() {
            4 if name == HOST => &mut self.host,
            6 if name == ORIGIN => &mut self.origin,
            8 if text == headers::NAME => &mut self.name,
            10 if text == headers::METHOD => &mut self.method,
            11 if text == "traceparent" => &mut self.traceparent,
            12 if name == CONTENT_TYPE => &mut self.content_type,
            13 if text == headers::LAST_EVENT_ID => &mut self.last_event_id,
            14 if text == headers::SESSION => &mut self.session,
            14 if name == CONTENT_LENGTH => &mut self.content_length,
            16 if name == CONTENT_ENCODING => &mut self.content_encoding,
            17 if name == TRANSFER_ENCODING => &mut self.transfer_encoding,
            20 if text == headers::PROTOCOL_VERSION => &mut self.version,
            _ => return None,
        })
    }

    /// All of them.
    pub(crate) fn all(&self) -> Option<&'a HeaderMap> {
        self.all
    }

    /// Whether messages are accepted. No Accept header accepts everything (RFC 9110, section 12.5.1).
    pub(crate) fn accepts_json(&self) -> bool {
        !self.accept.given || self.accept.json
    }

    /// Whether event streams are accepted.
    pub(crate) fn accepts_events(&self) -> bool {
        !self.accept.given || self.accept.events
    }

    /// Whether event streams are asked for by name.
    pub(crate) fn wants_events(&self) -> bool {
        self.accept.events_named
    }

    /// Whether the request says that it is of the modern era.
    pub(crate) fn claims_modern(&self) -> bool {
        self.version.text().is_some_and(|version| Revision::claims_modern(version.trim()))
    }

    /// Whether the body is `application/json`, with no parameter but a UTF-8 charset, said once.
    pub(crate) fn is_json(&self) -> bool {
        if self.content_type.values() == [JSON.as_bytes()] {
            return true;
        }
        let ([_], Some(value)) = (self.content_type.values(), self.content_type.text()) else { return false };
        let mut parts = value.split(';').map(str::trim);
        let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(JSON));
        json && parts.all(|parameter| {
            let value = parameter.to_ascii_lowercase();
            value
                .strip_prefix("charset=")
                .is_none_or(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8"))
        })
    }
}

/// The media types that a client takes.
#[derive(Clone, Copy, Debug, Default)]
struct Accept {
    given: bool,
    json: bool,
    events: bool,
    events_named: bool,
}

impl Accept {
    fn take(&mut self, value: &[u8]) {
        self.given = true;
        if value == USUAL_ACCEPT {
            (self.json, self.events, self.events_named) = (true, true, true);
            return;
        }
        if !value.is_ascii() {
            return;
        }
        for range in std::str::from_utf8(value).unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default();
            let is = |wanted: &str| essence.eq_ignore_ascii_case(wanted);
            self.events_named |= is(EVENTS);
            if parts.any(|p| matches!(p, "q=0" | "q=0.0" | "q=0.00" | "q=0.000")) {
                continue;
            }
            self.json |= is(JSON) || is("*/*") || is("application/*");
            self.events |= is(EVENTS) || is("*/*") || is("text/*");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn only_json_in_utf_8_is_taken() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json; charset=utf-16", false),
            ("application/jsonp", false),
            ("application/json-patch+json", false),
            ("text/plain", false),
        ] {
            assert_eq!(Headers::of(&with(CONTENT_TYPE, value)).is_json(), expected, "{value}");
        }
        assert!(!Headers::of(&HeaderMap::new()).is_json());
        let mut twice = with(CONTENT_TYPE, JSON);
        twice.append(CONTENT_TYPE, HeaderValue::from_static(JSON));
        assert!(!Headers::of(&twice).is_json());
    }

    #[test]
    fn accept_headers_are_read_as_ranges() {
        for (value, json, stream, named) in [
            ("application/json, text/event-stream", true, true, true),
            ("*/*", true, true, false),
            ("application/*", true, false, false),
            ("TEXT/*", false, true, false),
            ("text/event-stream;q=0.5", false, true, true),
            ("application/json;q=0", false, false, false),
            ("text/html", false, false, false),
        ] {
            let map = with(ACCEPT, value);
            let headers = Headers::of(&map);
            assert_eq!(
                (headers.accepts_json(), headers.accepts_events(), headers.wants_events()),
                (json, stream, named),
                "{value}"
            );
        }
        let none = HeaderMap::new();
        assert!(Headers::of(&none).accepts_json() && !Headers::of(&none).wants_events());
        let mut two = with(ACCEPT, JSON);
        two.append(ACCEPT, HeaderValue::from_static(EVENTS));
        assert!(Headers::of(&two).accepts_json() && Headers::of(&two).accepts_events());
    }

    #[test]
    fn each_header_finds_its_place_and_a_second_value_is_seen() {
        let names = [
            "host",
            "origin",
            "mcp-name",
            "mcp-method",
            "traceparent",
            "content-type",
            "last-event-id",
            "mcp-session-id",
            "content-length",
            "content-encoding",
            "transfer-encoding",
            "mcp-protocol-version",
        ];
        let mut map = HeaderMap::new();
        for name in names {
            for value in ["a", "b", "c"] {
                map.append(name, HeaderValue::from_static(value));
            }
        }
        let mut headers = Headers::of(&map);
        for name in names {
            let slot = headers.slot(&HeaderName::from_static(name)).expect(name);
            assert_eq!(slot.values(), [b"a", b"b"], "{name}");
        }
        assert!(!headers.mirrors);
        assert!(Headers::of(&with(HeaderName::from_static("mcp-param-x"), "1")).mirrors);
    }
}
