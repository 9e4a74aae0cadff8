//! The protocol: reading messages, checking and decoding requests, writing messages.

use bytes::Bytes;
use trunkline_model::{Era, Operation};
use trunkline_protocol::{Shape, compose, headers, method, request, scan};

use crate::benchmark::{Benchmark, Repeat, over_and_over};
use crate::samples::{self, TOOL};

/// Repetitions of work on a small message, and on one of 64 KiB.
const SMALL: u32 = 2000;
const LARGE: u32 = 50;

pub(crate) fn benchmarks() -> Vec<Benchmark> {
    vec![
        Benchmark::new("protocol/scan-modern-call", SMALL, || {
            scanning(samples::modern_call(TOOL), Shape::Request)
        }),
        Benchmark::new("protocol/scan-legacy-call", SMALL, || {
            scanning(samples::legacy_call(TOOL), Shape::Request)
        }),
        Benchmark::new("protocol/scan-answer-200-bytes", SMALL, || {
            scanning(samples::answer(&samples::legacy_result(107)), Shape::Answer)
        }),
        Benchmark::new("protocol/scan-answer-64-kib-text", LARGE, || {
            scanning(samples::answer(&samples::legacy_result(64 << 10)), Shape::Answer)
        }),
        Benchmark::new("protocol/scan-answer-64-kib-dense", LARGE, || {
            scanning(samples::answer(&samples::dense_result()), Shape::Answer)
        }),
        Benchmark::new("protocol/check-headers", SMALL, checking_headers),
        Benchmark::new("protocol/decode-modern-call", SMALL, || {
            decoding(samples::modern_call(TOOL), Era::Modern)
        }),
        Benchmark::new("protocol/decode-legacy-call", SMALL, || {
            decoding(samples::legacy_call(TOOL), Era::Legacy)
        }),
        Benchmark::new("protocol/compose-request", SMALL, || {
            let call = samples::scanned(samples::modern_call(TOOL));
            let params = request::params_of(&call, None).raw;
            over_and_over(move || compose::request(42, method::CALL_TOOL, &params))
        }),
        Benchmark::new("protocol/compose-result-200-bytes", SMALL, || composing_result(107)),
        Benchmark::new("protocol/compose-result-64-kib", SMALL, || composing_result(64 << 10)),
    ]
}

fn scanning(text: String, shape: Shape) -> Repeat {
    let raw = Bytes::from(text);
    assert_eq!(scan(raw.clone()).expect("it is a message").shape, shape);
    over_and_over(move || scan(raw.clone()))
}

fn checking_headers() -> Repeat {
    let call = samples::scanned(samples::modern_call(TOOL));
    let version = trunkline_protocol::Revision::MODERN_LATEST.as_str().as_bytes();
    let check =
        move || headers::check(&call, &[version], &[method::CALL_TOOL.as_bytes()], &[TOOL.as_bytes()]);
    check().expect("headers and body agree");
    over_and_over(check)
}

fn decoding(text: String, era: Era) -> Repeat {
    let call = samples::scanned(text);
    let (operation, params) = request::decode(&call, era).expect("it is a request");
    assert!(matches!(operation, Operation::CallTool(name) if &*name == TOOL));
    assert!(params.target.is_some() && params.meta.is_some() && params.arguments.is_some());
    over_and_over(move || request::decode(&call, era))
}

fn composing_result(text_bytes: usize) -> Repeat {
    let result = Bytes::from(samples::legacy_result(text_bytes));
    over_and_over(move || compose::result(b"42", &result))
}
