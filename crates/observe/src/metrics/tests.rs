use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Era, Format, Kind, Metrics, Outcome};

/// One sample as a reader sees it.
type Sample = (String, BTreeMap<String, String>, f64);

/// Reads an exposition as strictly as promtool would.
struct Exposition {
    types: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

fn parse(text: &str, format: Format) -> Exposition {
    let open = format == Format::OpenMetrics;
    let body = if open { text.strip_suffix("# EOF\n").expect("ends with EOF") } else { text };
    assert!(body.ends_with('\n') && !body.contains("# EOF"));
    let mut all = Exposition { types: BTreeMap::new(), samples: Vec::new() };
    let (mut helped, mut family) = (BTreeSet::new(), String::new());
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.trim().is_empty() && helped.insert(name.to_owned()), "{line}");
            name.clone_into(&mut family);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(all.types.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
            assert_eq!(name, family);
            assert!(kind != "counter" || name.ends_with("_total") != open, "{line}");
            assert!(kind != "info" || open, "{line}");
        } else if let Some(unit) = line.strip_prefix("# UNIT ") {
            let (name, unit) = unit.split_once(' ').unwrap();
            assert!(open && name == family && name.ends_with(&format!("_{unit}")), "{line}");
        } else {
            let sample = parse_sample(line);
            assert!(belongs(&sample.0, &family, &all.types[&family], open), "{line} in {family}");
            all.samples.push(sample);
        }
    }
    let mut seen = BTreeSet::new();
    for (name, labels, _) in &all.samples {
        assert!(seen.insert((name, labels)), "twice: {name} {labels:?}");
    }
    all
}

fn belongs(sample: &str, family: &str, kind: &str, open: bool) -> bool {
    let suffixes: &[&str] = match kind {
        "counter" if open => &["_total"],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => &[""],
    };
    sample.strip_prefix(family).is_some_and(|suffix| suffixes.contains(&suffix))
}

fn parse_sample(line: &str) -> Sample {
    let name_end = line.find(['{', ' ']).unwrap();
    let name = &line[..name_end];
    assert!(name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_'), "{line}");
    let mut labels = BTreeMap::new();
    let mut rest = &line[name_end..];
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").unwrap();
            let (value, after) = parse_value(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "label twice: {line}");
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    (name.to_owned(), labels, rest.strip_prefix(' ').unwrap().parse().unwrap())
}

fn parse_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next().unwrap() {
            (at, '"') => return (value, &text[at + 1..]),
            (_, '\\') => value.push(match characters.next().unwrap().1 {
                'n' => '\n',
                escaped @ ('"' | '\\') => escaped,
                other => panic!("unknown escape {other}"),
            }),
            (_, plain) => value.push(plain),
        }
    }
}

impl Exposition {
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: BTreeMap<String, String> =
            labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        self.samples
            .iter()
            .find(|(found, labels, _)| found == name && *labels == wanted)
            .map(|sample| sample.2)
    }
}

fn both(metrics: &Metrics) -> [Exposition; 2] {
    [Format::OpenMetrics, Format::Text].map(|format| parse(&metrics.encode(format), format))
}

fn filled() -> Metrics {
    let metrics = Metrics::new("1.2.3");
    let tool = metrics.tool("git", "git__log");
    tool.record(Outcome::Ok, Duration::from_millis(3));
    tool.record(Outcome::Ok, Duration::from_secs(1000));
    tool.record(Outcome::ToolError, Duration::from_millis(150));
    metrics.method("tools/call").record(Duration::from_micros(90));
    metrics.route("POST", "/mcp").record(200, Duration::from_millis(4));
    metrics.route("POST", "/mcp").record(418, Duration::from_millis(4));
    metrics.gateway().set_catalog_items(Kind::Tool, 7);
    metrics.gateway().set_catalog_version(3);
    metrics.gateway().rejected("origin");
    metrics.gateway().reloaded(false);
    metrics
}

#[test]
fn both_formats_can_be_read_and_tell_the_same() {
    let metrics = filled();
    let upstream = metrics.upstream("git");
    upstream.set_up(true);
    upstream.set_era(Era::Modern);
    let _child = upstream.child_started(true);
    let [open, text] = both(&metrics);
    assert_eq!(open.samples, text.samples);
    for (name, labels, value) in [
        ("trunkline_build_info", &[("version", "1.2.3")][..], 1.0),
        ("trunkline_calls_total", &[("upstream", "git"), ("tool", "git__log"), ("outcome", "ok")], 2.0),
        (
            "trunkline_calls_total",
            &[("upstream", "git"), ("tool", "git__log"), ("outcome", "cancelled")],
            0.0,
        ),
        ("trunkline_upstream_call_duration_seconds_count", &[("upstream", "git"), ("tool", "git__log")], 3.0),
        (
            "trunkline_upstream_call_duration_seconds_sum",
            &[("upstream", "git"), ("tool", "git__log")],
            1000.153,
        ),
        ("mcp_server_operation_duration_seconds_count", &[("mcp_method_name", "tools/call")], 1.0),
        (
            "mcp_http_request_duration_seconds_count",
            &[("method", "POST"), ("route", "/mcp"), ("status", "other")],
            1.0,
        ),
        ("trunkline_sessions", &[], 0.0),
        ("trunkline_streams", &[], 0.0),
        ("trunkline_children", &[("upstream", "git")], 1.0),
        ("trunkline_child_starts_total", &[("upstream", "git")], 1.0),
        ("trunkline_child_restarts_total", &[("upstream", "git")], 1.0),
        ("trunkline_upstream_up", &[("upstream", "git"), ("era", "modern")], 1.0),
        ("trunkline_catalog_items", &[("kind", "tool")], 7.0),
        ("trunkline_catalog_version", &[], 3.0),
        ("trunkline_rejected_requests_total", &[("reason", "origin")], 1.0),
        ("trunkline_config_reloads_total", &[("result", "ok")], 0.0),
        ("trunkline_config_reloads_total", &[("result", "error")], 1.0),
    ] {
        assert_eq!(open.value(name, labels), Some(value), "{name} {labels:?}");
    }
}

