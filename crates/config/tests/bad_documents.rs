//! Each bad document is refused with the right message at the right place, in all three formats.

use trunkline_config::{Severity, Source, load};

/// Format by name, document, and `line:column: message` of each error in order.
type Case = (&'static str, &'static str, &'static [&'static str]);

const SERVER: &str = "mcpServers: {a: {command: x}}";

const CASES: &[Case] = &[
    // Syntax.
    ("a.yaml", "a: [1\n", &["1:4: unclosed bracket '['"]),
    ("a.yaml", "log: {}\nlog: {}\n", &["2:1: this key is given twice"]),
    ("a.json", "{\"log\": {}, \"log\": {}}", &["1:13: this key is given twice"]),
    ("a.json", "{\"listen\": 1 \"admin\": 2}", &["1:13: expected comma"]),
    ("a.json", "{\n  \"listen\":\n}", &["3:1: unexpected close brace"]),
    (
        "a.toml",
        "listen = \nadmin = \"off\n",
        &[
            "1:10: string values must be quoted, expected literal string",
            "2:13: invalid basic string, expected `\"`",
        ],
    ),
    // Keys.
    ("a.yaml", "lisen: 80\n", &["1:1: unknown key `lisen`"]),
    ("a.json", "{\"limits\": {\"body_bytes\": 1}}", &["1:13: unknown key `body_bytes`"]),
    ("a.toml", "[mcpServers.a]\ncommand = \"x\"\nargz = []\n", &["3:1: unknown key `argz`"]),
    (
        "a.yaml",
        "servers: {}\nmcpServers: {}\n",
        &["1:1: `mcpServers` and `servers` mean the same; give only one"],
    ),
    // Types.
    ("a.yaml", "limits: 3\n", &["1:9: expected a map, found a number"]),
    (
        "a.yaml",
        "mcpServers: {one: {command: x}, two: {command: x, disabled: true}}\nreadiness: {requireServers: [oen, two]}\nshutdown: {grace: 0}\nreload: {watch: maybe}\n",
        &[
            "2:30: no server has this name",
            "2:35: this server is switched off, and would never be ready",
            "3:19: a duration must be longer than zero",
            "4:17: expected true or false, found text",
        ],
    ),
    ("a.yaml", "readiness: {requireServers: some}\n", &["1:29: not a condition"]),
    (
        "a.json",
        "{\"security\": {\"allowAnonymousBeyondLoopback\": \"true\"}}",
        &["1:47: expected true or false, found text"],
    ),
    (
        "a.toml",
        "[limits]\nstreams = \"deep\"\nsessions = 0\n",
        &["2:11: expected a whole number, found text", "3:12: expected a whole number from 1 to 10000000"],
    ),
    // Limits of calls.
    (
        "a.yaml",
        "limits:\n  rates:\n    - {per: principle, rate: fast, cost: x}\n    - {burst: 3}\n    - {rate: 5/s, cost: {tools: {\"a*\": 9}}}\n",
        &[
            "3:13: not something that can be counted apart",
            "3:30: not a rate",
            "3:42: expected a whole number, found text",
            "4:7: this limit has no `rate`",
            "5:25: a call that costs 9 is never admitted with a burst of 5",
        ],
    ),
    ("a.yaml", "threads: 0\n", &["1:10: expected a whole number from 1 to 1024"]),
    (
        "a.yaml",
        "mcpServers: {a: {command: x, rateLimit: 0/s, maxConcurrency: 0}}\nlimits:\n  concurrency:\n    - {max: 1, match: {servers: [b]}, name: n}\n    - {max: 1, name: n, wait: -1}\n",
        &[
            "1:41: not a rate",
            "1:62: expected a whole number from 1 to 1000000",
            "4:34: no server has this name",
            "5:22: a limit of this name is there already",
            "5:31: not a duration",
        ],
    ),
    (
        "a.yaml",
        "limits: {memory: 1MiB, lag: soon}\n",
        &["1:18: expected a size from 33554432 to 70368744177664 bytes", "1:29: not a duration"],
    ),
    // Addresses.
    ("a.yaml", "listen: here\n", &["1:9: not a listening address"]),
    (
        "a.yaml",
        "listen: 0.0.0.0:80\n",
        &[
            "1:9: this address is reachable from other machines, and anybody who reaches it may call every tool",
        ],
    ),
    (
        "a.toml",
        "listen = 8808\nadmin = {listen = 8808}\n",
        &["2:19: `listen` and `admin.listen` are the same address"],
    ),
    // Values.
    (
        "a.yaml",
        "limits:\n  headerTimeout: 5 parsecs\n  bodyBytes: 4 apples\n  bodyTimeout: 0\n",
        &["2:18: not a duration", "3:14: not a size", "4:16: a duration must be longer than zero"],
    ),
    ("a.yaml", "log: {level: inof, format: xml}\n", &["1:14: not a log level", "1:28: not a log format"]),
    (
        "a.yaml",
        "naming:\n  separator: .\n  alphabet: ascii\n",
        &["2:14: a separator has 1 to 8 characters of the alphabet", "3:13: not an alphabet"],
    ),
    (
        "a.yaml",
        "security:\n  allowedHosts: ['http://x']\n  allowedOrigins: [x]\n",
        &[
            "2:18: expected a host name, with a port if it is not the usual one",
            "3:20: expected an origin such as \"https://app.example\"",
        ],
    ),
    // Servers.
    ("a.json", "{\"servers\": {\"a\": {}}}", &["1:19: neither `command` nor `url` is given"]),
    (
        "a.toml",
        "[mcp_servers.a]\ncommand = \"x\"\nurl = \"http://h/\"\n",
        &["3:7: both `command` and `url` are given"],
    ),
    (
        "a.yaml",
        "mcpServers:\n  a: {url: 'ftp://h'}\n  b: {url: 'http://u:p@h/'}\n  c: {url: h/mcp}\n",
        &[
            "2:12: only http, https, ws and wss URLs can be reached",
            "3:12: a URL must not hold a user or password",
            "4:12: not a URL",
        ],
    ),
    (
        "a.yaml",
        "mcpServers:\n  a: {type: sse, url: ws://h/sse}\n  b: {type: ws, url: http://h}\n  c: {type: sdtio, command: x}\n  d: {type: stdio, url: ws://h}\n  e: {type: sse, url: http://h/sse, era: modern}\n",
        &[
            "2:23: `type: sse` needs an http or https URL",
            "3:22: `type: ws` needs a ws or wss URL",
            "4:13: not a transport",
            "5:13: this type needs `command`, but `url` is given",
            "6:42: HTTP+SSE carries the legacy era only",
        ],
    ),
    (
        "a.yaml",
        "mcpServers:\n  a: {type: http, command: x}\n  b: {type: sse, command: x}\n  c: {type: ws}\n",
        &[
            "2:13: this type needs `url`, but `command` is given",
            "3:13: this type needs `url`, but `command` is given",
            "4:6: neither `command` nor `url` is given",
        ],
    ),
    (
        "a.yaml",
        "mcpServers:\n  a: {command: x, prefix: a.b}\n  b: {command: x, prefix: p}\n  c: {command: x, prefix: p}\n",
        &["2:27: a prefix has 1 to 20 letters, digits, `_` or `-`", "4:27: this prefix is also that of `b`"],
    ),
    (
        "a.yaml",
        "mcpServers:\n  a: {command: x, tools: {include: ['[a']}, era: moden}\n",
        &["2:37: not a pattern: unclosed character class; missing ']'", "2:50: not an era"],
    ),
    (
        "a.yaml",
        "mcpServers:\n  a: {command: x, sessions: perclient, maxSessions: 0}\n",
        &["2:29: not a way to share sessions", "2:53: expected a whole number from 1 to 10000"],
    ),
    (
        "a.yaml",
        "mcpServers:\n  a: {url: 'http://h', headers: {'a b': x, Host: h, X: \"a\\nb\"}}\n",
        &[
            "2:34: not the name of a header",
            "2:44: this header is set by Trunkline itself",
            "2:56: a header cannot hold control characters or line breaks",
        ],
    ),
    (
        "a.yaml",
        "mcpServers:\n  a: {command: x, transparent: true}\n  b: {command: y}\n",
        &["2:32: a transparent server must be alone, but the default view has 2 servers"],
    ),
    (
        "a.yaml",
        "mcpServers:\n  a: {command: x, restart: {first: 2m, max: 1m}, disabled: true, enabled: true}\n",
        &["2:6: `disabled` and `enabled` contradict each other", "2:28: `first` is longer than `max`"],
    ),
    ("a.yaml", "mcpServers: [{command: x}]\n", &["1:14: a server in a list needs a `name`"]),
    // Profiles.
    (
        "a.json",
        "{\"servers\": {\"git\": {\"command\": \"x\"}}, \"profiles\": {\"p/q\": {\"servers\": [\"gti\"]}, \"r\": {}}}",
        &[
            "1:53: a profile's name has 1 to 64 letters, digits, `_`, `-` or `.`",
            "1:73: no server has this name",
            "1:82: this profile names no servers",
        ],
    ),
    // References.
    (
        "a.yaml",
        "mcpServers:\n  a: {command: x, env: {A: \"b${NO}c\", B: \"${\", C: '${a b}'}}\n",
        &[
            "2:30: the environment variable NO is not set",
            "2:42: `${` without `}`",
            "2:52: this is not the name of a variable",
        ],
    ),
    (
        "a.toml",
        "[mcp_servers.a]\nurl = \"http://h\"\nbearer_token_env_var = \"NO\"\n",
        &["3:24: this environment variable is not set"],
    ),
];

