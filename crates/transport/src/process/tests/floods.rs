use bytes::Bytes;

use super::shell;
use crate::process::{Limits, LineError};

/// Shell for 100 MiB without a line end.
const ENDLESS: &str = "head -c 104857600 /dev/zero | tr '\\0' x";

#[tokio::test]
async fn a_hundred_mebibytes_without_a_line_end_are_one_error_and_the_next_message_comes() {
    let limits = Limits { message_bytes_max: 1 << 20, ..Limits::default() };
    let mut child = shell(&format!("{ENDLESS}; echo; echo '{{}}'"), &limits, None);
    let mut reader = child.take_reader().unwrap();
    assert!(matches!(reader.next().await, Err(LineError::TooLong { limit: 1_048_576 })));
    assert_eq!(reader.next().await.unwrap().unwrap(), "{}");
    assert!(reader.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_hundred_mebibytes_of_stderr_stop_nobody() {
    let mut child =
        shell(&format!("{ENDLESS} >&2; echo >&2; echo last >&2; echo done"), &Limits::default(), None);
    let mut reader = child.take_reader().unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), "done");
    child.wait().await;
    let tail = child.stderr_tail();
    assert_eq!((tail.len(), tail[0].len(), &*tail[1]), (2, 2048, "last"));
}

#[tokio::test]
async fn a_million_lines_of_stderr_leave_the_last_forty() {
    let child = shell("seq 1000000 >&2", &Limits::default(), None);
    child.wait().await;
    let tail = child.stderr_tail();
    assert_eq!((tail.len(), &*tail[0], &*tail[39]), (40, "999961", "1000000"));
}

#[tokio::test]
async fn invalid_utf_8_passes_on_stdout_and_is_replaced_on_stderr() {
    let mut child = shell(r"printf '\377\376\n'; printf '\377oops\n' >&2", &Limits::default(), None);
    let mut reader = child.take_reader().unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), &b"\xff\xfe"[..]);
    child.wait().await;
    assert_eq!(child.stderr_tail(), ["\u{fffd}oops"]);
}

#[tokio::test]
async fn ten_mebibytes_go_through_a_child_unchanged() {
    let mut child = shell("exec cat", &Limits::default(), None);
    let mut reader = child.take_reader().unwrap();
    let message: Bytes = (0..10 << 20).map(|n: u32| b'a' + (n % 23) as u8).collect();
    child.writer().send(message.clone()).await.unwrap();
    assert!(reader.next().await.unwrap().unwrap() == message);
}
