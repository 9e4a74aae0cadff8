//! Everything that the gateway said, held against the schema of the revision it was said in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::judge::brief;
use super::said::Said;

/// Methods, and the definitions of their request or notification and of what answers it.
const METHODS: [(&str, &str, &[&str]); 30] = [
    ("initialize", "InitializeRequest", &["InitializeResult"]),
    ("ping", "PingRequest", &["EmptyResult"]),
    ("server/discover", "DiscoverRequest", &["DiscoverResult"]),
    ("subscriptions/listen", "SubscriptionsListenRequest", &["SubscriptionsListenResult"]),
    ("tools/list", "ListToolsRequest", &["ListToolsResult"]),
    ("tools/call", "CallToolRequest", &["CallToolResult", "InputRequiredResult", "CreateTaskResult"]),
    ("prompts/list", "ListPromptsRequest", &["ListPromptsResult"]),
    ("prompts/get", "GetPromptRequest", &["GetPromptResult", "InputRequiredResult"]),
    ("resources/list", "ListResourcesRequest", &["ListResourcesResult"]),
    ("resources/templates/list", "ListResourceTemplatesRequest", &["ListResourceTemplatesResult"]),
    ("resources/read", "ReadResourceRequest", &["ReadResourceResult", "InputRequiredResult"]),
    ("resources/subscribe", "SubscribeRequest", &["EmptyResult"]),
    ("resources/unsubscribe", "UnsubscribeRequest", &["EmptyResult"]),
    ("completion/complete", "CompleteRequest", &["CompleteResult"]),
    ("logging/setLevel", "SetLevelRequest", &["EmptyResult"]),
    ("elicitation/create", "ElicitRequest", &["ElicitResult"]),
    ("sampling/createMessage", "CreateMessageRequest", &["CreateMessageResult"]),
    ("roots/list", "ListRootsRequest", &["ListRootsResult"]),
    ("notifications/initialized", "InitializedNotification", &[]),
    ("notifications/cancelled", "CancelledNotification", &[]),
    ("notifications/progress", "ProgressNotification", &[]),
    ("notifications/message", "LoggingMessageNotification", &[]),
    ("notifications/tools/list_changed", "ToolListChangedNotification", &[]),
    ("notifications/prompts/list_changed", "PromptListChangedNotification", &[]),
    ("notifications/resources/list_changed", "ResourceListChangedNotification", &[]),
    ("notifications/resources/updated", "ResourceUpdatedNotification", &[]),
    ("notifications/roots/list_changed", "RootsListChangedNotification", &[]),
    ("notifications/subscriptions/acknowledged", "SubscriptionsAcknowledgedNotification", &[]),
    ("notifications/elicitation/complete", "ElicitationCompleteNotification", &[]),
    ("notifications/tasks/status", "TaskStatusNotification", &[]),
];

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// The schemas, and what was found wrong.
pub(crate) struct Schemas {
    folder: PathBuf,
    documents: BTreeMap<String, Value>,
    validators: HashMap<(String, String), Option<Validator>>,
}

/// What is wrong with a message, in words that are the same in every run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    pub(crate) revision: String,
    /// `tools/call request`, `tools/list result`, `notifications/progress`.
    pub(crate) what: String,
    pub(crate) why: String,
}

/// Where we listened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// Client and gateway: the gateway is the server.
    Front,
    /// Gateway and server: the gateway is the client.
    Back,
}

/// The findings of one place.
#[derive(Default)]
pub(crate) struct Findings {
    /// In what the gateway said.
    pub(crate) gateway: BTreeSet<Violation>,
    /// In what its peer said.
    pub(crate) peer: BTreeSet<Violation>,
    /// Messages of the gateway that were looked at.
    pub(crate) messages: usize,
}

