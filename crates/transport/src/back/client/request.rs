//! What is written: a head made of finished parts, and the message behind it.

use bytes::{Buf, Bytes};
use http::header::{self, HeaderMap, HeaderName};
use http::{Uri, uri::Scheme};
use trunkline_protocol::Message;

use super::Request;

/// A message up to this size is copied behind its head, so that both go in one plain write.
const TOGETHER_BYTES_MAX: usize = 16 * 1024;

/// Where requests go: what their first lines say.
pub(in super::super) struct Target {
    /// ` /path HTTP/1.1\r\nhost: `
    line: Box<[u8]>,
    host: Box<[u8]>,
}

impl Target {
    pub(in super::super) fn of(uri: &Uri) -> Self {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        // An empty path with a query (`http://a?x`) is that of the root (RFC 9112, section 3.2.1).
        let slash = if path.starts_with('/') { "" } else { "/" };
        let line = format!(" {slash}{path} HTTP/1.1\r\nhost: ");
        let usual = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let name = uri.host().unwrap_or_default();
        let host = match uri.port_u16().filter(|port| *port != usual) {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        Self { line: line.into_bytes().into(), host: host.into_bytes().into() }
    }
}

/// The headers that an operator configured for every request.
pub(in super::super) struct Fixed(HeaderMap);

/// What frames a message or belongs to one connection; it is ours to say (RFC 9110, section 7.6.1; RFC 9112, section 6).
const OURS: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];

impl Fixed {
    pub(in super::super) fn new(mut headers: HeaderMap) -> Self {
        for name in OURS {
            headers.remove(name);
        }
        Self(headers)
    }

    pub(in super::super) fn get(&self) -> &HeaderMap {
        &self.0
    }
}

/// A request as bytes, and how much of it has been written.
pub(in super::super) struct Rendered {
    /// The head, and a small message behind it.
    head: Vec<u8>,
    /// A large message, which is not copied.
    rest: [Bytes; 3],
    total: usize,
    written: usize,
}

impl Rendered {
    pub(in super::super) fn new(request: &Request<'_>, message: Option<Message>) -> Self {
        let message_len = message.as_ref().map_or(0, Message::len);
        let together = message_len <= TOGETHER_BYTES_MAX;
        let mut head = Vec::with_capacity(HEAD_BYTES_USUAL + if together { message_len } else { 0 });
        render(&mut head, request, message.is_some().then_some(message_len));
        let mut rest = <[Bytes; 3]>::default();
        match message {
            Some(message) if together => message.pieces().iter().for_each(|p| head.extend_from_slice(p)),
            Some(Message::One(whole)) => rest[0] = whole,
            Some(Message::Three(pieces)) => rest = pieces,
            None => {}
        }
        let total = head.len() + rest.iter().map(Bytes::len).sum::<usize>();
        Self { head, rest, total, written: 0 }
    }

    /// Whether no byte of it was taken yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.written == 0
    }
}

/// Room for a usual head.
const HEAD_BYTES_USUAL: usize = 512;

