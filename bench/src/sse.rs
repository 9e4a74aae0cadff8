//! Just enough of server-sent events: find the `data` of each event in a stream of chunks.

/// What an event stream's `Content-Type` begins with.
pub(crate) const CONTENT_TYPE: &str = "text/event-stream";

/// Cuts a byte stream into events. Holds at most one unfinished event.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    rest: Vec<u8>,
}

impl Decoder {
    /// Takes a chunk, and hands every finished event's data to `each`. Events without data are skipped.
    pub(crate) fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&[u8])) {
        self.rest.extend_from_slice(chunk);
        let mut data = Vec::new();
        let mut start = 0;
        let mut finished = 0;
        while let Some(length) = self.rest[start..].iter().position(|byte| *byte == b'\n') {
            let line = self.rest[start..start + length].trim_ascii_end();
            start += length + 1;
            if let Some(value) = line.strip_prefix(b"data:") {
                if !data.is_empty() {
                    data.push(b'\n');
                }
                data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            } else if line.is_empty() {
                if !data.is_empty() {
                    each(&data);
                    data.clear();
                }
                finished = start;
            }
        }
        self.rest.drain(..finished);
    }
}

/// One event of type `message` around a JSON message without line breaks.
pub(crate) fn event(message: &[u8]) -> Vec<u8> {
    [b"event: message\ndata: ", message, b"\n\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(chunks: &[&str]) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut seen = Vec::new();
        for chunk in chunks {
            decoder.push(chunk.as_bytes(), |data| seen.push(String::from_utf8_lossy(data).into_owned()));
        }
        seen
    }

    #[test]
    fn finds_events_whatever_the_chunks() {
        let whole = "id: 1\ndata:\n\nevent: message\r\ndata: {\"a\":1}\r\n\r\n: hush\n\ndata: x\ndata: y\n\n";
        let expected = vec!["{\"a\":1}", "x\ny"];
        assert_eq!(decoded(&[whole]), expected);
        for cut in 1..whole.len() {
            assert_eq!(decoded(&[&whole[..cut], &whole[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn reads_what_it_writes() {
        assert_eq!(decoded(&[&String::from_utf8(event(b"{}")).unwrap()]), vec!["{}"]);
    }
}
