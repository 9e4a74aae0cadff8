//! The table as a page for people.

use std::fmt::Write as _;

use trunkline_e2e::client::{ERAS, Era};

use crate::row::{Reaches, Row, Sees};

const HEAD: &str = "\
# Faults and what becomes of them

Made from the table of the fault suite by `cargo xtask faults`; a test holds this page to it. Each row is played against the real
binary with real sockets and processes: a server fails in this way, clients of both eras are hit, one call each and then several
callers again and again. What is stated here is checked, and in every row besides:

- each call is answered, to its own caller, with its own answer or a fault with a reason, within the stated time;
- a call reaches the server at most once;
- calls to another server behind the same gateway are no slower: the 99th percentile is within 1.2 times (or 2 ms, or twice on a machine without a free core) of that of a
  gateway without the fault, measured in turns;
- when the fault is gone, calls pass again within the stated time, without a restart of the gateway;
- nothing is left: child processes, sessions, event streams, descriptors, tasks and memory are back where they were, and the gateway
  ends in order;
- what a server puts into its errors is in no answer and in no log.

Times allow 0.75 s for a busy machine on top. \"Answer\" means the call's own answer, as if nothing were wrong. Servers in the suite have
`timeouts.idle: 1s`, `timeouts.total: 3s`, `maxMessageBytes: 1MiB` and `circuitBreaker: off`; with other values the times and sizes are
those, and with a breaker the callers of a server that fails hear `circuit_open` at once after a few failures.
";

/// A part of the table.
pub struct Part {
    /// Its title.
    pub title: &'static str,
    /// Its rows, by name.
    pub rows: &'static [Named],
}

/// A row and its name.
pub type Named = (&'static str, fn() -> Row);

/// The whole page.
pub fn render(parts: &[Part]) -> String {
    let mut out = HEAD.to_owned();
    for part in parts {
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "\n## {}\n\n| fault | the client sees | within | reaches the server | inside | passes again within |\n|---|---|---|---|---|---|\n",
            part.title
        );
        for (name, row) in part.rows {
            line(&mut out, name, &row());
        }
    }
    out
}

fn line(out: &mut String, name: &str, row: &Row) {
    let sees = match row.sees {
        Sees::Answer => "answer".to_owned(),
        Sees::Reason(reasons) => words(reasons),
        Sees::Either(reasons) => format!("answer or {}", words(reasons)),
    };
    let eras = match row.eras {
        all if all == ERAS => "",
        [Era::Legacy] => " (legacy clients)",
        _ => " (modern clients)",
    };
    let reaches = match row.reaches {
        Reaches::Once => "once",
        Reaches::Never => "never",
        Reaches::AtMostOnce => "at most once",
    };
    let _ = writeln!(
        out,
        "| {} (`{name}`) | {sees}{eras} | {:.1} s | {reaches} | {} | {:.1} s |",
        row.fault,
        row.within.as_secs_f64(),
        row.inside,
        row.back.as_secs_f64()
    );
}

fn words(reasons: &[&str]) -> String {
    reasons.iter().map(|reason| format!("`{reason}`")).collect::<Vec<_>>().join(" or ")
}
