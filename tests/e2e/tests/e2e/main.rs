//! The real binary between real and scripted peers. Each test has a gateway and servers of its own.

mod aggregation;
mod asks;
mod bad_input;
mod bytes;
mod changes;
mod children;
mod clients;
mod features;
mod hostile;
mod kept;
mod large;
mod modern_metadata;
mod old_clients;
mod old_servers;
mod old_wires;
mod oracle;
mod parked;
mod questions;
mod resilience;
mod resumption;
mod skills;
mod tasks;
mod transports;
mod wires_hostile;
