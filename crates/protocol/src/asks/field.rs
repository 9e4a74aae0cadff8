//! One field of a form, in the words of 2025-06-18: a string, a number, a boolean or an enumeration, where only a boolean
//! has a default.

use std::collections::HashSet;

use crate::json::{Object, elements, quoted};

use super::choices::{self, Choice};

/// Most choices of a field for which the user gets a box each to tick; beyond it they are written as a list.
const BOXES_MAX: usize = 12;
/// Longest schema that is shown to a user, in characters.
const SHOWN_MAX: usize = 500;

/// What has to be done with a field's answer.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// A missing answer is this one.
    Default(Vec<u8>),
    /// The answers to these boxes are one list. A box that says nothing is what its default says.
    Boxes { keys: Vec<String>, several: Several },
    /// The answer is a list, written by hand.
    Written(Several),
    /// The answer is JSON, or else just text.
    Json,
}

/// A field in which several choices can be made.
#[derive(Clone, Debug)]
pub(super) struct Several {
    pub(super) choices: Vec<Choice>,
    pub(super) fewest: usize,
    pub(super) most: usize,
    pub(super) required: bool,
    /// The choices that are made unless the user says otherwise; raw, and by their numbers.
    pub(super) default: Option<(Vec<u8>, Vec<usize>)>,
}

/// What becomes of a field.
pub(super) enum Respoken {
    /// It is as it should be.
    Same,
    /// One field of the same name.
    One(Vec<u8>, Option<Way>),
    /// Several fields, in its place.
    Many(Vec<(String, Vec<u8>)>, Way),
}

/// Respells the schema of a field. `taken` are the names of the form's fields, new ones included.
pub(super) fn respell(name: &str, raw: &[u8], required: bool, taken: &mut HashSet<String>) -> Respoken {
    let Ok(schema) = Object::open(raw) else { return written_as_json(raw, None) };
    match schema.text("type").as_deref() {
        Some("boolean") => Respoken::Same,
        Some("number" | "integer") => without_default(schema),
        Some("string") if schema.get("oneOf").is_none() && schema.get("anyOf").is_none() => {
            without_default(schema)
        }
        Some("string") => match choices::of(&schema) {
            Some(choices) => titled(schema, &choices),
            None => written_as_json(raw, Some(&schema)),
        },
        Some("array") => several(name, raw, &schema, required, taken),
        None if schema.get("type").is_none() && choices::of(&schema).is_some() => {
            // A choice that does not say that it is a string.
            let choices = choices::of(&schema).unwrap_or_default();
            let mut schema = schema;
            schema.set_text("type", "string");
            titled(schema, &choices)
        }
        _ => match not_null(&schema) {
            Some(plain) => match respell(name, &plain, required, taken) {
                Respoken::Same => Respoken::One(plain, None),
                respelled => respelled,
            },
            None => written_as_json(raw, Some(&schema)),
        },
    }
}

fn without_default(mut schema: Object<'_>) -> Respoken {
    let Some(default) = schema.get("default") else { return Respoken::Same };
    schema.remove("default");
    let way = (default != b"null").then(|| Way::Default(default.to_vec()));
    Respoken::One(schema.into_bytes(), way)
}

/// A single choice with titles, which were a list of their own.
fn titled(mut schema: Object<'_>, choices: &[Choice]) -> Respoken {
    schema.remove("oneOf");
    schema.remove("anyOf");
    schema.set("enum", choices::array(choices, |choice| &choice.value));
    if choices.iter().any(|choice| choice.title.is_some()) {
        schema.set("enumNames", choices::array(choices, Choice::shown));
    }
    let default = schema.get("default").filter(|default| *default != b"null");
    schema.remove("default");
    Respoken::One(schema.into_bytes(), default.map(|default| Way::Default(default.to_vec())))
}

/// The schema without "or null": what is missing from the answer is as good.
fn not_null(schema: &Object<'_>) -> Option<Vec<u8>> {
    let null = |raw: &&[u8]| Object::open(raw).is_ok_and(|one| one.text("type").as_deref() == Some("null"));
    if let Some(kinds) = schema.get("type").and_then(elements) {
        let mut kinds = kinds.into_iter().filter(|kind| *kind != b"\"null\"");
        let (only, None) = (kinds.next()?, kinds.next()) else { return None };
        let rest = schema.iter().map(|(key, value)| (key, if key == "type" { only } else { value }));
        return Some(object(rest));
    }
    let key = ["anyOf", "oneOf"].into_iter().find(|key| schema.get(key).is_some())?;
    let all = elements(schema.get(key)?)?;
    let mut others = all.iter().filter(|one| !null(one));
    let (only, None) = (others.next()?, others.next()) else { return None };
    if all.len() < 2 {
        return None;
    }
    let only = Object::open(only).ok()?;
    let outer = schema.iter().filter(|(outer, _)| *outer != key);
    let inner = only.iter().filter(|(inner, _)| schema.get(inner).is_none() || *inner == key);
    Some(object(outer.chain(inner)))
}

