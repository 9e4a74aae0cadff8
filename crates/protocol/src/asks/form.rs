//! The form of an elicitation for clients of 2025-06-18, and its answer for the server that asked.

use std::collections::HashSet;

use crate::json::{Object, Reader, elements, quoted, string};

use super::choices;
use super::field::{self, Respoken, Several, Way};

/// Most fields of a form that is converted. Nobody fills in more.
const FIELDS_MAX: usize = 256;

/// What became of a form.
pub(super) enum Respelled {
    /// It is as it should be, or no form at all.
    Same,
    /// In the words of 2025-06-18, and the way back.
    To(Vec<u8>, Form),
    /// It has too many fields.
    TooLarge,
}

/// The fields whose answers must be converted.
#[derive(Clone, Debug, Default)]
pub(super) struct Form(Vec<(String, Way)>);

/// Respells a form for 2025-06-18.
pub(super) fn downward(raw: &[u8]) -> Respelled {
    let Ok(mut schema) = Object::open(raw) else { return Respelled::Same };
    let Some(properties) = schema.get("properties").and_then(|raw| Object::open(raw).ok()) else {
        return Respelled::Same;
    };
    if properties.len() > FIELDS_MAX {
        return Respelled::TooLarge;
    }
    let required: Vec<String> = schema
        .get("required")
        .and_then(elements)
        .unwrap_or_default()
        .into_iter()
        .filter_map(string)
        .collect();
    let mut taken: HashSet<String> = properties.iter().map(|(name, _)| name.to_owned()).collect();
    let mut form = Form::default();
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    let (mut changed, mut split) = (false, HashSet::new());
    for (name, field) in properties.iter() {
        let needed = required.iter().any(|one| one == name);
        match field::respell(name, field, needed, &mut taken) {
            Respoken::Same => fields.push((name.to_owned(), field.to_vec())),
            Respoken::One(new, way) => {
                changed = true;
                fields.push((name.to_owned(), new));
                form.0.extend(way.map(|way| (name.to_owned(), way)));
            }
            Respoken::Many(several, way) => {
                changed = true;
                fields.extend(several);
                form.0.push((name.to_owned(), way));
                split.insert(name.to_owned());
            }
        }
    }
    if !changed {
        return Respelled::Same;
    }
    let fields: Vec<Vec<u8>> =
        fields.iter().map(|(name, field)| [&quoted(name)[..], b":", field].concat()).collect();
    schema.set("properties", [&b"{"[..], &fields.join(&b","[..]), b"}"].concat());
    if required.iter().any(|name| split.contains(name)) {
        let left: Vec<Vec<u8>> =
            required.iter().filter(|name| !split.contains(*name)).map(|name| quoted(name)).collect();
        schema.set("required", [&b"["[..], &left.join(&b","[..]), b"]"].concat());
    }
    Respelled::To(schema.into_bytes(), form)
}

impl Form {
    /// The answer as the server's own schema wants it; `None` when it is that already.
    ///
    /// # Errors
    /// What is wrong with it, for the user.
    pub(super) fn answer(&self, raw: &[u8]) -> Result<Option<Vec<u8>>, String> {
        // What is no answer at all is judged elsewhere.
        let Ok(mut answer) = Object::open(raw) else { return Ok(None) };
        if answer.get("action") != Some(b"\"accept\"") {
            return Ok(None);
        }
        let given = answer.get("content").filter(|content| content.starts_with(b"{")).unwrap_or(b"{}");
        let Ok(mut content) = Object::open(given) else { return Ok(None) };
        for (name, way) in &self.0 {
            let said = content.get(name).filter(|value| *value != b"null");
            match way {
                Way::Default(default) if said.is_none() => content.set(name, default.clone()),
                Way::Default(_) => {}
                Way::Boxes { keys, several } => boxes(&mut content, name, keys, several)?,
                Way::Written(several) => written(&mut content, name, several)?,
                Way::Json => {
                    let text = said.and_then(string).filter(|text| is_json(text));
                    if let Some(text) = text {
                        content.set(name, text.trim());
                    }
                }
            }
        }
        if let Some(content) = content.finish() {
            answer.set("content", content);
        }
        Ok(answer.finish())
    }
}

fn is_json(text: &str) -> bool {
    let whole = |mut reader: Reader<'_>| reader.value().and_then(|_| reader.end());
    Reader::new(text.as_bytes()).and_then(whole).is_ok()
}

fn boxes(content: &mut Object<'_>, name: &str, keys: &[String], several: &Several) -> Result<(), String> {
    if content.get(name).is_some_and(|value| value.starts_with(b"[")) {
        // A client that knew better.
        return Ok(());
    }
    let ticked = |at: usize, key: &String| match content.get(key) {
        Some(b"true") => true,
        Some(b"false") => false,
        _ => several.default.as_ref().is_some_and(|(_, picked)| picked.contains(&at)),
    };
    let picked: Vec<usize> =
        keys.iter().enumerate().filter(|(at, key)| ticked(*at, key)).map(|(at, _)| at).collect();
    let silent = keys.iter().all(|key| content.get(key).is_none());
    for key in keys {
        content.remove(key);
    }
    several.put(content, name, &picked, silent)
}

fn written(content: &mut Object<'_>, name: &str, several: &Several) -> Result<(), String> {
    let text = match content.get(name) {
        None | Some(b"null") => String::new(),
        Some(value) if value.starts_with(b"[") => return Ok(()),
        Some(value) => string(value).ok_or_else(|| format!("{name}: write the choices as text."))?,
    };
    let picked = choices::read(&text, &several.choices)
        .map_err(|word| format!("{name}: \"{word}\" is not one of the choices."))?;
    several.put(content, name, &picked, text.trim().is_empty())
}

impl Several {
    /// Puts the list into the answer, or leaves it out where the user made no choice and need not make one.
    fn put(
        &self,
        content: &mut Object<'_>,
        name: &str,
        picked: &[usize],
        silent: bool,
    ) -> Result<(), String> {
        if let (true, Some((raw, _))) = (silent, &self.default) {
            content.set(name, raw.clone());
            return Ok(());
        }
        if picked.is_empty() && !self.required && (silent || self.fewest > 0) {
            content.remove(name);
            return Ok(());
        }
        if picked.len() < self.fewest || picked.len() > self.most {
            return Err(format!("{name}: {}", self.bounds().unwrap_or_default()));
        }
        let picked: Vec<choices::Choice> = picked.iter().map(|at| self.choices[*at].clone()).collect();
        content.set(name, choices::array(&picked, |choice| &choice.value));
        Ok(())
    }
}
