//! Scripts of `trunkline chaos`: the examples, and what is said of bad ones.

use std::time::Duration;

use trunkline_config::{Source, scenario};
use trunkline_model::Era;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/chaos");

#[test]
fn every_example_is_good() {
    let mut names = Vec::new();
    for file in std::fs::read_dir(EXAMPLES).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let read = scenario(&Source::new(path.display().to_string(), text));
        let read = read.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(
            read.phases.len() >= 3 && read.phases.iter().any(|phase| phase.faults != serde_json::json!([]))
        );
        names.push(read.name);
    }
    assert!(names.len() >= 3, "{names:?}");
}

#[test]
fn what_is_written_is_what_is_played() {
    let text = "
name: A try
load: { tool: demo__echo, rate: 20, arguments: { text: hi, n: 1.50 } }
phases:
  - { for: 5s }
  - name: broken
    for: 1m
    load: [{ tool: other__x, eras: [legacy] }]
    faults: [{ kind: delay, by: 200ms, percentage: 10 }]
    expect: { success: 99.5%, p99: 1s, reasons: [upstream_timeout] }
";
    let read = scenario(&Source::new("a.yaml", text)).unwrap();
    let [first, second] = read.phases.as_slice() else { panic!("{read:?}") };
    assert_eq!((first.name.as_str(), first.lasts), ("phase 1", Duration::from_secs(5)));
    assert_eq!(first.load[0].arguments, r#"{"text":"hi","n":1.50}"#.replace("1.50", "1.5"));
    assert_eq!(first.load[0].eras, [Era::Modern, Era::Legacy]);
    assert_eq!((second.load[0].rate, second.load[0].eras.as_slice()), (1.0, &[Era::Legacy][..]));
    assert_eq!(second.faults, serde_json::json!([{ "kind": "delay", "by": "200ms", "percentage": 10 }]));
    assert_eq!((second.expect.success, second.expect.p99), (Some(99.5), Some(Duration::from_secs(1))));
    assert_eq!(second.expect.reasons, Some(vec!["upstream_timeout".to_owned()]));
}

#[test]
fn every_mistake_is_named() {
    for (text, says) in [
        ("", "there are no phases"),
        ("phases: 3", "expected a list of phases"),
        ("phases: []", "expected 1 to 100"),
        ("phases: [{for: 1s}]", "nobody calls anything"),
        ("load: {tool: t}\nphases: [{name: x}]", "has no length"),
        ("load: {tool: t}\nphases: [{for: soon}]", "not a duration"),
        ("load: {rate: 1}\nphases: [{for: 1s}]", "names no tool"),
        ("load: {tool: t, rate: 0}\nphases: [{for: 1s}]", "above 0"),
        ("load: {tool: t, rate: 10000}\nphases: [{for: 1h}]", "calls in all"),
        ("load: {tool: t, eras: [old]}\nphases: [{for: 1s}]", "`modern` or `legacy`"),
        ("load: {tool: t, arguments: 3}\nphases: [{for: 1s}]", "a map of arguments"),
        ("load: {tool: t}\nphases: [{for: 1s, faults: [{kind: dly}]}]", "no such kind of fault"),
        ("load: {tool: t}\nphases: [{for: 1s, expect: {succes: 1}}]", "unknown key `succes`"),
        ("load: {tool: t}\nphases: [{for: 1s, expect: {success: 101}}]", "0 to 100"),
        ("phases: [", ""),
    ] {
        let problems = scenario(&Source::new("a.yaml", text)).expect_err(text);
        assert!(problems.to_string().contains(says), "{text}: {problems}");
    }
}
