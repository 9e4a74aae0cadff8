//! What comes from outside the document: variables, flags, files, programs.

use std::io;
use std::path::Path;

use trunkline_config::{Loaded, Overrides, Problems, Source, Surroundings, load_in};
use trunkline_upstream::Reach;

fn read_file(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/run/secrets/token") => Ok("s3cret\n".to_owned()),
        Some("app.env") => Ok("# mine\nexport A=1\nB=\"two words\"\n".to_owned()),
        Some("bad.env") => Ok("A=1\nhunter2\n".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn loaded(text: &str, variables: &[(&str, &str)], overrides: Overrides) -> Result<Loaded, Problems> {
    let env =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let world = Surroundings {
        read_file: &read_file,
        has_program: &|program| program != "missing",
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        overrides,
        ..Surroundings::new(&env)
    };
    load_in(&Source::new("a.yaml", text), &world)
}

fn env_of(loaded: &Loaded) -> Vec<(String, String)> {
    match &loaded.settings.upstreams[0].reach {
        Reach::Stdio(command) => {
            command.env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_document() {
    let text = "listen: 127.0.0.1:1\nadmin: {listen: 127.0.0.1:2}\nlimits: {bodyBytes: 5000}\n";
    let variables = [
        ("TRUNKLINE__LISTEN", "127.0.0.1:3"),
        ("TRUNKLINE__ADMIN__LISTEN", "off"),
        ("TRUNKLINE__LIMITS__BODY_BYTES", "6000"),
        ("TRUNKLINE__LIMITS__SESSIONS", "7"),
        ("TRUNKLINE__SECURITY__ALLOWED_HOSTS", "a.example, b.example"),
        ("TRUNKLINE_OTHER", "ignored"),
    ];
    let flags = Overrides {
        listen: Some("127.0.0.1:4".to_owned()),
        log_level: Some("debug".to_owned()),
        ..Overrides::default()
    };
    let settings = loaded(text, &variables, flags).unwrap().settings;
    assert_eq!(settings.listen.port(), 4);
    assert_eq!(settings.admin, None);
    assert_eq!(settings.limits.body_bytes, 6000);
    assert_eq!(settings.limits.sessions, 7);
    assert_eq!(settings.security.allowed_hosts, ["a.example", "b.example"]);
    assert_eq!(settings.log.level, "debug");
}

#[test]
fn a_variable_reaches_into_a_server() {
    let variables = [
        ("TRUNKLINE__MCPSERVERS__MY_APP__ENV__TOKEN", "t"),
        ("TRUNKLINE__MCP_SERVERS__MY_APP__ERA", "legacy"),
    ];
    let found = loaded("mcpServers: {my-app: {command: x}}\n", &variables, Overrides::default()).unwrap();
    assert_eq!(env_of(&found), [("TOKEN".to_owned(), "t".to_owned())]);
    assert_eq!(found.settings.upstreams[0].era, trunkline_upstream::EraChoice::Legacy);
}

#[test]
fn a_variable_that_is_wrong_is_named_in_the_problem() {
    let variables = [("TRUNKLINE__LIMITS__STREMS", "5"), ("TRUNKLINE__LISTEN", "nowhere")];
    let problems = loaded("", &variables, Overrides::default()).map(|_| ()).expect_err("bad");
    let files: Vec<_> = problems.iter().map(|problem| problem.file.as_str()).collect();
    assert_eq!(
        files,
        ["environment variable TRUNKLINE__LISTEN", "environment variable TRUNKLINE__LIMITS__STREMS"]
    );
    assert_eq!(problems[1].hint.as_deref(), Some("did you mean `streams`?"));
}

#[test]
fn references_are_replaced_in_every_spelling() {
    let text = "mcpServers:\n  a:\n    command: x\n    env:\n      A: '${A}-${env:A}'\n      B: '${NO:-d}${EMPTY:-e}'\n      C: '$${A} $$ $A'\n      D: '${file:/run/secrets/token}'\n";
    let found = loaded(text, &[("A", "1"), ("EMPTY", "")], Overrides::default()).unwrap();
    let values: Vec<_> = env_of(&found).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["1-1", "de", "${A} $$ $A", "s3cret"]);
}

#[test]
fn a_substituted_text_may_stand_for_a_number_or_boolean() {
    let text = "limits: {streams: '${STREAMS}'}\nmcpServers: {a: {command: x, enabled: '${ON:-false}'}}\n";
    let settings = loaded(text, &[("STREAMS", "64")], Overrides::default()).unwrap().settings;
    assert_eq!((settings.limits.streams, settings.upstreams.len()), (64, 0));
}

#[test]
fn a_server_that_is_switched_off_needs_no_variables() {
    let text = "mcpServers: {a: {command: x, disabled: true, env: {A: '${NO}'}}}\n";
    assert!(loaded(text, &[], Overrides::default()).unwrap().settings.upstreams.is_empty());
}

#[test]
fn an_env_file_is_read_and_env_wins_over_it() {
    let text = "mcpServers: {a: {command: x, envFile: app.env, env: {A: 9}}}\n";
    let found = loaded(text, &[], Overrides::default()).unwrap();
    assert_eq!(env_of(&found), [("B".to_owned(), "two words".to_owned()), ("A".to_owned(), "9".to_owned())]);
    let bad = "mcpServers: {a: {command: x, envFile: bad.env}, b: {command: x, envFile: none.env}}\n";
    let problems = loaded(bad, &[], Overrides::default()).map(|_| ()).expect_err("bad");
    let messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        ["line 2 of the file is not NAME=value", "the file cannot be read: entity not found"]
    );
}

#[test]
fn a_program_that_is_not_found_is_a_note() {
    let found = loaded("mcpServers: {a: {command: missing}}\n", &[], Overrides::default()).unwrap();
    assert_eq!(found.notes[0].message, "this program is not found");
}

#[test]
fn a_literal_secret_in_a_file_everybody_reads_is_a_note() {
    let text = "mcpServers: {a: {command: x, env: {PORT: '1', GITHUB_TOKEN: ghp_x}}}\n";
    let source = Source { world_readable: true, ..Source::new("a.yaml", text) };
    let notes = load_in(&source, &Surroundings::new(&|_| None)).unwrap().notes;
    assert_eq!(notes[0].path, "mcpServers.a.env.GITHUB_TOKEN");
    let reference = Source { text: text.replace("ghp_x", "'${T}'"), ..source };
    assert!(load_in(&reference, &Surroundings::new(&|_| Some(String::new()))).unwrap().notes.is_empty());
}
