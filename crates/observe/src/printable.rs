//! Text from outside, made safe to show.

use std::fmt::{self, Write};

/// Whether a character could move a cursor, forge a line or reorder the text around it: control characters, line and
/// paragraph separators, and the marks that set the direction of text.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes `text` with hidden characters as `\u{..}`, so that it stays on its line.
pub fn write_printable(out: &mut impl Write, text: &str) -> fmt::Result {
    for character in text.chars() {
        if is_hidden(character) {
            write!(out, "\\u{{{:x}}}", u32::from(character))?;
        } else {
            out.write_char(character)?;
        }
    }
    Ok(())
}

/// Passes text on until a number of bytes is reached, and then one ellipsis. The cut lies between characters.
#[derive(Debug)]
pub struct Cut<'a, W> {
    out: &'a mut W,
    left: usize,
    full: bool,
}

impl<'a, W: Write> Cut<'a, W> {
    /// At most `bytes` bytes into `out`, the ellipsis not counted.
    pub fn new(out: &'a mut W, bytes: usize) -> Self {
        Self { out, left: bytes, full: false }
    }

    /// Passes `text` on if all of it fits: half an escape would mean something else.
    pub fn write_whole(&mut self, text: &str) -> fmt::Result {
        if !self.full && text.len() > self.left {
            self.left = 0;
        }
        self.write_str(text)
    }
}

impl<W: Write> Write for Cut<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.full {
            return Ok(());
        }
        let fits = text.floor_char_boundary(self.left);
        self.left -= fits;
        self.out.write_str(&text[..fits])?;
        if fits < text.len() {
            self.full = true;
            self.out.write_char('…')?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::{Cut, write_printable};

    #[test]
    fn hidden_characters_are_shown_as_escapes() {
        let mut out = String::new();
        write_printable(&mut out, "a\nb\u{1b}[0m\u{202e}é").unwrap();
        assert_eq!(out, "a\\u{a}b\\u{1b}[0m\\u{202e}é");
    }

    #[test]
    fn a_cut_lies_between_characters_and_is_marked_once() {
        let mut out = String::new();
        let mut cut = Cut::new(&mut out, 4);
        cut.write_str("abcé").unwrap();
        cut.write_str("more").unwrap();
        assert_eq!(out, "abc…");
    }
}
