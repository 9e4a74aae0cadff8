//! Skills (SEP-2640) of several servers behind one endpoint, two of them with the same one.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use trunkline_e2e::client::{Client, ERAS, Era, LEGACY};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::scripted::{self, Scripted};
use trunkline_e2e::{driver, peers, process, wait};

/// A modern server and two that speak either era; all with skills, the first two with `refunds`.
fn three() -> Value {
    json!({
        "alpha": peers::ts_skills("modern-only", &["--word", "alpha", "--only", "blue"]).entry(),
        "beta": peers::ts_skills("legacy-only", &["--word", "beta", "--only", "green"]).entry(),
        "gamma": peers::rmcp_suite().entry(),
    })
}

fn listed(client: &mut Client) -> Vec<String> {
    let skills = client.list("skills/list", "skills");
    let uri = |entry: &String| trunkline_e2e::json::parse(entry)["uri"].as_str().map(str::to_owned);
    skills.iter().filter_map(uri).collect()
}

fn about(client: &mut Client, method: &str, uri: &str) -> trunkline_e2e::reply::Reply {
    client.request(method, &json!({ "uri": uri }).to_string())
}

/// What is in a directory, by pages of its server's own.
fn children(client: &mut Client, uri: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut params = json!({ "uri": uri });
    loop {
        let page = client.request("resources/directory/read", &params.to_string()).value();
        let all = page["resources"].as_array().expect("resources").iter();
        found.extend(all.filter_map(|child| child["uri"].as_str().map(str::to_owned)));
        assert!(found.len() < 100, "no end: {page}");
        match page["nextCursor"].as_str() {
            Some(next) => params["cursor"] = json!(next),
            None => break,
        }
    }
    found.sort();
    found
}

const SKILLS: [&str; 6] = [
    "skill://acme/blue/SKILL.md",
    "skill://refunds/SKILL.md",
    "skill://acme/green/SKILL.md",
    "skill://beta/refunds/SKILL.md",
    "skill://peer/tidy-notes/SKILL.md",
    "skill://peer/daily-digest/SKILL.md",
];

#[test]
fn a_real_client_reads_and_verifies_every_skill_of_every_server() {
    let gateway = Gateway::start(&three());
    for mode in ["legacy", "modern"] {
        let report = driver::skills(mode, &gateway.url());
        assert_eq!(report["directoryRead"], true, "{mode}: {report}");
        assert_eq!(report["unknown"], -32602, "{mode}: {report}");
        let skills = report["skills"].as_array().expect("skills");
        let found: Vec<&str> = skills.iter().filter_map(|skill| skill["uri"].as_str()).collect();
        assert_eq!(found, SKILLS, "{mode}: in the order of the configuration, then of the server");
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for skill in skills {
            assert_eq!(skill["same"], true, "{mode}: skills/get says what skills/list says: {skill}");
            for (uri, read) in skill["files"].as_object().expect("files") {
                let verified = skill["uri"] != SKILLS[5];
                assert_eq!(
                    read["verified"], verified,
                    "{mode}: all but the one that is made up: {uri} {read}"
                );
                files.insert(uri.clone(), read["text"].to_string());
            }
        }
        for (uri, word) in [
            ("skill://refunds/references/POLICY.md", "alpha"),
            ("skill://refunds/scripts/pay.py", "alpha"),
            ("skill://beta/refunds/SKILL.md", "beta"),
            ("skill://beta/refunds/references/POLICY.md", "beta"),
            ("skill://peer/tidy-notes/references/style.md", "nouns"),
        ] {
            assert!(files.get(uri).is_some_and(|text| text.contains(word)), "{mode}: {uri} in {files:?}");
        }
    }
}

