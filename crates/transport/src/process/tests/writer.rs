use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::{ChildWriter, Drained, Message, WriteError, queue};
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

/// A writer whose task runs, what it writes to, and the end of it.
fn running(limits: &Limits, room: usize) -> (ChildWriter, tokio::io::DuplexStream, CancellationToken) {
    let (writer, drain) = queue(limits);
    let closing = CancellationToken::new();
    let (far, near) = tokio::io::duplex(room);
    tokio::spawn(drain.run(near, closing.clone()));
    (writer, far, closing)
}

#[tokio::test]
async fn a_message_is_written_past_the_queue_only_when_nothing_waits_there() {
    let (writer, mut far, closing) = running(&Limits::default(), 1 << 10);
    tokio::task::yield_now().await;
    let message = |n: u8| {
        Message::from(vec![Bytes::from_static(b"{\"id\":"), Bytes::new(), Bytes::from(format!("{n}}}"))])
    };
    assert!(writer.write_now(message(1)).is_none());
    // Written before anybody else ran.
    let mut first = [0; 9];
    assert_eq!(far.read(&mut first).await.unwrap(), 9);
    assert_eq!(&first, b"{\"id\":1}\n");
    writer.try_send(message(2)).unwrap();
    let third = writer.write_now(message(3)).expect("it would overtake the second");
    writer.send(third).await.unwrap();
    let large = Message::from(Bytes::from(vec![b'x'; 8 << 10]));
    assert!(writer.write_now(large).is_some());
    closing.cancel();
    let mut rest = String::new();
    far.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "{\"id\":2}\n{\"id\":3}\n");
    assert!(writer.write_now(message(4)).is_some(), "nothing is written to a pipe that is closed");
}

#[tokio::test]
async fn what_a_full_pipe_leaves_of_a_message_goes_before_all_others() {
    let (writer, mut far, closing) = running(&Limits::default(), 4);
    tokio::task::yield_now().await;
    assert!(writer.write_now(Bytes::from_static(b"{\"id\":1}").into()).is_none(), "it is begun");
    let second = writer.write_now(Bytes::from_static(b"{\"id\":2}").into()).expect("the first is not done");
    writer.send(second).await.unwrap();
    closing.cancel();
    let mut all = String::new();
    far.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "{\"id\":1}\n{\"id\":2}\n");
}

#[tokio::test]
async fn what_is_left_of_a_message_has_the_write_deadline_too() {
    let limits = Limits { write_deadline: Duration::from_millis(50), ..Limits::default() };
    let (writer, drain) = queue(&limits);
    let (_far, near) = tokio::io::duplex(4);
    let task = tokio::spawn(drain.run(near, CancellationToken::new()));
    tokio::task::yield_now().await;
    assert!(writer.write_now(Bytes::from_static(b"a message that does not fit").into()).is_none());
    assert_eq!(task.await.unwrap(), Drained::Stuck);
    assert!(writer.write_now(Bytes::from_static(b"another").into()).is_some());
    assert_eq!(writer.send(Bytes::from_static(b"another")).await, Err(WriteError::Stuck));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_of_many_callers_are_whole_and_each_callers_are_in_order() {
    for room in [5, 64, 4096] {
        let (writer, far, closing) = running(&Limits::default(), room);
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let writer = writer.clone();
                tokio::spawn(async move {
                    for n in 0..200 {
                        let text = Bytes::from(format!("[{caller},{n}]"));
                        let left = if n % 3 == caller % 3 {
                            Some(text.into())
                        } else {
                            writer.write_now(text.into())
                        };
                        if let Some(left) = left {
                            writer.send(left).await.unwrap();
                        }
                    }
                })
            })
            .collect();
        let reading = tokio::spawn(async move {
            let (mut far, mut all) = (far, String::new());
            far.read_to_string(&mut all).await.unwrap();
            all
        });
        for caller in callers {
            caller.await.unwrap();
        }
        closing.cancel();
        let all =
            tokio::time::timeout(Duration::from_secs(20), reading).await.expect("something is left").unwrap();
        let mut next = [0; 8];
        for line in all.lines() {
            let (caller, n) = line.trim_matches(['[', ']']).split_once(',').unwrap();
            let (caller, n): (usize, usize) = (caller.parse().unwrap(), n.parse().unwrap());
            assert_eq!(n, next[caller], "{line}");
            next[caller] += 1;
        }
        assert_eq!(next, [200; 8]);
    }
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
