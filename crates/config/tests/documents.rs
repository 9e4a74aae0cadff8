//! The starter, the examples, the defaults, and what a reload sees.

use std::time::Duration;

use trunkline_config::{LogFormat, Settings, Source, changes, load, render, starter};

fn settings(name: &str, text: &str) -> Settings {
    let loaded = load(Source::new(name, text), &|_| None);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", render(&problems, false)));
    assert!(loaded.notes.is_empty(), "{}", render(&loaded.notes, false));
    loaded.settings
}

fn names(settings: &Settings) -> Vec<&str> {
    settings.upstreams.iter().map(|upstream| &*upstream.name).collect()
}

#[test]
fn the_starter_loads_without_problems() {
    assert!(starter().starts_with("# yaml-language-server: $schema="));
    assert_eq!(names(&settings("trunkline.yaml", starter())), ["everything"]);
}

#[test]
fn the_commented_parts_of_the_starter_load_too() {
    let strip = |line: &str| match line.trim_start().strip_prefix("# ") {
        Some(rest)
            if rest.contains(':')
                && !rest.contains("/path")
                && !rest.contains(". ")
                && !rest.contains("language-server")
                && !rest.contains("http:") =>
        {
            format!("{}{rest}", &line[..line.len() - line.trim_start().len()])
        }
        Some(_) => String::new(),
        None => line.trim_end_matches('#').to_owned(),
    };
    let text: Vec<String> = starter().lines().map(strip).collect();
    let text = text.join("\n");
    let loaded = load(Source::new("trunkline.yaml", text.as_str()), &|_| Some("x".to_owned()));
    let settings = loaded.unwrap_or_else(|problems| panic!("{text}\n{}", render(&problems, false))).settings;
    assert_eq!(names(&settings), ["everything", "github"]);
    assert_eq!(settings.gateway.profiles.len(), 1);
}

#[test]
fn the_examples_load_without_problems() {
    let quickstart = settings("quickstart.yaml", include_str!("../../../examples/quickstart.yaml"));
    assert_eq!(names(&quickstart), ["everything", "memory", "time"]);
    let http = settings("http.json", include_str!("../../../examples/http.json"));
    assert_eq!(names(&http), ["github", "docs"]);
    let codex = settings("codex.toml", include_str!("../../../examples/codex.toml"));
    assert_eq!(names(&codex), ["context7", "memory"]);
    let profiles = settings("profiles.yaml", include_str!("../../../examples/profiles.yaml"));
    assert_eq!(profiles.gateway.profiles[0].servers.len(), 2);
}

#[test]
fn an_empty_document_is_all_defaults() {
    for (name, text) in
        [("a.yaml", ""), ("a.json", "{}"), ("a.toml", "# nothing\n"), ("a.yaml", "admin:\nlimits:\n")]
    {
        let settings = settings(name, text);
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8808");
        assert_eq!(settings.admin.unwrap().to_string(), "127.0.0.1:8809");
        assert_eq!(settings.limits.body_bytes, 4 << 20);
        assert_eq!(settings.limits.session_idle, Duration::from_mins(30));
        assert_eq!((settings.log.level.as_str(), settings.log.format), ("info", LogFormat::Auto));
        assert_eq!(settings.gateway.naming.separator, "__");
        assert!(settings.upstreams.is_empty());
    }
}

#[test]
fn the_admin_listener_can_be_off_in_every_format() {
    let off = [
        ("a.yaml", "admin: off"),
        ("a.yaml", "admin: {listen: off}"),
        ("a.json", "{\"admin\": {\"listen\": null}}"),
        ("a.json", "{\"admin\": false}"),
        ("a.toml", "admin.listen = \"off\""),
    ];
    for (name, text) in off {
        assert_eq!(settings(name, text).admin, None, "{text}");
    }
}

