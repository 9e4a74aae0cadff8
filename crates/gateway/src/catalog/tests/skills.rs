//! Skills and apps of several servers.

use std::sync::Arc;

use bytes::Bytes;
use trunkline_model::{Era, ListKind};
use trunkline_protocol::{Revision, list};
use trunkline_upstream::Phase;

use super::{Cursors, Filter, Source, built, offer, page, source, two};

/// A source that declares skills and has these entries (raw) and resources.
fn skilled(
    number: usize,
    name: &str,
    revision: Revision,
    settings: &str,
    skills: &str,
    resources: &str,
) -> Source {
    let mut offer = Arc::unwrap_or_clone(offer(revision, "", resources));
    offer.introduction.capabilities = Bytes::from(format!(
        "{{\"resources\":{{}},\"extensions\":{{\"io.modelcontextprotocol/skills\":{settings},\"x\":{{}}}}}}"
    ));
    let raw = Bytes::from(format!("{{\"skills\":[{skills}]}}"));
    offer.lists[ListKind::Skills as usize] = list::page(ListKind::Skills, &raw).unwrap().items.into();
    offer.skills_ttl_ms = Some(30_000);
    offer.skills_public = true;
    source(number, name, Phase::Ready, Some(Arc::new(offer)))
}

const REFUNDS: &str = r#"{"uri":"skill://refunds/SKILL.md","frontmatter":{"name":"refunds","description":"d"},"resources":[{"uri":"skill://refunds/SKILL.md","digest":"sha256:00","size":1.0}, {"size":2,"uri":"skill://refunds/a.md"}]}"#;

fn with_skills() -> Vec<Source> {
    let own = r#"{"uri":"skill://acme/x/SKILL.md","resources":"dynamic"}"#;
    vec![
        skilled(0, "one", Revision::R2026_07_28, "{}", REFUNDS, ""),
        skilled(
            1,
            "two",
            Revision::R2025_11_25,
            r#"{"directoryRead":true}"#,
            &format!("{REFUNDS},{own}"),
            r#"{"uri":"skill://refunds/a.md","name":"a"}"#,
        ),
    ]
}

#[test]
fn skills_of_all_servers_are_listed_and_equal_ones_are_told_apart_whole() {
    let catalog = built(&with_skills());
    for era in [Era::Legacy, Era::Modern] {
        let list = page(&catalog, ListKind::Skills, era);
        let skills = list["skills"].as_array().unwrap();
        let uris: Vec<&str> = skills.iter().map(|s| s["uri"].as_str().unwrap()).collect();
        assert_eq!(
            uris,
            ["skill://refunds/SKILL.md", "skill://two/refunds/SKILL.md", "skill://acme/x/SKILL.md"]
        );
        assert_eq!(skills[1]["resources"][1]["uri"], "skill://two/refunds/a.md");
        assert_eq!(skills[2]["resources"], "dynamic");
        let hints = (list["ttlMs"].as_u64(), list["cacheScope"].as_str());
        assert_eq!(hints, if era == Era::Modern { (Some(30_000), Some("public")) } else { (None, None) });
    }
    let raw = catalog.page(ListKind::Skills, Era::Legacy, false, None, &Cursors::new([1; 32])).unwrap();
    let text = std::str::from_utf8(&raw).unwrap();
    let rest = r#""resources":[{"uri":"skill://two/refunds/SKILL.md","digest":"sha256:00","size":1.0}, {"size":2,"uri":"skill://two/refunds/a.md"}]}"#;
    assert!(text.contains(rest), "digests, sizes and every other byte stay: {text}");
    let resources = page(&catalog, ListKind::Resources, Era::Modern);
    assert_eq!(resources["resources"][0]["uri"], "skill://two/refunds/a.md", "as in the skill");
    for (shown, server, own) in [
        ("skill://refunds/SKILL.md", 0, "skill://refunds/SKILL.md"),
        ("skill://two/refunds/SKILL.md", 1, "skill://refunds/SKILL.md"),
        ("skill://two/refunds", 1, "skill://refunds"),
        ("skill://two/refunds/unlisted.md", 1, "skill://refunds/unlisted.md"),
        ("skill://refunds/unlisted.md", 0, "skill://refunds/unlisted.md"),
        ("skill://two/hidden/SKILL.md", 1, "skill://hidden/SKILL.md"),
    ] {
        assert_eq!(catalog.uris.route(shown), Some((server, own.into())), "{shown}");
        assert_eq!(catalog.uris.expose(server, own), shown, "{own}");
    }
    assert_eq!(catalog.uris.route("skill://hidden/SKILL.md"), None);
}

