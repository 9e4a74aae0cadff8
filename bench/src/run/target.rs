//! What calls are made to: a table of targets, each started when a cell wants it.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::peers::peer::{AtHand, Wire};

/// A target's name; a string of its own where it was put together, or came with a peer.
pub(super) type Name = Cow<'static, str>;

pub(super) const DIRECT: &str = "direct";
pub(super) const FLOOR: &str = "floor";
pub(super) const GATEWAY: &str = "trunkline";
pub(super) const FIVE: &str = "trunkline, five upstreams";
pub(super) const TO_LEGACY: &str = "trunkline, to a legacy upstream";
pub(super) const TO_MODERN: &str = "trunkline, to a modern upstream";
pub(super) const LIMITED: &str = "trunkline, rate limits";
pub(super) const PIPE_FLOOR: &str = "pipe floor";
pub(super) const STDIO: &str = "trunkline, stdio";
/// A peer of this name has rows of its own among the goals.
pub(super) const AGENTGATEWAY: &str = "agentgateway";

/// Tools of the ordinary upstream.
pub(super) const TOOLS: usize = 10;
/// Tools in the lists that are asked for.
pub(super) const LISTS: [usize; 3] = [TOOLS, 100, 1000];
/// Tools in all, and upstreams they are spread over: what a call must not cost more for. The first is [`GATEWAY`].
pub(super) const SHAPES: [(usize, usize); 7] =
    [(TOOLS, 1), (1000, 1), (10_000, 1), (1000, 10), (10_000, 10), (1000, 100), (10_000, 100)];

/// Worker threads that are compared: what more of them cost where there are fewer processors.
pub(super) const THREADS: [usize; 5] = [1, 2, 4, 16, 64];

/// The gateway with so many worker threads.
pub(super) fn threaded(threads: usize) -> Name {
    format!("{GATEWAY}, threads {threads}").into()
}

/// `base` alone with the ordinary upstream, else with the number of its tools.
pub(super) fn sized(base: &str, tools: usize) -> Name {
    if tools == TOOLS { base.to_owned().into() } else { format!("{base}, {tools} tools").into() }
}

/// The floor that sends a finished list.
pub(super) fn memory(tools: usize) -> Name {
    format!("from memory, {tools} tools").into()
}

/// The gateway with so many tools in all over so many upstreams.
pub(super) fn shaped((tools, servers): (usize, usize)) -> Name {
    if servers == 1 {
        sized(GATEWAY, tools)
    } else {
        format!("{GATEWAY}, {tools} tools of {servers} upstreams").into()
    }
}

/// A peer in front of the ordinary upstream, or of the same as a child.
pub(super) fn of_peer(peer: &AtHand, wire: Wire) -> Name {
    match wire {
        Wire::Http => peer.claims.name.into(),
        Wire::Stdio => format!("{}, stdio", peer.claims.name).into(),
    }
}

/// Something that can be started.
pub(super) struct Spec {
    pub(super) name: Name,
    pub(super) kind: Kind,
    pub(super) behind: Behind,
    /// What stands in the gateway's document besides its servers.
    pub(super) settings: Value,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The upstream itself
    Direct,
    /// A bare proxy
    Proxy,
    /// A finished list, sent from memory
    Memory,
    /// A bare relay to one child
    Pipe,
    /// Trunkline, with HTTP upstreams
    Gateway,
    /// Trunkline, with one child as upstream
    GatewayOfChild,
}

/// What stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Behind {
    /// As the upstream takes it on its command line.
    pub(super) era: &'static str,
    /// As many servers, one process for all.
    pub(super) servers: usize,
    /// Tools of each.
    pub(super) tools: usize,
}

pub(super) const ORDINARY: Behind = Behind { era: "both", servers: 1, tools: TOOLS };

/// All targets the kit knows by itself.
pub(super) fn all() -> Vec<Spec> {
    let mut all = Vec::new();
    let mut add = |name: Name, kind, behind| all.push(Spec { name, kind, behind, settings: json!({}) });
    add(FLOOR.into(), Kind::Proxy, ORDINARY);
    for tools in LISTS {
        add(sized(DIRECT, tools), Kind::Direct, Behind { tools, ..ORDINARY });
        add(memory(tools), Kind::Memory, Behind { tools, ..ORDINARY });
        if tools != 1000 {
            add(sized(GATEWAY, tools), Kind::Gateway, Behind { tools, ..ORDINARY });
        }
    }
    add(FIVE.into(), Kind::Gateway, Behind { servers: 5, ..ORDINARY });
    add(shaped((1000, 5)), Kind::Gateway, Behind { servers: 5, tools: 200, ..ORDINARY });
    add(TO_LEGACY.into(), Kind::Gateway, Behind { era: "legacy", ..ORDINARY });
    add(TO_MODERN.into(), Kind::Gateway, Behind { era: "modern", ..ORDINARY });
    add(PIPE_FLOOR.into(), Kind::Pipe, ORDINARY);
    add(STDIO.into(), Kind::GatewayOfChild, ORDINARY);
    for shape @ (tools, servers) in SHAPES.into_iter().skip(1) {
        add(shaped(shape), Kind::Gateway, Behind { servers, tools: tools / servers, ..ORDINARY });
    }
    let mut set = |name: Name, settings| {
        all.push(Spec { name, kind: Kind::Gateway, behind: ORDINARY, settings });
    };
    for threads in THREADS {
        set(threaded(threads), json!({ "threads": threads }));
    }
    // Limits that every call meets and none reaches: by caller, by caller and tool, by server with costs, and of all.
    let rates = json!([
        { "per": "principal", "rate": "1000000/s" },
        { "per": ["principal", "tool"], "rate": "1000000/s" },
        { "per": "upstream", "rate": "10000000/s", "burst": 10_000_000, "cost": { "tools": { "slow*": 10 } } },
        { "per": "all", "rate": "10000000/s" },
    ]);
    set(LIMITED.into(), json!({ "limits": { "rates": rates } }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_say_what_is_behind() {
        let specs = all();
        for (index, spec) in specs.iter().enumerate() {
            assert!(specs[..index].iter().all(|other| other.name != spec.name), "{}", spec.name);
        }
        let five = specs.iter().find(|spec| spec.name == "trunkline, 1000 tools of 5 upstreams").unwrap();
        assert_eq!(five.behind.servers * five.behind.tools, 1000);
        assert_eq!(shaped(SHAPES[0]), GATEWAY);
    }
}
