//! From a scanned request to an operation.

use trunkline_model::{
    Era, Fault, Kind, Level, Operation, Params, Reference, Span, TaskRequest, Text, Watch,
};

use crate::json::{JsonError, Reader, Str};
use crate::method;
use crate::scan::Scanned;

/// Most resource URIs in one listen filter.
pub const WATCHED_URIS_MAX: usize = 1024;
/// Most task ids in one listen filter.
pub const WATCHED_TASKS_MAX: usize = 256;

/// What a request asks for, in the vocabulary of `era`. The parameters stay where they are.
pub fn decode(scanned: &Scanned, era: Era) -> Result<(Operation, Params), Fault> {
    if let Some(key) = scanned.params.mistyped {
        return Err(wrong(format!("params.{key} has the wrong type")));
    }
    let name = scanned.method_name();
    let p = &scanned.params;
    let mut target: Option<Span> = None;
    let mut text = |what: &Option<Str>, key: &str| -> Result<Text, Fault> {
        let literal = what.as_ref().ok_or_else(|| wrong(format!("params.{key} is missing")))?;
        target = Some(literal.span.clone());
        Ok(scanned.text(literal))
    };
    let cursor = || p.cursor.as_ref().map(|literal| scanned.text(literal));
    let legacy = era == Era::Legacy;
    let operation = match &*name {
        method::LIST_TOOLS => Operation::ListTools(cursor()),
        method::LIST_PROMPTS => Operation::ListPrompts(cursor()),
        method::LIST_RESOURCES => Operation::ListResources(cursor()),
        method::LIST_TEMPLATES => Operation::ListTemplates(cursor()),
        method::LIST_SKILLS => Operation::ListSkills(cursor()),
        method::GET_SKILL => Operation::GetSkill(text(&p.uri, "uri")?),
        method::READ_DIRECTORY => Operation::ReadDirectory(text(&p.uri, "uri")?),
        method::CALL_TOOL => Operation::CallTool(text(&p.name, "name")?),
        method::GET_PROMPT => Operation::GetPrompt(text(&p.name, "name")?),
        method::READ_RESOURCE => Operation::ReadResource(text(&p.uri, "uri")?),
        method::COMPLETE => {
            let (reference, literal) = reference(scanned)?;
            target = Some(literal.span);
            Operation::Complete(reference)
        }
        method::GET_TASK => Operation::Task(TaskRequest::Get, text(&p.task_id, "taskId")?),
        method::CANCEL_TASK => Operation::Task(TaskRequest::Cancel, text(&p.task_id, "taskId")?),
        method::UPDATE_TASK if !legacy => Operation::Task(TaskRequest::Update, text(&p.task_id, "taskId")?),
        method::TASK_RESULT if legacy => Operation::Task(TaskRequest::Result, text(&p.task_id, "taskId")?),
        method::LIST_TASKS if legacy => Operation::ListTasks(cursor()),
        method::DISCOVER if !legacy => Operation::Hello,
        method::LISTEN if !legacy => Operation::Listen(watch(scanned)?),
        method::INITIALIZE if legacy => Operation::Hello,
        method::PING if legacy => Operation::Ping,
        method::SUBSCRIBE if legacy => Operation::Subscribe(text(&p.uri, "uri")?),
        method::UNSUBSCRIBE if legacy => Operation::Unsubscribe(text(&p.uri, "uri")?),
        method::SET_LEVEL if legacy => {
            let word = p.level.as_ref().map(|literal| scanned.text(literal)).unwrap_or_default();
            let level = Level::parse(&word).ok_or_else(|| wrong("params.level is not a log level"))?;
            Operation::SetLevel(level)
        }
        // Known names of the other era do not exist here, whatever an upstream might make of them.
        method::DISCOVER
        | method::LISTEN
        | method::INITIALIZE
        | method::PING
        | method::SUBSCRIBE
        | method::UNSUBSCRIBE
        | method::UPDATE_TASK
        | method::TASK_RESULT
        | method::LIST_TASKS
        | method::SET_LEVEL => return Err(Fault::unknown_method(&name)),
        _ => {
            // Extensions address things by names of their own; they pass whole.
            target = None;
            Operation::Other(scanned.method())
        }
    };
    Ok((operation, with_target(scanned, target)))
}

