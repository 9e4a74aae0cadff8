//! Which `Host` values are answered: a page in a browser must not reach us under a name of its own (DNS rebinding).

use std::net::{IpAddr, SocketAddr};

use http::header::HOST;
use http::{Request, StatusCode};

/// The `Host` values that are answered; by default only those of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    own: SocketAddr,
    allowed: Vec<String>,
}

impl Default for Hosts {
    fn default() -> Self {
        Self::new(SocketAddr::from(([127, 0, 0, 1], 0)), &[])
    }
}

impl Hosts {
    /// Those of a listener on `own`, and those that the operator allows.
    pub(crate) fn new(own: SocketAddr, allowed: &[String]) -> Self {
        Self { own, allowed: allowed.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// Whether a request may be answered.
    ///
    /// # Errors
    /// 400 for a missing or repeated header, 403 for a foreign one.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), StatusCode> {
        let mut values = request.headers().get_all(HOST).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(StatusCode::BAD_REQUEST) };
        let value = value.to_str().map_err(|_| StatusCode::BAD_REQUEST)?;
        if self.admits(value) { Ok(()) } else { Err(StatusCode::FORBIDDEN) }
    }

    fn admits(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let bare = without_port(&host);
        if bare == "localhost" || self.allowed.iter().any(|allowed| *allowed == host || *allowed == bare) {
            return true;
        }
        match bare.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            // Where other machines reach us they may name any address of ours; only names can be rebound.
            Ok(address) => address.is_loopback() || !self.own.ip().is_loopback(),
            Err(_) => false,
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(own: &str, host: &str) -> bool {
        Hosts::new(own.parse().unwrap(), &["metrics.example".to_owned()]).admits(host)
    }

    #[test]
    fn only_loopback_and_configured_names_are_answered() {
        for host in ["127.0.0.1:8809", "localhost", "LOCALHOST:1", "[::1]:8809", "metrics.example:9000"] {
            assert!(verdict("127.0.0.1:8809", host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "192.0.2.1:8809", ""] {
            assert!(!verdict("127.0.0.1:8809", host), "{host}");
        }
    }

    #[test]
    fn an_open_listener_answers_to_addresses_but_not_to_names() {
        assert!(verdict("0.0.0.0:8809", "192.0.2.1:8809"));
        assert!(!verdict("0.0.0.0:8809", "evil.example:8809"));
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        let hosts = Hosts::new("127.0.0.1:1".parse().unwrap(), &[]);
        let request = |values: &[&str]| {
            let mut builder = Request::builder();
            for value in values {
                builder = builder.header(HOST, *value);
            }
            builder.body(()).unwrap()
        };
        assert_eq!(hosts.check(&request(&[])), Err(StatusCode::BAD_REQUEST));
        assert_eq!(hosts.check(&request(&["localhost", "localhost"])), Err(StatusCode::BAD_REQUEST));
        assert_eq!(hosts.check(&request(&["evil.example"])), Err(StatusCode::FORBIDDEN));
        assert_eq!(hosts.check(&request(&["localhost"])), Ok(()));
    }
}
