//! Cases of the catalogue: HTTP edge and browsers.

use super::Standing::Here;
use super::{Section, case};

pub(super) const CASES: Section = Section {
    title: "HTTP edge and browsers",
    cases: &[
        case("S-01", "tools/call with `Origin: http://evil.example`, right Host", "403; tool not run", Here),
        case(
            "S-02",
            "`Host: evil.example`, `localhost.evil.example`, `169.254.169.254`",
            "refused (403/421)",
            Here,
        ),
        case(
            "S-03",
            "Origin `null`, `http://localhost.evil.example`, userinfo, fragment, tab, `file://` and eight more",
            "refused",
            Here,
        ),
        case("S-04", "two Host or two Origin lines, good and evil in both orders", "refused", Here),
        case(
            "S-05",
            "preflights, calls and GETs from a foreign origin on `/mcp`, `/`, `/admin`, `/api`",
            "refused; no `Access-Control-Allow-Origin`",
            Here,
        ),
        case(
            "S-06",
            "text/plain, form, multipart, none - each with and without MCP headers",
            "refused (415)",
            Here,
        ),
        case("S-07", "`application/jsonp`, `application/json-patch+json`, `charset=utf-16`", "415", Here),
        case(
            "S-08",
            "GET, PUT, PATCH, DELETE, TRACE, CONNECT, `post`, FOO",
            "405 (400/401/404/501 pass); TRACE echoes nothing",
            Here,
        ),
        case(
            "S-09",
            "an HTTP/2 preface with thousands of SETTINGS and PING frames",
            "HTTP/2 is not offered: refused, others unaffected",
            Here,
        ),
    ],
};
