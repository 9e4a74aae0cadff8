//! Results in pieces of any size, right ones and wrong ones, against reading them whole.

use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use trunkline_protocol::Message;

use super::arriving::WHOLE_BYTES_MAX;
use super::tests::writing;
use super::{Exchanged, HttpClient, HttpWire, Outgoing, WireError};

const LIMIT: usize = 1 << 20;

/// A chunked answer with this body, in chunks of these sizes.
fn chunked(body: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut out = vec![
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
    ];
    let mut rest = body;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, more) = rest.split_at((*size).min(rest.len()));
        out.push([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        rest = more;
    }
    out.push(b"0\r\n\r\n".to_vec());
    out
}

fn long(body: &[u8], length: usize) -> Vec<Vec<u8>> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    vec![head.into_bytes(), body.to_vec()]
}

/// What came: the result, whether it was handed on while it arrived, and how it ended.
async fn passed(writes: Vec<Vec<u8>>) -> (Vec<u8>, bool, Result<(), WireError>) {
    let uri = writing(writes).await.parse().unwrap();
    let wire = HttpWire::new(HttpClient::new(), uri, http::HeaderMap::new(), LIMIT);
    let message = Message::One(Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"x\"}"));
    let passed = async {
        let out = Outgoing { id: 7, message, headers: Vec::new(), heard: None };
        let mut incoming = match wire.pass(out).await {
            Ok(Exchanged::Arriving(incoming)) => incoming,
            Ok(Exchanged::Whole(answered)) => {
                let span = answered.message.result.clone().unwrap();
                return (answered.message.at(&span).to_vec(), false, Ok(()));
            }
            Err(error) => return (Vec::new(), false, Err(error)),
        };
        let mut out = Vec::new();
        loop {
            match std::future::poll_fn(|cx| incoming.poll_piece(cx)).await {
                Some(Ok(piece)) => {
                    assert!(!piece.is_empty());
                    out.extend_from_slice(&piece);
                }
                Some(Err(error)) => return (out, true, Err(error)),
                None => return (out, true, Ok(())),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), passed).await.unwrap()
}

fn result(bytes: usize) -> String {
    let words: Vec<String> = (0..bytes / 8).map(|n| format!("{n:07} ")).collect();
    let text = words.concat();
    format!(r#"{{"content":[{{"type":"text","text":"{text}"}}],"isError" : false}}"#)
}

fn bodies(result: &str) -> [String; 2] {
    [
        format!(r#" {{"jsonrpc":"2.0","id":7,"x":[{{}}],"result":{result} }} "#),
        format!(r#"{{"result":{result},"jsonrpc":"2.0","id":7}}"#),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_result_in_chunks_of_any_size_is_the_result(
        bytes in prop_oneof![0..4096_usize, WHOLE_BYTES_MAX - 300..WHOLE_BYTES_MAX + 300, 0..LIMIT / 2],
        sizes in vec(prop_oneof![1..40_usize, 40..5_000_usize, 5_000..200_000_usize], 3..6),
        cut in any::<prop::sample::Index>(),
    ) {
        // Tiny chunks throughout would be a test of the operating system.
        let sizes: Vec<usize> = sizes.into_iter().chain([30_000]).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = result(bytes);
        for body in bodies(&result) {
            let body = body.as_bytes();
            let (got, arrived, ended) = runtime.block_on(passed(chunked(body, &sizes)));
            prop_assert!(ended.is_ok(), "{:?}", ended);
            prop_assert!(got == result.as_bytes());
            prop_assert!(arrived || body.len() <= WHOLE_BYTES_MAX + 200_000);
            let (got, arrived, ended) = runtime.block_on(passed(long(body, body.len())));
            prop_assert!(ended.is_ok() && got == result.as_bytes());
            // What ends with the piece that reaches the border is whole.
            let border = WHOLE_BYTES_MAX..WHOLE_BYTES_MAX + 64 * 1024;
            prop_assert!(border.contains(&body.len()) || arrived == (body.len() > WHOLE_BYTES_MAX));
            // Cut anywhere, it is never a whole one.
            let short = &body[..cut.index(body.trim_ascii_end().len())];
            let (got, _, ended) = runtime.block_on(passed(long(short, body.len())));
            prop_assert!(ended.is_err());
            prop_assert!(result.as_bytes().starts_with(&got));
        }
    }
}

#[tokio::test]
async fn what_shows_late_ends_a_result_with_an_error() {
    let good = result(LIMIT / 2);
    let [first, last] = bodies(&good);
    let half = first.len() / 2;
    for (what, body) in [
        ("a control character", format!("{}\u{1}{}", &first[..half], &first[half..])),
        ("another id", last.replace("\"id\":7", "\"id\":8")),
        ("no id", last.replace(",\"id\":7", "")),
        ("an id in words", last.replace("\"id\":7", "\"id\":\"7\"")),
        ("another version", last.replace("\"2.0\"", "\"1.0\"")),
        ("an error too", last.replace("\"id\":7", "\"id\":7,\"error\":{}")),
        ("a second result", last.replace("\"id\":7", "\"id\":7,\"result\":{}")),
        ("something behind it", format!("{last} x")),
    ] {
        let (got, arrived, ended) = passed(long(body.as_bytes(), body.len())).await;
        assert!(arrived, "{what}");
        assert!(matches!(ended, Err(WireError::Invalid(_))), "{what}: {ended:?}");
        assert!(good.as_bytes().starts_with(&got), "{what}: nothing but what was checked");
    }
}

#[tokio::test]
async fn what_shows_early_is_judged_like_a_whole_answer() {
    let good = result(LIMIT / 2);
    for (what, body) in [
        ("another id", format!(r#"{{"jsonrpc":"2.0","id":8,"result":{good}}}"#)),
        ("no object", format!(r#"{{"jsonrpc":"2.0","id":8,"result":[{good}]}}"#)),
        ("no JSON", format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{]{good}}}"#)),
        ("no answer", format!(r#"{{"jsonrpc":"2.0","id":7,"method":"x","params":{good}}}"#)),
    ] {
        let (got, arrived, ended) = passed(long(body.as_bytes(), body.len())).await;
        assert!(!arrived && got.is_empty(), "{what}");
        assert!(matches!(ended, Err(WireError::Invalid(_))), "{what}: {ended:?}");
    }
}

#[tokio::test]
async fn a_result_beyond_the_limit_is_given_up_when_that_shows() {
    let body = &bodies(&result(LIMIT))[0];
    let (got, _, ended) = passed(long(body.as_bytes(), body.len())).await;
    assert!(got.is_empty() && matches!(ended, Err(WireError::TooLarge(LIMIT))), "{ended:?}");
    let (got, arrived, ended) = passed(chunked(body.as_bytes(), &[50_000])).await;
    assert!(arrived && got.len() <= LIMIT);
    assert!(matches!(ended, Err(WireError::TooLarge(LIMIT))), "{ended:?}");
}
