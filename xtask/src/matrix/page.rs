//! `docs/compatibility.md`: the record, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::clients::{CLIENTS, Client};
use super::features::{FEATURES, Feature, Verdict};
use super::record::{Record, Verdicts};
use super::servers::{Eras, SERVERS, Server, Wire};

const WIRES: [Wire; 4] = [Wire::Stdio, Wire::Http, Wire::Sse, Wire::Ws];

const HEADER: &str = "\
<!-- Written by `cargo xtask matrix` (all pairs: `--full`) from what it saw; changes by hand are lost. -->

# Compatibility

Real clients against real servers through Trunkline, each in the exact release named here and over the transport named here.
Every pair is connected, its lists are read, and the server's tools, prompts and resources are used; where both ends can,
the server asks the user, the client's model and for roots. What the client gets must be what it gets without Trunkline, or,
where it cannot reach the server by itself, what a client of the server's own age gets. Every message of Trunkline is held
against the JSON schema of the revision it is spoken in.

`✓` everything that the server offers works. `◐` not everything does. `✗` no connection. `·` not tried yet.
Small numbers lead to the [notes](#notes).
";

/// The page. Equal records give equal pages.
pub(crate) fn render(record: &Record) -> String {
    let notes = Notes::of(record);
    let mut out = HEADER.to_owned();
    glance(&mut out, record, &notes);
    features(&mut out, record);
    transports(&mut out, record);
    notes.list(&mut out);
    invalid(&mut out, record);
    out
}

/// The cells that were tried.
fn cells(record: &Record) -> impl Iterator<Item = (&'static Client, &'static Server, &Verdicts)> {
    SERVERS.iter().flat_map(move |server| {
        CLIENTS.iter().filter_map(move |client| {
            let verdicts = record.cells.get(&(client.id.to_owned(), server.id.to_owned()))?;
            Some((client, server, verdicts))
        })
    })
}

fn glance(out: &mut String, record: &Record, notes: &Notes) {
    out.push_str("\n## At a glance\n\n| client | revision | over |");
    for server in SERVERS {
        put(out, format_args!(" {} {}<br>{} |", server.label, server.wire.name(), server.revision));
    }
    out.push_str("\n|---|---|---|");
    out.push_str(&":-:|".repeat(SERVERS.len()));
    out.push('\n');
    for client in CLIENTS {
        put(out, format_args!("| {} | {} | {} |", client.label, client.revision, client.wire.name()));
        for server in SERVERS {
            let pair = (client.id.to_owned(), server.id.to_owned());
            let Some(verdicts) = record.cells.get(&pair) else {
                out.push_str(" · |");
                continue;
            };
            let numbers = notes.numbers(verdicts);
            let small =
                if numbers.is_empty() { String::new() } else { format!("<sup>{}</sup>", numbers.join(",")) };
            put(out, format_args!(" {}{small} |", sign(verdicts)));
        }
        out.push('\n');
    }
}

fn sign(verdicts: &Verdicts) -> &'static str {
    if verdicts.iter().any(|(feature, verdict)| *feature == Feature::Connect && verdict.rank() == 0) {
        "✗"
    } else if verdicts.iter().any(|(_, verdict)| verdict.rank() == 0) {
        "◐"
    } else {
        "✓"
    }
}

fn features(out: &mut String, record: &Record) {
    let modern_client = |client: &Client| client.eras != Eras::Legacy;
    let modern_server = |server: &Server| server.eras != Eras::Legacy;
    let crossings = [
        ("legacy client, legacy server", false, false),
        ("legacy client, modern server", false, true),
        ("modern client, legacy server", true, false),
        ("modern client, modern server", true, true),
    ];
    out.push_str("\n## Features\n\nPairs in which a feature works, of those in which the server offers it and the client can use it. *Modern* is 2026-07-28, *legacy* what came before.\n\n| feature |");
    for (name, ..) in crossings {
        put(out, format_args!(" {name} |"));
    }
    out.push_str("\n|---|---|---|---|---|\n");
    for feature in FEATURES {
        put(out, format_args!("| {} |", feature.name()));
        for (_, client_modern, server_modern) in crossings {
            let of = cells(record)
                .filter(|(client, server, _)| {
                    modern_client(client) == client_modern && modern_server(server) == server_modern
                })
                .filter_map(|(.., verdicts)| verdicts.iter().find(|(of, _)| *of == feature))
                .map(|(_, verdict)| verdict);
            put(out, format_args!(" {} |", share(of)));
        }
        out.push('\n');
    }
}

