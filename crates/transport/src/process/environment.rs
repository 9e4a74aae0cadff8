//! Which of the gateway's variables a child may see.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Names a program needs to find its files and to speak the user's language, and nothing that carries a credential.
#[cfg(not(windows))]
const SAFE: &[&str] = &["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];
#[cfg(windows)]
const SAFE: &[&str] = &[
    "APPDATA",
    "COMSPEC",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATH",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROGRAMFILES",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERNAME",
    "USERPROFILE",
];

/// Families of safe names.
const SAFE_PREFIXES: &[&str] = &["LC_", "XDG_"];

/// The variables children may inherit from, handed in once by the binary.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl Environment {
    /// The variables a child inherits: the safe list and what `also` names.
    pub fn inherited<'a>(&'a self, also: &'a [String]) -> impl Iterator<Item = (&'a OsStr, &'a OsStr)> {
        self.0
            .iter()
            .filter(move |(name, value)| {
                also.iter().any(|wanted| same_name(name, wanted)) || (is_safe(name) && !is_function(value))
            })
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

fn is_safe(name: &OsStr) -> bool {
    let prefixed = |name: &str| SAFE_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    SAFE.iter().any(|safe| same_name(name, safe)) || name.to_str().is_some_and(prefixed)
}

/// Shell functions travel in variables; no server needs one, and bash has been attacked through them.
fn is_function(value: &OsStr) -> bool {
    value.as_encoded_bytes().starts_with(b"()")
}

fn same_name(name: &OsStr, wanted: &str) -> bool {
    if cfg!(windows) { name.eq_ignore_ascii_case(wanted) } else { name == wanted }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    fn names(environment: &Environment, also: &[&str]) -> Vec<String> {
        let also: Vec<String> = also.iter().map(ToString::to_string).collect();
        environment.inherited(&also).map(|(name, _)| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_child_inherits_the_safe_list_and_nothing_else() {
        let all = ["PATH", "HOME", "LC_ALL", "XDG_DATA_HOME", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD", "PATHS"];
        let environment: Environment = all.map(|name| (name, "x")).into_iter().collect();
        assert_eq!(names(&environment, &[]), ["HOME", "LC_ALL", "PATH", "XDG_DATA_HOME"]);
    }

    #[test]
    fn a_named_variable_is_inherited_and_a_missing_one_is_not_invented() {
        let environment: Environment = [("GITHUB_TOKEN", "t"), ("OTHER", "o")].into_iter().collect();
        assert_eq!(names(&environment, &["GITHUB_TOKEN", "ABSENT"]), ["GITHUB_TOKEN"]);
    }

    #[test]
    fn a_shell_function_in_a_safe_variable_is_left_out() {
        let environment: Environment = [("TERM", "() { :; }; echo hi")].into_iter().collect();
        assert!(names(&environment, &[]).is_empty());
    }
}
