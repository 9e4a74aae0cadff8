//! The real binary between real and scripted peers. Each test has a gateway and servers of its own.

mod aggregation;
mod asks;
mod bytes;
mod changes;
mod children;
mod clients;
mod features;
mod hostile;
mod kept;
mod large;
mod members;
mod modern_metadata;
mod old_clients;
mod old_servers;
mod old_wires;
mod oracle;
mod parked;
mod questions;
mod repeats;
mod resilience;
mod resumption;
mod skills;
mod stalls;
mod tasks;
mod transports;
mod wires_hostile;
