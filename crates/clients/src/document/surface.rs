//! Byte order mark and line endings, taken off before an edit and put back after it.

use similar::{ChangeTag, TextDiff};

/// What lies on the surface of a text and must look the same after an edit.
pub(crate) struct Surface {
    bom: bool,
    original: String,
}

impl Surface {
    /// Splits `text` into its surface and a plain text: no byte order mark, lines ending in `\n`.
    pub(crate) fn take(text: &str) -> (Self, String) {
        let bare = text.strip_prefix('\u{feff}');
        let original = bare.unwrap_or(text).to_owned();
        let plain = original.replace("\r\n", "\n");
        (Self { bom: bare.is_some(), original }, plain)
    }

    /// Puts the surface back on. Lines that were there keep their own ending, new ones get the usual one.
    pub(crate) fn restore(&self, edited: &str) -> String {
        let body = if self.original.contains("\r\n") { self.endings(edited) } else { edited.to_owned() };
        if self.bom { format!("\u{feff}{body}") } else { body }
    }

    fn endings(&self, edited: &str) -> String {
        let crlf: Vec<bool> =
            self.original.split_inclusive('\n').map(|line| line.ends_with("\r\n")).collect();
        let mostly_crlf = crlf.iter().filter(|ending| **ending).count() * 2 >= crlf.len().saturating_sub(1);
        let plain = self.original.replace("\r\n", "\n");
        let mut out = String::with_capacity(edited.len() + crlf.len());
        for change in TextDiff::from_lines(plain.as_str(), edited).iter_all_changes() {
            let was_crlf = match change.tag() {
                ChangeTag::Delete => continue,
                ChangeTag::Insert => mostly_crlf,
                ChangeTag::Equal => {
                    change.old_index().and_then(|line| crlf.get(line)).copied().unwrap_or(false)
                }
            };
            match change.value().strip_suffix('\n') {
                Some(line) if was_crlf => {
                    out.push_str(line);
                    out.push_str("\r\n");
                }
                _ => out.push_str(change.value()),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::Surface;

    #[test]
    fn every_line_keeps_its_own_ending_and_new_lines_get_the_usual_one() {
        let (surface, plain) = Surface::take("\u{feff}a\r\nb\nc\r\nd\r\n");
        assert_eq!(plain, "a\nb\nc\nd\n");
        assert_eq!(surface.restore("a\nb\nnew\nc\nd\n"), "\u{feff}a\r\nb\nnew\r\nc\r\nd\r\n");
    }
}
