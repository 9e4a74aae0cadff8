//! One cell judged: what the client got through the gateway against what it, or a reference client, gets directly.

use serde_json::{Map, Value};

use super::clients::Client;
use super::features::{FEATURES, Feature, Verdict};
use super::servers::{Eras, Server};

/// Members that belong to a revision or to a connection, not to what the server said.
const OWN: [&str; 6] = ["_meta", "resultType", "ttlMs", "cacheScope", "nextCursor", "execution"];

/// What is compared of each item of a list: its identity and what a caller must know. Ornaments differ by revision.
const LISTS: [(&str, &str, &[&str]); 4] = [
    ("tools", "name", &["description", "inputSchema"]),
    ("prompts", "name", &["description", "arguments"]),
    ("resources", "uri", &["name", "mimeType"]),
    ("resourceTemplates", "uriTemplate", &["name", "mimeType"]),
];

/// Tools that a server lists only to clients that can be asked, or that know tasks.
const FOR_THE_ABLE: [&str; 9] = [
    "startElicitation",
    "listRoots",
    "get-roots-list",
    "trigger-sampling-request",
    "trigger-sampling-request-async",
    "trigger-elicitation-request",
    "trigger-elicitation-request-async",
    "trigger-url-elicitation",
    "simulate-research-query",
];

/// Reports of the cell and of the direct runs that it is held against, the nearest first.
pub(crate) struct Evidence<'a> {
    pub(crate) client: &'a Client,
    pub(crate) server: &'a Server,
    pub(crate) through: &'a Value,
    pub(crate) direct: Vec<&'a Value>,
}

