//! The HTTP client's reader: in any pieces it reads the same answers, and never two where a strict reader sees one.

use trunkline_transport::back::fuzzing::{Answer, answers};

use crate::cuts;

/// What a server says on one connection.
pub fn check(data: &[u8]) {
    let expected = answers(&[data]);
    for pieces in cuts::ways(data) {
        assert_eq!(answers(&pieces), expected);
    }
    by_the_book(data, &expected);
}

/// Each answer that was read is there for a slow and literal reader too (RFC 9112), with the same body.
fn by_the_book(mut rest: &[u8], found: &[Answer]) {
    for answer in found {
        let head = loop {
            let head = Head::read(&mut rest).expect("a head that was read");
            if !matches!(head.status, 100 | 102..200) {
                break head;
            }
        };
        assert_eq!(answer.status, head.status);
        let body = head.body(&mut rest);
        match body {
            Some(body) => assert_eq!((&answer.body, answer.is_whole), (&body, true)),
            None => assert!(!answer.is_whole, "an answer that does not end"),
        }
    }
}

struct Head<'a> {
    status: u16,
    fields: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Head<'a> {
    /// Takes a head: lines end with LF or CRLF (section 2.2), and empty ones before it count for nothing.
    fn read(rest: &mut &'a [u8]) -> Option<Self> {
        let mut first = line(rest)?;
        while first.is_empty() {
            first = line(rest)?;
        }
        assert!(
            first.starts_with(b"HTTP/1.0 ") || first.starts_with(b"HTTP/1.1 "),
            "{}",
            first.escape_ascii()
        );
        let status = std::str::from_utf8(&first[9..12]).ok()?.parse().ok()?;
        let mut fields = Vec::new();
        loop {
            let line = line(rest)?;
            if line.is_empty() {
                return Some(Self { status, fields });
            }
            let colon = line.iter().position(|byte| *byte == b':').expect("a field has a colon");
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
            assert!(!name.is_empty() && name.iter().all(token), "a name is a token: {}", name.escape_ascii());
            fields.push((name, value));
        }
    }

    fn all(&self, wanted: &str) -> Vec<Vec<u8>> {
        let values = self.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        let parts = values.flat_map(|(_, value)| value.split(|byte| *byte == b','));
        parts.map(|part| part.trim_ascii().to_ascii_lowercase()).collect()
    }

    /// Takes the body (section 6.3); `None` when it does not come to its end.
    fn body(&self, rest: &mut &'a [u8]) -> Option<Vec<u8>> {
        let (codings, lengths) = (self.all("transfer-encoding"), self.all("content-length"));
        assert!(codings.is_empty() || lengths.is_empty(), "framed twice");
        assert!(codings.is_empty() || codings == [b"chunked"], "codings: {codings:?}");
        assert!(lengths.windows(2).all(|two| number(&two[0]) == number(&two[1])), "lengths: {lengths:?}");
        let length = lengths.first().map(|digits| number(digits).expect("a length is a number"));
        match (self.status, length) {
            (101, _) => Some(std::mem::take(rest).to_vec()),
            (204 | 304, _) => Some(Vec::new()),
            (_, Some(length)) => {
                let length = usize::try_from(length).ok().filter(|length| *length <= rest.len())?;
                let (body, behind) = rest.split_at(length);
                *rest = behind;
                Some(body.to_vec())
            }
            (_, None) if !codings.is_empty() => chunks(rest),
            (_, None) => Some(std::mem::take(rest).to_vec()),
        }
    }
}

/// Takes chunks up to the last, and the trailers (section 7.1). A length of more than 16 digits is none: so are they read,
/// whatever zeros they begin with.
fn chunks(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let head = crlf_line(rest)?;
        let digits = head.split(|byte| *byte == b';').next()?.trim_ascii_end();
        let digits =
            std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let digits = Some(digits).filter(|digits| digits.len() <= 16)?;
        let size = u128::from_str_radix(digits, 16).ok()?;
        if size == 0 {
            while !crlf_line(rest)?.is_empty() {}
            return Some(body);
        }
        let size = usize::try_from(size).ok().filter(|size| *size <= rest.len())?;
        body.extend_from_slice(&rest[..size]);
        *rest = rest[size..].strip_prefix(b"\r\n")?;
    }
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, behind) = (&rest[..end], &rest[end + 1..]);
    *rest = behind;
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

fn crlf_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|window| window == b"\r\n")?;
    let (line, behind) = (&rest[..end], &rest[end + 2..]);
    *rest = behind;
    (!line.contains(&b'\n')).then_some(line)
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}