/// `all 12`, `11 of 12`, or a dash.
fn share<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> String {
    let (mut works, mut all) = (0, 0);
    for verdict in verdicts.filter(|verdict| **verdict != Verdict::Absent) {
        all += 1;
        works += usize::from(verdict.rank() > 0);
    }
    match (works, all) {
        (_, 0) => "–".to_owned(),
        (works, all) if works == all => format!("all {all}"),
        (works, all) => format!("{works} of {all}"),
    }
}

fn transports(out: &mut String, record: &Record) {
    out.push_str("\n## Transports\n\nPairs in which everything works, by the client's transport (left) and the server's.\n\n| |");
    for wire in WIRES {
        put(out, format_args!(" {} |", wire.name()));
    }
    out.push_str("\n|---|---|---|---|---|\n");
    for front in WIRES {
        put(out, format_args!("| {} |", front.name()));
        for back in WIRES {
            let (mut works, mut all) = (0, 0);
            for (.., verdicts) in
                cells(record).filter(|(client, server, _)| client.wire == front && server.wire == back)
            {
                all += 1;
                works += usize::from(sign(verdicts) == "✓");
            }
            let text = match (works, all) {
                (_, 0) => "–".to_owned(),
                (works, all) if works == all => format!("all {all}"),
                (works, all) => format!("{works} of {all}"),
            };
            put(out, format_args!(" {text} |"));
        }
        out.push('\n');
    }
}

/// Notes and reasons, each with one number however many cells it is about.
struct Notes {
    numbers: BTreeMap<String, usize>,
    about: Vec<(String, Vec<String>)>,
}

impl Notes {
    fn of(record: &Record) -> Self {
        let mut notes = Self { numbers: BTreeMap::new(), about: Vec::new() };
        for (client, server, verdicts) in cells(record) {
            for text in Self::texts(verdicts) {
                let next = notes.about.len() + 1;
                let number = *notes.numbers.entry(text.clone()).or_insert(next);
                if number == next {
                    notes.about.push((text, Vec::new()));
                }
                notes.about[number - 1].1.push(format!("{} → {}", client.id, server.id));
            }
        }
        notes
    }

    /// What there is to say about a cell. If there is no connection, the rest follows from that.
    fn texts(verdicts: &Verdicts) -> Vec<String> {
        let line = |(feature, verdict): &(Feature, Verdict)| {
            let text = verdict.text()?;
            let kind = if verdict.rank() == 0 { "does not work" } else { "works" };
            Some(format!("{} {kind}: {text}", feature.name()))
        };
        let all: Vec<String> = verdicts.iter().filter_map(line).collect();
        if sign(verdicts) == "✗" { all.into_iter().take(1).collect() } else { all }
    }

    fn numbers(&self, verdicts: &Verdicts) -> Vec<String> {
        let numbers = Self::texts(verdicts).into_iter().filter_map(|text| self.numbers.get(&text));
        numbers.map(usize::to_string).collect()
    }

    fn list(&self, out: &mut String) {
        out.push_str("\n## Notes\n\n");
        if self.about.is_empty() {
            out.push_str("None.\n");
        }
        for (number, (text, about)) in self.about.iter().enumerate() {
            put(out, format_args!("{}. {}\n   {}\n", number + 1, escaped(text), about.join(", ")));
        }
    }
}

fn invalid(out: &mut String, record: &Record) {
    out.push_str("\n## Messages that the schemas forbid\n\n");
    if record.invalid.is_empty() {
        out.push_str("Trunkline says none.\n");
    }
    for violation in &record.invalid {
        put(out, format_args!("- {}\n", escaped(violation)));
    }
}

/// Text of peers is text here, too.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('<', "&lt;").replace('|', "\\|").replace('*', "\\*")
}

/// Writing to a string cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_what_does_not_work_and_why() {
        let mut record = Record::default();
        let mut verdicts: Verdicts = FEATURES.into_iter().map(|feature| (feature, Verdict::Works)).collect();
        let pair = |client: &str| (client.to_owned(), "rmcp-3.9-http".to_owned());
        record.cells.insert(pair("ts-1.12-http"), verdicts.clone());
        verdicts[2].1 = Verdict::Fails("a <wrong> result".to_owned());
        record.cells.insert(pair("ts-1.17-http"), verdicts);
        let page = render(&record);
        assert!(
            page.contains("calls does not work: a &lt;wrong> result\n   ts-1.17-http → rmcp-3.9-http"),
            "{page}"
        );
        assert!(page.contains("| calls | – | 1 of 2 |"), "{page}");
        assert!(page.contains("| HTTP | – | 1 of 2 | – | – |"), "{page}");
        assert!(page.contains("◐<sup>1</sup>"));
    }
}
