//! The choices of a form's field, in the spellings of every revision.

use std::collections::HashMap;

use crate::json::{Object, elements, quoted};

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) title: Option<String>,
}

impl Choice {
    /// What the user is shown.
    pub(super) fn shown(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.value)
    }
}

/// The choices in a schema: `enum`, or `oneOf`/`anyOf` over constants with titles. `None` when it offers none, or
/// something that is no string.
pub(super) fn of(schema: &Object<'_>) -> Option<Vec<Choice>> {
    if let Some(list) = schema.get("enum") {
        let names = schema.get("enumNames").and_then(elements).unwrap_or_default();
        let choice = |(at, value): (usize, &[u8])| {
            let title = names.get(at).and_then(|name| crate::json::string(name));
            Some(Choice { value: crate::json::string(value)?, title })
        };
        return elements(list)?
            .into_iter()
            .enumerate()
            .map(choice)
            .collect::<Option<Vec<_>>>()
            .filter(|c| !c.is_empty());
    }
    let list = schema.get("oneOf").or_else(|| schema.get("anyOf"))?;
    let choice = |raw: &[u8]| {
        let one = Object::open(raw).ok()?;
        Some(Choice { value: one.text("const")?, title: one.text("title") })
    };
    elements(list)?.into_iter().map(choice).collect::<Option<Vec<_>>>().filter(|c| !c.is_empty())
}

/// A JSON array of what `say` says of each choice.
pub(super) fn array<'a>(choices: &'a [Choice], say: impl Fn(&'a Choice) -> &'a str) -> Vec<u8> {
    let all: Vec<Vec<u8>> = choices.iter().map(|choice| quoted(say(choice))).collect();
    [&b"["[..], &all.join(&b","[..]), b"]"].concat()
}

/// Most commas within one choice for which a list of choices is searched.
const COMMAS_MAX: usize = 4;

/// Reads a list of choices as a user writes it: values or titles with commas between them, in either case.
///
/// # Errors
/// The first word that is no choice.
pub(super) fn read(text: &str, choices: &[Choice]) -> Result<Vec<usize>, String> {
    let mut known: HashMap<String, usize> = HashMap::with_capacity(choices.len() * 2);
    // Values go before titles, and exact spellings before others.
    let spelled = |by: fn(&Choice) -> Option<&str>| {
        choices.iter().enumerate().filter_map(move |(at, choice)| by(choice).map(|name| (at, name)))
    };
    for (at, name) in spelled(|c| Some(&c.value)).chain(spelled(|c| c.title.as_deref())) {
        known.entry(name.trim().to_owned()).or_insert(at);
    }
    for (at, name) in spelled(|c| Some(&c.value)).chain(spelled(|c| c.title.as_deref())) {
        known.entry(name.trim().to_lowercase()).or_insert(at);
    }
    let words: Vec<&str> = text.split(',').collect();
    let mut picked = vec![false; choices.len()];
    let mut from = 0;
    while from < words.len() {
        if words[from].trim().is_empty() {
            from += 1;
            continue;
        }
        // The longest run of words that is a choice, for a choice may hold commas itself.
        let longest = (words.len() - from).min(COMMAS_MAX + 1);
        let found = (1..=longest).rev().find_map(|count| {
            let name = words[from..from + count].join(",");
            let name = name.trim();
            known.get(name).or_else(|| known.get(&name.to_lowercase())).map(|at| (*at, count))
        });
        let Some((at, count)) = found else { return Err(words[from].trim().chars().take(64).collect()) };
        picked[at] = true;
        from += count;
    }
    Ok((0..choices.len()).filter(|at| picked[*at]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(raw: &str) -> Option<Vec<Choice>> {
        of(&Object::open(raw.as_bytes()).unwrap())
    }

    #[test]
    fn every_spelling_of_choices_is_read() {
        let titled = Some(vec![Choice { value: "a".into(), title: Some("A".into()) }]);
        assert_eq!(opened(r#"{"oneOf":[{"const":"a","title":"A"}]}"#), titled);
        assert_eq!(opened(r#"{"anyOf":[{"const":"a","title":"A"}]}"#), titled);
        assert_eq!(opened(r#"{"enum":["a"],"enumNames":["A"]}"#), titled);
        assert_eq!(opened(r#"{"enum":["a"]}"#), Some(vec![Choice { value: "a".into(), title: None }]));
        for none in [r#"{"enum":[1]}"#, r#"{"enum":[]}"#, r#"{"anyOf":[{"type":"string"}]}"#, "{}"] {
            assert_eq!(opened(none), None, "{none}");
        }
    }

    #[test]
    fn a_list_is_read_as_users_write_it() {
        let choices = opened(
            r#"{"oneOf":[{"const":"r","title":"Red"},{"const":"g","title":"Green, light"},{"const":"Red","title":"x"}]}"#,
        )
        .unwrap();
        assert_eq!(read("r", &choices), Ok(vec![0]));
        assert_eq!(read(" green, light ,RED,, r", &choices), Ok(vec![0, 1, 2]));
        assert_eq!(read("", &choices), Ok(vec![]));
        assert_eq!(read("r, blue", &choices), Err("blue".to_owned()));
    }
}