impl Schemas {
    /// With the files of this folder.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder, documents: BTreeMap::new(), validators: HashMap::new() }
    }

    /// Judges what was said in one place.
    pub(crate) fn judge(&mut self, between: Between, said: &[Said]) -> Result<Findings> {
        let talk = Talk::of(said);
        let mut findings = Findings::default();
        for one in said {
            let by_gateway = one.by_server == (between == Between::Front);
            findings.messages += usize::from(by_gateway);
            let Some(violation) = self.violation(&talk, one)? else { continue };
            if by_gateway {
                findings.gateway.insert(violation);
            } else {
                findings.peer.insert(violation);
            }
        }
        Ok(findings)
    }

    fn violation(&mut self, talk: &Talk, one: &Said) -> Result<Option<Violation>> {
        let message = &one.message;
        let revision = talk.revision(one).to_owned();
        let violation = |what: String, why| Ok(Some(Violation { revision: revision.clone(), what, why }));
        if let Some(method) = message["method"].as_str() {
            let kind = if message.get("id").is_some() { " request" } else { "" };
            let what = format!("{method}{kind}");
            let Some((_, definition, _)) = METHODS.iter().find(|(name, ..)| *name == method) else {
                // An extension's; the core has no schema for it.
                return Ok(None);
            };
            return match self.check(&revision, &[definition], message)? {
                Some(why) => violation(what, why),
                None => Ok(None),
            };
        }
        let method = talk.method_answered(one);
        let what = format!(
            "{} {}",
            method.unwrap_or("?"),
            if message.get("error").is_some() { "error" } else { "result" }
        );
        if message.get("error").is_some() {
            return match self.check(&revision, &["JSONRPCErrorResponse", "JSONRPCError"], message)? {
                Some(why) => violation(what, why),
                None => Ok(None),
            };
        }
        let Some((.., answers)) = METHODS.iter().find(|(name, ..)| Some(*name) == method) else {
            return if method.is_some() {
                Ok(None)
            } else {
                violation(what, "answers no request".to_owned())
            };
        };
        let answers: Vec<&str> = match message["result"]["resultType"].as_str() {
            Some("input_required") => vec!["InputRequiredResult"],
            // An extension's.
            Some("task") => return Ok(None),
            _ if message["result"]["task"].is_object() => vec!["CreateTaskResult"],
            _ => answers.iter().copied().take(1).collect(),
        };
        let envelope = json!({ "jsonrpc": message["jsonrpc"], "id": message["id"], "result": {"resultType": "complete"} });
        let whole = self.check(&revision, &["JSONRPCResultResponse", "JSONRPCResponse"], &envelope)?;
        match whole
            .map_or_else(|| self.check(&revision, &answers, &message["result"]), |why| Ok(Some(why)))?
        {
            Some(why) => violation(what, why),
            None => Ok(None),
        }
    }

    /// Why a value is none of these, by the first of them that the revision has.
    fn check(&mut self, revision: &str, definitions: &[&str], value: &Value) -> Result<Option<String>> {
        for definition in definitions {
            let key = (revision.to_owned(), (*definition).to_owned());
            if !self.validators.contains_key(&key) {
                let validator = self.validator(revision, definition)?;
                self.validators.insert(key.clone(), validator);
            }
            let Some(Some(validator)) = self.validators.get(&key) else { continue };
            return Ok(validator.iter_errors(value).next().map(|error| {
                let place = error.instance_path().to_string();
                let place: String =
                    place.chars().map(|sign| if sign.is_ascii_digit() { '#' } else { sign }).collect();
                brief(&json!(format!("{definition}{place}: {}", reason(&error.to_string()))))
            }));
        }
        Ok(Some(format!("{} is not of this revision", definitions.join(" or "))))
    }

    fn validator(&mut self, revision: &str, definition: &str) -> Result<Option<Validator>> {
        if !self.documents.contains_key(revision) {
            let file = self.folder.join(format!("{revision}.json"));
            let text = fs::read_to_string(&file).with_context(|| format!("no schema: {}", file.display()))?;
            self.documents.insert(revision.to_owned(), serde_json::from_str(&text)?);
        }
        let document = &self.documents[revision];
        let home = if document.get("$defs").is_some() { "$defs" } else { "definitions" };
        if document[home].get(definition).is_none() {
            return Ok(None);
        }
        let mut schema = document.clone();
        schema["$ref"] = json!(format!("#/{home}/{definition}"));
        let validator = jsonschema::validator_for(&schema);
        Ok(Some(validator.map_err(|error| anyhow::anyhow!("{revision} {definition}: {error}"))?))
    }
}

/// Without the value, which differs from run to run and may be long.
fn reason(text: &str) -> String {
    let known = [
        "is a required property",
        "is not of type",
        "is not valid under any",
        "was expected",
        "is not one of",
        "is not a",
    ];
    let found = known.iter().find_map(|part| text.rfind(part));
    let required = text.ends_with("is a required property");
    match found {
        Some(at) if !required => format!("the value {}", &text[at..]),
        _ => text.to_owned(),
    }
}

