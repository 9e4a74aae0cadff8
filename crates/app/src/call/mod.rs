//! Calling a tool from the command line: which tool, with which arguments, and what is shown meanwhile and afterwards.

mod arguments;
mod progress;
pub(crate) mod resolve;
pub(crate) mod show;
mod typed;

pub(crate) use arguments::Arguments;
pub(crate) use progress::Progress;
