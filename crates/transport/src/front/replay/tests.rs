//! What is kept, and for how long.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc;
use trunkline_protocol::Message;

use super::super::follow::Word;
use super::*;

const REVISION: Revision = Revision::R2025_06_18;

fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(KEPT_BYTES_MAX))
}

fn message(length: usize) -> Word {
    Word::Say(Message::One(Bytes::from(vec![b'x'; length])))
}

/// A stream that says so many messages of a length and is over.
fn said(number: usize, length: usize) -> BoxStream<'static, Word> {
    stream::iter((0..number).map(move |_| message(length))).boxed()
}

fn begin(replay: &Replay, source: Source, room: &Arc<Semaphore>) -> Option<Reader> {
    replay.begin(Purpose::Call, source, REVISION, room).ok()
}

async fn rest(reader: Reader) -> usize {
    let text = reader.collect::<Vec<_>>().await.concat();
    String::from_utf8(text).unwrap().lines().filter(|line| line.starts_with("id: ")).count()
}

fn resume(replay: &Replay, id: &str) -> Option<Reader> {
    match replay.resume(id) {
        Resumed::Reader(reader) => Some(reader),
        Resumed::Lost | Resumed::Afresh => None,
    }
}

#[tokio::test]
async fn the_oldest_events_of_a_stream_are_forgotten_first() {
    let (replay, room) = (Replay::default(), room());
    assert_eq!(rest(begin(&replay, said(300, 1), &room).unwrap()).await, 300);
    assert_eq!(rest(resume(&replay, "c0-44").unwrap()).await, 256);
    assert!(resume(&replay, "c0-43").is_none(), "there is a gap behind it");
    assert!(resume(&replay, "c0-301").is_none(), "it was never said");
    // By bytes; what is larger than all that is kept is not kept at all, but said.
    assert_eq!(rest(begin(&replay, said(3, 2 << 20), &room).unwrap()).await, 3);
    assert!(resume(&replay, "c1-1").is_none());
    assert_eq!(rest(resume(&replay, "c1-2").unwrap()).await, 1);
    assert_eq!(rest(begin(&replay, said(2, 5 << 20), &room).unwrap()).await, 2);
    assert!(resume(&replay, "c2-1").is_none());
    assert_eq!(rest(resume(&replay, "c2-2").unwrap()).await, 0);
}

#[tokio::test]
async fn all_sessions_together_keep_no_more_than_there_is_room_and_give_it_back() {
    let (replay, room) = (Replay::default(), Arc::new(Semaphore::new(1000)));
    assert_eq!(rest(begin(&replay, said(3, 400), &room).unwrap()).await, 3);
    assert!(resume(&replay, "c0-1").is_none());
    assert_eq!(rest(resume(&replay, "c0-3").unwrap()).await, 0);
    assert_eq!(room.available_permits(), 1000, "what has a gap behind it is of no use");
    assert_eq!(rest(begin(&replay, said(1, 400), &room).unwrap()).await, 1);
    assert!(room.available_permits() < 1000);
    replay.clear();
    assert_eq!(room.available_permits(), 1000);
}

#[tokio::test]
async fn a_finished_stream_is_kept_for_a_while_and_a_running_one_while_it_runs() {
    let (replay, room) = (Replay::default(), room());
    assert_eq!(rest(begin(&replay, said(1, 1), &room).unwrap()).await, 1);
    let (say, hear) = mpsc::unbounded_channel::<Word>();
    let hear = stream::unfold(hear, async |mut hear| hear.recv().await.map(|word| (word, hear)));
    drop(begin(&replay, hear.boxed(), &room).unwrap());
    replay.prune(Instant::now() + KEPT / 2);
    assert_eq!(replay.tracks().len(), 2);
    replay.prune(Instant::now() + KEPT * 2);
    assert_eq!(replay.tracks().len(), 1);
    // Nobody reads it, and still what it says is there.
    say.send(message(1)).unwrap();
    drop(say);
    let over = async {
        while !replay.tracks()[0].is_over() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), over).await.expect("it goes on by itself");
    assert_eq!(rest(resume(&replay, "c1-0").unwrap()).await, 1);
    replay.prune(Instant::now() + KEPT * 2);
    assert_eq!(replay.tracks().capacity(), 0, "an idle session takes no room");
}

#[tokio::test]
async fn finished_streams_make_room_and_running_ones_do_not() {
    let (replay, room) = (Replay::default(), room());
    let mut running: Vec<Reader> =
        (1..TRACKS_MAX).map(|_| begin(&replay, stream::pending().boxed(), &room).unwrap()).collect();
    for _ in 0..3 {
        assert_eq!(rest(begin(&replay, said(1, 1), &room).unwrap()).await, 1);
    }
    running.push(begin(&replay, stream::pending().boxed(), &room).unwrap());
    assert!(begin(&replay, said(1, 1), &room).is_none());
    assert!(replay.begin(Purpose::News, stream::pending().boxed(), REVISION, &room).is_ok());
}
