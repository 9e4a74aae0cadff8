//! The two listening addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::is_off;
use crate::check::Check;
use crate::fields::Fields;
use crate::settings::Security;
use crate::tree::{Node, Spot, Value};

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8808);
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8809);

/// An address and where it was written.
pub(super) struct Listening {
    pub(super) address: Option<SocketAddr>,
    spot: Option<Spot>,
}

pub(super) fn listen(node: Option<&Node>, check: &mut Check<'_>) -> Listening {
    match node {
        Some(node) => Listening { address: parse(node, check), spot: Some(node.spot.clone()) },
        None => Listening { address: Some(LISTEN), spot: None },
    }
}

/// `admin: {listen: ...}`, or `admin: off`.
pub(super) fn admin(node: Option<&Node>, check: &mut Check<'_>) -> Listening {
    let Some(node) = node else { return Listening { address: Some(ADMIN), spot: None } };
    if is_off(node) {
        return Listening { address: None, spot: None };
    }
    let Some(mut fields) = Fields::open(node, "admin", check) else {
        return Listening { address: None, spot: None };
    };
    let null = fields.is_null("listen");
    let listen = fields.take("listen", check);
    fields.finish(check);
    match listen {
        Some(node) if is_off(node) => Listening { address: None, spot: None },
        Some(node) => Listening { address: parse(node, check), spot: Some(node.spot.clone()) },
        None if null => Listening { address: None, spot: None },
        None => Listening { address: Some(ADMIN), spot: None },
    }
}

fn parse(node: &Node, check: &mut Check<'_>) -> Option<SocketAddr> {
    let text = match &node.value {
        Value::String(text) | Value::Number(text) => text.trim(),
        _ => {
            check.expected("an address such as \"127.0.0.1:8808\", or a port", node);
            return None;
        }
    };
    if let Ok(port) = text.parse::<u16>() {
        return Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    }
    let address = match text.strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        None => text.parse().ok(),
    };
    if address.is_none() {
        let hint = if text.starts_with(':') || text.starts_with('*') {
            "to listen on every interface, write \"0.0.0.0:8808\" or \"[::]:8808\""
        } else {
            "write an IP address and a port, as in \"127.0.0.1:8808\", or a port alone for 127.0.0.1"
        };
        check.problem(&node.spot, "not a listening address", hint);
    }
    address
}

/// Addresses that other machines reach need the operator's word; both listeners need an address of their own.
pub(super) fn exposure(listen: &Listening, admin: &Listening, security: &Security, check: &mut Check<'_>) {
    for (listening, what) in
        [(listen, "anybody who reaches it may call every tool"), (admin, "it has no login")]
    {
        let (Some(address), Some(spot)) = (listening.address, &listening.spot) else { continue };
        if !address.ip().to_canonical().is_loopback() && !security.allow_anonymous_beyond_loopback {
            let message = format!("this address is reachable from other machines, and {what}");
            let hint = "listen on 127.0.0.1, or set security.allowAnonymousBeyondLoopback: true if something in front checks callers";
            check.problem(spot, message, hint);
        }
    }
    let same = listen.address.is_some() && listen.address == admin.address;
    if let (true, Some(spot)) = (same, admin.spot.as_ref().or(listen.spot.as_ref()))
        && listen.address.is_some_and(|address| address.port() != 0)
    {
        check.problem(spot, "`listen` and `admin.listen` are the same address", "give them different ports");
    }
}
