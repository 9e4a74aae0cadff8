//! HTTP/1.1 messages as far as this harness needs them: a head, and a body whose length the head says.

use memchr::memmem;
use tokio::net::TcpStream;

/// In lower case, as hyper and this harness write it.
const LENGTH: &[u8] = b"content-length: ";
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Where head and body of a message lie in what was read so far.
pub(crate) struct Message {
    /// Where the body begins.
    pub(crate) body: usize,
    /// Where the message ends.
    pub(crate) end: usize,
}

impl Message {
    /// The message at the beginning of `read`, if its head is there. Without a length it has no body.
    pub(crate) fn find(read: &[u8]) -> Option<Self> {
        let body = memmem::find(read, HEAD_END)? + HEAD_END.len();
        let length = memmem::find(&read[..body], LENGTH).map_or(0, |at| {
            let digits = read[at + LENGTH.len()..].iter().take_while(|byte| byte.is_ascii_digit());
            digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
        });
        Some(Self { body, end: body + length })
    }
}

/// Waits for bytes and appends what is there; `false` at the end of the stream.
pub(crate) async fn read_more(stream: &TcpStream, into: &mut Vec<u8>) -> bool {
    loop {
        stream.readable().await.expect("the loopback works");
        match stream.try_read_buf(into) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("the loopback works: {error}"),
        }
    }
}

/// Writes bytes that fit into the socket's buffer, as all here do.
pub(crate) fn write(stream: &TcpStream, bytes: &[u8]) {
    let written = stream.try_write(bytes).expect("the socket takes a small message");
    assert_eq!(written, bytes.len());
}
