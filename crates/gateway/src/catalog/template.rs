//! URI templates (RFC 6570) as matchers: does a URI belong to this template, and how specifically?

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A simple expression: one or more characters without a slash.
    Segment,
    /// Any other expression (`{+x}`, `{/x*}`, `{?q}`, ...): anything, also nothing.
    Rest,
}

/// A compiled template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

/// Parts of a template beyond which it matches nothing: no real template comes near, and matching costs parts times
/// length.
const PARTS_MAX: usize = 64;
/// Longest URI that is matched.
const URI_BYTES_MAX: usize = 8 * 1024;

impl Template {
    /// Compiles a template; malformed ones (unclosed braces, too many parts) match nothing.
    pub(super) fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            if open > 0 {
                parts.push(Part::Literal(rest[..open].to_owned()));
            }
            let Some(close) = rest[open..].find('}') else { return Self { parts: Vec::new() } };
            let inner = &rest[open + 1..open + close];
            let simple =
                inner.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'%' | b'-'));
            parts.push(if simple && !inner.is_empty() { Part::Segment } else { Part::Rest });
            rest = &rest[open + close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        if parts.len() > PARTS_MAX {
            parts.clear();
        }
        Self { parts }
    }

    /// Literal characters: of two templates that match, the one with more is meant.
    pub(super) fn specificity(&self) -> usize {
        self.parts.iter().map(|p| if let Part::Literal(text) = p { text.len() } else { 0 }).sum()
    }

    /// Whether `uri` could be an expansion of this template. Takes time proportional to parts times length.
    pub(super) fn matches(&self, uri: &str) -> bool {
        let bytes = uri.as_bytes();
        if self.parts.is_empty() || bytes.len() > URI_BYTES_MAX || !self.begins_and_ends(bytes) {
            return false;
        }
        // reached[i]: the parts so far can end before byte i.
        let mut reached = vec![false; bytes.len() + 1];
        let mut next = vec![false; bytes.len() + 1];
        reached[0] = true;
        for part in &self.parts {
            next.fill(false);
            step(part, bytes, &reached, &mut next);
            std::mem::swap(&mut reached, &mut next);
        }
        reached[bytes.len()]
    }

    /// The cheap test that settles nearly every URI: literal text at both ends.
    fn begins_and_ends(&self, bytes: &[u8]) -> bool {
        let fits = |part: Option<&Part>, at_start: bool| match part {
            Some(Part::Literal(text)) if at_start => bytes.starts_with(text.as_bytes()),
            Some(Part::Literal(text)) => bytes.ends_with(text.as_bytes()),
            _ => true,
        };
        fits(self.parts.first(), true) && fits(self.parts.last(), false)
    }
}

/// Where one more part can end, given where the parts before it can.
fn step(part: &Part, bytes: &[u8], reached: &[bool], next: &mut [bool]) {
    match part {
        Part::Literal(text) => {
            for at in (0..=bytes.len()).filter(|at| reached[*at]) {
                if bytes[at..].starts_with(text.as_bytes()) {
                    next[at + text.len()] = true;
                }
            }
        }
        Part::Segment => {
            let mut open = false;
            for at in 0..bytes.len() {
                open |= reached[at];
                open &= bytes[at] != b'/';
                next[at + 1] = open;
            }
        }
        Part::Rest => {
            let mut open = false;
            for (at, slot) in next.iter_mut().enumerate() {
                open |= reached[at];
                *slot = open;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_match_their_expansions_only() {
        for (template, uri, expected) in [
            ("test://static/{id}/data", "test://static/123/data", true),
            ("test://static/{id}/data", "test://static//data", false),
            ("test://static/{id}/data", "test://static/1/2/data", false),
            ("file:///{+path}", "file:///a/b/c", true),
            ("db://{table}/{row}", "db://users/7", true),
            ("search://q{?text}", "search://q?text=a", true),
            ("x://{a", "x://1", false),
        ] {
            assert_eq!(Template::new(template).matches(uri), expected, "{template} {uri}");
        }
    }

    #[test]
    fn an_exploded_template_costs_time_in_proportion_only() {
        let template = Template::new(&"{a}".repeat(60));
        assert!(template.matches(&"x".repeat(8000)));
        assert!(!template.matches(&format!("{}/", "x".repeat(8000))));
    }
}
