//! Who may be asked for: the Host and Origin of a request, against DNS rebinding and cross-site calls (2026-07-28,
//! Streamable HTTP, security; RFC 9110, section 7.2; RFC 6454).

use std::net::{IpAddr, SocketAddr};

use http::{StatusCode, Uri};

use super::header::Headers;

/// The allowed hosts and origins of the addresses that are listened at.
#[derive(Debug)]
pub(crate) struct Guard {
    addresses: Vec<SocketAddr>,
    /// Hosts as most clients spell them, all of which are admitted: found without being taken apart.
    usual: Vec<String>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Why a request is refused, with its status.
pub(crate) type Refused = (StatusCode, &'static str);

impl Guard {
    pub(crate) fn new(addresses: &[SocketAddr], hosts: &[String], origins: &[String]) -> Self {
        let lower =
            |list: &[String]| list.iter().map(|s| s.trim_end_matches('/').to_ascii_lowercase()).collect();
        let mut out = Self {
            addresses: addresses.to_vec(),
            usual: Vec::new(),
            hosts: lower(hosts),
            origins: lower(origins),
        };
        let spellings = |address: &SocketAddr| {
            let port = address.port();
            [address.to_string(), format!("localhost:{port}"), format!("127.0.0.1:{port}")]
        };
        let usual = addresses.iter().flat_map(spellings).chain(out.hosts.iter().cloned());
        out.usual = usual.filter(|host| out.admits_host(host)).collect();
        out
    }

    /// Checks one request. Every doubtful form is refused: two lines of a header, user information, other schemes.
    pub(crate) fn check(&self, uri: &Uri, headers: &Headers<'_>) -> Result<(), Refused> {
        let bad = |text| Err((StatusCode::BAD_REQUEST, text));
        let host = match headers.host.values() {
            [_] => headers.host.text().unwrap_or_default(),
            [] => return bad("the Host header is missing"),
            _ => return bad("there is more than one Host header"),
        };
        if let Some(authority) = uri.authority()
            && !authority.as_str().eq_ignore_ascii_case(host)
        {
            return bad("the Host header differs from the request target");
        }
        if !self.usual.iter().any(|usual| usual == host) && !self.admits_host(host) {
            return Err((StatusCode::FORBIDDEN, "this host is not served here"));
        }
        match headers.origin.values() {
            [] => Ok(()),
            [_] if self.admits_origin(headers.origin.text().unwrap_or_default()) => Ok(()),
            _ => Err((StatusCode::FORBIDDEN, "requests from this origin are not allowed")),
        }
    }

    fn admits_host(&self, host: &str) -> bool {
        let Some((name, _)) = split(host) else { return false };
        let whole = host.to_ascii_lowercase();
        self.is_own(&name) || self.hosts.iter().any(|allowed| *allowed == whole || *allowed == name)
    }

    fn admits_origin(&self, origin: &str) -> bool {
        let lower = origin.to_ascii_lowercase();
        if self.origins.contains(&lower) {
            return true;
        }
        let authority = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://"));
        authority.and_then(split).is_some_and(|(name, _)| is_loopback(&name))
    }

    /// Loopback names, and the addresses that are listened at when they are concrete ones.
    fn is_own(&self, name: &str) -> bool {
        let listened =
            |ip: IpAddr| !ip.is_unspecified() && self.addresses.iter().any(|address| address.ip() == ip);
        is_loopback(name) || name.parse().is_ok_and(listened)
    }
}

fn is_loopback(name: &str) -> bool {
    name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip == IpAddr::from([127, 0, 0, 1]) || ip == IpAddr::from(1_u128.to_be_bytes()))
}

/// Host name (lower case, without brackets) and port of an authority; `None` for anything but `name` or `name:port`.
fn split(authority: &str) -> Option<(String, Option<u16>)> {
    let lower = authority.to_ascii_lowercase();
    let (name, rest) = match lower.strip_prefix('[') {
        Some(v6) => {
            let (inside, rest) = v6.split_once(']')?;
            inside.parse::<std::net::Ipv6Addr>().ok()?;
            (inside, rest)
        }
        None => lower.find(':').map_or((lower.as_str(), ""), |at| lower.split_at(at)),
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if name.is_empty() || !name.chars().all(legal) {
        return None;
    }
    let port = match rest.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None if rest.is_empty() => None,
        None => return None,
    };
    Some((name.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http::header::HOST;

    fn guard() -> Guard {
        let address = "127.0.0.1:8808".parse().unwrap();
        Guard::new(&[address], &["gw.example".into()], &["https://app.example".into()])
    }

    #[test]
    fn only_known_hosts_are_served() {
        for (host, expected) in [
            ("localhost:8808", true),
            ("LOCALHOST", true),
            ("127.0.0.1:1", true),
            ("[::1]:8808", true),
            ("gw.example", true),
            ("gw.example:443", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("169.254.169.254", false),
            ("user@localhost", false),
            ("localhost:x", false),
            ("localhost:", false),
            ("[::1", false),
            ("", false),
            ("localhost localhost", false),
        ] {
            assert_eq!(guard().admits_host(host), expected, "{host}");
        }
    }

    #[test]
    fn the_usual_spellings_are_among_the_admitted() {
        let everywhere = Guard::new(&["0.0.0.0:80".parse().unwrap()], &["gw.example".into()], &[]);
        assert_eq!(everywhere.usual, ["localhost:80", "127.0.0.1:80", "gw.example"]);
        assert!(!everywhere.admits_host("0.0.0.0:80"));
    }

    #[test]
    fn only_known_origins_may_call() {
        for (origin, expected) in [
            ("http://localhost:3000", true),
            ("https://127.0.0.1", true),
            ("https://app.example", true),
            ("null", false),
            ("http://localhost.evil.example", false),
            ("http://localhost@evil.example", false),
            ("http://localhost#x", false),
            ("http://localhost/x", false),
            ("file://", false),
            ("http://localhost\t", false),
            ("https://app.example.evil", false),
            ("app.example", false),
        ] {
            assert_eq!(guard().admits_origin(origin), expected, "{origin}");
        }
    }

    #[test]
    fn doubled_lines_and_other_targets_are_refused() {
        let uri: Uri = "/mcp".parse().unwrap();
        let mut headers = HeaderMap::new();
        let check = |uri: &Uri, headers: &HeaderMap| guard().check(uri, &Headers::of(headers));
        assert!(check(&uri, &headers).is_err());
        headers.append(HOST, "localhost".parse().unwrap());
        assert!(check(&uri, &headers).is_ok());
        assert!(check(&"http://evil.example/mcp".parse().unwrap(), &headers).is_err());
        headers.append(HOST, "localhost".parse().unwrap());
        assert!(check(&uri, &headers).is_err());
    }
}
