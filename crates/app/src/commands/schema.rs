//! `trunkline schema`.

use crate::stop::{Code, Stop};
use crate::terminal::Terminal;

/// Prints the JSON Schema of the configuration.
pub(super) fn run(terminal: &Terminal) -> Result<Code, Stop> {
    terminal.print(&super::pretty(&trunkline_config::schema()))?;
    Ok(Code::OK)
}
