//! Catalogs: where names and URIs lead, and making one anew. The large ones are of a hundred servers.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use trunkline_gateway::catalog::{Catalog, Cursors, Input, Source, build};
use trunkline_gateway::options::{Filter, Naming, ServerRules};
use trunkline_model::ListKind;
use trunkline_observe::metrics::Metrics;
use trunkline_protocol::hello::Introduction;
use trunkline_protocol::{Revision, list};
use trunkline_upstream::{Offer, Phase, Status};

use crate::benchmark::{Benchmark, Repeat, over_and_over};
use crate::samples;

/// Look-ups: enough that every tool of the large catalog is looked up once.
const LOOK_UPS: u32 = 10_000;

pub(crate) fn benchmarks() -> Vec<Benchmark> {
    vec![
        Benchmark::new("route/name-among-10", LOOK_UPS, || names(1, 10)),
        Benchmark::new("route/name-among-10000", LOOK_UPS, || names(100, 100)),
        Benchmark::new("route/unprefixed-name-among-10000", LOOK_UPS, original_names),
        Benchmark::new("route/uri-among-1000", LOOK_UPS, uris),
        Benchmark::new("catalog/build-per-tool", 20, || {
            let sources = sources(4, 25);
            over_and_over(move || catalog(&sources))
        })
        .of_pieces(100),
    ]
}

fn server(number: usize) -> String {
    format!("server{number:02}")
}

/// Every other tool of a server has a name that no other server has.
fn tool(server: usize, number: usize) -> String {
    if number.is_multiple_of(2) {
        format!("shared_tool_{number:03}")
    } else {
        format!("only_of_{server:02}_{number:03}")
    }
}

fn sources(servers: usize, tools: usize) -> Vec<Source> {
    let read = |kind: ListKind, items: Vec<String>| -> Arc<[list::Item]> {
        let raw = Bytes::from(format!("{{\"{}\":[{}]}}", kind.key(), items.join(",")));
        list::page(kind, &raw).expect("it is a page").items.into()
    };
    let one = |number: usize| {
        let tools = (0..tools).map(|n| samples::listed_tool(&tool(number, n))).collect();
        let resources = (0..10)
            .map(|n| format!(r#"{{"uri":"file:///data/{number:02}/page{n}.md","name":"page {n}"}}"#))
            .collect();
        let offer = Offer {
            introduction: Introduction {
                revision: if number.is_multiple_of(2) {
                    Revision::LEGACY_LATEST
                } else {
                    Revision::MODERN_LATEST
                },
                capabilities: Bytes::from_static(b"{\"tools\":{},\"resources\":{}}"),
                server_info: None,
                instructions: None,
            },
            lists: [
                read(ListKind::Tools, tools),
                Arc::from([]),
                read(ListKind::Resources, resources),
                Arc::from([]),
                Arc::from([]),
            ],
            extra: std::array::from_fn(|_| Arc::from([])),
            ttl_ms: None,
            public: false,
            skills_ttl_ms: None,
            skills_public: false,
            pushes: true,
            announced: [0; ListKind::COUNT],
        };
        let status = Status {
            phase: Phase::Ready,
            since: SystemTime::UNIX_EPOCH,
            era: Some(offer.introduction.era()),
            handshake: None,
            starts: 1,
            stderr: Vec::new(),
        };
        Source {
            number,
            rules: ServerRules::new(server(number)),
            status,
            offer: Some(Arc::new(offer)),
            policies: Arc::default(),
            circuit: None,
            members: Vec::new(),
        }
    };
    (0..servers).map(one).collect()
}

fn catalog(sources: &[Source]) -> Catalog {
    build(&Input {
        version: 1,
        naming: &Naming::default(),
        sources,
        all: sources,
        tools: &Filter::default(),
        instructions: None,
        cursors: &Cursors::new([1; 32]),
        metrics: &Metrics::new("instructions"),
    })
}

/// Looks all names up in turn: which of them collide in a hash table differs from run to run, their mean hardly.
fn in_turn<K: 'static, T: 'static>(keys: Vec<K>, mut look_up: impl FnMut(&K) -> T + 'static) -> Repeat {
    let mut next = 0;
    over_and_over(move || {
        let found = look_up(&keys[next]);
        next = if next + 1 == keys.len() { 0 } else { next + 1 };
        found
    })
}

fn names(servers: usize, tools: usize) -> Repeat {
    let catalog = catalog(&sources(servers, tools));
    assert_eq!(catalog.tools.len(), servers * tools);
    let names: Vec<String> = (0..tools)
        .flat_map(|n| (0..servers).map(move |s| format!("{}__{}", server(s), tool(s, n))))
        .collect();
    for name in &names {
        let route = catalog.tools.find("tool", name).expect("it is shown");
        assert!(name.starts_with(&server(route.server)));
    }
    in_turn(names, move |name| catalog.tools.find("tool", name))
}

fn original_names() -> Repeat {
    let catalog = catalog(&sources(100, 100));
    let names: Vec<String> = (0..50).flat_map(|n| (0..100).map(move |s| tool(s, 2 * n + 1))).collect();
    for (at, name) in names.iter().enumerate() {
        assert_eq!(catalog.tools.find("tool", name).expect("one server has it").server, at % 100);
    }
    in_turn(names, move |name| catalog.tools.find("tool", name))
}

fn uris() -> Repeat {
    let catalog = catalog(&sources(100, 2));
    let uris: Vec<String> =
        (0..10).flat_map(|n| (0..100).map(move |s| format!("file:///data/{s:02}/page{n}.md"))).collect();
    for (at, uri) in uris.iter().enumerate() {
        assert_eq!(catalog.uris.route(uri).expect("it is listed").0, at % 100);
    }
    in_turn(uris, move |uri| catalog.uris.route(uri).map(|(server, original)| (server, original.len())))
}
