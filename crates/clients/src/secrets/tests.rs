use super::{SecretPart, env_name, is_secret};
use crate::imported::ImportedServer;

#[test]
fn tokens_are_known_by_name_or_by_look() {
    for (key, value) in [
        ("GITHUB_TOKEN", "hunter22"),
        ("X", "ghp_0123456789abcdef"),
        ("Authorization", "Bearer abcdef"),
        ("X-Api-Key", "k-1234567"),
        ("ANY", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"),
    ] {
        assert!(is_secret(key, value), "{key}");
    }
}

#[test]
fn references_switches_and_paths_are_no_secrets() {
    for (key, value) in [
        ("GITHUB_TOKEN", "${GITHUB_TOKEN}"),
        ("TOKEN", "{env:GITHUB_TOKEN}"),
        ("USE_TOKEN", "true"),
        ("API_KEY", "{file:~/.secrets/key}"),
        ("TOKEN_FILE", "secrets.txt"),
        ("SECRET", "/run/secrets/github"),
        ("LOG_LEVEL", "warning"),
        ("MAX_TOKENS", "1000000"),
        ("PACKAGE", "@modelcontextprotocol/server-filesystem"),
    ] {
        assert!(!is_secret(key, value), "{key}");
    }
}

#[test]
fn every_part_of_a_server_is_looked_at() {
    let server = ImportedServer {
        name: "my-api".into(),
        args: ["--api-key", "abcdefgh", "--header=x", "--token=abcdefgh", "Authorization: Bearer abc"]
            .map(str::to_owned)
            .to_vec(),
        env: vec![("A_TOKEN".into(), "abcdefgh".into())],
        headers: vec![("Authorization".into(), "Bearer abcdefgh".into())],
        url: Some("https://u:pass@h/mcp?api_key=abcdefgh&x=1".into()),
        ..ImportedServer::default()
    };
    let found: Vec<_> = server
        .literal_secrets()
        .into_iter()
        .map(|place| (place.part, place.key, place.suggested_env))
        .collect();
    let expect = |part, key: &str, env: &str| (part, key.to_owned(), env.to_owned());
    assert_eq!(
        found,
        [
            expect(SecretPart::Env, "A_TOKEN", "A_TOKEN"),
            expect(SecretPart::Header, "Authorization", "MY_API_AUTHORIZATION"),
            expect(SecretPart::Arg, "1", "MY_API_API_KEY"),
            expect(SecretPart::Arg, "3", "MY_API_TOKEN"),
            expect(SecretPart::Arg, "4", "MY_API_AUTHORIZATION"),
            expect(SecretPart::Url, "password", "MY_API_PASSWORD"),
            expect(SecretPart::Url, "api_key", "MY_API_API_KEY"),
        ]
    );
}

#[test]
fn debug_output_masks_what_looks_secret() {
    let server =
        ImportedServer { env: vec![("A_TOKEN".into(), "abcdefgh".into())], ..ImportedServer::default() };
    assert!(!format!("{server:?}").contains("abcdefgh"));
}

#[test]
fn environment_names_are_shell_names() {
    assert_eq!(env_name("github-token"), "GITHUB_TOKEN");
    assert_eq!(env_name("1x"), "_1X");
}