fn render(out: &mut Vec<u8>, request: &Request<'_>, length: Option<usize>) {
    let Request { method, target, fixed, extra, accept } = request;
    out.extend_from_slice(method.as_bytes());
    out.extend_from_slice(&target.line);
    // An operator may want another name than that of the address.
    out.extend_from_slice(fixed.0.get(header::HOST).map_or(&*target.host, |host| host.as_bytes()));
    out.extend_from_slice(b"\r\naccept: ");
    out.extend_from_slice(accept.as_bytes());
    if let Some(length) = length {
        out.extend_from_slice(b"\r\ncontent-type: application/json\r\ncontent-length: ");
        out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    }
    let spoken = |name: &HeaderName| {
        name == header::HOST
            || name == header::ACCEPT
            || (length.is_some() && name == header::CONTENT_TYPE)
            || extra.iter().any(|(said, _)| said == name)
    };
    let fixed = fixed.0.iter().filter(|(name, _)| !spoken(name));
    for (name, value) in fixed.chain(extra.iter().map(|(name, value)| (name, value))) {
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

impl Buf for Rendered {
    fn remaining(&self) -> usize {
        self.total - self.written
    }

    fn chunk(&self) -> &[u8] {
        if self.written < self.head.len() {
            return &self.head[self.written..];
        }
        self.rest.iter().find(|piece| !piece.is_empty()).map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [std::io::IoSlice<'a>]) -> usize {
        let head = self.head.get(self.written..).unwrap_or_default();
        let pieces = std::iter::once(head).chain(self.rest.iter().map(|piece| &**piece));
        let mut count = 0;
        for (slot, piece) in dst.iter_mut().zip(pieces.filter(|piece| !piece.is_empty())) {
            *slot = std::io::IoSlice::new(piece);
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        let of_head = count.min(self.head.len().saturating_sub(self.written));
        self.written += count;
        count -= of_head;
        for piece in &mut self.rest {
            let taken = count.min(piece.len());
            piece.advance(taken);
            count -= taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn rendered(
        uri: &str,
        fixed: &[(&'static str, &'static str)],
        extra: &[(&'static str, &'static str)],
    ) -> String {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let fixed = Fixed::new(fixed.iter().map(pair).collect());
        let (target, extra) = (Target::of(&uri.parse().unwrap()), extra.iter().map(pair).collect());
        let request =
            Request { method: "POST", target: &target, fixed: &fixed, extra: &extra, accept: "a/b" };
        let mut rendered = Rendered::new(&request, Some(Message::One(Bytes::from_static(b"{}"))));
        let all = rendered.remaining();
        String::from_utf8(rendered.copy_to_bytes(all).to_vec()).unwrap()
    }

    #[test]
    fn the_host_has_a_port_only_where_it_is_not_the_usual_one() {
        for (uri, expected) in [
            ("http://a:80/x?y=1", "POST /x?y=1 HTTP/1.1\r\nhost: a\r\n"),
            ("http://u:p@a:81", "POST / HTTP/1.1\r\nhost: a:81\r\n"),
            ("https://a:443/", "POST / HTTP/1.1\r\nhost: a\r\n"),
            ("https://a:80/", "POST / HTTP/1.1\r\nhost: a:80\r\n"),
            ("http://[::1]:8/?q", "POST /?q HTTP/1.1\r\nhost: [::1]:8\r\n"),
        ] {
            let text = rendered(uri, &[], &[]);
            assert!(text.starts_with(expected), "{uri}: {text}");
            assert!(text.ends_with("\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"));
        }
    }

    #[test]
    fn what_a_request_says_itself_takes_the_place_of_what_is_configured() {
        let fixed = [
            ("authorization", "x"),
            ("mcp-method", "fixed"),
            ("host", "other"),
            ("accept", "fixed"),
            ("content-type", "fixed"),
            ("content-length", "999"),
            ("transfer-encoding", "chunked"),
        ];
        let text = rendered("http://a/", &fixed, &[("mcp-method", "own")]);
        assert_eq!(
            text,
            "POST / HTTP/1.1\r\nhost: other\r\naccept: a/b\r\ncontent-type: application/json\r\n\
             content-length: 2\r\nauthorization: x\r\nmcp-method: own\r\n\r\n{}"
        );
    }

    #[test]
    fn a_large_message_is_written_from_where_it_lies() {
        let (target, fixed, extra) =
            (Target::of(&"http://a/".parse().unwrap()), Fixed::new(HeaderMap::new()), Vec::new());
        let request =
            Request { method: "POST", target: &target, fixed: &fixed, extra: &extra, accept: "a/b" };
        let body = Bytes::from(vec![b'x'; TOGETHER_BYTES_MAX + 1]);
        let message = Message::Three([Bytes::from_static(b"<"), body.clone(), Bytes::from_static(b">")]);
        let mut out = Rendered::new(&request, Some(message));
        let mut slices = [std::io::IoSlice::new(&[]); 8];
        assert_eq!(out.chunks_vectored(&mut slices), 4);
        assert_eq!(slices[2].as_ptr(), body.as_ptr());
        let mut bytes = Vec::new();
        // In steps that end within pieces and on their borders.
        while out.has_remaining() {
            let step = out.chunk().len().min(1000);
            bytes.extend_from_slice(&out.chunk()[..step]);
            out.advance(step);
        }
        assert!(!out.is_untouched());
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(&format!("content-length: {}\r\n\r\n<x", TOGETHER_BYTES_MAX + 3)));
        assert!(text.ends_with("x>"));
    }
}
