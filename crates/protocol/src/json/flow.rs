//! Walking over a text that comes in pieces, with bounded memory.

use super::literal::{number, string, word};
use super::pieces::{Number, Text, Token};
use super::problem::{Read, fail};
use super::skip::Open;
use super::{DEPTH_MAX, Problem, skip};

/// Values that may turn out to be cut before a piece is only walked over token by token.
const TRIES_MAX: u32 = 3;

/// The grammar between two pieces.
#[derive(Debug)]
pub(crate) struct Flow {
    open: Open,
    expected: Expected,
    token: Option<Token>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Value,
    /// A value, or the end of the array that has just begun.
    FirstValue,
    Key,
    /// A key, or the end of the object that has just begun.
    FirstKey,
    Colon,
    /// A comma, or the end of what is open.
    Comma,
    /// Nothing but white space.
    Nothing,
}

/// What happened on the way. Levels count open arrays and objects; the members of the outermost object are at level 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The piece is at its end.
    More,
    /// A key begins, with its quote at this place.
    Key(usize),
    /// The key has ended.
    KeyEnd,
    /// A value begins at this place.
    Value(usize),
    /// A value has ended, and the level is that of its surroundings again.
    ValueEnd,
}

impl Flow {
    pub(crate) const fn new() -> Self {
        Self { open: Open::new(0), expected: Expected::Value, token: None }
    }

    /// How many arrays and objects are open.
    pub(crate) const fn level(&self) -> u32 {
        self.open.level()
    }

    /// Whether the whole document was read.
    pub(crate) fn is_over(&self) -> bool {
        self.expected == Expected::Nothing
    }

    /// Goes on from `at` to the next event at level `floor` or above; what lies deeper is walked over. Returns where
    /// it stopped.
    pub(crate) fn next(&mut self, text: &[u8], mut at: usize, floor: u32) -> Read<(usize, Event)> {
        loop {
            if let Some(token) = &mut self.token {
                let (end, over) = token.take(text, at)?;
                if !over {
                    return Ok((end, Event::More));
                }
                at = end;
                self.token = None;
                if self.expected == Expected::Colon {
                    if self.level() <= floor {
                        return Ok((at, Event::KeyEnd));
                    }
                } else if let Some(event) = self.ended(floor) {
                    return Ok((at, event));
                }
            }
            if self.level() > floor {
                at = self.run(text, at, floor)?;
                if self.level() == floor {
                    return Ok((at, Event::ValueEnd));
                }
            }
            let Some(byte) = text.get(at) else { return Ok((at, Event::More)) };
            let (behind, event) = self.step(*byte, at, floor)?;
            at = behind;
            if let Some(event) = event {
                return Ok((at, event));
            }
        }
    }

    /// A value has ended.
    fn ended(&mut self, floor: u32) -> Option<Event> {
        self.expected = if self.level() == 0 { Expected::Nothing } else { Expected::Comma };
        (self.level() <= floor).then_some(Event::ValueEnd)
    }

    /// Takes one character between tokens, or begins a token.
    fn step(&mut self, byte: u8, at: usize, floor: u32) -> Read<(usize, Option<Event>)> {
        use Expected::{Colon, Comma, FirstKey, FirstValue, Key, Nothing, Value};
        let heard = self.level() <= floor;
        let event = match (self.expected, byte) {
            (_, b' ' | b'\n' | b'\t' | b'\r') => None,
            (Key | FirstKey, b'"') => {
                self.token = Some(Token::Text(Text::default()));
                // What follows the key; its end is told from that of a value by this.
                self.expected = Colon;
                heard.then_some(Event::Key(at))
            }
            (Colon, b':') => {
                self.expected = Value;
                None
            }
            (Comma, b',') => {
                self.expected = if self.open.in_object() { Key } else { Value };
                None
            }
            (Comma | FirstKey | FirstValue, b'}' | b']') if byte == self.open.closing() => {
                self.open.pop();
                self.ended(floor)
            }
            (Value | FirstValue, _) => {
                let behind = self.begin(byte, at)?;
                return Ok((behind, heard.then_some(Event::Value(at))));
            }
            (Nothing, _) => return fail(Problem::Trailing, at),
            _ => return fail(Problem::Unexpected, at),
        };
        Ok((at + 1, event))
    }

