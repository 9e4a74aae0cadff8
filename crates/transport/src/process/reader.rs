//! Messages out of a byte stream, one per line.

use bytes::{Bytes, BytesMut};
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Room asked for before a read. A line keeps its whole block alive, so blocks stay small while lines are.
const READ_BYTES: usize = 16 << 10;

/// Below this much room a read would be wastefully short.
const READ_BYTES_MIN: usize = 4 << 10;

/// Why no line could be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A line grew beyond the cap. The rest of it is skipped; the line after it can be read.
    #[error("a message is larger than {limit} bytes")]
    TooLong {
        /// The cap, in bytes.
        limit: usize,
    },
    /// The stream failed.
    #[error("reading failed: {0}")]
    Read(#[from] std::io::Error),
}

/// Cuts a byte stream into lines. Each line is a slice of the block it was read into; nothing is copied.
///
/// The bytes are not checked: they may be invalid UTF-8.
#[derive(Debug)]
pub struct LineReader<R> {
    source: R,
    buffer: BytesMut,
    /// Bytes at the start of `buffer` known to hold no line end.
    scanned: usize,
    limit: usize,
    /// In the middle of a line that was given up.
    skipping: bool,
    ended: bool,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Reads lines of at most `message_bytes_max` bytes from `source`.
    pub fn new(source: R, message_bytes_max: usize) -> Self {
        let buffer = BytesMut::new();
        Self { source, buffer, scanned: 0, limit: message_bytes_max, skipping: false, ended: false }
    }

    /// The next line that is not blank, without its line end (LF or CRLF); `None` at the end of the stream. A last
    /// line without a line end counts. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<Bytes>, LineError> {
        loop {
            if let Some(line) = self.take_line()? {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(self.take_rest());
            }
            self.make_room();
            self.ended = self.source.read_buf(&mut self.buffer).await? == 0;
        }
    }

    /// Bytes of memory that the line under way takes, for fuzz targets.
    #[cfg(any(test, fuzzing))]
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }

    fn take_line(&mut self) -> Result<Option<Bytes>, LineError> {
        while let Some(found) = memchr(b'\n', &self.buffer[self.scanned..]) {
            let line = self.buffer.split_to(self.scanned + found + 1);
            self.scanned = 0;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if line.len() - 1 > self.limit {
                return Err(LineError::TooLong { limit: self.limit });
            }
            if let Some(line) = trimmed(line) {
                return Ok(Some(line));
            }
        }
        self.keep_partial()
    }

    /// What is left holds no line end: keep it, or give the line up.
    fn keep_partial(&mut self) -> Result<Option<Bytes>, LineError> {
        self.scanned = self.buffer.len();
        let too_long = self.scanned > self.limit;
        if too_long || self.skipping {
            // A fresh buffer: the old one may have grown to the cap.
            self.buffer = BytesMut::new();
            self.scanned = 0;
        }
        if too_long && !std::mem::replace(&mut self.skipping, true) {
            return Err(LineError::TooLong { limit: self.limit });
        }
        Ok(None)
    }

    fn take_rest(&mut self) -> Option<Bytes> {
        self.scanned = 0;
        trimmed(self.buffer.split())
    }

    /// Room for the next read: a block, or as much again as a long line already has.
    fn make_room(&mut self) {
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES_MIN {
            self.buffer.reserve(self.buffer.len().max(READ_BYTES));
        }
    }
}

/// The line without its line end; `None` if it is blank.
fn trimmed(mut line: BytesMut) -> Option<Bytes> {
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let blank = text.trim_ascii().is_empty();
    let len = text.len();
    line.truncate(len);
    (!blank).then(|| line.freeze())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::AsyncWriteExt;

    use super::{LineError, LineReader};

    async fn lines(input: &[u8], limit: usize) -> Vec<Result<Bytes, String>> {
        let mut reader = LineReader::new(input, limit);
        let mut all = Vec::new();
        loop {
            match reader.next().await {
                Ok(Some(line)) => all.push(Ok(line)),
                Ok(None) => return all,
                Err(error) => all.push(Err(error.to_string())),
            }
        }
    }

    #[tokio::test]
    async fn lines_end_with_lf_or_crlf_and_blank_ones_are_skipped() {
        let all = lines(b"\n{\"a\":1}\r\n\r\n  \n{\"b\":2}\n{\"c\":3}", 100).await;
        let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
        assert_eq!(all, [&b"{\"a\":1}"[..], b"{\"b\":2}", b"{\"c\":3}"]);
    }

    #[tokio::test]
    async fn a_line_over_the_cap_is_an_error_once_and_the_next_line_is_read() {
        let input = [vec![b'x'; 100_000], b"\nshort\n".to_vec()].concat();
        let all = lines(&input, 50).await;
        assert_eq!(all.len(), 2);
        assert!(all[0].as_ref().unwrap_err().contains("larger than 50 bytes"));
        assert_eq!(all[1].as_ref().unwrap(), "short");
    }

    #[tokio::test]
    async fn a_line_exactly_at_the_cap_passes_and_one_byte_more_does_not() {
        assert!(lines(b"12345\n", 5).await[0].is_ok());
        assert!(lines(b"123456\n", 5).await[0].is_err());
    }

    #[tokio::test]
    async fn bytes_that_are_not_utf_8_pass_unchanged() {
        assert_eq!(lines(b"\xff\xfe\x80\n", 10).await[0].as_ref().unwrap(), &b"\xff\xfe\x80"[..]);
    }

    #[tokio::test]
    async fn lines_of_one_block_share_its_memory() {
        let mut reader = LineReader::new(&b"first\nsecond\n"[..], 100);
        let first = reader.next().await.unwrap().unwrap();
        let second = reader.next().await.unwrap().unwrap();
        assert_eq!(second.as_ptr() as usize - first.as_ptr() as usize, "first\n".len());
    }

    #[tokio::test]
    async fn a_line_that_comes_byte_by_byte_is_whole() {
        let (mut far, near) = tokio::io::duplex(1);
        let writing = async move {
            far.write_all(b"hello\r\nworld").await.unwrap();
        };
        let mut reader = LineReader::new(near, 100);
        let reading = async {
            assert_eq!(reader.next().await.unwrap().unwrap(), "hello");
            assert_eq!(reader.next().await.unwrap().unwrap(), "world");
            assert!(reader.next().await.unwrap().is_none());
        };
        tokio::join!(writing, reading);
    }

    #[tokio::test]
    async fn an_endless_line_is_given_up_in_bounded_memory() {
        let mut reader = LineReader::new(tokio::io::repeat(b'x'), 1 << 20);
        assert!(matches!(reader.next().await, Err(LineError::TooLong { limit: 1_048_576 })));
        assert!(reader.buffer.capacity() <= 2 << 20);
    }
}