impl Evidence<'_> {
    /// A verdict per feature, in the order of [`FEATURES`].
    pub(crate) fn verdicts(&self) -> Vec<(Feature, Verdict)> {
        FEATURES.into_iter().map(|feature| (feature, self.verdict(feature))).collect()
    }

    fn verdict(&self, feature: Feature) -> Verdict {
        match feature {
            Feature::Connect => self.connect(),
            Feature::Lists => self.lists(),
            _ => self.steps(feature),
        }
    }

    fn connected(&self) -> bool {
        self.through["connected"].is_object()
    }

    fn connect(&self) -> Verdict {
        if !self.connected() {
            return Verdict::Fails(self.first_failure("connect"));
        }
        Verdict::Works
    }

    fn lists(&self) -> Verdict {
        if !self.connected() {
            return Verdict::Fails("no connection".to_owned());
        }
        let mut notes = Vec::new();
        for (kind, key, members) in LISTS {
            let Some(expected) = self.direct.iter().find_map(|report| items(report, kind)) else { continue };
            let Some(got) = items(self.through, kind) else {
                return Verdict::Fails(format!("no {kind}: {}", self.first_failure(&format!("list {kind}"))));
            };
            for item in &expected {
                let name = item[key].as_str().unwrap_or_default();
                let Some(found) = got.iter().find(|other| other[key] == item[key]) else {
                    if kind == "tools" && FOR_THE_ABLE.contains(&name) {
                        continue;
                    }
                    return Verdict::Fails(format!("{kind}: {name} is missing"));
                };
                for member in members {
                    let (mine, theirs) = (found.get(*member), item.get(*member));
                    let same = match (mine, theirs) {
                        (Some(mine), Some(theirs)) => self.same(mine, theirs),
                        (None, None) => true,
                        (None, Some(_)) => !self.client.can.show_the_wire,
                        (Some(_), None) => false,
                    };
                    if !same {
                        return Verdict::Fails(format!("{kind}: {member} of {name} differs"));
                    }
                }
            }
            let extra: Vec<&str> = got
                .iter()
                .filter(|item| !expected.iter().any(|other| other[key] == item[key]))
                .filter_map(|item| item[key].as_str())
                .collect();
            if !extra.is_empty() && self.has_direct_view() {
                notes.push(format!("{kind} that it does not see directly: {}", extra.join(", ")));
            }
        }
        if notes.is_empty() { Verdict::Works } else { Verdict::Noted(notes.join("; ")) }
    }

    /// Whether the first of the direct runs is this client's own, so that what it lists depends on nothing else.
    fn has_direct_view(&self) -> bool {
        self.client.reaches(self.server)
    }

    fn steps(&self, feature: Feature) -> Verdict {
        let can = &self.client.can;
        let tried: Vec<&[&str]> =
            self.server.steps.iter().filter(|(of, _)| *of == feature).map(|(_, step)| *step).collect();
        if tried.is_empty() || (feature == Feature::Complete && !can.complete) {
            return Verdict::Absent;
        }
        if !self.connected() {
            return Verdict::Fails("no connection".to_owned());
        }
        let mut worst = Verdict::Works;
        for step in tried {
            let verdict = self.step(feature, step);
            if verdict.rank() < worst.rank() || (worst == Verdict::Works && verdict == Verdict::Absent) {
                worst = verdict;
            }
        }
        worst
    }

    fn step(&self, feature: Feature, step: &[&str]) -> Verdict {
        let Some(got) = entry(self.through, step) else {
            return Verdict::Fails(format!("{}: {}", step[1], self.first_failure("")));
        };
        if feature == Feature::Elicit && !self.client.can.elicit {
            // It cannot be asked. What matters is that the call ends, and not in an empty success.
            let ended = got["error"].is_object()
                || got["result"]["content"].as_array().is_some_and(|all| !all.is_empty());
            return if ended {
                Verdict::Absent
            } else {
                Verdict::Fails(format!("{}: {}", step[1], self.failure_of(got)))
            };
        }
        if step[1] == "no_such_tool" {
            let refused = got["error"].is_object() || got["result"]["isError"] == true;
            return if refused {
                Verdict::Works
            } else {
                Verdict::Fails("an unknown tool is not refused".to_owned())
            };
        }
        let answers = self.direct.iter().filter_map(|report| entry(report, step));
        let Some(expected) = answers.into_iter().find(|entry| answered(entry)) else {
            return Verdict::Fails(format!("{}: nobody got an answer directly", step[1]));
        };
        if !answered(got) {
            return Verdict::Fails(format!("{}: {}", step[1], self.failure_of(got)));
        }
        let mut notes = Vec::new();
        if let Some(method) = feature.ask()
            && self.direct.iter().any(|report| asked(report, method))
        {
            if feature == Feature::Roots
                && self.client.eras != Eras::Legacy
                && self.direct.iter().any(|report| asked_early(report))
            {
                // Now and then a call happens to run, and the client is asked after all: nothing to rely on.
                let why = "the server asks outside of a call, and 2026-07-28 has no way for that";
                return Verdict::Fails(format!("{}: {why}", step[1]));
            }
            if !asked(self.through, method) {
                return Verdict::Fails(format!("{}: the client was not asked", step[1]));
            }
            // An older form has fewer kinds of fields and no defaults, so a client fills it in otherwise.
            // Some fail at a newer form when they meet it directly; then it is the reference that shows what is right.
            let right = self.direct.iter().filter_map(|report| entry(report, step));
            let same_shape = right.into_iter().any(|entry| shape(&got["result"]) == shape(&entry["result"]));
            if feature == Feature::Elicit && self.client.revision < self.server.revision && same_shape {
                if !self.same(&got["result"], &expected["result"]) {
                    notes.push(format!(
                        "{}: the form is told in the words of {}",
                        step[1], self.client.revision
                    ));
                }
                return if notes.is_empty() { Verdict::Works } else { Verdict::Noted(notes.join("; ")) };
            }
        }
        if let Some(verdict) = self.compare(got, expected, step[1], &mut notes) {
            return verdict;
        }
        if feature == Feature::Progress {
            if !self.client.can.progress {
                return Verdict::Absent;
            }
            let steps = got["progress"].as_array().map_or(0, Vec::len);
            if steps == 0 {
                return Verdict::Fails("no progress arrives".to_owned());
            }
        }
        if notes.is_empty() { Verdict::Works } else { Verdict::Noted(notes.join("; ")) }
    }

    fn compare(&self, got: &Value, expected: &Value, name: &str, notes: &mut Vec<String>) -> Option<Verdict> {
        match (got["error"].is_object(), expected["error"].is_object()) {
            (true, true) => {
                if got["error"]["code"] != expected["error"]["code"] {
                    notes.push(format!(
                        "{name}: error {} instead of {}",
                        got["error"]["code"], expected["error"]["code"]
                    ));
                }
                None
            }
            (false, false) => {
                if self.same(&got["result"], &expected["result"]) {
                    return None;
                }
                if self.same(&plainer(&got["result"]), &plainer(&expected["result"])) {
                    notes.push(format!("{name}: content that its revision lacks arrives in another form"));
                    return None;
                }
                Some(Verdict::Fails(format!("{name}: another result: {}", brief(&got["result"]))))
            }
            (true, false) => Some(Verdict::Fails(format!("{name}: {}", brief(&got["error"]["message"])))),
            (false, true) if got["result"]["isError"] == true => {
                notes.push(format!("{name}: a tool's error instead of error {}", expected["error"]["code"]));
                None
            }
            (false, true) => Some(Verdict::Fails(format!("{name}: a result instead of an error"))),
        }
    }

    /// Equal but for members that are not the server's. A client that shows only what its SDK kept may have fewer.
    fn same(&self, got: &Value, expected: &Value) -> bool {
        match (got, expected) {
            (Value::Object(mine), Value::Object(theirs)) => {
                let known = |map: &Map<String, Value>, other: &Map<String, Value>| {
                    map.keys().filter(|key| !OWN.contains(&key.as_str())).all(|key| other.contains_key(key))
                };
                let whole = !self.client.can.show_the_wire || known(theirs, mine);
                let null = |value: &Value| value.is_null();
                whole
                    && mine.iter().filter(|(key, _)| !OWN.contains(&key.as_str())).all(|(key, value)| {
                        theirs.get(key).map_or(
                            !self.client.can.show_the_wire && (null(value) || *value == false),
                            |other| self.same(value, other),
                        )
                    })
            }
            (Value::Array(mine), Value::Array(theirs)) => {
                mine.len() == theirs.len()
                    && mine.iter().zip(theirs).all(|(mine, theirs)| self.same(mine, theirs))
            }
            (Value::Number(mine), Value::Number(theirs)) => mine.as_f64() == theirs.as_f64(),
            // Two spellings of a schema for anything; older revisions have the second one only.
            (Value::Object(mine), Value::Bool(true)) => mine.is_empty(),
            _ => got == expected,
        }
    }

    /// Why a step has no answer.
    fn failure_of(&self, entry: &Value) -> String {
        let threw = &entry["threw"]["message"];
        if threw.is_string() { brief(threw) } else { self.first_failure("") }
    }

    fn first_failure(&self, step: &str) -> String {
        let failures = self.through["failures"].as_array().map(Vec::as_slice).unwrap_or_default();
        let matching =
            failures.iter().find(|failure| failure["step"].as_str().is_some_and(|of| of.starts_with(step)));
        matching
            .or_else(|| failures.first())
            .map_or("no answer".to_owned(), |failure| brief(&failure["message"]))
    }
}

