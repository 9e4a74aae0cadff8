//! The line: catalog, views, dispatch and the way back.
//!
//! Open `serve.rs` first: one call is one function there, from resolve to outcome. `gateway.rs` holds what lives longer
//! than a call, `keeper.rs` the task that turns changes of upstreams into new catalogs.

pub mod catalog;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gateway;
mod host;
mod keeper;
pub mod options;
mod parking;
mod pressure;
mod questions;
mod reload;
pub mod results;
mod serve;
mod stages;
pub mod status;
mod subscriptions;
mod tasks;
mod view;

pub use gateway::Gateway;
