//! Cases of the catalogue: authentication and authorization.

use super::Standing::{Here, NotYet};
use super::{Section, case};

pub(super) const CASES: Section = Section {
    title: "Authentication and authorization",
    cases: &[
        case(
            "S-49",
            "no token",
            "401, `WWW-Authenticate: Bearer` with resource_metadata that serves `resource` and `authorization_servers`",
            NotYet("no authentication yet"),
        ),
        case(
            "S-51",
            "nine kinds of made-up token on 15 methods, discover, initialize and listen included",
            "401 every time",
            NotYet("no authentication yet"),
        ),
        case(
            "S-52",
            "the good token in query (six names), path, cookie, body-like headers",
            "not accepted; and not in any log",
            NotYet("no authentication yet"),
        ),
        case(
            "S-53",
            "alg none in four spellings, no alg, cut, zeroed or moved signature, changed claims",
            "401",
            NotYet("no authentication yet"),
        ),
        case(
            "S-54",
            "HS256 with the public key, embedded jwk, jku/x5u to a listener, kid path/URL/SQL, crit, zip",
            "401 and the listener sees no connection",
            NotYet("no authentication yet"),
        ),
        case(
            "S-55",
            "expired an hour, expired six minutes, nbf and iat an hour ahead",
            "401 (skew at most 60 s)",
            NotYet("no authentication yet"),
        ),
        case(
            "S-57",
            "aud other, missing, empty list, suffix, prefix, longer path, `*`; iss other, slash, case, list",
            "401",
            NotYet("no authentication yet"),
        ),
        case(
            "S-59",
            "two Authorization lines, comma list, Basic, bare, quoted, 1 MiB, non-ASCII",
            "401/400/431, never accepted",
            NotYet("no authentication yet"),
        ),
        case(
            "S-60",
            "revoke a key, then call on each replica; keep a listen stream open",
            "401 within 5 s everywhere; the stream ends within 30 s",
            NotYet("no authentication yet"),
        ),
        case(
            "S-61",
            "keys at rest; time of 10^5 wrong keys sharing 0..n leading characters",
            "only salted or keyed hashes stored; no correlation above noise",
            NotYet("no authentication yet"),
        ),
        case(
            "S-62",
            "weak token: list, call, read, prompt, complete, subscribe, task on what it may not",
            "hidden in lists; 403 with insufficient_scope and the needed scopes; never run",
            NotYet("no authentication yet"),
        ),
        case(
            "S-63",
            "forbidden name in other case, full width, percent-encoded, with spaces, zero-width, bare, doubled prefix",
            "never runs",
            Here,
        ),
        case(
            "S-65",
            "DPoP: replayed jti, wrong htm/htu/ath, iat 6 minutes off, HS256 proof, no proof on a bound token",
            "401 with the right error",
            NotYet("no authentication yet"),
        ),
        case(
            "S-66",
            "ID-JAG/JWT-bearer: wrong aud, typ, expired, used twice, other client",
            "refused; no fallback to another grant",
            NotYet("no authentication yet"),
        ),
    ],
};
