//! The fault suite: servers and networks that fail on command, and one way to look at what that does to the gateway.
//!
//! A [`row::Row`] is a fault and what must come of it. [`run::run`] plays it: the same checks for every row.

pub mod child;
pub mod http;
pub mod neighbour;
pub mod page;
pub mod proxy;
pub mod row;
pub mod run;
pub mod server;
pub mod vitals;
