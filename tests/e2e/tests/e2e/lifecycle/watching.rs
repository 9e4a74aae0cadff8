//! The file is watched: whoever edits it need not say so.

use serde_json::json;
use trunkline_e2e::client::Era;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::load::echo;
use trunkline_e2e::wait;

fn tools(gateway: &Gateway) -> Vec<String> {
    gateway.client(Era::Modern).tool_names()
}

#[test]
fn a_changed_file_is_taken_and_a_bad_one_is_not() {
    let upstream = echo(true);
    let gateway = Gateway::start(&json!({ "one": upstream.entry() }));
    gateway.edit(|document| document["mcpServers"]["two"] = upstream.entry());
    wait::until(wait::LONG, "the new server", || {
        tools(&gateway).contains(&"two__echo".to_owned()).then_some(())
    });
    // In place, as some editors write.
    std::fs::write(gateway.config(), "{").expect("the folder is ours");
    wait::until(wait::LONG, "the refusal", || (gateway.reloads("error") > 0).then_some(()));
    assert!(tools(&gateway).contains(&"two__echo".to_owned()), "the old one is in force");
    assert_eq!(gateway.reloads("ok"), 1);
}

#[test]
fn a_config_map_and_its_secrets_are_taken_when_their_links_are_turned() {
    use std::os::unix::fs::symlink;
    let upstream = echo(true);
    let gateway = Gateway::start(&json!({ "one": upstream.entry() }));
    // From here on the file is where Kubernetes puts it.
    let dir = gateway.dir().to_owned();
    let text = std::fs::read_to_string(gateway.config()).expect("it was written here");
    let version = |name: &str, text: &str, secret: &str| {
        std::fs::create_dir(dir.join(name)).expect("a folder");
        std::fs::write(dir.join(name).join("trunkline.json"), text).expect("a file");
        std::fs::write(dir.join(name).join("secret"), secret).expect("a file");
        symlink(name, dir.join("..data_tmp")).expect("a link");
        std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).expect("a rename");
    };
    let secret = dir.join("secret").display().to_string();
    let with_secret = |name: &str| {
        let header = format!(
            "{{ \"{name}\": {{ \"url\": \"{}\", \"headers\": {{ \"X-Key\": \"${{file:{secret}}}\" }} }},",
            upstream.url()
        );
        text.replace("\"mcpServers\": {", &format!("\"mcpServers\": {header}"))
    };
    version("..1", &with_secret("two"), "first");
    symlink("..data/secret", dir.join("secret")).expect("a link");
    std::fs::remove_file(gateway.config()).expect("it was there");
    symlink("..data/trunkline.json", gateway.config()).expect("a link");
    let has_key = |key: &str| upstream.seen().iter().any(|seen| seen.field("x-key") == Some(key));
    wait::until(wait::LONG, "the first key", || has_key("first").then_some(()));
    version("..2", &with_secret("two"), "second");
    wait::until(wait::LONG, "the second key", || has_key("second").then_some(()));
    assert_eq!(gateway.reloads("error"), 0);
}