#[test]
fn pages_directories_and_refusals_are_those_of_one_server() {
    let gateway = Gateway::with(json!({ "mcpServers": three(), "naming": { "pageItems": 4 } }));
    for era in ERAS {
        let mut client = gateway.client(era);
        assert_eq!(listed(&mut client), SKILLS, "{era:?}: over two pages");
        let first = client.request("skills/list", "{}");
        let hinted =
            json!([first.value()["ttlMs"], first.value()["cacheScope"], first.value()["resultType"]]);
        // A legacy server says nothing of how long its skills may be kept.
        let expected =
            if era == Era::Modern { json!([0, "private", "complete"]) } else { json!([null, null, null]) };
        assert_eq!(hinted, expected, "{era:?}");
        assert!(first.value()["nextCursor"].is_string(), "{era:?}: {}", first.raw);
        let stranger = client.request("skills/list", r#"{"cursor":"AAAA"}"#);
        assert_eq!((stranger.code(), stranger.reason().as_deref()), (Some(-32602), Some("bad_cursor")));

        let inside = ["SKILL.md", "references", "scripts"].map(|name| format!("skill://beta/refunds/{name}"));
        assert_eq!(children(&mut client, "skill://beta/refunds"), inside, "{era:?}: over three pages");
        let deeper = children(&mut client, &inside[1]);
        assert_eq!(deeper, ["skill://beta/refunds/references/POLICY.md"], "{era:?}");
        let other = children(&mut client, "skill://peer/tidy-notes/references");
        assert_eq!(other, ["skill://peer/tidy-notes/references/style.md"], "{era:?}");

        for (method, uri) in [
            ("resources/directory/read", "skill://beta/refunds/SKILL.md"),
            ("resources/directory/read", "trunkline://status"),
            ("skills/get", "skill://beta/refunds/references/POLICY.md"),
            ("skills/get", "skill://beta/nothing/SKILL.md"),
            ("skills/get", "trunkline://status"),
            ("skills/get", "mcp+nobody:skill://refunds/SKILL.md"),
        ] {
            let reply = about(&mut client, method, uri);
            assert_eq!(reply.code(), Some(-32602), "{era:?}: {method} {uri}: {}", reply.raw);
        }
        let nameless = client.request("skills/get", "{}");
        assert_eq!(nameless.code(), Some(-32602), "{era:?}: {}", nameless.raw);
        let named = about(&mut client, "skills/get", "mcp+alpha:skill://refunds/SKILL.md").value();
        assert_eq!(named["skill"]["uri"], "skill://refunds/SKILL.md", "{era:?}: any spelling leads there");
    }
}

#[test]
fn a_view_without_skills_says_so() {
    let gateway =
        Gateway::start(&json!({ "time": peers::time().entry(), "old": peers::everything_0_6().entry() }));
    for era in ERAS {
        let mut client = gateway.client(era);
        for (method, params) in [
            ("skills/list", "{}"),
            ("skills/get", r#"{"uri":"skill://a/SKILL.md"}"#),
            ("resources/directory/read", r#"{"uri":"skill://a"}"#),
        ] {
            let reply = client.request(method, params);
            assert_eq!(reply.code(), Some(-32601), "{era:?}: {method}: {}", reply.raw);
        }
    }
}

#[test]
fn a_dead_server_keeps_its_skills_listed_and_troubles_no_other() {
    let mut servers = three();
    servers["alpha"]["restart"] = json!({ "first": "30s", "max": "60s" });
    let gateway = Gateway::start(&servers);
    let mut clients = ERAS.map(|era| gateway.client(era));
    assert_eq!(listed(&mut clients[0]), SKILLS);
    let victim = gateway.children("--word alpha");
    assert_eq!(victim.len(), 1, "one process: {victim:?}");
    process::signal(victim[0], Signal::SIGKILL);
    wait::until(Duration::from_secs(5), "the reason in the list's _meta", || {
        let list = clients[1].request("skills/list", "{}").value();
        list["_meta"]["io.trunkline/upstreams"]["alpha"]["reason"].as_str().map(str::to_owned)
    });
    for client in &mut clients {
        assert_eq!(listed(client), SKILLS, "{:?}", client.era);
        let reply = about(client, "skills/get", "skill://refunds/SKILL.md");
        assert_eq!(reply.code(), Some(-32603), "{}", reply.raw);
        assert_eq!(reply.reason().as_deref(), Some("upstream_unavailable"), "{}", reply.raw);
        let reply = about(client, "skills/get", "skill://beta/refunds/SKILL.md").value();
        assert_eq!(reply["skill"]["resources"][0]["uri"], "skill://beta/refunds/SKILL.md");
    }
}

#[test]
fn a_skill_that_a_server_adds_is_listed_once_it_says_that_resources_changed() {
    let gateway = Gateway::start(&three());
    let mut client = gateway.client(Era::Modern);
    assert_eq!(listed(&mut client), SKILLS);
    let server = gateway.children("--word beta");
    process::signal(server[0], Signal::SIGUSR1);
    // Without the word of the server it would take a minute.
    let now = wait::until(Duration::from_secs(10), "the new skill", || {
        let now = listed(&mut client);
        (now.len() > SKILLS.len()).then_some(now)
    });
    assert_eq!(now[3], "skill://acme/late/SKILL.md", "{now:?}");
}

#[test]
fn what_a_legacy_client_declares_reaches_a_modern_server() {
    let server = Scripted::start(|seen, to| {
        if scripted::introduce(true, seen, to) || scripted::list(true, r#"[{"name":"look"}]"#, seen, to) {
            return;
        }
        to.result(&seen.id(), r#"{"resultType":"complete","content":[]}"#);
    });
    let gateway = Gateway::start(&json!({ "one": server.entry(), "time": peers::time().entry() }));
    let mut client = gateway.client(Era::Legacy);
    let apps = json!({ "io.modelcontextprotocol/ui": { "mimeTypes": ["text/html;profile=mcp-app"] }, "x.example/y": {} });
    client.initialize_with(
        LEGACY,
        &json!({ "extensions": apps, "experimental": { "z": {} }, "tasks": { "list": {} } }),
    );
    client.call("one__look", "{}").result();
    let seen = server.seen_of("tools/call");
    let params = trunkline_e2e::json::parse(&seen[0].params());
    let declared = &params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(*declared, json!({ "extensions": apps, "experimental": { "z": {} } }));
}