#[test]
fn every_bad_document_is_refused_with_its_messages_at_their_places() {
    let mut wrong = Vec::new();
    for (name, text, wanted) in CASES {
        let problems = load(Source::new(*name, *text), &|_| None).map(|_| ()).expect_err(text);
        let found: Vec<String> = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .map(|problem| problem.to_string().trim_start_matches(name).trim_start_matches(':').to_owned())
            .collect();
        if found != *wanted {
            wrong.push(format!("{text}\n  wanted {wanted:#?}\n  found {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn problems_of_unrelated_parts_come_all_at_once() {
    let text = format!("{SERVER}\nlisten: x\nlog: {{level: y}}\nfoo: 1\nprofiles: {{p: {{servers: [b]}}}}\n");
    let problems = load(Source::new("a.yaml", text), &|_| None).map(|_| ()).expect_err("bad");
    let lines: Vec<_> = problems.iter().map(|problem| problem.line.unwrap_or(0)).collect();
    assert_eq!(lines, [2, 3, 4, 5]);
}

#[test]
fn problems_are_also_json() {
    let problems =
        load(Source::new("a.yaml", "limits: {strems: 3}\n"), &|_| None).map(|_| ()).expect_err("bad");
    let wanted = serde_json::json!([{
        "severity": "error", "message": "unknown key `strems`", "file": "a.yaml", "line": 1, "column": 10,
        "hint": "did you mean `streams`?", "path": "limits.strems"
    }]);
    assert_eq!(problems.to_json(), wanted);
}
