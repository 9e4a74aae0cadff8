//! The lines of the document that a problem shows, with every secret replaced.

use std::ops::Range;

/// What stands for a masked value, whatever its length.
const MASK: &str = "***";

/// Most characters shown before and after the marked part of a line.
const MARGIN_CHARS: usize = 120;

/// Longest marked part shown.
const MARKED_CHARS_MAX: usize = 80;

/// A masked piece of one line and the part of it to mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) text: String,
    pub(crate) marked: Range<usize>,
}

/// Line and column, both from 1, the column in characters.
pub(crate) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..floor(text, at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Cuts out the line in which `range` starts. `secrets` are sorted and do not overlap.
pub(crate) fn cut(text: &str, range: &Range<usize>, secrets: &[Range<usize>]) -> Excerpt {
    let start = floor(text, range.start);
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let line_end = line_start + text[line_start..line_end].trim_end_matches('\r').len();
    let start = start.min(line_end);
    let end = floor(text, range.end).clamp(start, line_end);
    let end = forward(text, start, MARKED_CHARS_MAX).min(end);
    let from = backward(text, start, MARGIN_CHARS).max(line_start);
    let to = forward(text, end, MARGIN_CHARS).min(line_end);

    let mut masked = Masked { out: String::new(), marked: 0..0 };
    let mut at = from;
    for secret in secrets.iter().filter(|secret| secret.end > from && secret.start < to) {
        let (secret_start, secret_end) = (secret.start.max(at), secret.end.min(to));
        if secret_start >= secret_end {
            continue;
        }
        masked.plain(text, at..secret_start, start, end);
        masked.hidden(secret_start..secret_end, start, end);
        at = secret_end;
    }
    masked.plain(text, at..to, start, end);
    if start >= to {
        masked.marked = masked.out.len()..masked.out.len();
    }
    Excerpt { text: masked.out, marked: masked.marked }
}

struct Masked {
    out: String,
    marked: Range<usize>,
}

impl Masked {
    fn plain(&mut self, text: &str, piece: Range<usize>, start: usize, end: usize) {
        let shift = self.out.len();
        if piece.contains(&start) {
            self.marked = shift + start - piece.start..shift + start - piece.start;
        }
        let shown = text.get(piece.clone()).unwrap_or_default();
        self.out.extend(shown.chars().map(|c| if c == '\r' { ' ' } else { c }));
        if end > piece.start && end <= piece.end {
            self.marked.end = shift + end - piece.start;
        }
    }

    fn hidden(&mut self, piece: Range<usize>, start: usize, end: usize) {
        if piece.contains(&start) {
            self.marked.start = self.out.len();
        }
        self.out.push_str(MASK);
        if piece.contains(&start) || (end > piece.start && end <= piece.end) {
            self.marked.end = self.out.len();
        }
    }
}

/// The parts to hide when the text cannot be read, so that nobody knows what is a secret: every word that
/// is not a key before the first separator of its line, nor one of `known` words.
pub(crate) fn suspects(text: &str, known: &dyn Fn(&str) -> bool) -> Vec<Range<usize>> {
    let mut suspects = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let separator = line.find([':', '=']).unwrap_or(0);
        let mut at = 0;
        for word in line.split(|c: char| c.is_whitespace() || "{}[],:=\"'#".contains(c)) {
            if !word.is_empty() && at >= separator && !known(word) {
                suspects.push(line_start + at..line_start + at + word.len());
            }
            at += word.len();
            at += line[at..].chars().next().map_or(0, char::len_utf8);
        }
        line_start += line.len();
    }
    suspects
}

fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

fn forward(text: &str, at: usize, chars: usize) -> usize {
    text[at..].char_indices().nth(chars).map_or(text.len(), |(offset, _)| at + offset)
}

fn backward(text: &str, at: usize, chars: usize) -> usize {
    text[..at].char_indices().rev().take(chars).last().map_or(at, |(offset, _)| offset)
}

#[cfg(test)]
mod tests {
    use super::{cut, line_and_column, suspects};

    #[test]
    fn columns_count_characters_not_bytes() {
        assert_eq!(line_and_column("a\néé x", 8), (2, 5));
    }

    #[test]
    fn a_masked_value_shows_neither_text_nor_length() {
        let text = "a: 1\ntoken: hunter2 # mine\n";
        let excerpt = cut(text, &(12..19), std::slice::from_ref(&(12..19)));
        assert_eq!(excerpt.text, "token: *** # mine");
        assert_eq!(&excerpt.text[excerpt.marked], "***");
    }

    #[test]
    fn a_mark_beside_a_masked_value_stays_at_its_word() {
        let excerpt = cut("{t: hunter2, bad: 1}", &(13..16), std::slice::from_ref(&(4..11)));
        assert_eq!(excerpt.text, "{t: ***, bad: 1}");
        assert_eq!(&excerpt.text[excerpt.marked], "bad");
    }

    #[test]
    fn in_an_unreadable_text_only_keys_are_shown() {
        let text = "{\"env\": {\"TOKEN\": \"hunter2\n  loose words";
        let hidden: Vec<_> = suspects(text, &|word| word == "loose").into_iter().map(|r| &text[r]).collect();
        assert_eq!(hidden, ["TOKEN", "hunter2", "words"]);
    }
}
