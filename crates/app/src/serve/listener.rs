//! Binding an address, and saying well why that did not work.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::stop::{Code, Stop};

/// Binds `address`, which the configuration calls `key` and the command line `flag`.
///
/// # Errors
/// Code 77 when the system does not permit it, 69 otherwise.
pub(super) async fn bind(address: SocketAddr, key: &str, flag: &str) -> Result<TcpListener, Stop> {
    TcpListener::bind(address).await.map_err(|error| {
        let (code, why, hint) = match error.kind() {
            ErrorKind::AddrInUse => (
                Code::UNAVAILABLE,
                "something else listens there already".to_owned(),
                "stop it, or choose another address",
            ),
            ErrorKind::PermissionDenied => (
                Code::PERMISSION,
                "the system does not permit it".to_owned(),
                "ports below 1024 are usually reserved; choose a higher one",
            ),
            ErrorKind::AddrNotAvailable => (
                Code::UNAVAILABLE,
                "this machine has no such address".to_owned(),
                "choose one of its own, or 127.0.0.1",
            ),
            _ => (Code::UNAVAILABLE, error.to_string(), "choose another address"),
        };
        Stop::new(
            code,
            format!("cannot listen on {address}: {why}\n{hint} (`{key}` in the configuration, or {flag})"),
        )
    })
}
