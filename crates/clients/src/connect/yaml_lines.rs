//! The lines of a YAML file, and the block of one top-level key among them.

use std::ops::Range;

use crate::kind::Container;

/// A text as lines, each with its line end.
pub(super) struct Lines(Vec<String>);

/// The lines under one top-level key.
pub(super) struct Block {
    /// Line of the key.
    pub(super) header: usize,
    /// Line after the last one with content.
    pub(super) end: usize,
    /// Spaces before each entry.
    pub(super) indent: usize,
    /// The lines of each entry, without blank lines and comments after it.
    pub(super) entries: Vec<Range<usize>>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(text.split_inclusive('\n').map(str::to_owned).collect())
    }

    pub(super) fn text(&self) -> String {
        self.0.concat()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a line at the end, which gets its line end first if it has none.
    pub(super) fn push(&mut self, line: String) {
        self.close_end();
        self.0.push(line);
    }

    pub(super) fn insert(&mut self, at: usize, text: &str) {
        if at >= self.0.len() {
            self.close_end();
        }
        self.replace(at..at, text);
    }

    /// Puts `text`, which ends its lines, in the place of these lines.
    pub(super) fn replace(&mut self, range: Range<usize>, text: &str) {
        self.0.splice(range, text.split_inclusive('\n').map(str::to_owned));
    }

    /// Rewrites the line of the block's key to `key:` and `value`, keeping a comment behind it.
    pub(super) fn set_header(&mut self, block: &Block, key: &str, value: &str) {
        let comment =
            self.0[block.header].find(" #").map(|at| self.0[block.header][at..].trim_end().to_owned());
        self.0[block.header] = format!("{key}:{value}{}\n", comment.unwrap_or_default());
    }

    /// The key a line starts with, after its indentation.
    pub(super) fn key_at(&self, line: usize) -> Option<String> {
        key_and_rest(self.0.get(line)?.trim_start()).map(|(key, _)| key)
    }

    fn close_end(&mut self) {
        if let Some(last) = self.0.last_mut().filter(|last| !last.ends_with('\n')) {
            last.push('\n');
        }
    }

    fn has_content(&self, line: usize) -> bool {
        let text = self.0[line].trim();
        !text.is_empty() && !text.starts_with('#')
    }

    fn indent(&self, line: usize) -> usize {
        self.0[line].len() - self.0[line].trim_start_matches(' ').len()
    }
}

/// The block under the top-level `key`; nothing when the key is not there.
pub(super) fn find_block(lines: &Lines, key: &str, container: Container) -> Result<Option<Block>, String> {
    let headers: Vec<usize> = (0..lines.len())
        .filter(|line| key_and_rest(&lines.0[*line]).is_some_and(|(found, _)| found == key))
        .collect();
    let header = match headers.as_slice() {
        [] => return Ok(None),
        [header] => *header,
        _ => return Err(format!("`{key}` is there more than once")),
    };
    let rest = key_and_rest(&lines.0[header]).map(|(_, rest)| without_comment(&rest)).unwrap_or_default();
    let is_item = |line: usize| container == Container::List && is_dash(&lines.0[line]);
    let stop = (header + 1..lines.len())
        .find(|line| lines.has_content(*line) && lines.indent(*line) == 0 && !is_item(*line))
        .unwrap_or(lines.len());
    let content: Vec<usize> = (header + 1..stop).filter(|line| lines.has_content(*line)).collect();
    let (Some(first), Some(last)) = (content.first(), content.last()) else {
        return match rest.as_str() {
            "" | "{}" | "[]" | "null" | "~" => {
                Ok(Some(Block { header, end: header + 1, indent: 0, entries: Vec::new() }))
            }
            _ => Err(format!("`{key}` is written in one line")),
        };
    };
    if !rest.is_empty() {
        return Err(format!("`{key}` is not written as a plain block"));
    }
    let indent = lines.indent(*first);
    let starts: Vec<usize> = content.iter().copied().filter(|line| lines.indent(*line) == indent).collect();
    let entry = |(index, start): (usize, &usize)| {
        let limit = starts.get(index + 1).copied().unwrap_or(stop);
        let end = content.iter().rev().find(|line| **line < limit).map_or(start + 1, |line| line + 1);
        *start..end
    };
    let entries = starts.iter().enumerate().map(entry).collect();
    Ok(Some(Block { header, end: last + 1, indent, entries }))
}

fn is_dash(line: &str) -> bool {
    line.trim_end() == "-" || line.starts_with("- ")
}

fn without_comment(rest: &str) -> String {
    let bare = if rest.starts_with('#') { "" } else { rest.split(" #").next().unwrap_or_default() };
    bare.trim().to_owned()
}

/// Splits `key: rest`, the key bare or quoted. Escapes in quoted keys are not understood, and so not matched.
fn key_and_rest(line: &str) -> Option<(String, String)> {
    let (key, rest) = match line.chars().next()? {
        quote @ ('"' | '\'') => {
            let (key, rest) = line[1..].split_once(quote)?;
            (key, rest.trim_start().strip_prefix(':')?)
        }
        '#' | ' ' | '-' => return None,
        _ => line.split_once(':')?,
    };
    let separated = rest.is_empty() || rest.starts_with(char::is_whitespace);
    separated.then(|| (key.trim().to_owned(), rest.trim().to_owned()))
}
