//! What the command line says about arguments.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;
use serde_json::value::RawValue;

use super::typed;
use crate::stop::Stop;
use crate::suggest;

/// Arguments as they were given. JSON stays text: numbers reach the server as they were written.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    json: BTreeMap<String, Box<RawValue>>,
    pairs: Vec<(String, String)>,
}

impl Arguments {
    /// Reads `--arg` and `--args-json`. `read_file` answers `@FILE`; `-` is stdin.
    ///
    /// # Errors
    /// For pairs without a name and JSON that is not an object.
    pub(crate) fn read(
        pairs: &[String],
        json: Option<&str>,
        read_file: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<Self, Stop> {
        let mut given = Self::default();
        if let Some(json) = json {
            let text = match json.strip_prefix('@') {
                Some(path) => {
                    read_file(Path::new(path)).map_err(|error| Stop::file(Path::new(path), &error))?
                }
                None if json == "-" => {
                    let mut text = String::new();
                    io::stdin().lock().read_to_string(&mut text)?;
                    text
                }
                None => json.to_owned(),
            };
            given.json = serde_json::from_str(&text)
                .map_err(|error| Stop::usage(format!("--args-json is not a JSON object: {error}")))?;
        }
        for pair in pairs {
            let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                return Err(Stop::usage(format!(
                    "--arg wants NAME=VALUE, not \"{}\"",
                    crate::terminal::one_line(pair)
                )));
            };
            given.pairs.push((name.to_owned(), value.to_owned()));
        }
        Ok(given)
    }

    /// The text of a JSON object, with every `--arg` as the type that `schema` (the tool's `inputSchema`) wants.
    ///
    /// # Errors
    /// For names that the tool does not know, and values that are not what it wants.
    pub(crate) fn typed(&self, schema: &Value) -> Result<String, Stop> {
        let mut all: BTreeMap<&str, String> =
            self.json.iter().map(|(name, value)| (name.as_str(), value.get().to_owned())).collect();
        for name in self.json.keys() {
            known(name, schema)?;
        }
        let mut grouped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in &self.pairs {
            grouped.entry(name).or_default().push(value);
        }
        for (name, values) in grouped {
            known(name, schema)?;
            let value = typed::value(&schema["properties"][name], &values);
            let value = value.map_err(|why| Stop::usage(format!("the argument \"{name}\" {why}")))?;
            all.insert(name, value);
        }
        let members = all.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name)));
        Ok(format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
    }
}

/// Refuses a name that the tool does not list, unless it says that it takes others.
fn known(name: &str, schema: &Value) -> Result<(), Stop> {
    let Some(properties) = schema["properties"].as_object() else { return Ok(()) };
    let open = match &schema["additionalProperties"] {
        Value::Bool(open) => *open,
        Value::Object(_) => true,
        _ => schema["patternProperties"].is_object(),
    };
    if open || properties.contains_key(name) {
        return Ok(());
    }
    Err(Stop::usage(suggest::unknown("argument", name, properties.keys().map(String::as_str))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn typed(pairs: &[&str], json: Option<&str>) -> Result<String, String> {
        let schema = json!({"type": "object", "properties": {
            "title": {"type": "string"}, "count": {"type": "integer"}, "tags": {"type": "array"},
        }});
        let pairs: Vec<String> = pairs.iter().map(ToString::to_string).collect();
        let given = Arguments::read(&pairs, json, |_| Ok("{\"title\":\"from a file\"}".to_owned()));
        given.and_then(|given| given.typed(&schema)).map_err(|stop| stop.message.unwrap())
    }

    #[test]
    fn the_schema_decides_the_type() {
        assert_eq!(typed(&["title=5", "count=5"], None).unwrap(), r#"{"count":5,"title":"5"}"#);
        assert_eq!(typed(&["title=a=b"], None).unwrap(), r#"{"title":"a=b"}"#);
    }

    #[test]
    fn json_passes_as_written_and_single_arguments_win() {
        let json = Some(r#"{"count": 123456789012345678901234567890, "title": "x"}"#);
        assert_eq!(
            typed(&["title=y"], json).unwrap(),
            r#"{"count":123456789012345678901234567890,"title":"y"}"#
        );
        assert_eq!(typed(&[], Some("@file")).unwrap(), r#"{"title":"from a file"}"#);
    }

    #[test]
    fn what_the_tool_does_not_know_is_refused_with_a_suggestion() {
        assert!(typed(&["titel=x"], None).unwrap_err().contains("did you mean \"title\"?"));
        assert!(typed(&[], Some("{\"cuont\":1}")).unwrap_err().contains("did you mean \"count\"?"));
        assert!(typed(&["title"], None).unwrap_err().contains("NAME=VALUE"));
        assert!(typed(&[], Some("[]")).unwrap_err().contains("not a JSON object"));
    }
}
