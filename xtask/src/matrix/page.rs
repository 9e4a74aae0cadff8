//! `docs/compatibility.md`.

use super::record::Record;

pub(crate) fn render(record: &Record) -> String {
    format!("{} cells\n", record.cells.len())
}
