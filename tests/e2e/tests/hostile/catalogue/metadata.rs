//! Cases of the catalogue: metadata of the modern wire.

use super::Standing::{Here, NotYet};
use super::{Section, case};

pub(super) const CASES: Section = Section {
    title: "Metadata of the modern wire",
    cases: &[
        case(
            "S-37",
            "leave out MCP-Protocol-Version, Mcp-Method, Mcp-Name in turn",
            "400, -32020, not run",
            Here,
        ),
        case(
            "S-38",
            "other method, other case, other name, empty name, other version in the header",
            "400, -32020, not run",
            Here,
        ),
        case(
            "S-40",
            "Mcp-Name as correct base64 form; bad padding, alphabet, marker case, other name",
            "first accepted, others 400",
            Here,
        ),
        case(
            "S-42",
            "versions 1900-01-01, `latest`, 9999-12-31, 2026-7-28",
            "400, -32022, `data.supported`",
            Here,
        ),
        case("S-43", "no `_meta`, no version, no capabilities, wrong types", "400, -32602", Here),
        case(
            "S-44",
            "seven unknown methods (`no/such`, `Tools/Call`, `logging/setLevel` ...)",
            "404, -32601",
            Here,
        ),
        case(
            "S-45",
            "`Mcp-Session-Id: x`, `Last-Event-ID: 1` on a modern call",
            "served; no session id minted",
            Here,
        ),
        case(
            "S-47",
            "a tool with x-mcp-header: header missing, different, twice, bad base64",
            "400, -32020",
            Here,
        ),
        case(
            "S-48",
            "no token, but X-Forwarded-User, X-Original-URL, X-SSL-Client-Verify, Forwarded and ten more",
            "401 each",
            NotYet("no authentication yet"),
        ),
    ],
};
