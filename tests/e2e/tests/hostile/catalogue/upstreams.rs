//! Cases of the catalogue: hostile upstreams and children.

use super::Standing::{Here, NotYet};
use super::{Section, case};

pub(super) const CASES: Section = Section {
    title: "Hostile upstreams and children",
    cases: &[
        case(
            "S-91",
            "upstream changes a pinned tool's description or schema (`toggle_rug`), with and without list_changed",
            "tool withheld, calls refused, audit event with both hashes, others unaffected",
            NotYet("definitions are not pinned yet"),
        ),
        case(
            "S-93",
            "descriptions and results with tag characters, bidi, ANSI",
            "stripped or tool withheld by policy; flagged in audit",
            NotYet("no policy on the text of tools yet; bytes pass as they are"),
        ),
        case(
            "S-95",
            "catastrophic pattern in a schema, 60 kB argument; 60 kB URI against an exploded template",
            "each under 5 s (goal 50 ms); tool excluded or bounded",
            Here,
        ),
        case(
            "S-97",
            "upstream sends sampling/createMessage and an unasked log line on a call's stream",
            "neither reaches the client",
            Here,
        ),
        case(
            "S-99",
            "100,000 tools; a cursor that never ends; 300 MiB list",
            "list capped with a warning, at most N pages and M bytes per upstream; others listed",
            Here,
        ),
        case(
            "S-100",
            "a child prints its environment, open descriptors, working directory, uid",
            "only declared variables; no inherited sockets; configured directory",
            Here,
        ),
        case(
            "S-101",
            "register or change a stdio server with a data-plane key; with `sh -c`, `../x`, an absolute path outside the list",
            "403; nothing spawned",
            NotYet("there is no interface that registers or changes servers"),
        ),
        case(
            "S-102",
            "delete, edit, reorder, truncate audit lines; put CR LF and quotes into names",
            "the verifier finds each; one call = one begin and one end; no forged line",
            NotYet("no audit yet"),
        ),
    ],
};
