//! What an edit would change, for `--dry-run`. Values that look like credentials are masked on every line.

use similar::TextDiff;

use crate::secrets::{is_secret, url_secrets};

/// Unchanged lines shown around a change.
const CONTEXT_LINES: usize = 3;

const MASK: &str = "***";

/// A unified diff from `old` to `new` with credentials masked; empty when they are equal. For people, not for
/// `patch`.
pub fn diff(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let unified = diff.unified_diff().context_radius(CONTEXT_LINES).header("before", "after").to_string();
    unified.split_inclusive('\n').map(mask_line).collect()
}

/// One line with the values that look secret replaced.
fn mask_line(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut key = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (gap, after) = rest.split_at(rest.find(starts_word).unwrap_or(rest.len()));
        out.push_str(gap);
        // Only `:` and `=` tie a value to the word before it, and an option ties the next argument.
        if !gap.contains([':', '=']) && !key.starts_with('-') {
            key.clear();
        }
        let bare_value = gap.contains([':', '=']) && !key.is_empty();
        let (word, quoted, next) = word(after, bare_value);
        out.push_str(&masked(&key, word, quoted, &after[..after.len() - next.len()]));
        word.clone_into(&mut key);
        rest = next;
    }
    out
}

fn starts_word(char: char) -> bool {
    char.is_alphanumeric() || "\"'_-./$@+<".contains(char)
}

/// The next word: its text, whether it is quoted, and what follows. A bare value goes to the end of its line.
fn word(text: &str, bare_value: bool) -> (&str, bool, &str) {
    if let Some(quote) = text.chars().next().filter(|char| "\"'".contains(*char)) {
        let end = closing_quote(&text[1..], quote);
        let next = (end + 2).min(text.len());
        return (&text[1..=end], true, &text[next..]);
    }
    let stop = |char: char| {
        if bare_value {
            "\r\n,}]#".contains(char)
        } else {
            char.is_whitespace() || ":=,{}[]()".contains(char)
        }
    };
    let (word, next) = text.split_at(text.find(stop).unwrap_or(text.len()));
    (word, false, next)
}

fn closing_quote(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices() {
        match char {
            '\n' | '\r' => return at,
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if char == quote => return at,
            _ => {}
        }
    }
    text.len()
}

fn masked(key: &str, word: &str, quoted: bool, whole: &str) -> String {
    let inner = word.split_once('=').filter(|_| word.starts_with('-'));
    let header = word.split_once(": ");
    let (name, value) = inner.or(header).unwrap_or((key, word));
    if !is_secret(name, value) && !is_secret(key, word) && url_secrets(word).is_empty() {
        return whole.to_owned();
    }
    let shown = match inner {
        Some((name, _)) => format!("{name}={MASK}"),
        None => MASK.to_owned(),
    };
    if quoted { format!("\"{shown}\"") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn a_diff_shows_the_change_and_hides_credentials_around_it() {
        let old = concat!(
            "{\n  \"env\": { \"GITHUB_TOKEN\": \"hunter22\", \"LOG\": \"info\" },\n",
            "  \"args\": [\"--api-key=abcdefgh\", \"--token\", \"abcdefgh\"],\n",
            "  \"url\": \"https://u:abcdefgh@h/mcp\",\n  \"Authorization\": \"Bearer abcdefgh\"\n}\n"
        );
        let new = old.replace("{\n  \"env\"", "{\n  \"new\": 1,\n  \"env\"");
        let shown = diff(old, &new);
        assert!(shown.contains("+  \"new\": 1,"), "{shown}");
        assert!(shown.contains("\"LOG\": \"info\""), "{shown}");
        assert!(!shown.contains("hunter22") && !shown.contains("abcdefgh"), "{shown}");
    }

    #[test]
    fn bare_yaml_and_toml_values_are_masked_too() {
        let shown = diff(
            "api_key: abcdefgh\nauthorization: Bearer abcdefgh\nkeep: me\n",
            "api_token = 'abcdefgh'\nother: 'open\n",
        );
        assert!(!shown.contains("abcdefgh"), "{shown}");
        assert!(shown.contains("-keep: me"), "{shown}");
    }

    #[test]
    fn equal_texts_have_no_diff() {
        assert_eq!(diff("a\n", "a\n"), "");
    }
}