/// The parameters of a request as a slice of its own, with the given literal as the replaceable target.
pub fn params_of(scanned: &Scanned, target: Option<&Str>) -> Params {
    with_target(scanned, target.map(|literal| literal.span.clone()))
}

fn with_target(scanned: &Scanned, target: Option<Span>) -> Params {
    let Some(whole) = scanned.params.whole.clone().filter(|w| scanned.at(w).starts_with(b"{")) else {
        return Params::default();
    };
    let inside = |span: Span| span.start - whole.start..span.end - whole.start;
    Params {
        target: target.map(inside),
        meta: scanned.params.meta.whole.clone().map(inside),
        arguments: scanned.params.arguments.clone().map(inside),
        raw: scanned.share(&whole),
    }
}

fn wrong(text: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    Fault::client(Kind::InvalidParams, text)
}

/// Reads `ref` of a completion request: `{"type":"ref/prompt","name":…}` or `{"type":"ref/resource","uri":…}`.
fn reference(scanned: &Scanned) -> Result<(Reference, Str), Fault> {
    let bad = || wrong("params.ref must name a prompt (ref/prompt) or a resource template (ref/resource)");
    let span = scanned.params.reference.clone().ok_or_else(bad)?;
    let mut reader = Reader::new(scanned.at(&span)).map_err(|_| bad())?;
    let (mut kind, mut name, mut uri) = (None, None, None);
    let walked = reader.object(|key, reader| {
        let slot = match &*key {
            "type" => &mut kind,
            "name" => &mut name,
            "uri" => &mut uri,
            _ => return reader.skip(),
        };
        *slot = Some(reader.string()?);
        Ok(())
    });
    walked.map_err(|_| bad())?;
    let kind = kind.map(|literal| reader.decode(&literal).into_owned()).ok_or_else(bad)?;
    let shift = |literal: Str| Str {
        span: literal.span.start + span.start..literal.span.end + span.start,
        escaped: literal.escaped,
    };
    match (kind.as_str(), name, uri) {
        ("ref/prompt", Some(name), _) => {
            let name = shift(name);
            Ok((Reference::Prompt(scanned.text(&name)), name))
        }
        ("ref/resource", _, Some(uri)) => {
            let uri = shift(uri);
            Ok((Reference::Resource(scanned.text(&uri)), uri))
        }
        _ => Err(bad()),
    }
}

/// Reads the filter of `subscriptions/listen`.
fn watch(scanned: &Scanned) -> Result<Watch, Fault> {
    let bad = || wrong("params.notifications must be an object that says what to listen for");
    let span = scanned.params.notifications.clone().ok_or_else(bad)?;
    watch_of(scanned.at(&span)).ok_or_else(bad)
}

fn texts(reader: &mut Reader<'_>, into: &mut Vec<Text>, most: usize) -> Result<(), JsonError> {
    let read = reader.array(|reader| {
        let literal = reader.string()?;
        if into.len() < most {
            into.push(Text::from(&*reader.decode(&literal)));
        }
        Ok(())
    });
    read.map(drop)
}

/// Reads a listen filter, or the one that an acknowledgement carries.
pub fn watch_of(filter: &[u8]) -> Option<Watch> {
    let mut reader = Reader::new(filter).ok()?;
    let mut watch = Watch::default();
    let walked = reader.object(|key, reader| {
        let flag = match &*key {
            "toolsListChanged" => &mut watch.tools,
            "promptsListChanged" => &mut watch.prompts,
            "resourcesListChanged" => &mut watch.resources,
            "resourceSubscriptions" => return texts(reader, &mut watch.uris, WATCHED_URIS_MAX),
            "taskIds" => return texts(reader, &mut watch.tasks, WATCHED_TASKS_MAX),
            _ => return reader.skip(),
        };
        let value = reader.value()?;
        *flag = reader.slice(&value) == "true";
        Ok(())
    });
    walked.ok().map(|_| watch)
}
