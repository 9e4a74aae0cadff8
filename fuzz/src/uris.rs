//! Names and URIs as clients see them: each leads back to what it stands for, and to nothing else.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use trunkline_gateway::catalog::{Uris, names};
use trunkline_gateway::options::{Alphabet, Naming};
use trunkline_model::Text;
use trunkline_protocol::uris as spelled;

/// Names of servers: one is the beginning of another, one could be a path, one a scheme.
const SERVERS: [&str; 4] = ["a", "a_", "skill", "b.c"];

/// Lines of a kind and a text: what servers list, and what clients ask for.
pub fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let lines: Vec<&str> = text.split('\n').filter(|line| line.len() > 1).take(60).collect();
        uris_lead_back(&lines);
        names_are_told_apart(&lines);
    }
    results_are_respelled(data);
}

fn uris_lead_back(lines: &[&str]) {
    for count in 1..=SERVERS.len() {
        let mut uris = Uris::new((0..count).map(|number| (number, Arc::from(SERVERS[number]))).collect());
        let mut all = Vec::new();
        for (kind, text) in lines.iter().filter_map(|line| line.split_at_checked(1)) {
            let (text, kind) = (Text::from(text), kind.as_bytes()[0]);
            let server = usize::from(kind) % count;
            match kind / 8 % 4 {
                0 => uris.add_resource(&text, server),
                1 => uris.add_template(&text, server),
                2 => uris.add_skill(&text, server),
                _ => uris.add_skilled(server),
            }
            all.push(text);
        }
        uris.seal();
        for text in &all {
            for server in 0..count {
                let shown = uris.expose(server, text);
                let (led, original) = uris.route(&shown).expect("what is shown leads somewhere");
                assert_eq!((led, &*original), (server, &**text), "{shown}");
            }
            // What a client makes up leads to one server or to none, and never panics.
            let _ = uris.route(text).map(|(server, _)| assert!(server < count));
        }
    }
}

fn names_are_told_apart(lines: &[&str]) {
    for (alphabet, length) in [(Alphabet::Llm, 64), (Alphabet::Mcp, 128)] {
        for separator in ["__", "_", ""] {
            let naming = Naming { alphabet, separator: separator.to_owned(), ..Naming::default() };
            let mut taken = names::Taken::default();
            let mut names: HashMap<Arc<str>, (&str, &str)> = HashMap::new();
            for (kind, original) in lines.iter().filter_map(|line| line.split_at_checked(1)) {
                let server = SERVERS[usize::from(kind.as_bytes()[0]) % SERVERS.len()];
                let prefix = server.replace('.', "_");
                let wanted = names::expose(&naming, &prefix, server, original);
                assert_eq!(wanted, names::expose(&naming, &prefix, server, original), "stable");
                let Some(name) = taken.claim(&naming, &wanted, server, original) else { continue };
                let legal = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
                assert!(name.len() <= length && name.chars().all(legal), "{name}");
                assert!(alphabet == Alphabet::Mcp || !name.contains('.'), "{name}");
                let before = names.insert(name.clone(), (server, original));
                assert!(before.is_none(), "{name} stands for {before:?} and {server} {original}");
            }
        }
    }
}

/// A result whose URIs are respelled is what it was but for these, and with them spelled back it is what it was.
fn results_are_respelled(data: &[u8]) {
    let raw = Bytes::copy_from_slice(data);
    let there = |uri: &str| Cow::Owned(format!("mcp+a:{uri}"));
    let back = |uri: &str| Cow::Owned(uri.strip_prefix("mcp+a:").unwrap_or(uri).to_owned());
    type Map = fn(&Bytes, &dyn Fn(&str) -> Cow<'static, str>) -> Bytes;
    let all: [Map; 5] = [
        |raw, map| spelled::respell(raw, |uri| map(uri)),
        |raw, map| spelled::respell_skill(raw, |uri| map(uri)),
        |raw, map| spelled::respell_entry(raw, |uri| map(uri)),
        |raw, map| spelled::respell_directory(raw, |uri| map(uri)),
        |raw, map| spelled::respell_tool(raw, |uri| map(uri)),
    ];
    for respell in all {
        assert_eq!(respell(&raw, &|uri| Cow::Owned(uri.to_owned())), raw, "nothing to change");
        let changed = respell(&raw, &there);
        let (before, after) =
            (serde_json::from_slice(&raw), serde_json::from_slice(&respell(&changed, &back)));
        let (before, after): (Option<serde_json::Value>, Option<serde_json::Value>) =
            (before.ok(), after.ok());
        // One that begins like ours comes back shorter.
        if !data.windows(4).any(|window| window == b"mcp+") {
            assert_eq!(before, after);
        }
        assert_eq!(before.is_some(), serde_json::from_slice::<serde_json::Value>(&changed).is_ok());
    }
}
