//! Taking over the servers that other programs have: find them, put them into our words, add them to our file.

mod entry;
mod found;
mod plan;
mod secrets;
mod target;

pub(crate) use found::{Found, everywhere, from_client, from_file};
pub(crate) use plan::{Plan, plan};
pub(crate) use target::{Target, existing};
