use std::collections::HashSet;
use std::path::Path;

use super::{all, by_id, for_path};
use crate::kind::Scope;
use crate::places::{Os, Places};

#[test]
fn every_client_has_its_own_id_and_a_user_file_on_every_system() {
    let mut seen = HashSet::new();
    for kind in all() {
        assert!(seen.insert(kind.id), "{} is there twice", kind.id);
        assert!(!kind.keys.is_empty());
        for os in [Os::Linux, Os::MacOs, Os::Windows] {
            let places = Places::below("/home/ada", os);
            assert!(!kind.paths(Scope::User, &places).is_empty(), "{} on {os:?}", kind.id);
            assert!(kind.paths(Scope::Project, &places).is_empty(), "{} without a project", kind.id);
        }
    }
}

#[test]
fn claude_desktop_is_where_each_system_keeps_application_data() {
    let kind = by_id("claude-desktop").unwrap();
    let at = |os| kind.paths(Scope::User, &Places::below("/h", os)).remove(0);
    assert_eq!(at(Os::Linux), Path::new("/h/.config/Claude/claude_desktop_config.json"));
    assert_eq!(at(Os::MacOs), Path::new("/h/Library/Application Support/Claude/claude_desktop_config.json"));
    assert_eq!(at(Os::Windows), Path::new("/h/AppData/Roaming/Claude/claude_desktop_config.json"));
}

#[test]
fn project_files_need_a_project() {
    let places = Places::below("/h", Os::Linux).with_project("/p");
    let path = by_id("vscode").unwrap().locate(Scope::Project, &places);
    assert_eq!(path.as_deref(), Some(Path::new("/p/.vscode/mcp.json")));
}

#[test]
fn an_existing_file_wins_over_the_preferred_one() {
    let home = tempfile::tempdir().unwrap();
    let places = Places::below(home.path(), Os::Linux);
    let kind = by_id("opencode").unwrap();
    let old = home.path().join(".config/opencode/opencode.jsonc");
    std::fs::create_dir_all(old.parent().unwrap()).unwrap();
    std::fs::write(&old, "{}").unwrap();
    assert_eq!(kind.locate(Scope::User, &places), Some(old));
}

#[test]
fn a_path_tells_its_client() {
    let id = |path: &str| for_path(Path::new(path)).map(|kind| kind.id);
    assert_eq!(id("/h/.codex/config.toml"), Some("codex"));
    assert_eq!(id("/p/.vscode/mcp.json"), Some("vscode"));
    assert_eq!(id("/p/.mcp.json"), Some("claude-code"));
    assert_eq!(id("/p/other.json"), None);
}
