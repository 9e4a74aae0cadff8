//! Cases of the catalogue: JSON and JSON-RPC.

use super::Standing::Here;
use super::{Section, case};

pub(super) const CASES: Section = Section {
    title: "JSON and JSON-RPC",
    cases: &[
        case(
            "S-21",
            "14 malformed bodies (truncated, two documents, NaN, comment, trailing comma, empty, scalar, BOM twice ...)",
            "400 with -32700 or -32600",
            Here,
        ),
        case(
            "S-22",
            "100,000 nested arrays/objects in arguments, `_meta`, id; unclosed; 5,000",
            "refused in under 5 s, process alive",
            Here,
        ),
        case(
            "S-23",
            "`method`, `params`, `params.name`, `id`, `jsonrpc` twice, both orders",
            "refused",
            Here,
        ),
        case(
            "S-25",
            "0xFF, overlong, encoded surrogate, cut sequence, UTF-16, UTF-32, in keys and method",
            "400",
            Here,
        ),
        case(
            "S-26",
            "lone surrogates as escapes in an argument",
            "400, or the same escape comes back; never U+FFFD, never 5xx",
            Here,
        ),
        case(
            "S-27",
            "2^53+1, 2^63, 2^64+1, -2^63-1, 10^40 as argument",
            "exact at the upstream, or refused",
            Here,
        ),
        case(
            "S-28",
            "id null, true, 1.5, {}, [] / id \"1\", \"\", -1, 0, 2^53-1, non-ASCII",
            "the first refused; the second echoed with value and type kept",
            Here,
        ),
        case(
            "S-29",
            "256 KiB id, 10^400, 1e999, -0, 2^64",
            "refused or echoed, under 5 s, never 5xx; logs truncate it",
            Here,
        ),
        case("S-30", "batch of 1, 2, 0, nested, 3,000", "400 under 5 s, nothing runs", Here),
        case(
            "S-31",
            "client posts a result, an error, sampling/createMessage, roots/list",
            "4xx, not relayed",
            Here,
        ),
        case(
            "S-33",
            "body of twice the limit with length, with chunks; 10 GiB declared and nothing sent",
            "413 while streaming; memory grows less than 4x the body; refusal without waiting",
            Here,
        ),
        case(
            "S-34",
            "a packed body of 48 MiB, packed twice, falsely, in an unknown coding",
            "415/400/413, memory flat",
            Here,
        ),
        case(
            "S-35",
            "one object with 150,000 keys",
            "answered or refused under 8 s (goal 1 s), never 5xx",
            Here,
        ),
        case(
            "S-36",
            "tool names with CR LF, ESC, NUL, `${jndi:`, bidi, 8 KiB",
            "error; no header or log line injected",
            Here,
        ),
    ],
};
