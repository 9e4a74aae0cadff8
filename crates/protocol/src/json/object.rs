//! One object opened, so that some of its members can be changed and the rest stays byte for byte.

use trunkline_model::Span;

use super::{JsonError, Key, Problem, Reader, escape_into};

/// An object and what is to become of its members.
#[derive(Debug)]
pub struct Object<'a> {
    raw: &'a [u8],
    members: Vec<Member<'a>>,
    added: Vec<(String, Vec<u8>)>,
    /// Where the last member ends; behind it are white space and the closing brace.
    end: usize,
    changed: bool,
}

#[derive(Debug)]
struct Member<'a> {
    key: Key<'a>,
    /// Where it begins: behind the brace or the comma.
    start: usize,
    value: Span,
    fate: Fate,
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
    Becomes(Vec<u8>),
}

impl<'a> Object<'a> {
    /// Opens `raw`, which must be one object without white space around it.
    ///
    /// # Errors
    /// Anything else, and doubled keys.
    pub fn open(raw: &'a [u8]) -> Result<Self, JsonError> {
        Self::open_with(raw, |_, reader| reader.value())
    }

    /// Opens `raw` and lets `each` take the values, each behind its key, so that a look into one costs no second walk.
    ///
    /// # Errors
    /// As [`Object::open`], and those of `each`.
    pub fn open_with(
        raw: &'a [u8],
        mut each: impl FnMut(&str, &mut Reader<'a>) -> Result<Span, JsonError>,
    ) -> Result<Self, JsonError> {
        let mut reader = Reader::new(raw)?;
        if raw.first() != Some(&b'{') {
            return Err(JsonError { problem: Problem::Type, at: 0 });
        }
        let mut members: Vec<Member<'a>> = Vec::with_capacity(8);
        let mut end = 1;
        reader.object(|key, reader| {
            // Nothing but white space stands between a value and its comma.
            let comma = raw.get(end..).and_then(|rest| rest.iter().position(|b| *b == b','));
            let start = if members.is_empty() { 1 } else { end + comma.map_or(0, |at| at + 1) };
            let value = each(&key, reader)?;
            end = value.end;
            members.push(Member { key, start, value, fate: Fate::Stays });
            Ok(())
        })?;
        reader.end()?;
        Ok(Self { raw, members, added: Vec::new(), end, changed: false })
    }

    /// The value of a member as it came.
    pub fn get(&self, key: &str) -> Option<&'a [u8]> {
        self.members.iter().find(|m| m.key == key).and_then(|m| self.raw.get(m.value.clone()))
    }

    /// The string that is the value of a member.
    pub fn text(&self, key: &str) -> Option<String> {
        string(self.get(key)?)
    }

    /// Keys and values as they came, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a [u8])> {
        self.members.iter().map(|m| (&*m.key, self.raw.get(m.value.clone()).unwrap_or_default()))
    }

    /// Leaves a member out.
    pub fn remove(&mut self, key: &str) {
        if let Some(member) = self.members.iter_mut().find(|m| m.key == key) {
            member.fate = Fate::Goes;
            self.changed = true;
        }
    }

    /// Goes over all members once: `each` says which of them get another value, raw.
    pub fn replace(&mut self, mut each: impl FnMut(&str, &'a [u8]) -> Option<Vec<u8>>) {
        for member in &mut self.members {
            if let Some(new) = each(&member.key, self.raw.get(member.value.clone()).unwrap_or_default()) {
                member.fate = Fate::Becomes(new);
                self.changed = true;
            }
        }
    }

    /// Goes over all members once and leaves out those that `drops` names.
    pub fn drop_those(&mut self, mut drops: impl FnMut(&str, &'a [u8]) -> bool) {
        for member in &mut self.members {
            if drops(&member.key, self.raw.get(member.value.clone()).unwrap_or_default()) {
                member.fate = Fate::Goes;
                self.changed = true;
            }
        }
    }

    /// How many members came.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether none came.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Gives a member another value, raw; one that is not there is put at the end.
    pub fn set(&mut self, key: &str, value: impl Into<Vec<u8>>) {
        self.changed = true;
        match self.members.iter_mut().find(|m| m.key == key) {
            Some(member) => member.fate = Fate::Becomes(value.into()),
            None => self.added.push((key.to_owned(), value.into())),
        }
    }

    /// Gives a member a string.
    pub fn set_text(&mut self, key: &str, text: &str) {
        self.set(key, quoted(text));
    }

    /// The object as it is now; `None` when it is as it came.
    pub fn finish(self) -> Option<Vec<u8>> {
        if !self.changed {
            return None;
        }
        let grown: usize = self.added.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
        let mut out = Vec::with_capacity(self.raw.len() + grown);
        out.push(b'{');
        for member in &self.members {
            if member.fate == Fate::Goes {
                continue;
            }
            separate(&mut out);
            let value = match &member.fate {
                Fate::Becomes(value) => value,
                _ => self.raw.get(member.value.clone()).unwrap_or_default(),
            };
            out.extend_from_slice(self.raw.get(member.start..member.value.start).unwrap_or_default());
            out.extend_from_slice(value);
        }
        for (key, value) in &self.added {
            separate(&mut out);
            escape_into(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value);
        }
        out.extend_from_slice(self.raw.get(self.end..).unwrap_or_default());
        Some(out)
    }

    /// The object as it is now.
    pub fn into_bytes(self) -> Vec<u8> {
        let raw = self.raw;
        self.finish().unwrap_or_else(|| raw.to_vec())
    }
}

/// A comma, unless nothing precedes it.
fn separate(out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
}

/// `text` as a JSON string literal.
pub fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    escape_into(&mut out, text);
    out
}

/// The string that a literal stands for; `None` for any other value.
pub fn string(literal: &[u8]) -> Option<String> {
    if literal.first() != Some(&b'"') {
        return None;
    }
    serde_json::from_slice(literal).ok()
}

/// The elements of an array, raw; `None` when it is none.
pub fn elements(raw: &[u8]) -> Option<Vec<&[u8]>> {
    let mut reader = Reader::new(raw).ok()?;
    let mut out = Vec::new();
    reader
        .array(|reader| {
            let span = reader.value()?;
            out.push(raw.get(span).unwrap_or_default());
            Ok(())
        })
        .ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_changed_and_all_else_stays_byte_for_byte() {
        let raw = br#"{ "a":1.10 , "b" : [2 ],"c":"x" }"#;
        let mut object = Object::open(raw).unwrap();
        assert_eq!(object.get("b"), Some(&b"[2 ]"[..]));
        object.remove("a");
        object.set("c", "7");
        object.set_text("d\"", "e");
        assert_eq!(object.finish().unwrap(), br#"{ "b" : [2 ],"c":7,"d\"":"e" }"#);
        assert!(Object::open(raw).unwrap().finish().is_none());
        let mut empty = Object::open(b"{ }").unwrap();
        empty.remove("a");
        assert!(!empty.changed);
        empty.set("a", "1");
        assert_eq!(empty.finish().unwrap(), br#"{"a":1 }"#);
        for not_one in ["[]", "7", "", "{} {}", r#"{"a":1,"a":2}"#] {
            assert!(Object::open(not_one.as_bytes()).is_err(), "{not_one}");
        }
    }
}