#[test]
fn the_extensions_that_are_understood_are_declared_in_both_eras_if_some_server_has_them() {
    let introduced = built(&with_skills()).introduced;
    for said in [introduced.legacy_capabilities, introduced.modern_capabilities] {
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
        let expected = serde_json::json!({ "io.modelcontextprotocol/skills": { "directoryRead": true } });
        assert_eq!(said["extensions"], expected);
    }
    let without = built(&two()).introduced.modern_capabilities;
    assert!(memchr::memmem::find(&without, b"extensions").is_none());
}

#[test]
fn a_server_with_skills_that_is_down_keeps_them_listed() {
    let mut sources = with_skills();
    sources[1].status.phase =
        Phase::Down { reason: Arc::from("it exited"), retry_in: std::time::Duration::from_secs(2) };
    let list = page(&built(&sources), ListKind::Skills, Era::Modern);
    assert_eq!((list["skills"].as_array().unwrap().len(), list["ttlMs"].as_u64()), (3, Some(5000)));
    assert_eq!(list["_meta"]["io.trunkline/upstreams"]["two"]["reason"], "it exited");
    sources[1].offer = None;
    let list = page(&built(&sources), ListKind::Skills, Era::Modern);
    assert_eq!(list["skills"].as_array().unwrap().len(), 1, "one that was never read is left out");
    assert_eq!(list["ttlMs"], 5000);
}

#[test]
fn a_filter_hides_skills_like_the_resources_that_they_are_and_admits_what_is_in_an_admitted_one() {
    let mut sources = with_skills();
    let set = |pattern: &str| {
        let mut set = globset::GlobSetBuilder::new();
        set.add(globset::Glob::new(pattern).unwrap());
        Some(set.build().unwrap())
    };
    sources[1].rules.resources =
        Filter { include: set("skill://acme/x/SKILL.md"), exclude: set("**/secret.md") };
    let catalog = built(&sources);
    let list = page(&catalog, ListKind::Skills, Era::Modern);
    assert_eq!(list["skills"].as_array().unwrap().len(), 2);
    assert_eq!(catalog.uris.route("skill://acme/x/b.md"), Some((1, "skill://acme/x/b.md".into())));
    assert_eq!(catalog.uris.route("skill://acme/x/secret.md"), None);
    assert_eq!(catalog.uris.route("skill://two/refunds/a.md"), None);
}

#[test]
fn the_resource_that_shows_a_tool_keeps_its_scheme_and_leads_back() {
    let app = r#"{"name":"show","_meta":{"ui":{"resourceUri":"ui://view.html"}}}"#;
    let resource = r#"{"uri":"ui://view.html","name":"v"}"#;
    let sources: Vec<Source> = (0..2)
        .map(|n| {
            source(n, ["one", "two"][n], Phase::Ready, Some(offer(Revision::R2025_11_25, app, resource)))
        })
        .collect();
    let catalog = built(&sources);
    let tools = page(&catalog, ListKind::Tools, Era::Modern);
    let resources = page(&catalog, ListKind::Resources, Era::Modern);
    for (at, shown) in ["ui://view.html", "ui://two/view.html"].into_iter().enumerate() {
        assert_eq!(tools["tools"][at]["_meta"]["ui"]["resourceUri"], shown);
        assert_eq!(resources["resources"][at]["uri"], shown);
        assert_eq!(catalog.uris.route(shown), Some((at, "ui://view.html".into())));
    }
}
