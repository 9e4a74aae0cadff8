//! The differential oracle: what comes through the gateway is what the server says directly.
//!
//! Compared are the raw texts of the members of each result, without what the modern era adds. So a dropped member, a
//! reformatted number or a changed order of keys fails, and so does an error that became a result.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use trunkline_e2e::client::{Client, ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::json::{at, essence, member, members};
use trunkline_e2e::peers::{self, Program};
use trunkline_e2e::pipe::Pipe;

/// One request to one server.
struct Case {
    method: &'static str,
    /// The tool's or prompt's own name; empty for reads.
    name: &'static str,
    /// Its params without the name, as text: `"arguments":{...}` or `"uri":"..."`.
    rest: String,
}

fn tool(name: &'static str, arguments: &str) -> Case {
    Case { method: "tools/call", name, rest: format!(r#""arguments":{arguments}"#) }
}

fn prompt(name: &'static str, arguments: &str) -> Case {
    Case { method: "prompts/get", name, rest: format!(r#""arguments":{arguments}"#) }
}

fn read(uri: &str) -> Case {
    Case { method: "resources/read", name: "", rest: format!(r#""uri":"{uri}""#) }
}

impl Case {
    /// The params with this prefix in front of the name.
    fn params(&self, prefix: &str) -> String {
        if self.name.is_empty() {
            format!("{{{}}}", self.rest)
        } else {
            format!(r#"{{"name":"{prefix}{}",{}}}"#, self.name, self.rest)
        }
    }
}

/// Compares every case through a transparent gateway and through one that aggregates, for both kinds of clients.
///
/// `program` is called for each process: one with state needs a place of its own each time.
fn same_everywhere(program: impl Fn(&Path) -> Program, cases: &[Case]) {
    let mut place = 0;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut next = || {
        place += 1;
        let folder = dir.path().join(place.to_string());
        std::fs::create_dir(&folder).expect("the folder is new");
        program(&folder)
    };
    let mut direct = Pipe::legacy(&next());
    let answers: Vec<String> =
        cases.iter().map(|case| direct.request(case.method, &case.params(""))).collect();
    drop(direct);

    for (prefix, transparent) in [("", true), ("one__", false)] {
        for era in ERAS {
            let mut entry = next().entry();
            entry["transparent"] = json!(transparent);
            let gateway = Gateway::start(&json!({ "one": entry }));
            let mut client = gateway.client(era);
            for (case, answer) in cases.iter().zip(&answers) {
                compare(&mut client, case, prefix, answer);
            }
        }
    }
}

fn compare(client: &mut Client, case: &Case, prefix: &str, answer: &str) {
    let params = case.params(prefix);
    let reply = client.request(case.method, &params);
    let about = format!("{:?} {} {params}", client.era, case.method);
    match (member(answer, "result"), member(answer, "error")) {
        (Some(direct), None) if client.era == Era::Legacy => {
            assert_eq!(direct, reply.result(), "{about}");
        }
        (Some(direct), None) => assert_eq!(essence(&direct), essence(&reply.result()), "{about}"),
        (None, Some(direct)) => {
            let error =
                member(&reply.raw, "error").unwrap_or_else(|| panic!("{about}: no error: {}", reply.raw));
            // The code of a missing resource differs between the eras.
            if client.era == Era::Legacy {
                assert_eq!(direct, error, "{about}");
            } else {
                assert_eq!(at(&direct, &["message"]), at(&error, &["message"]), "{about}");
            }
        }
        _ => panic!("{about}: the server's own answer is none: {answer}"),
    }
}

#[test]
fn everything_2026_says_the_same_through_the_gateway() {
    let cases = [
        tool("echo", r#"{"message":"héllo \u2028 \"quoted\" 𝄞"}"#),
        tool("echo", r#"{"message":12}"#),
        tool("echo", "{}"),
        tool("get-sum", r#"{"a":1.10,"b":2.250}"#),
        tool("get-sum", r#"{"a":1e300,"b":-0}"#),
        tool("get-tiny-image", "{}"),
        tool("get-annotated-message", r#"{"messageType":"error","includeImage":true}"#),
        tool("get-annotated-message", r#"{"messageType":"debug"}"#),
        tool("get-structured-content", r#"{"location":"Chicago"}"#),
        tool("get-structured-content", r#"{"location":"Bern"}"#),
        tool("get-resource-links", r#"{"count":3}"#),
        tool("get-resource-reference", r#"{"resourceType":"Text","resourceId":-7}"#),
        tool("trigger-long-running-operation", r#"{"duration":0.2,"steps":2}"#),
        prompt("simple-prompt", "{}"),
        prompt("args-prompt", r#"{"city":"Bern","state":"BE"}"#),
        prompt("args-prompt", "{}"),
        prompt("completable-prompt", r#"{"department":"Sales","name":"David"}"#),
        read("demo://resource/static/document/architecture.md"),
        read("demo://resource/static/document/features.md"),
    ];
    same_everywhere(|_| peers::everything(), &cases);
}

#[test]
fn everything_0_6_says_the_same_through_the_gateway() {
    let cases = [
        tool("echo", r#"{"message":"hello"}"#),
        tool("add", r#"{"a":2,"b":3.5}"#),
        tool("add", r#"{"a":"two"}"#),
        tool("getTinyImage", "{}"),
        tool("longRunningOperation", r#"{"duration":0.1,"steps":1}"#),
        prompt("simple_prompt", "{}"),
        prompt("complex_prompt", r#"{"temperature":"0.70","style":"terse"}"#),
        read("test://static/resource/1"),
        read("test://static/resource/2"),
        read("test://static/resource/77"),
    ];
    same_everywhere(|_| peers::everything_0_6(), &cases);
}

#[test]
fn filesystem_says_the_same_through_the_gateway() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // The server resolves links, and a temporary folder may be behind one.
    let folder = dir.path().canonicalize().expect("the folder exists");
    std::fs::create_dir(folder.join("sub")).expect("the folder is new");
    std::fs::write(folder.join("a.txt"), "one\ntwo\nthree — ünïcödé\n").expect("the folder is ours");
    std::fs::write(folder.join("sub/b.json"), "{\"n\": 12345678901234567890123}\n")
        .expect("the folder is ours");
    std::fs::write(folder.join("pixel.png"), [0x89, b'P', b'N', b'G', 0, 255, 13])
        .expect("the folder is ours");
    let at = |rest: &str| format!(r#"{{"path":"{}/{rest}"}}"#, folder.display());
    let cases = [
        tool("list_allowed_directories", "{}"),
        tool("list_directory", &at("")),
        tool("list_directory_with_sizes", &at("")),
        tool("directory_tree", &at("")),
        tool("read_text_file", &at("a.txt")),
        tool("read_text_file", &at("sub/b.json")),
        tool("read_text_file", &format!(r#"{{"path":"{}/a.txt","head":1}}"#, folder.display())),
        tool("read_media_file", &at("pixel.png")),
        tool(
            "read_multiple_files",
            &format!(r#"{{"paths":["{0}/a.txt","{0}/none.txt"]}}"#, folder.display()),
        ),
        tool("search_files", &format!(r#"{{"path":"{}","pattern":"**/*.json"}}"#, folder.display())),
        tool("get_file_info", &at("sub/b.json")),
        tool("read_text_file", &at("none.txt")),
        tool("read_text_file", r#"{"path":"/etc/passwd"}"#),
    ];
    same_everywhere(|_| peers::filesystem(&folder), &cases);
}

#[test]
fn memory_says_the_same_through_the_gateway() {
    let cases = [
        tool("read_graph", "{}"),
        tool(
            "create_entities",
            r#"{"entities":[{"name":"Trunk","entityType":"line","observations":["long","öffentlich"]}]}"#,
        ),
        tool("create_entities", r#"{"entities":[{"name":"Branch","entityType":"line","observations":[]}]}"#),
        tool("create_relations", r#"{"relations":[{"from":"Branch","to":"Trunk","relationType":"joins"}]}"#),
        tool("add_observations", r#"{"observations":[{"entityName":"Branch","contents":["short"]}]}"#),
        tool("search_nodes", r#"{"query":"long"}"#),
        tool("open_nodes", r#"{"names":["Branch"]}"#),
        tool("read_graph", "{}"),
        read("memory://knowledge-graph"),
        tool("delete_entities", r#"{"entityNames":["Trunk"]}"#),
        tool("read_graph", "{}"),
        tool("open_nodes", r#"{"names":7}"#),
    ];
    same_everywhere(|folder| peers::memory(&folder.join("graph.json")), &cases);
}

#[test]
fn time_says_the_same_through_the_gateway() {
    let cases = [
        tool(
            "convert_time",
            r#"{"source_timezone":"Asia/Tokyo","time":"12:30","target_timezone":"America/Lima"}"#,
        ),
        tool(
            "convert_time",
            r#"{"source_timezone":"Nowhere","time":"12:30","target_timezone":"America/Lima"}"#,
        ),
        tool("convert_time", r#"{"time":"12:30"}"#),
        tool("get_current_time", r#"{"timezone":"Mars/Olympus"}"#),
        tool("get_current_time", "{}"),
    ];
    same_everywhere(|_| peers::time(), &cases);
}

#[test]
fn git_says_the_same_through_the_gateway() {
    let repository = repository();
    let path = repository.path().display();
    let on = |rest: &str| format!(r#"{{"repo_path":"{path}"{rest}}}"#);
    let cases = [
        tool("git_status", &on("")),
        tool("git_log", &on(r#","max_count":5"#)),
        tool("git_diff_unstaged", &on("")),
        tool("git_diff_staged", &on("")),
        tool("git_show", &on(r#","revision":"HEAD""#)),
        tool("git_branch", &on(r#","branch_type":"local""#)),
        tool("git_diff", &on(r#","target":"nowhere""#)),
        tool("git_show", &on("")),
    ];
    same_everywhere(|_| peers::git(repository.path()), &cases);
}

/// One commit, one changed file.
fn repository() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let git = |arguments: &[&str]| {
        let status = Command::new("git")
            .args(["-c", "user.name=e2e", "-c", "user.email=e2e@localhost", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .current_dir(dir.path())
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.expect("git runs").success(), "git {arguments:?}");
    };
    git(&["init", "--quiet"]);
    std::fs::write(dir.path().join("line.txt"), "one\n").expect("the folder is ours");
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "First light"]);
    std::fs::write(dir.path().join("line.txt"), "one\ntwo — zwei\n").expect("the folder is ours");
    dir
}

#[test]
fn lists_hold_every_item_as_the_server_wrote_it() {
    for program in [peers::everything(), peers::everything_0_6(), peers::time()] {
        let mut direct = Pipe::legacy(&program);
        let gateway = Gateway::transparent(program.entry());
        for (method, key) in [
            ("tools/list", "tools"),
            ("prompts/list", "prompts"),
            ("resources/list", "resources"),
            ("resources/templates/list", "resourceTemplates"),
        ] {
            let Some(items) = direct_list(&mut direct, method, key) else { continue };
            for era in ERAS {
                let mut through = gateway.client(era).list(method, key);
                through.retain(|item| !item.contains("trunkline://status"));
                assert_eq!(shown(&items, era), shown(&through, era), "{era:?} {method}");
            }
        }
    }
}

/// Items as a client of that era sees them: `execution` belongs to the legacy tasks, which modern clients do not have.
fn shown(items: &[String], era: Era) -> Vec<Vec<(String, String)>> {
    let visible = |(key, _): &(String, String)| era == Era::Legacy || key != "execution";
    items.iter().map(|item| members(item).into_iter().filter(visible).collect()).collect()
}

/// All pages; `None` when the server has no such list.
fn direct_list(direct: &mut Pipe, method: &str, key: &str) -> Option<Vec<String>> {
    let (mut items, mut params) = (Vec::new(), "{}".to_owned());
    loop {
        let result = member(&direct.request(method, &params), "result")?;
        items.extend(trunkline_e2e::json::items(&member(&result, key)?));
        match member(&result, "nextCursor") {
            Some(cursor) => params = format!(r#"{{"cursor":{cursor}}}"#),
            None => return Some(items),
        }
    }
}
