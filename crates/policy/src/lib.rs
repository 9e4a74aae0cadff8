//! What callers may: today how much (`limits`). Decisions only: nothing here knows a wire, a file or a terminal.

pub mod limits;
