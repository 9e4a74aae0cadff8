//! What the work on one message costs in instructions, to be counted by callgrind:
//!
//! ```text
//! cargo build --profile bench -p trunkline-protocol --example scan_cost
//! valgrind --tool=callgrind --toggle-collect='*measured*' target/release/examples/scan_cost call
//! ```
//!
//! The total divided by [`ROUNDS`] is the cost of one message of the case named.

use std::hint::black_box;

use bytes::Bytes;
use trunkline_model::Era;
use trunkline_protocol::streamed::AnswerReader;
use trunkline_protocol::{compose, headers, request, scan};

const ROUNDS: usize = 100;

const CALL: &str = r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"github__echo","arguments":{"text":"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 012345","count":3},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{},"url":{}},"sampling":{}},"progressToken":17}}}"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":17,"result":{"resultType":"complete","content":[{"type":"text","text":"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 012345678"}],"isError":false}}"#;

/// The region that is counted.
#[inline(never)]
fn measured(mut work: impl FnMut()) {
    for _ in 0..ROUNDS {
        work();
    }
}

fn long_text() -> Bytes {
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(23_302);
    let text = &text[..1 << 20];
    format!(r#"{{"jsonrpc":"2.0","id":17,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#)
        .into()
}

fn dense() -> Bytes {
    let item = r#"{"id":1234,"name":"widget","tags":["a","bc","def"],"price":12.50,"stock":true,"at":{"x":-1,"y":0}},"#;
    let items = item.repeat((64 << 10) / item.len());
    format!(r#"{{"jsonrpc":"2.0","id":17,"result":{{"items":[{}]}}}}"#, items.trim_end_matches(',')).into()
}

fn scanning(text: impl Into<Bytes>) {
    let text = text.into();
    println!("{} bytes, {ROUNDS} rounds", text.len());
    measured(|| drop(black_box(scan(black_box(&text).clone()))));
}

/// In pieces as they come off a socket.
fn in_pieces(text: impl Into<Bytes>) {
    let text = text.into();
    println!("{} bytes, {ROUNDS} rounds", text.len());
    measured(|| {
        let mut reader = AnswerReader::new();
        for piece in black_box(&text).chunks(16 << 10) {
            let _ = black_box(reader.feed(piece));
        }
        drop(black_box(reader.finish()));
    });
}

fn main() {
    let case = std::env::args().nth(1).unwrap_or_default();
    let call = scan(Bytes::from_static(CALL.as_bytes())).expect("the call is valid");
    match case.as_str() {
        "call" => scanning(CALL),
        "answer" => scanning(ANSWER),
        "text" => scanning(long_text()),
        "dense" => scanning(dense()),
        "streamed-answer" => in_pieces(ANSWER),
        "streamed-text" => in_pieces(long_text()),
        "streamed-dense" => in_pieces(dense()),
        "headers" => measured(|| {
            let got =
                headers::check(black_box(&call), &[b"2026-07-28"], &[b"tools/call"], &[b"github__echo"]);
            drop(black_box(got));
        }),
        "decode" => measured(|| drop(black_box(request::decode(black_box(&call), Era::Modern)))),
        "request" => {
            let params = call.share(call.params.whole.as_ref().expect("the call has params"));
            measured(|| drop(black_box(compose::request(black_box(123_456), "tools/call", &params))));
        }
        "result" => {
            let result = Bytes::from_static(br#"{"content":[{"type":"text","text":"0123456789"}]}"#);
            measured(|| drop(black_box(compose::result(black_box(b"17"), &result))));
        }
        other => println!(
            "no case {other:?}: call, answer, text, dense, streamed-answer, streamed-text, streamed-dense, headers, \
             decode, request, result"
        ),
    }
}
