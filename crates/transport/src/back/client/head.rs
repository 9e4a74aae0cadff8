//! The head of an answer: read strictly where it says how the answer ends (RFC 9112, section 6), and otherwise only as
//! far as somebody wants to know.

use std::mem::MaybeUninit;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Status;
use trunkline_protocol::headers;

/// Most headers of an answer.
const HEADERS_MAX: usize = 100;
/// Longest head of an answer, in bytes.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With a last chunk.
    Chunked,
    /// With the connection.
    Close,
    /// It does not: the connection speaks another protocol from here on.
    Upgrade,
}

/// What an answer is made of, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// `text/event-stream`.
    Events,
    /// Anything else; what it is shows when it is read.
    Other,
}

/// The head of an answer.
#[derive(Debug)]
pub(in super::super) struct Head {
    pub(in super::super) status: u16,
    pub(in super::super) kind: Kind,
    /// The session that it opens.
    pub(in super::super) session: Option<HeaderValue>,
    /// All headers, of answers that are no plain success.
    pub(in super::super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether another request may follow on the connection.
    pub(super) keeps: bool,
    /// How long the server said that it keeps an idle connection.
    pub(super) idle: Option<Duration>,
}

impl Head {
    pub(in super::super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What was found in the bytes so far.
pub(super) enum Found {
    /// A whole head, and its length in bytes.
    Head(Box<Head>, usize),
    /// An interim answer (1xx) of this length, which says nothing.
    Interim(usize),
    /// More has to come.
    Part,
}

/// Reads a head.
pub(super) fn parse(bytes: &[u8]) -> Result<Found, String> {
    let mut slots = [MaybeUninit::uninit(); HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut slots);
    let length = match parsed.map_err(|error| format!("its HTTP answer cannot be read ({error})"))? {
        Status::Complete(length) => length,
        Status::Partial => return Ok(Found::Part),
    };
    let status = response.code.unwrap_or_default();
    if (100..200).contains(&status) && status != 101 {
        return Ok(Found::Interim(length));
    }
    let head = read(status, response.version == Some(1), response.headers)?;
    Ok(Found::Head(Box::new(head), length))
}

fn read(status: u16, is_1_1: bool, fields: &[httparse::Header<'_>]) -> Result<Head, String> {
    let mut out = Head {
        status,
        kind: Kind::Other,
        session: None,
        headers: HeaderMap::new(),
        framing: Framing::Close,
        keeps: is_1_1,
        idle: None,
    };
    let (mut length, mut chunked): (Option<u64>, bool) = (None, false);
    for field in fields {
        let (name, value) = (field.name, field.value);
        if name.eq_ignore_ascii_case("content-length") {
            for one in value.split(|b| *b == b',') {
                let said = number(one.trim_ascii()).ok_or("its Content-Length is not a number")?;
                if length.is_some_and(|before| before != said) {
                    return Err("its Content-Length is given twice, differently".to_owned());
                }
                length = Some(said);
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            // Two codings, or a coding twice, are nothing that we asked for.
            if chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err("its Transfer-Encoding is not \"chunked\"".to_owned());
            }
            chunked = true;
        } else if name.eq_ignore_ascii_case("connection") {
            for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    out.keeps = false;
                } else if !is_1_1 && option.eq_ignore_ascii_case(b"keep-alive") {
                    out.keeps = true;
                }
            }
        } else if name.eq_ignore_ascii_case("keep-alive") {
            out.idle = kept_for(value);
        } else if name.eq_ignore_ascii_case("content-type") {
            let essence = value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
            if essence.eq_ignore_ascii_case(b"text/event-stream") {
                out.kind = Kind::Events;
            }
        } else if name.eq_ignore_ascii_case(headers::SESSION) {
            out.session = HeaderValue::from_bytes(value).ok();
        }
        if !(200..300).contains(&status)
            && let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            out.headers.append(name, value);
        }
    }
    // Two readers could see two different answers here (RFC 9112, section 6.1), and so could a cache of ours.
    if chunked && length.is_some() {
        return Err("it gives both a Content-Length and a Transfer-Encoding".to_owned());
    }
    out.framing = match (status, length, chunked) {
        (101, ..) => Framing::Upgrade,
        (204 | 304, ..) => Framing::Length(0),
        (_, Some(length), _) => Framing::Length(length),
        (_, None, true) => Framing::Chunked,
        (_, None, false) => Framing::Close,
    };
    if matches!(out.framing, Framing::Close | Framing::Upgrade) {
        out.keeps = false;
    }
    Ok(out)
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// `timeout=5, max=100` of the `Keep-Alive` header.
fn kept_for(value: &[u8]) -> Option<Duration> {
    let mut parameters = value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    let seconds = parameters.find_map(|one| one.strip_prefix(b"timeout="))?;
    number(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &str) -> Result<Head, String> {
        match parse(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes())? {
            Found::Head(head, _) => Ok(*head),
            _ => panic!("not a head"),
        }
    }

    #[test]
    fn an_answer_ends_where_its_head_says() {
        for (fields, framing, keeps) in [
            ("Content-Length: 12\r\n", Framing::Length(12), true),
            ("content-length: 12, 12\r\ncontent-length: 12\r\n", Framing::Length(12), true),
            ("transfer-encoding: Chunked\r\n", Framing::Chunked, true),
            ("content-length: 0\r\nconnection: x, Close\r\n", Framing::Length(0), false),
            ("", Framing::Close, false),
        ] {
            let head = of(fields).unwrap();
            assert_eq!((head.framing, head.keeps), (framing, keeps), "{fields}");
        }
        for status in ["204 No Content", "304 Not Modified"] {
            let text = format!("HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\n");
            let Ok(Found::Head(head, _)) = parse(text.as_bytes()) else { panic!("{status}") };
            assert_eq!(head.framing, Framing::Length(0));
        }
        let Ok(Found::Head(old, _)) = parse(b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n") else {
            panic!()
        };
        assert!(!old.keeps);
    }

    #[test]
    fn doubtful_framing_is_refused() {
        for fields in [
            "content-length: 1\r\ncontent-length: 2\r\n",
            "content-length: 1, 2\r\n",
            "content-length: +1\r\n",
            "content-length: \r\n",
            "content-length: 99999999999999999999\r\n",
            "content-length: 1\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: identity\r\n",
            "a : b\r\n",
            "content-length: 5\r\n folded: 6\r\n",
        ] {
            assert!(of(fields).is_err(), "{fields}");
        }
    }

    #[test]
    fn what_else_matters_is_told() {
        let head = of(
            "content-type: Text/Event-Stream; charset=utf-8\r\nMcp-Session-Id: s\r\nkeep-alive: max=1, timeout=5\r\n",
        );
        let head = head.unwrap();
        assert_eq!((head.kind, head.session.unwrap().as_bytes()), (Kind::Events, b"s".as_slice()));
        assert_eq!(head.idle, Some(Duration::from_secs(5)));
        assert!(head.headers.is_empty(), "nobody asks for those of a success");
    }

    #[test]
    fn a_head_that_is_cut_is_no_head_yet() {
        let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nretry-after: 3\r\n\r\n";
        let Ok(Found::Interim(skipped)) = parse(text) else { panic!() };
        for cut in skipped..text.len() {
            assert!(matches!(parse(&text[skipped..cut]), Ok(Found::Part)), "{cut}");
        }
        let Ok(Found::Head(head, length)) = parse(&text[skipped..]) else { panic!() };
        assert_eq!((head.status, length), (404, text.len() - skipped));
        assert_eq!(head.headers["retry-after"], "3");
    }
}
