//! The line: catalog, views, sessions, dispatch and the way back.

pub mod options;