#[test]
fn all_three_formats_say_the_same() {
    let yaml = "mcpServers:\n  b: {url: 'http://h/mcp', timeouts: {total: 2m}}\n  a: {command: x, args: ['1'], era: legacy}\n";
    let json = "{mcpServers: {b: {url: 'http://h/mcp', timeouts: {total: 120}}, a: {command: 'x', args: [1], era: 'legacy'}}}";
    let toml = "[mcpServers.b]\nurl = \"http://h/mcp\"\ntimeouts.total = \"120s\"\n[mcpServers.a]\ncommand = \"x\"\nargs = [1]\nera = \"legacy\"\n";
    let yaml = settings("a.yaml", yaml);
    assert_eq!(names(&yaml), ["b", "a"]);
    assert!(changes(&yaml, &settings("a.json", json)).is_empty());
    assert!(changes(&yaml, &settings("a.toml", toml)).is_empty());
}

#[test]
fn a_reload_tells_servers_views_and_restarts_apart() {
    let old = settings("a.yaml", "mcpServers: {a: {command: x}, b: {command: y}, c: {command: z}}\n");
    let new = "listen: 9999\nlog: {level: debug}\nlimits: {streams: 64}\nmcpServers: {a: {command: x, tools: {exclude: [t]}}, b: {command: y, args: [n]}, d: {command: w}}\n";
    let found = changes(&old, &settings("a.yaml", new));
    let texts = |names: &[std::sync::Arc<str>]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts(&found.added), ["d"]);
    assert_eq!(texts(&found.removed), ["c"]);
    assert_eq!(texts(&found.changed), ["b"]);
    assert_eq!(found.applied, ["listen", "log.level", "limits.streams"]);
    assert!(found.views && found.restart.is_empty());
    let next = changes(&old, &settings("a.yaml", "reusePort: true\nthreads: 3\nstateDir: /s\n"));
    assert_eq!(next.restart, ["reusePort", "threads", "stateDir"]);
    assert_eq!(next.applied, ["shutdown"], "a shared address has another delay");
    assert!(changes(&old, &old).is_empty());
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_document() {
    for (name, text) in [
        ("a.yaml", "\u{feff}listen: 9\n"),
        ("a.json", "\u{feff}{\"listen\": 9}"),
        ("a.toml", "\u{feff}listen = 9\n"),
        ("-", "\u{feff}{\"listen\": 9}"),
    ] {
        assert_eq!(settings(name, text).listen.port(), 9, "{name}");
    }
}

#[test]
fn limits_of_calls_are_compiled_named_and_compared() {
    let text = r#"
mcpServers: {a: {command: x, rateLimit: 50/s, maxConcurrency: 4}}
limits:
  rates:
    - {per: [principal, tool], rate: 10/m, burst: 3}
    - {rate: 500/10s, match: {tools: ["a__*"], methods: [tools/call]}, cost: {default: 2, tools: {"a__x": 5}}}
  concurrency:
    - {per: client, max: 8, wait: 2s}
    - {per: client, max: 9, wait: 0s}
  memory: 256MiB
  lag: off
"#;
    let one = settings("a.yaml", text);
    let limits = one.gateway.limits.as_ref().expect("there are limits by default");
    let names: Vec<&str> = limits.rates.iter().map(|rate| &*rate.name).collect();
    assert_eq!(names, ["principal-tool", "all-tools/call", "server:a"]);
    let bursts: Vec<u32> = limits.rates.iter().map(|rate| rate.burst).collect();
    assert_eq!(bursts, [3, 500, 50]);
    assert_eq!(limits.rates[0].rate.period, Duration::from_mins(1));
    assert_eq!(limits.rates[1].rate.period, Duration::from_secs(10));
    let names: Vec<&str> = limits.concurrency.iter().map(|limit| &*limit.name).collect();
    assert_eq!(names, ["client", "client-2"]);
    assert_eq!(limits.concurrency[1].wait, Duration::ZERO);
    assert_eq!(limits.overload.servers.get("a"), Some(&4));
    assert_eq!((limits.overload.memory, limits.overload.lag), (Some(256 << 20), None));
    assert!(changes(&one, &settings("a.yaml", text)).is_empty());
    let other = changes(&one, &settings("a.yaml", &text.replace("a__x", "a__y")));
    assert!(other.limits && other.changed.is_empty() && other.restart.is_empty());
}
