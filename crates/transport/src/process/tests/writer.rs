use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::{Drained, Message, WriteError, queue};
use crate::process::Limits;

async fn written(messages: Vec<Message>) -> Vec<u8> {
    let (writer, drain) = queue(&Limits::default());
    let closing = CancellationToken::new();
    let (mut far, near) = tokio::io::duplex(7);
    let task = tokio::spawn(drain.run(near, closing.clone()));
    for message in messages {
        writer.send(message).await.unwrap();
    }
    closing.cancel();
    let mut all = Vec::new();
    far.read_to_end(&mut all).await.unwrap();
    assert_eq!(task.await.unwrap(), Drained::Closed);
    assert_eq!(writer.try_send(Bytes::from_static(b"late")), Err(WriteError::Closed));
    all
}

#[tokio::test]
async fn messages_arrive_in_order_each_with_its_line_end() {
    let pieces = vec![Bytes::from_static(b"{\"id\":"), Bytes::new(), Bytes::from_static(b"2}")];
    let all = written(vec![Bytes::from_static(b"{\"id\":1}").into(), pieces.into()]).await;
    assert_eq!(all, b"{\"id\":1}\n{\"id\":2}\n");
}

#[tokio::test]
async fn line_ends_within_a_message_are_left_out() {
    let pretty = Bytes::from_static(b"{\r\n  \"id\": 1\n}\n");
    assert_eq!(
        written(vec![pretty.clone().into(), vec![pretty].into()]).await,
        b"{  \"id\": 1}\n{  \"id\": 1}\n"
    );
}

#[tokio::test]
async fn many_more_messages_than_fit_one_write_all_arrive() {
    let all = written((0..500).map(|n| Bytes::from(format!("{{\"id\":{n}}}")).into()).collect()).await;
    let expected: Vec<String> = (0..500).map(|n| format!("{{\"id\":{n}}}\n")).collect();
    assert_eq!(String::from_utf8(all).unwrap(), expected.concat());
}

#[tokio::test]
async fn a_full_queue_refuses_by_count_and_by_bytes() {
    let by_count = Limits { queue_messages_max: 2, ..Limits::default() };
    let (writer, _drain) = queue(&by_count);
    let message = || Bytes::from_static(b"12345678");
    assert_eq!([(); 3].map(|()| writer.try_send(message())), [Ok(()), Ok(()), Err(WriteError::Full)]);

    let by_bytes = Limits { queue_bytes_max: 10, ..Limits::default() };
    let (writer, _drain) = queue(&by_bytes);
    assert_eq!([(); 2].map(|()| writer.try_send(message())), [Ok(()), Err(WriteError::Full)]);
}

#[tokio::test]
async fn a_message_larger_than_the_queue_goes_through_alone() {
    let limits = Limits { queue_bytes_max: 4, ..Limits::default() };
    let (writer, drain) = queue(&limits);
    let closing = CancellationToken::new();
    let (mut far, near) = tokio::io::duplex(1 << 10);
    tokio::spawn(drain.run(near, closing.clone()));
    writer.send(Bytes::from_static(b"a long message")).await.unwrap();
    writer.send(Bytes::from_static(b"and another")).await.unwrap();
    closing.cancel();
    let mut all = String::new();
    far.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "a long message\nand another\n");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_stuck_after_the_deadline() {
    let limits =
        Limits { write_deadline: Duration::from_millis(50), queue_bytes_max: 64, ..Limits::default() };
    let (writer, drain) = queue(&limits);
    let (_far, near) = tokio::io::duplex(8);
    let task = tokio::spawn(drain.run(near, CancellationToken::new()));
    writer.send(Bytes::from(vec![b'x'; 64])).await.unwrap();
    // The queue's bytes are all taken, so this one waits for room and must be woken by the end.
    assert_eq!(writer.send(Bytes::from_static(b"waiting")).await, Err(WriteError::Stuck));
    assert_eq!(task.await.unwrap(), Drained::Stuck);
}

#[tokio::test]
async fn a_reader_that_went_away_closes_the_queue() {
    let (writer, drain) = queue(&Limits::default());
    let (far, near) = tokio::io::duplex(8);
    drop(far);
    let task = tokio::spawn(drain.run(near, CancellationToken::new()));
    writer.send(Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(task.await.unwrap(), Drained::Broken);
    assert_eq!(writer.send(Bytes::from_static(b"hello")).await, Err(WriteError::Closed));
}
