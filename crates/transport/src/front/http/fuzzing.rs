//! What the fuzz targets feed. Built for them (`cfg(fuzzing)`), and with the tests, so that clippy sees it.

use std::net::SocketAddr;

use http::{HeaderMap, Uri};

use super::guard::Guard;
use super::header::Headers;
pub use super::pipes::websocket::fuzzing::heard;

/// Hosts and origins that are let in.
#[derive(Debug)]
pub struct Door(Guard);

impl Door {
    /// One of a listener at `address`, with these hosts and origins besides.
    pub fn new(address: SocketAddr, hosts: &[String], origins: &[String]) -> Self {
        Self(Guard::new(&[address], hosts, origins))
    }

    /// Whether a request with this target and these headers is let in.
    pub fn admits(&self, target: &Uri, headers: &HeaderMap) -> bool {
        self.0.check(target, &Headers::of(headers)).is_ok()
    }
}

/// Whether the body that these headers announce is taken.
pub fn is_json(headers: &HeaderMap) -> bool {
    Headers::of(headers).is_json()
}
