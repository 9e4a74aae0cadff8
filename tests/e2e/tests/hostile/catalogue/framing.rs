//! Cases of the catalogue: message framing.

use super::Standing::Here;
use super::{Section, case};

pub(super) const CASES: Section = Section {
    title: "Message framing",
    cases: &[
        case(
            "S-10",
            "Content-Length *and* chunked, a second request behind the last chunk",
            "400 and close; the second never runs",
            Here,
        ),
        case(
            "S-11",
            "codings `xchunked`, `chunked, identity`, VT-prefixed, two lines, `gzip, chunked`, quoted",
            "400/501, no effect",
            Here,
        ),
        case("S-12", "two differing lengths, `+n`, hex, negative, list, 2^64+n, `1e3`", "400", Here),
        case("S-13", "space before colon, NUL, no colon, bare CR, control in name, empty name", "400", Here),
        case(
            "S-14",
            "no Host, empty Host, absolute target with other host, Host with userinfo",
            "refused",
            Here,
        ),
        case(
            "S-15",
            "64 KiB and 512 KiB header, 2,000 headers, 64 KiB target",
            "431/414/400 within 5 s",
            Here,
        ),
        case("S-16", "`Upgrade: h2c` and `websocket` on an MCP call", "no 101", Here),
        case(
            "S-17",
            "`Mcp-Name` or `Mcp-Method` in chunked trailers only",
            "400; trailers ignored (the part about tokens waits for authentication)",
            Here,
        ),
        case(
            "S-18",
            "chunk size of 17 hex digits, `-5`, `0x`, bare LF, 256 KiB extension",
            "400, never 500, no effect",
            Here,
        ),
        case(
            "S-20",
            "three pipelined requests, the second without `Mcp-Name`",
            "answered in order, the second refused (the part about tokens waits for authentication)",
            Here,
        ),
    ],
};
