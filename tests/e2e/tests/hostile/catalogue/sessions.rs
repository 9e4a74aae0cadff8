//! Cases of the catalogue: sessions, handles, isolation.

use super::Standing::{Here, NotYet};
use super::{Section, case};

pub(super) const CASES: Section = Section {
    title: "Sessions, handles, isolation",
    cases: &[
        case("S-67", "initialize with a chosen Mcp-Session-Id; then use it", "not adopted; 404", Here),
        case(
            "S-68",
            "B uses A's session: POST, GET, DELETE",
            "as for an unknown id (404); A unharmed",
            NotYet("no principals yet: whoever holds a session id is its client"),
        ),
        case(
            "S-69",
            "16 ids; then neighbours, truncations, case changes",
            "at least 128 random bits; all guesses 404",
            Here,
        ),
        case(
            "S-71",
            "made-up cursors, states of calls and task ids",
            "refused, and nothing run (with principals: another's are as unknown ones)",
            Here,
        ),
        case(
            "S-72",
            "400 `initialize` and vanish; then 60 for 20 places",
            "memory flat, the table bounded, those who are there stay",
            Here,
        ),
        case(
            "S-73",
            "24 clients x 12 calls, all id 1, unique canaries, 30 % disconnects, half by reset; legacy clients with sessions of their own and all in one; both wires, HTTP (both eras) and stdio servers that answer out of order",
            "0 crossed, at most 2 % errors",
            Here,
        ),
        case(
            "S-75",
            "two calls in flight with the same id, slow first",
            "each its own answer or an error; none hangs",
            Here,
        ),
        case("S-76", "two clients with progressToken 1 and slow tools", "only own progress notes", Here),
        case(
            "S-77",
            "A reads a resource marked private, then B, then A",
            "B never gets A's copy; MRTR results and errors never cached; `Vary`-like tricks by header have no effect",
            NotYet("nothing is cached yet"),
        ),
        case(
            "S-78",
            "two principals on one shared upstream credential with a stateful upstream (counter per session)",
            "separate counters",
            NotYet("no principals yet"),
        ),
        case(
            "S-79",
            "exceed the limit while changing X-Forwarded-For, Forwarded, User-Agent",
            "429 with Retry-After all the same",
            NotYet("rate limits have their own suite"),
        ),
    ],
};