/// A list of the report, or nothing if the client did not get one.
fn items(report: &Value, kind: &str) -> Option<Vec<Value>> {
    report[kind]["items"].as_array().cloned()
}

/// What a report has of a step.
fn entry<'a>(report: &'a Value, step: &[&str]) -> Option<&'a Value> {
    let (section, key) = match step[0] {
        "--call" => ("calls", "name"),
        "--read" => ("reads", "uri"),
        "--prompt" => ("gets", "name"),
        "--complete" => return report["completions"].as_array()?.first(),
        _ => return None,
    };
    let arguments: Option<Value> = step.get(2).and_then(|text| serde_json::from_str(text).ok());
    report[section].as_array()?.iter().find(|entry| {
        entry[key] == step[1] && arguments.as_ref().is_none_or(|wanted| entry["arguments"] == *wanted)
    })
}

fn answered(entry: &Value) -> bool {
    entry["result"].is_object() || entry["error"].is_object()
}

fn asked(report: &Value, method: &str) -> bool {
    report["asks"].as_array().is_some_and(|all| all.iter().any(|ask| ask["method"] == method))
}

/// Whether roots were asked for before any other question, although the step that wants them is the last one.
fn asked_early(report: &Value) -> bool {
    let asks = report["asks"].as_array().map(Vec::as_slice).unwrap_or_default();
    asks.len() > 1 && asks[0]["method"] == "roots/list"
}