/// Who asked what, and in which revision.
struct Talk {
    methods: HashMap<(String, bool, String), Vec<(usize, String)>>,
    revisions: HashMap<String, String>,
    /// By exchange, and by thread where there are none.
    modern: HashMap<String, String>,
    any: String,
}

impl Talk {
    fn of(said: &[Said]) -> Self {
        let mut talk = Self {
            methods: HashMap::new(),
            revisions: HashMap::new(),
            modern: HashMap::new(),
            any: "2025-11-25".to_owned(),
        };
        for one in said {
            if let (Some(method), Some(id)) = (one.message["method"].as_str(), one.message.get("id")) {
                let key = (one.thread.clone(), one.by_server, id.to_string());
                talk.methods.entry(key).or_default().push((one.exchange, method.to_owned()));
            }
            if let Some(version) = one.message["params"]["_meta"][VERSION_KEY].as_str() {
                talk.modern.insert(place(one), version.to_owned());
            }
        }
        for one in said {
            if let Some(version) = one.message["result"]["protocolVersion"].as_str()
                && talk.method_answered(one) == Some("initialize")
            {
                talk.revisions.insert(one.thread.clone(), version.to_owned());
                version.clone_into(&mut talk.any);
            }
        }
        talk
    }

    /// The method that an answer answers: of the same exchange if there is one, else the last with this number.
    fn method_answered(&self, answer: &Said) -> Option<&str> {
        let id = answer.message.get("id")?.to_string();
        let of = |thread: &str| self.methods.get(&(thread.to_owned(), !answer.by_server, id.clone()));
        let asked = of(&answer.thread).or_else(|| {
            let mut all = self.methods.iter().filter(|((_, by, of), _)| *by != answer.by_server && *of == id);
            all.next().map(|(_, asked)| asked)
        })?;
        let same = asked.iter().find(|(exchange, _)| *exchange == answer.exchange);
        same.or(asked.last()).map(|(_, method)| method.as_str())
    }

    fn revision<'a>(&'a self, one: &'a Said) -> &'a str {
        if let Some(version) = one.message["params"]["_meta"][VERSION_KEY].as_str() {
            return version;
        }
        if one.message["method"] == "initialize"
            && let Some(version) = one.message["params"]["protocolVersion"].as_str()
        {
            return version;
        }
        let legacy = self.revisions.get(&one.thread);
        let modern = self.modern.get(&place(one));
        // A pipe that was initialized is legacy; what came before was a question for the era, and said so itself.
        let known = if one.exchange == 0 { legacy.or(modern) } else { modern.or(legacy) };
        known.unwrap_or(&self.any)
    }
}

/// What the metadata of a request holds for.
fn place(one: &Said) -> String {
    if one.exchange == 0 { one.thread.clone() } else { format!("exchange {}", one.exchange) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(by_server: bool, message: Value) -> Said {
        Said { by_server, thread: "s".to_owned(), exchange: 1, message }
    }

    #[test]
    fn an_answer_is_read_as_what_was_asked_in_the_revision_agreed() {
        let talk = [
            said(false, json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {} })),
            said(true, json!({ "jsonrpc": "2.0", "id": 1, "result": { "protocolVersion": "2025-03-26" } })),
            said(false, json!({ "jsonrpc": "2.0", "id": "1", "method": "tools/list" })),
            said(true, json!({ "jsonrpc": "2.0", "id": "1", "result": { "tools": [] } })),
        ];
        let known = Talk::of(&talk);
        assert_eq!(known.method_answered(&talk[1]), Some("initialize"));
        assert_eq!(known.method_answered(&talk[3]), Some("tools/list"));
        assert_eq!(known.revision(&talk[3]), "2025-03-26");
    }

    #[test]
    fn a_message_that_breaks_the_schema_is_found() {
        let folder = std::env::temp_dir().join(format!("trunkline-matrix-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let schema = json!({ "$defs": {
            "PingRequest": { "type": "object", "required": ["method", "params"] },
        } });
        fs::write(folder.join("2025-11-25.json"), schema.to_string()).unwrap();
        let mut schemas = Schemas::in_folder(folder.clone());
        let talk = [said(false, json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }))];
        let found = schemas.judge(Between::Back, &talk).unwrap();
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(found.gateway.len(), 1, "it is the gateway that speaks to a server");
        assert!(found.gateway.first().unwrap().why.contains("\"params\" is a required property"));
    }
}
