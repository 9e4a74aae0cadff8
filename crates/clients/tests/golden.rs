//! One realistic file per client: what is read from it, and what connecting makes of it.
//!
//! `golden/<client>/before.*` is the file, `servers.json` what is read, `http.*` and `stdio.*` the file after
//! connecting. `UPDATE_GOLDEN=1 cargo test` writes the last three; read the difference before you keep it.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy knows this only inside test functions"
)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use trunkline_clients::{
    ClientKind, Format, ImportedServer, Prefer, TrunklineEntry, all, connect, connected, diff, disconnect,
    read_any, read_servers,
};

fn folder(kind: &ClientKind) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(kind.id)
}

/// The client's file and its extension.
fn before(kind: &ClientKind) -> (String, &'static str) {
    for extension in ["json", "jsonc", "toml", "yaml"] {
        if let Ok(text) = fs::read_to_string(folder(kind).join("before").with_extension(extension)) {
            return (text, extension);
        }
    }
    panic!("{} has no golden file", kind.id);
}

fn check(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, actual).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{}", path.display());
}

fn entry(prefer: Prefer) -> TrunklineEntry {
    TrunklineEntry {
        name: "trunkline".to_owned(),
        url: "http://127.0.0.1:8080/mcp".to_owned(),
        stdio_command: ["trunkline", "stdio", "--url", "http://127.0.0.1:8080/mcp"]
            .map(str::to_owned)
            .to_vec(),
        prefer,
    }
}

fn as_json(server: &ImportedServer) -> Value {
    let pairs = |pairs: &[(String, String)]| -> Value {
        pairs.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect()
    };
    let secrets = server.literal_secrets().into_iter();
    let mut map = json!({
        "name": server.name, "command": server.command, "args": server.args, "env": pairs(&server.env),
        "cwd": server.cwd, "url": server.url, "transport": format!("{:?}", server.transport),
        "headers": pairs(&server.headers), "include_tools": server.include_tools,
        "exclude_tools": server.exclude_tools, "timeout_ms": server.timeout_ms, "disabled": server.disabled,
        "env_file": server.env_file, "notes": server.notes, "extra": server.extra,
        "secrets": secrets.map(|place| format!("{:?} {} -> {}", place.part, place.key, place.suggested_env))
            .collect::<Vec<_>>(),
    });
    if let Some(map) = map.as_object_mut() {
        map.retain(|_, value| {
            !(value.is_null() || *value == json!([]) || *value == json!({}) || *value == json!(false))
        });
    }
    map
}

fn tree(kind: &ClientKind, text: &str) -> Value {
    match kind.format {
        Format::Json => {
            jsonc_parser::parse_to_serde_value(text, &jsonc_parser::ParseOptions::default()).unwrap()
        }
        Format::Toml => toml::from_str(text).unwrap(),
        Format::Yaml => serde_saphyr::from_str(text).unwrap(),
    }
}

#[test]
fn every_client_is_read_as_its_golden_file_says() {
    for kind in all() {
        let (text, _) = before(kind);
        let servers: Vec<Value> = read_servers(kind, &text).unwrap().iter().map(as_json).collect();
        let rendered = serde_json::to_string_pretty(&servers).unwrap() + "\n";
        check(&folder(kind).join("servers.json"), &rendered);
    }
}

#[test]
fn every_client_is_connected_as_its_golden_files_say() {
    for kind in all() {
        let (text, extension) = before(kind);
        for (name, prefer) in [("http", Prefer::Http), ("stdio", Prefer::Stdio)] {
            let after = connect(kind, Some(&text), &entry(prefer)).unwrap();
            assert!(connected(kind, &after, "trunkline").unwrap());
            check(&folder(kind).join(name).with_extension(extension), &after);
        }
    }
}

#[test]
fn connecting_twice_is_connecting_once_and_disconnecting_gives_the_original_back() {
    for kind in all() {
        let (text, _) = before(kind);
        for text in [text.clone(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
            for prefer in [Prefer::Http, Prefer::Stdio] {
                let once = connect(kind, Some(&text), &entry(prefer)).unwrap();
                assert_eq!(connect(kind, Some(&once), &entry(prefer)).unwrap(), once, "{}", kind.id);
                let other = if prefer == Prefer::Http { Prefer::Stdio } else { Prefer::Http };
                let switched = connect(kind, Some(&once), &entry(other)).unwrap();
                let back = disconnect(kind, &switched, "trunkline").unwrap();
                let bare = |text: &str| tree(kind, text.trim_start_matches('\u{feff}'));
                assert_eq!(bare(&back), bare(&text), "{}", kind.id);
                assert_eq!(disconnect(kind, &back, "trunkline").unwrap(), back);
            }
        }
    }
}

#[test]
fn every_line_of_the_original_survives_connecting_with_its_line_end() {
    for kind in all().iter().filter(|kind| !["roo", "qoder"].contains(&kind.id)) {
        let text = before(kind).0.replace('\n', "\r\n");
        let after = connect(kind, Some(&text), &entry(Prefer::Http)).unwrap();
        assert!(!after.replace("\r\n", "").contains('\n'), "{}", kind.id);
        let mut lines = after.lines();
        for line in text.lines() {
            // A comma may have been added behind the last entry.
            assert!(
                lines.any(|after| after == line || after.strip_suffix(',') == Some(line)),
                "{}: `{line}` is gone",
                kind.id
            );
        }
    }
}

#[test]
fn a_client_without_a_file_gets_one_that_it_can_read() {
    for kind in all() {
        for current in [None, Some(""), Some("\n")] {
            let text = connect(kind, current, &entry(Prefer::Http)).unwrap();
            let servers = read_servers(kind, &text).unwrap();
            assert_eq!(servers.len(), 1, "{}", kind.id);
            assert_eq!(servers[0].name, "trunkline");
            assert_eq!(servers[0].url.is_none(), kind.stdio_only, "{}", kind.id);
            assert!(servers[0].notes.is_empty(), "{}: {:?}", kind.id, servers[0].notes);
            assert!(text.ends_with('\n'));
        }
    }
}

#[test]
fn the_shape_alone_is_enough_to_read_every_file() {
    for kind in all().iter().filter(|kind| kind.id != "qoder") {
        let (text, extension) = before(kind);
        let known: Vec<_> =
            read_servers(kind, &text).unwrap().into_iter().map(|server| server.name).collect();
        for path in [format!("pasted.{extension}"), "pasted".to_owned()] {
            let found = read_any(Path::new(&path), &text).unwrap();
            let names: Vec<_> = found.into_iter().map(|server| server.name).collect();
            assert!(
                !names.is_empty() && names.iter().all(|name| known.contains(name)),
                "{} {names:?}",
                kind.id
            );
        }
    }
}

#[test]
fn no_diff_shows_a_credential() {
    for kind in all() {
        let (text, _) = before(kind);
        let shown =
            diff("", &text) + &diff(&text, &connect(kind, Some(&text), &entry(Prefer::Http)).unwrap());
        for server in read_servers(kind, &text).unwrap() {
            for place in server.literal_secrets() {
                let values = server.env.iter().chain(&server.headers);
                for (_, value) in values.filter(|(key, _)| *key == place.key) {
                    assert!(!shown.contains(value.as_str()), "{} {}", kind.id, place.key);
                }
            }
        }
    }
}
