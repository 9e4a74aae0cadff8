//! Cases of the catalogue: surfaces and egress.

use super::Standing::{Here, NotYet, There};
use super::{Section, case};

pub(super) const CASES: Section = Section {
    title: "Surfaces and egress",
    cases: &[
        case(
            "S-80",
            "25 path spellings (`..;/`, `%2e%2e`, `//mcp`, `/MCP`, `%00`, encoded slashes, backslashes)",
            "no call without token, no file, no 5xx",
            Here,
        ),
        case(
            "S-81",
            "28 usual admin, metrics, debug paths on the public listener",
            "none answers 200 with content",
            Here,
        ),
        case(
            "S-82",
            "bad JSON, unknown tool, bad cursor, upstream 500 with a connection string ...",
            "no stack, path, upstream URL or secret in any answer",
            Here,
        ),
        case(
            "S-83",
            "calls with secrets in URL, headers, arguments, cookies; then search log and metrics",
            "nothing found (no traces and no audit yet)",
            Here,
        ),
        case(
            "S-84",
            "register upstreams: 169.254.169.254, decimal, octal, hex, `[::ffff:10.0.0.1]`, `localhost.`, a name that resolves to 127.0.0.1 the second time, a redirect to any of them",
            "refused at registration or connect; listener untouched",
            NotYet("servers come from the configuration file alone; nobody registers one"),
        ),
        case(
            "S-85",
            "upstream answers 401 with resource_metadata on another origin or a private address; PRM names a private AS",
            "not fetched",
            NotYet("no authorization towards servers yet"),
        ),
        case(
            "S-86",
            "AS metadata with another issuer; callback with wrong, missing, normalised `iss`",
            "code never sent; error text not shown",
            NotYet("no authorization towards servers yet"),
        ),
        case(
            "S-87",
            "redirects of the MCP endpoint to another origin, with custom headers configured",
            "not followed; the second host sees nothing (OAuth parts wait for authorization towards servers)",
            There(&["a_redirect_elsewhere_is_not_followed", "an_address_of_another_origin_is_not_followed"]),
        ),
        case(
            "S-88",
            "send Cookie, X-Api-Key, DPoP, Proxy-Authorization, X-Upstream-Authorization ... and ask the upstream what it got",
            "none of them, nor the token, arrives",
            Here,
        ),
        case(
            "S-89",
            "OAuth proxy: second client with own redirect after consent for the first; state reused, missing; redirect with suffix; framing",
            "consent asked again, exact redirect only, state single use within 10 minutes, frame-ancestors none",
            NotYet("no authorization server yet"),
        ),
        case(
            "S-90",
            "CIMD/DCR URLs: private address, redirect, 10 MiB, slow, HTML, `client_id` mismatch",
            "refused, at most 5 KiB and 5 s spent, cached refusals",
            NotYet("no client registration yet"),
        ),
    ],
};