/// The text of a result, and how many blocks it has: what is left when blocks are told in an older revision's words.
fn plainer(result: &Value) -> Value {
    let blocks = result["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts = blocks.iter().filter(|block| block["type"] == "text" && !is_told(block));
    let texts: Vec<Value> = texts.map(|block| block["text"].clone()).collect();
    serde_json::json!({ "blocks": blocks.len(), "texts": texts, "isError": result["isError"] == true })
}

/// How many blocks a result has, and whether it is an error.
fn shape(result: &Value) -> (usize, bool) {
    (result["content"].as_array().map_or(0, Vec::len), result["isError"] == true)
}

/// Whether a text block tells of a resource link, as `protocol` words it for older clients.
fn is_told(block: &Value) -> bool {
    block["text"].as_str().is_some_and(|text| text.contains("://"))
}

/// The start of a text, without what differs from run to run.
pub(super) fn brief(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut out = String::new();
    let mut digits = 0;
    for sign in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        digits = if sign.is_ascii_digit() { digits + 1 } else { 0 };
        // Ports and process ids.
        match digits {
            4 => {
                out.truncate(out.len() - 3);
                out.push('N');
            }
            5.. => {}
            _ => out.push(sign),
        }
        if out.len() > 140 {
            out.push('…');
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::clients::CLIENTS;
    use super::super::servers::SERVERS;
    use super::*;
    use serde_json::json;

    fn judged(through: &Value, direct: &Value, feature: Feature) -> Verdict {
        let client = CLIENTS.iter().find(|client| client.id == "ts-1.32-http").unwrap();
        let server = SERVERS.iter().find(|server| server.id == "py-1.30-http").unwrap();
        Evidence { client, server, through, direct: vec![direct] }.verdict(feature)
    }

    fn report(text: &str) -> Value {
        json!({
            "connected": {},
            "calls": [
                { "name": "fail", "arguments": {}, "result": { "content": [{ "type": "text", "text": text }] }, "error": null },
                { "name": "no_such_tool", "arguments": {}, "result": null, "error": { "code": -32602 } },
            ],
        })
    }

    #[test]
    fn a_wrong_result_does_not_work() {
        let direct = report("right");
        assert_eq!(judged(&report("right"), &direct, Feature::Errors), Verdict::Works);
        assert!(matches!(judged(&report("wrong"), &direct, Feature::Errors), Verdict::Fails(_)));
        assert!(matches!(judged(&json!({ "failures": [] }), &direct, Feature::Errors), Verdict::Fails(_)));
    }

    #[test]
    fn an_empty_list_is_not_the_server_s() {
        let tools = |items: Value| json!({ "connected": {}, "tools": { "items": items } });
        let direct = tools(json!([{ "name": "echo", "inputSchema": {} }]));
        assert_eq!(judged(&direct, &direct, Feature::Lists), Verdict::Works);
        assert!(matches!(judged(&tools(json!([])), &direct, Feature::Lists), Verdict::Fails(_)));
        let other = tools(json!([{ "name": "echo", "inputSchema": { "type": "object" } }]));
        assert!(matches!(judged(&other, &direct, Feature::Lists), Verdict::Fails(_)));
    }

    #[test]
    fn what_belongs_to_a_revision_is_not_compared() {
        let mut through = report("right");
        through["calls"][0]["result"]["resultType"] = json!("complete");
        through["calls"][0]["result"]["_meta"] = json!({ "a": 1 });
        assert_eq!(judged(&through, &report("right"), Feature::Errors), Verdict::Works);
        through["calls"][0]["result"]["isError"] = json!(true);
        assert!(matches!(judged(&through, &report("right"), Feature::Errors), Verdict::Fails(_)));
    }

    #[test]
    fn reasons_are_the_same_in_every_run() {
        assert_eq!(
            brief(&json!("connect ECONNREFUSED 127.0.0.1:43211\n  x")),
            "connect ECONNREFUSED 127.0.0.1:N x"
        );
        assert_eq!(brief(&json!("HTTP 400")), "HTTP 400");
    }
}