fn object<'a>(members: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let members: Vec<Vec<u8>> =
        members.map(|(key, value)| [&quoted(key)[..], b":", value].concat()).collect();
    [&b"{"[..], &members.join(&b","[..]), b"}"].concat()
}

fn several(
    name: &str,
    raw: &[u8],
    schema: &Object<'_>,
    required: bool,
    taken: &mut HashSet<String>,
) -> Respoken {
    let items = schema.get("items").and_then(|items| Object::open(items).ok());
    let Some(choices) = items.as_ref().and_then(choices::of) else {
        return written_as_json(raw, Some(schema));
    };
    let number = |key| schema.get(key).and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
    let default = schema.get("default").and_then(|raw| {
        let picked: Option<Vec<usize>> = elements(raw)?
            .into_iter()
            .map(|one| {
                let value = crate::json::string(one)?;
                choices.iter().position(|choice| choice.value == value)
            })
            .collect();
        Some((raw.to_vec(), picked?))
    });
    let fewest = number("minItems").unwrap_or(0);
    let most = number("maxItems").unwrap_or(usize::MAX);
    // A default that its own form would refuse is none.
    let default =
        default.filter(|(_, picked): &(Vec<u8>, Vec<usize>)| (fewest..=most).contains(&picked.len()));
    let several = Several { choices, fewest, most, required, default };
    let title = schema.text("title").unwrap_or_else(|| name.to_owned());
    let told = [schema.text("description"), several.bounds()];
    let told: Vec<String> = told.into_iter().flatten().collect();
    if several.choices.len() <= BOXES_MAX {
        boxes(name, &title, &told, several, taken)
    } else {
        list(&title, told, several)
    }
}

fn boxes(
    name: &str,
    title: &str,
    told: &[String],
    several: Several,
    taken: &mut HashSet<String>,
) -> Respoken {
    let mut fields = Vec::with_capacity(several.choices.len());
    for (at, choice) in several.choices.iter().enumerate() {
        let mut key = format!("{name}_{}", at + 1);
        while !taken.insert(key.clone()) {
            key.push('_');
        }
        let mut schema = b"{\"type\":\"boolean\",\"title\":".to_vec();
        schema.extend(quoted(&format!("{title}: {}", choice.shown())));
        if !told.is_empty() {
            schema.extend_from_slice(b",\"description\":");
            schema.extend(quoted(&told.join(" ")));
        }
        if let Some((_, picked)) = &several.default {
            schema.extend_from_slice(format!(",\"default\":{}", picked.contains(&at)).as_bytes());
        }
        schema.push(b'}');
        fields.push((key, schema));
    }
    let keys = fields.iter().map(|(key, _)| key.clone()).collect();
    Respoken::Many(fields, Way::Boxes { keys, several })
}

fn list(title: &str, mut told: Vec<String>, several: Several) -> Respoken {
    let all: Vec<&str> = several.choices.iter().map(Choice::shown).collect();
    told.push(format!("One or more, with commas between them: {}", all.join(", ")));
    if let Some((_, picked)) = &several.default {
        let picked: Vec<&str> = picked.iter().map(|at| several.choices[*at].shown()).collect();
        told.push(format!("(if left empty: {})", picked.join(", ")));
    }
    let schema = [
        &b"{\"type\":\"string\",\"title\":"[..],
        &quoted(title),
        b",\"description\":",
        &quoted(&told.join(" ")),
        b"}",
    ];
    Respoken::One(schema.concat(), Some(Way::Written(several)))
}

/// A field of a kind that nobody can show: the user writes JSON.
fn written_as_json(raw: &[u8], schema: Option<&Object<'_>>) -> Respoken {
    let shown: String = String::from_utf8_lossy(raw).chars().take(SHOWN_MAX).collect();
    let told =
        schema.and_then(|schema| schema.text("description")).map_or_else(String::new, |text| text + " ");
    let mut out = b"{\"type\":\"string\"".to_vec();
    if let Some(title) = schema.and_then(|schema| schema.text("title")) {
        out.extend_from_slice(b",\"title\":");
        out.extend(quoted(&title));
    }
    out.extend_from_slice(b",\"description\":");
    out.extend(quoted(&format!("{told}JSON that fits {shown}")));
    out.push(b'}');
    Respoken::One(out, Some(Way::Json))
}

impl Several {
    /// How many choices there must be, in words; `None` when any number will do.
    pub(super) fn bounds(&self) -> Option<String> {
        match (self.fewest, self.most) {
            (0, usize::MAX) => None,
            (fewest, usize::MAX) => Some(format!("Choose at least {fewest}.")),
            (0, most) => Some(format!("Choose at most {most}.")),
            (fewest, most) if fewest == most => Some(format!("Choose {most}.")),
            (fewest, most) => Some(format!("Choose {fewest} to {most}.")),
        }
    }
}
