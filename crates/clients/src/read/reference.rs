//! References inside values: every client's way of naming a variable becomes `${NAME}`.

use crate::imported::ImportedServer;
use crate::secrets::env_name;

/// Rewrites the references in all texts of a server and notes what has no counterpart.
pub(super) fn rewrite(server: &mut ImportedServer) {
    let mut notes = Vec::new();
    let single = [&mut server.command, &mut server.cwd, &mut server.url, &mut server.env_file];
    let texts = single.into_iter().flatten().chain(server.args.iter_mut());
    for text in texts {
        *text = rewritten(text, &mut notes);
    }
    for (_, value) in server.env.iter_mut().chain(server.headers.iter_mut()) {
        *value = match bare_variable(value) {
            Some(name) => format!("${{{name}}}"),
            None => rewritten(value, &mut notes),
        };
    }
    for note in notes {
        if !server.notes.contains(&note) {
            server.notes.push(note);
        }
    }
}

/// A value that is `$NAME` and nothing else (Gemini CLI).
fn bare_variable(value: &str) -> Option<&str> {
    let name = value.strip_prefix('$')?;
    let first = name.bytes().next()?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (plain && !first.is_ascii_digit()).then_some(name)
}

fn rewritten(text: &str, notes: &mut Vec<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let dollar = rest[..start].ends_with('$');
        let Some((inner, after)) = closed(&rest[start..]) else { break };
        let before = if dollar { &rest[..start - 1] } else { &rest[..start] };
        out.push_str(before);
        let whole = &rest[before.len()..rest.len() - after.len()];
        out.push_str(&one(inner, whole, dollar, notes));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What stands between `{` (or `{{`) and the matching end, and what follows.
fn closed(text: &str) -> Option<(&str, &str)> {
    let (open, close) = if text.starts_with("{{") { ("{{", "}}") } else { ("{", "}") };
    let inner = text.strip_prefix(open)?;
    let end = inner.find(close)?;
    Some((&inner[..end], &inner[end + close.len()..]))
}

fn one(inner: &str, whole: &str, dollar: bool, notes: &mut Vec<String>) -> String {
    let inner = inner.trim();
    if let Some(id) = inner.strip_prefix("input:").filter(|_| dollar) {
        let name = env_name(id);
        notes.push(format!(
            "it asks for `{whole}` when it starts; set the environment variable {name} instead"
        ));
        return format!("${{{name}}}");
    }
    if let Some(name) = inner.strip_prefix("env:") {
        return format!("${{{name}}}");
    }
    if let Some(name) = inner.strip_prefix("secrets.").filter(|_| dollar) {
        notes.push(format!("`{whole}` is a secret kept by the client; set the environment variable {name}"));
        return format!("${{{name}}}");
    }
    if inner == "userHome" && dollar {
        return "${HOME}".to_owned();
    }
    if is_editor_variable(inner, dollar) {
        notes.push(format!("`{whole}` has a meaning only inside the client; write the value out"));
    }
    whole.to_owned()
}

fn is_editor_variable(inner: &str, dollar: bool) -> bool {
    let prefixes = ["workspaceFolder", "workspaceRoot", "command:", "config:", "file:", "prompt:", "cwd:"];
    let whole = ["file", "cwd", "pathSeparator", "/", "fileDirname", "relativeFile"];
    if dollar {
        prefixes.iter().any(|prefix| inner.starts_with(prefix)) || whole.contains(&inner)
    } else {
        inner.starts_with("file:")
    }
}

#[cfg(test)]
mod tests {
    use super::rewritten;

    #[test]
    fn every_dialect_of_a_variable_becomes_ours() {
        let mut notes = Vec::new();
        for (from, to) in [
            ("Bearer ${input:github-token}", "Bearer ${GITHUB_TOKEN}"),
            ("${env:HOME}/x", "${HOME}/x"),
            ("{env:HOME}", "${HOME}"),
            ("${{ secrets.API_KEY }}", "${API_KEY}"),
            ("${A:-b}${C}", "${A:-b}${C}"),
            ("{\"json\": 1}", "{\"json\": 1}"),
            ("${open", "${open"),
            ("ü${env:Ü}ü", "ü${Ü}ü"),
        ] {
            assert_eq!(rewritten(from, &mut notes), to);
        }
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn what_only_the_editor_knows_is_noted() {
        let mut notes = Vec::new();
        assert_eq!(rewritten("${workspaceFolder}/a", &mut notes), "${workspaceFolder}/a");
        assert_eq!(notes.len(), 1);
    }
}
