//! Hostile documents end in a problem, soon.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use trunkline_config::{Format, Source, load, render};

fn refused(name: &str, text: String) {
    let start = Instant::now();
    let problems = load(Source::new(name, text), &|_| None).map(|_| ()).expect_err(name);
    assert!(!render(&problems, true).is_empty());
    assert!(render(&problems, true).len() < 200_000);
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn deep_nesting_is_refused() {
    refused("a.json", "[".repeat(10_000));
    refused("a.json", "{\"a\":".repeat(10_000));
    refused("a.yaml", "[".repeat(10_000));
    refused("a.yaml", "{a: ".repeat(10_000));
    refused("a.yaml", "- ".repeat(10_000));
    refused("a.toml", format!("a = {}", "[".repeat(10_000)));
    refused("a.toml", format!("[{}a]", "a.".repeat(10_000)));
    refused("a.json", format!("{}1{}", "[".repeat(40), "]".repeat(40)));
    refused("a.toml", format!("a = {}1{}", "[".repeat(40), "]".repeat(40)));
}

#[test]
fn alias_bombs_are_refused() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        let _ = writeln!(bomb, "a{level}: &a{level} [{}]", vec![alias; 9].join(","));
    }
    refused("a.yaml", bomb);
    refused("a.yaml", "a: &a [*a]\n".to_owned());
}

#[test]
fn floods_are_refused() {
    refused("a.yaml", "x".repeat(2 << 20));
    refused("a.json", format!("[{}1]", "1,".repeat(100_000)));
    let mut keys = String::from("limits: {");
    for key in 0..20_000 {
        let _ = write!(keys, "k{key}: 1, ");
    }
    refused("a.yaml", keys + "}\n");
    refused("a.yaml", format!("{}: 1\n", "k".repeat(900)));
    refused("a.json", format!("{{\"{}\": 1}}", "k".repeat(900_000)));
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Yaml), Just(Format::Json), Just(Format::Toml)]
}

fn survives(format: Format, text: String) {
    let source = Source { format: Some(format), world_readable: true, ..Source::new("a", text) };
    match load(source, &|name| (name.len() > 2).then(|| "v".to_owned())) {
        Ok(loaded) => drop(render(&loaded.notes, false)),
        Err(problems) => {
            assert!(!problems.is_empty());
            drop((render(&problems, true), problems.to_json()));
        }
    }
}

/// Words a document is made of, to get past the first error.
const WORDS: &[&str] = &[
    "mcpServers",
    "command",
    "url",
    "env",
    "headers",
    "tools",
    "include",
    "a",
    "é",
    ": ",
    ":\n  ",
    "\n",
    "\n    ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "=",
    "\"",
    "'",
    "&x ",
    "*x",
    "<<",
    "|\n",
    "${",
    "${A}",
    "${file:x}",
    "}",
    "http://h",
    "30s",
    "1",
    "true",
    "null",
    "#",
    "//",
    "[[",
    "]]",
    "\t",
    "\r\n",
    "limits",
    "listen",
    "profiles",
    "servers",
    "*",
    "\u{feff}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_the_loader_panic(format in format(), text in "\\PC{0,200}") {
        survives(format, text);
    }

    #[test]
    fn no_sequence_of_document_words_makes_the_loader_panic(
        format in format(),
        words in prop::collection::vec(prop::sample::select(WORDS), 0..60),
    ) {
        survives(format, words.concat());
    }

    #[test]
    fn no_cut_or_changed_document_makes_the_loader_panic(
        at in 0..1200_usize,
        length in 0..20_usize,
        put in "\\PC{0,4}",
    ) {
        let mut text = include_str!("../../../examples/profiles.yaml").to_owned();
        let start = text.floor_char_boundary(at.min(text.len()));
        let end = text.floor_char_boundary((start + length).min(text.len()));
        text.replace_range(start..end, &put);
        survives(Format::Yaml, text);
    }
}
