//! The fault suite: one test per row of the table, and the page made from it.

use trunkline_faults::page::{self, Part};

/// A part of the table, and a test per row.
macro_rules! rows {
    ($($name:ident => $row:expr;)+) => {
        pub(crate) const ROWS: &[trunkline_faults::page::Named] = &[$((stringify!($name), $name::row)),+];
        $(mod $name {
            #[allow(unused_imports, reason = "not every row needs everything")]
            use super::*;

            pub(super) fn row() -> trunkline_faults::row::Row {
                $row
            }

            #[test]
            fn has_the_stated_outcome() {
                trunkline_faults::run::run(&row());
            }
        })+
    };
}

mod chaos;
mod child;
mod http;
mod injected;
mod sse;
mod tcp;

const PARTS: &[Part] = &[
    Part { title: "The network", rows: tcp::ROWS },
    Part { title: "HTTP answers", rows: http::ROWS },
    Part { title: "Event streams", rows: sse::ROWS },
    Part { title: "Child processes", rows: child::ROWS },
];

#[test]
fn the_page_says_what_the_table_says() {
    let path = trunkline_e2e::peers::root().join("docs/faults.md");
    let page = page::render(PARTS);
    if std::env::var_os("TRUNKLINE_WRITE_PAGE").is_some() {
        std::fs::write(&path, &page).expect("the page is written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/faults.md is not what the table says; run: cargo xtask faults");
}

#[test]
fn there_are_enough_rows_and_each_says_what_happens_inside() {
    let rows: Vec<_> = PARTS.iter().flat_map(|part| part.rows).collect();
    assert!(rows.len() >= 40, "{}", rows.len());
    for (name, row) in rows {
        assert!(!row().inside.is_empty(), "{name}");
    }
}
