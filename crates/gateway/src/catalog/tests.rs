//! Catalogs from scripted offers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use trunkline_model::{Era, Kind, ListKind, Text};
use trunkline_observe::metrics::Metrics;
use trunkline_protocol::hello::Introduction;
use trunkline_protocol::{Revision, list};
use trunkline_upstream::{Offer, Phase, Status};

use super::{Catalog, Cursors, Input, Source, build};
use crate::options::{Filter, Naming, Override, ServerRules};

mod skills;

fn offer(revision: Revision, tools: &str, resources: &str) -> Arc<Offer> {
    let items = |kind: ListKind, text: &str| -> Arc<[list::Item]> {
        let raw = Bytes::from(format!("{{\"{}\":[{text}]}}", kind.key()));
        list::page(kind, &raw).unwrap().items.into()
    };
    Arc::new(Offer {
        introduction: Introduction {
            revision,
            capabilities: Bytes::from_static(b"{\"tools\":{},\"resources\":{}}"),
            server_info: None,
            instructions: Some("use it well".into()),
        },
        lists: [
            items(ListKind::Tools, tools),
            Arc::from([]),
            items(ListKind::Resources, resources),
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
    })
}

fn source(number: usize, name: &str, phase: Phase, offer: Option<Arc<Offer>>) -> Source {
    let status = Status {
        phase,
        since: SystemTime::UNIX_EPOCH,
        era: None,
        handshake: None,
        starts: 1,
        stderr: Vec::new(),
    };
    Source {
        number,
        rules: ServerRules::new(name),
        status,
        offer,
        policies: Arc::default(),
        circuit: None,
        members: Vec::new(),
    }
}

fn catalog(sources: &[Source], naming: &Naming, cursors: &Cursors) -> Catalog {
    let metrics = Metrics::new("test");
    let tools = Filter::default();
    build(&Input {
        all: sources,
        version: 1,
        naming,
        sources,
        tools: &tools,
        instructions: None,
        cursors,
        metrics: &metrics,
    })
}

fn built(sources: &[Source]) -> Catalog {
    catalog(sources, &Naming::default(), &Cursors::new([1; 32]))
}

fn page(catalog: &Catalog, kind: ListKind, era: Era) -> serde_json::Value {
    let raw = catalog.page(kind, era, false, None, &Cursors::new([1; 32])).unwrap();
    serde_json::from_slice(&raw).unwrap()
}

fn two() -> Vec<Source> {
    let one = offer(
        Revision::R2025_11_25,
        r#"{"name":"echo","execution":{"taskSupport":"required"}},{"name":"add"}"#,
        r#"{"uri":"a:1","name":"x"}"#,
    );
    let other = offer(Revision::R2026_07_28, r#"{"name":"echo"}"#, r#"{"uri":"a:1","name":"y"}"#);
    vec![source(0, "one", Phase::Ready, Some(one)), source(1, "two", Phase::Ready, Some(other))]
}

#[test]
fn equal_names_of_two_servers_are_told_apart_by_their_prefix() {
    let catalog = built(&two());
    let list = page(&catalog, ListKind::Tools, Era::Legacy);
    let names: Vec<&str> =
        list["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["one__echo", "one__add", "two__echo"]);
    assert_eq!(catalog.tools.find("tool", "two__echo").unwrap().server, 1);
    assert_eq!(catalog.tools.find("tool", "add").unwrap().server, 0);
    let fault = catalog.tools.find("tool", "echo").unwrap_err();
    assert!(matches!(fault.kind, Kind::UnknownName(candidates) if candidates.len() == 2));
}

#[test]
fn each_era_gets_its_own_rendering() {
    let catalog = built(&two());
    let legacy = page(&catalog, ListKind::Tools, Era::Legacy);
    let modern = page(&catalog, ListKind::Tools, Era::Modern);
    assert!(legacy.get("resultType").is_none() && legacy["tools"][0].get("execution").is_some());
    assert_eq!(modern["resultType"], "complete");
    assert!(modern["tools"][0].get("execution").is_none());
}

#[test]
fn colliding_uris_lead_back_to_their_own_server() {
    let catalog = built(&two());
    let list = page(&catalog, ListKind::Resources, Era::Modern);
    let uris: Vec<&str> =
        list["resources"].as_array().unwrap().iter().map(|r| r["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, ["a:1", "mcp+two:a:1", "trunkline://status"]);
    assert_eq!(catalog.uris.route("mcp+two:a:1"), Some((1, "a:1".into())));
}

#[test]
fn a_server_that_is_down_keeps_its_tools_and_says_why() {
    let mut sources = two();
    sources[1].status.phase =
        Phase::Down { reason: Arc::from("it exited"), retry_in: std::time::Duration::from_secs(2) };
    let list = page(&built(&sources), ListKind::Tools, Era::Modern);
    assert_eq!(list["tools"].as_array().unwrap().len(), 3);
    let note = &list["_meta"]["io.trunkline/upstreams"]["two"];
    assert_eq!((note["state"].as_str(), note["reason"].as_str()), (Some("down"), Some("it exited")));
    assert_eq!(list["ttlMs"], 5000);
}

#[test]
fn a_tool_of_a_server_never_seen_is_unavailable_and_not_unknown() {
    let mut sources = two();
    sources.push(source(
        2,
        "gone",
        Phase::Down { reason: Arc::from("no such program"), retry_in: std::time::Duration::ZERO },
        None,
    ));
    let catalog = built(&sources);
    let fault = catalog.tools.find("tool", "gone__x").map_err(|f| catalog.explain("gone__x", f)).unwrap_err();
    assert_eq!(fault.kind, Kind::Unavailable);
    let fault =
        catalog.tools.find("tool", "nobody__x").map_err(|f| catalog.explain("nobody__x", f)).unwrap_err();
    assert!(matches!(fault.kind, Kind::UnknownName(_)));
}

#[test]
fn one_transparent_server_is_shown_as_it_is() {
    let mut sources = vec![two().remove(1)];
    sources[0].rules.transparent = true;
    let catalog = built(&sources);
    let raw = catalog.page(ListKind::Tools, Era::Legacy, false, None, &Cursors::new([1; 32])).unwrap();
    // But for an input schema, without which no client could read the list.
    assert_eq!(raw, r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#);
    let raw = catalog.page(ListKind::Tools, Era::Modern, false, None, &Cursors::new([1; 32])).unwrap();
    assert!(raw.ends_with(br#""tools":[{"name":"echo"}]}"#));
    assert_eq!(catalog.introduced.instructions.as_deref(), Some("use it well"));
}

#[test]
fn filters_and_overrides_decide_what_is_shown() {
    let mut sources = two();
    let mut exclude = globset::GlobSetBuilder::new();
    exclude.add(globset::Glob::new("ad*").unwrap());
    sources[0].rules.tools.exclude = Some(exclude.build().unwrap());
    let renamed = Override { name: Some("shout".into()), title: None, description: Some("louder".into()) };
    sources[0].rules.tool_overrides = BTreeMap::from([("echo".to_owned(), renamed)]);
    let catalog = built(&sources);
    let list = page(&catalog, ListKind::Tools, Era::Legacy);
    assert_eq!(
        (list["tools"][0]["name"].as_str(), list["tools"][0]["description"].as_str()),
        (Some("shout"), Some("louder"))
    );
    assert!(catalog.tools.find("tool", "add").is_err() && catalog.tools.find("tool", "one__add").is_err());
    assert_eq!(catalog.tools.find("tool", "shout").unwrap().original, Some(Text::from("echo")));
}

#[test]
fn pages_are_walked_with_sealed_cursors() {
    let tools: Vec<String> = (0..5).map(|i| format!("{{\"name\":\"t{i}\"}}")).collect();
    let sources =
        vec![source(0, "s", Phase::Ready, Some(offer(Revision::R2025_06_18, &tools.join(","), "")))];
    let cursors = Cursors::new([9; 32]);
    let naming = Naming { page_items: 2, ..Naming::default() };
    let catalog = catalog(&sources, &naming, &cursors);
    let mut cursor: Option<Text> = None;
    let mut seen = Vec::new();
    loop {
        let raw = catalog.page(ListKind::Tools, Era::Legacy, false, cursor.as_ref(), &cursors).unwrap();
        let list: serde_json::Value = serde_json::from_slice(&raw).unwrap();
        seen.extend(list["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap().to_owned()));
        match list["nextCursor"].as_str() {
            Some(next) => cursor = Some(Text::from(next)),
            None => break,
        }
    }
    assert_eq!(seen, ["s__t0", "s__t1", "s__t2", "s__t3", "s__t4"]);
    let fault = catalog
        .page(ListKind::Tools, Era::Legacy, false, Some(&Text::from("nonsense")), &cursors)
        .unwrap_err();
    assert_eq!(fault.kind, Kind::BadCursor);
}

#[test]
fn tools_with_a_broken_header_annotation_are_left_out() {
    let bad = r#"{"name":"bad","inputSchema":{"properties":{"a":{"type":"array","x-mcp-header":"A"}}}},{"name":"good"}"#;
    let catalog = built(&[source(0, "s", Phase::Ready, Some(offer(Revision::R2026_07_28, bad, "")))]);
    assert!(catalog.tools.find("tool", "s__bad").is_err());
    assert!(catalog.tools.find("tool", "s__good").is_ok());
}