#[test]
fn the_older_format_names_a_counter_family_as_its_samples() {
    let [open, text] = both(&filled());
    assert_eq!(open.types["trunkline_calls"], "counter");
    assert_eq!(text.types["trunkline_calls_total"], "counter");
    assert_eq!(text.types["trunkline_build_info"], "gauge");
    assert_eq!(open.types["trunkline_upstream_call_duration_seconds"], "histogram");
}

#[test]
fn buckets_are_cumulative_and_end_with_all() {
    let [open, _] = both(&filled());
    let buckets: Vec<(f64, f64)> = open
        .samples
        .iter()
        .filter(|sample| sample.0 == "trunkline_upstream_call_duration_seconds_bucket")
        .map(|(_, labels, value)| (labels["le"].parse().unwrap(), *value))
        .collect();
    assert_eq!(buckets.len(), 17);
    assert!(buckets.is_sorted());
    assert_eq!((buckets[0], buckets[1]), ((0.001, 0.0), (0.005, 1.0)));
    assert_eq!((buckets[15], buckets[16]), ((300.0, 2.0), (f64::INFINITY, 3.0)));
}

#[test]
fn a_tool_that_was_never_called_costs_the_reader_nothing() {
    let metrics = Metrics::new("1");
    let _handle = metrics.tool("git", "git__log");
    assert!(!metrics.encode(Format::Text).contains("git__log"));
}

#[test]
fn names_with_quotes_and_line_ends_stay_in_their_label() {
    let metrics = Metrics::new("1");
    let name = "a\"} 1\nforged{x=\"\\";
    metrics.tool("u", name).record(Outcome::Ok, Duration::ZERO);
    let [open, text] = both(&metrics);
    for exposition in [open, text] {
        let labels = [("upstream", "u"), ("tool", name), ("outcome", "ok")];
        assert_eq!(exposition.value("trunkline_calls_total", &labels), Some(1.0));
    }
}

#[test]
fn methods_beyond_the_bound_are_counted_as_other() {
    let metrics = Metrics::new("1");
    for n in 0..100 {
        metrics.method(&format!("made/up/{n}")).record(Duration::ZERO);
    }
    let [open, _] = both(&metrics);
    let name = "mcp_server_operation_duration_seconds_count";
    assert_eq!(open.value(name, &[("mcp_method_name", "other")]), Some(36.0));
}

#[test]
fn what_is_held_is_counted_until_it_is_dropped() {
    let metrics = Metrics::new("1");
    let upstream = metrics.upstream("git");
    let held = (metrics.gateway().sessions().hold(), upstream.child_started(false));
    let sessions = || both(&metrics)[0].value("trunkline_sessions", &[]);
    let children = || both(&metrics)[0].value("trunkline_children", &[("upstream", "git")]);
    assert_eq!((sessions(), children()), (Some(1.0), Some(1.0)));
    drop(held);
    assert_eq!((sessions(), children()), (Some(0.0), Some(0.0)));
}

#[test]
fn an_upstream_has_one_era_at_a_time_and_leaves_with_its_last_handle() {
    let metrics = Metrics::new("1");
    let upstream = metrics.upstream("git");
    upstream.set_era(Era::Legacy);
    upstream.set_era(Era::Modern);
    let names = |metrics: &Metrics| {
        both(metrics)[1].samples.iter().filter(|sample| sample.0 == "trunkline_upstream_up").count()
    };
    assert_eq!(names(&metrics), 1);
    drop(upstream);
    assert_eq!(names(&metrics), 0);
}

#[test]
fn nothing_is_lost_between_threads() {
    let metrics = Metrics::new("1");
    let tool = metrics.tool("u", "t");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..10_000).for_each(|_| tool.record(Outcome::Ok, Duration::from_millis(1))));
        }
    });
    let [open, _] = both(&metrics);
    let labels = [("upstream", "u"), ("tool", "t"), ("outcome", "ok")];
    assert_eq!(open.value("trunkline_calls_total", &labels), Some(80_000.0));
}
