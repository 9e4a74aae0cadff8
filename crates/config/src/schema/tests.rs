//! Schema and resolver agree, and the committed schema is the one the code makes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::schema;
use crate::load::resolved;
use crate::surroundings::Surroundings;
use crate::{Source, formats};

/// The resolver's name of a section, and where the schema keeps it.
const SECTIONS: [(&str, &str); 31] = [
    ("document", ""),
    ("admin", "/$defs/AdminListener"),
    ("server", "/$defs/Server"),
    ("command", "/$defs/CommandParts"),
    ("items", "/$defs/Items"),
    ("filter", "/$defs/Filter"),
    ("override", "/$defs/Override"),
    ("timeouts", "/$defs/Timeouts"),
    ("restart", "/$defs/Restart"),
    ("breaker", "/$defs/BreakerRules"),
    ("retry", "/$defs/RetryRules"),
    ("budget", "/$defs/RetryBudget"),
    ("health", "/$defs/HealthRules"),
    ("ejection", "/$defs/EjectionRules"),
    ("naming", "/$defs/Naming"),
    ("profile", "/$defs/Profile"),
    ("security", "/$defs/Security"),
    ("limits", "/$defs/Limits"),
    ("log", "/$defs/Log"),
    ("faults", "/$defs/FaultPolicy"),
    ("fault", "/$defs/Fault"),
    ("results", "/$defs/Results"),
    ("server.results", "/$defs/ServerResults"),
    ("reload", "/$defs/Reload"),
    ("shutdown", "/$defs/Shutdown"),
    ("readiness", "/$defs/Readiness"),
    ("rate", "/$defs/RateLimit"),
    ("concurrency", "/$defs/ConcurrencyLimit"),
    ("match", "/$defs/Matching"),
    ("cost", "/$defs/CostByTool"),
    // The one map without a section of its own: `{name, source}` is read in place.
    ("", "/$defs/Inherited"),
];

/// A document that opens every section once.
const EVERYTHING: &str = "
admin: {}
naming: {}
security: {}
limits:
  rates: [{rate: 1/s, match: {}, cost: {}}]
  concurrency: [{max: 1}]
log: {}
faults: {rules: [{kind: drop}]}
results: {}
reload: {}
shutdown: {}
readiness: {}
mcpServers:
  a:
    command: {path: x}
    tools: {overrides: {t: {}}}
    prompts: {}
    resources: {}
    timeouts: {}
    restart: {}
    circuitBreaker: {}
    results: {}
    retry: {budget: {}}
    ejection: {}
    health: {}
profiles: {p: {servers: [], tools: {}}}
";

#[test]
fn every_key_of_the_schema_is_read_and_every_key_read_is_in_the_schema() {
    let schema = schema();
    let mut told = BTreeSet::new();
    for (section, pointer) in SECTIONS.iter().filter(|(section, _)| !section.is_empty()) {
        let object = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        assert_eq!(object["additionalProperties"], json!(false), "{pointer}");
        for key in object["properties"].as_object().unwrap().keys() {
            told.insert((*section, key.clone()));
        }
    }
    let source = Source::new("a.yaml", EVERYTHING);
    let root = formats::parse(&source).unwrap();
    let (settings, check) = resolved(&source, root, &Surroundings::new(&|_| None));
    assert!(settings.is_some());
    assert_eq!(check.asked, told);
}

#[test]
fn no_section_of_the_schema_is_left_out_of_the_comparison() {
    let schema = schema();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        let known = SECTIONS.iter().any(|(_, pointer)| pointer.ends_with(&format!("/{name}")));
        assert!(known || definition.get("properties").is_none(), "{name}");
    }
}

#[test]
fn every_key_of_the_schema_is_described() {
    let schema = schema();
    for (_, pointer) in SECTIONS {
        let properties = schema.pointer(pointer).and_then(|object| object.get("properties"));
        for (key, property) in properties.and_then(Value::as_object).into_iter().flatten() {
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 8), "{pointer} {key}");
        }
    }
}

#[test]
fn the_committed_schema_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/trunkline.schema.json");
    let current = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == current, "run the test once with UPDATE_SCHEMA=1");
}
