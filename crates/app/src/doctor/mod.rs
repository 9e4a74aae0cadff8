//! Finding out how every server is, and whether the defaults that keep a person safe still hold.

mod defaults;
mod examine;
mod render;
mod report;

pub(crate) use defaults::defaults;
pub(crate) use examine::examine;
pub(crate) use render::{as_json, as_text};
pub(crate) use report::Report;
