//! Tables on stdout.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

/// Terminals narrower than this are not worth breaking cells for.
const WIDTH_MIN: u16 = 60;

/// A table with these headings. On a terminal it fits its width; elsewhere every row is one line.
pub(crate) fn table(terminal: bool, headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings.iter().map(|heading| heading.to_uppercase()));
    // A terminal that does not know its width, or has hardly any, is better served by whole lines.
    let fits = terminal && table.width().is_some_and(|width| width >= WIDTH_MIN);
    let arrangement = if fits { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    table.set_content_arrangement(arrangement);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// Never breaks the column at `index` (a name that people copy).
pub(crate) fn keep_whole(table: &mut Table, index: usize) {
    let widest = table.column_max_content_widths().get(index).copied().unwrap_or_default();
    if let Some(column) = table.column_mut(index) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(widest + 2)));
    }
}

/// The table as text, without blanks at the ends of lines.
pub(crate) fn text(table: &Table) -> String {
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