    /// Begins a value.
    fn begin(&mut self, byte: u8, at: usize) -> Read<usize> {
        let token = match byte {
            b'"' => {
                self.expected = Expected::Comma;
                self.token = Some(Token::Text(Text::default()));
                return Ok(at + 1);
            }
            b'{' | b'[' => {
                if self.level() >= DEPTH_MAX {
                    return fail(Problem::Depth, at + 1);
                }
                self.open.push(byte + 2);
                self.expected = if byte == b'{' { Expected::FirstKey } else { Expected::FirstValue };
                return Ok(at + 1);
            }
            b'-' | b'0'..=b'9' => Token::Number(Number::Nothing),
            b't' => Token::Word(b"true"),
            b'f' => Token::Word(b"false"),
            b'n' => Token::Word(b"null"),
            _ => return fail(Problem::Unexpected, at),
        };
        self.expected = Expected::Comma;
        self.token = Some(token);
        Ok(at)
    }

    /// Walks over what is deeper than `floor` as long as whole tokens are at hand; stops where one is cut or wrong, which
    /// is for the slow way to find out.
    fn run(&mut self, text: &[u8], mut at: usize, floor: u32) -> Read<usize> {
        use Expected::{Colon, Comma, FirstKey, FirstValue, Key, Nothing, Value};
        let mut expected = self.expected;
        // What lies whole in this piece is walked over in the way of whole texts. What is cut is not tried again at every
        // level, or a piece with deep nesting would be walked over as many times.
        let mut tries = TRIES_MAX;
        while let Some(byte) = text.get(at) {
            let end = match (expected, *byte) {
                (Key | FirstKey, b'"') => {
                    let Ok(end) = string(text, at + 1) else { break };
                    expected = Colon;
                    if text.get(end.at()) == Some(&b':') {
                        expected = Value;
                        end.at() + 1
                    } else {
                        end.at()
                    }
                }
                (Colon, b':') => {
                    expected = Value;
                    at + 1
                }
                (Value | FirstValue, b'"') => {
                    let Ok(end) = string(text, at + 1) else { break };
                    expected = Comma;
                    end.at()
                }
                (Value | FirstValue, first @ (b'{' | b'[')) => {
                    if tries > 0 {
                        if let Ok(end) = skip::value(text, at, self.level()) {
                            expected = Comma;
                            at = end;
                            continue;
                        }
                        tries -= 1;
                    }
                    if self.level() >= DEPTH_MAX {
                        return fail(Problem::Depth, at + 1);
                    }
                    self.open.push(first + 2);
                    expected = if first == b'{' { FirstKey } else { FirstValue };
                    at + 1
                }
                (Value | FirstValue, b'-' | b'0'..=b'9') => {
                    let Ok(end) = number(text, at) else { break };
                    // One that touches the end of the piece may go on.
                    if end == text.len() {
                        break;
                    }
                    expected = Comma;
                    end
                }
                (Value | FirstValue, first @ (b't' | b'f' | b'n')) => {
                    let rest: &[u8] = match first {
                        b't' => b"true",
                        b'f' => b"false",
                        _ => b"null",
                    };
                    let Ok(end) = word(text, at, rest) else { break };
                    expected = Comma;
                    end
                }
                (Comma, b',') => {
                    expected = if self.open.in_object() { Key } else { Value };
                    at + 1
                }
                (Comma | FirstKey | FirstValue, b'}' | b']') if *byte == self.open.closing() => {
                    self.open.pop();
                    expected = if self.level() == 0 { Nothing } else { Comma };
                    if self.level() == floor {
                        at += 1;
                        break;
                    }
                    at + 1
                }
                (_, b' ' | b'\n' | b'\t' | b'\r') => at + 1,
                _ => break,
            };
            at = end;
        }
        self.expected = expected;
        Ok(at)
    }
}
