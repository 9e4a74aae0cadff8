//! The table of cases: sections 3.1 to 3.9 of the catalogue, a file for each, with what is done and what must be observed.

mod access;
mod edge;
mod framing;
mod load;
mod messages;
mod metadata;
mod sessions;
mod surfaces;
mod upstreams;

/// A section of the catalogue.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) cases: &'static [Case],
}

/// One case.
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) done: &'static str,
    pub(crate) observed: &'static str,
    pub(crate) standing: Standing,
}

/// How a case stands.
pub(crate) enum Standing {
    /// A test of this suite whose name begins with the id.
    Here,
    /// Tests of the end-to-end suite.
    There(&'static [&'static str]),
    /// It cannot mean anything yet, and why.
    NotYet(&'static str),
}

const fn case(id: &'static str, done: &'static str, observed: &'static str, standing: Standing) -> Case {
    Case { id, done, observed, standing }
}

/// All of them.
pub(crate) const SECTIONS: &[Section] = &[
    edge::CASES,
    framing::CASES,
    messages::CASES,
    metadata::CASES,
    access::CASES,
    sessions::CASES,
    surfaces::CASES,
    upstreams::CASES,
    load::CASES,
];
