//! What a call is about: which upstream, under which name, or which answer of our own.

use std::sync::Arc;

use bytes::Bytes;
use trunkline_model::{Call, Era, Fault, Kind, ListKind, Operation, Reference, TaskRequest, Text};
use trunkline_protocol::method;

use crate::catalog::{Catalog, Cursors, Route};
use crate::{results, status};

/// What will be done about a call.
#[derive(Debug)]
pub(crate) enum Plan {
    /// One upstream answers.
    One {
        /// Its number.
        server: usize,
        /// Its own spelling of the target, where the caller's differs.
        target: Option<Text>,
        /// Mirrored arguments and the tool's meter.
        route: Option<Route>,
    },
    /// Whoever has the task answers.
    Task(TaskRequest, Text),
    /// We answer: the caller's tasks.
    Tasks(Option<Text>),
    /// We answer: a result that was kept for the caller.
    Kept(results::Read),
    /// We answer: a finished list page.
    Page(Bytes),
    /// We answer: the status of the upstreams.
    Status,
    /// We answer: nothing to complete.
    NoCompletions,
}

/// Finds out what a call is about. Only what the view shows can be found.
pub(crate) fn resolve(catalog: &Catalog, cursors: &Cursors, call: &Call) -> Result<Plan, Fault> {
    let era = call.caller.era;
    let page = |kind: ListKind, cursor: &Option<Text>| {
        let asked = !call.caller.offers.is_none();
        catalog.page(kind, era, asked, cursor.as_ref(), cursors).map(Plan::Page)
    };
    match &call.operation {
        Operation::ListTools(cursor) => page(ListKind::Tools, cursor),
        Operation::ListPrompts(cursor) => page(ListKind::Prompts, cursor),
        Operation::ListResources(cursor) => page(ListKind::Resources, cursor),
        Operation::ListTemplates(cursor) => page(ListKind::Templates, cursor),
        Operation::ListSkills(_) if catalog.transparent => other(catalog, method::of(&call.operation), era),
        Operation::ListSkills(cursor) => match catalog.skilled.as_slice() {
            [] => Err(Fault::unknown_method(method::of(&call.operation))),
            _ => page(ListKind::Skills, cursor),
        },
        Operation::GetSkill(uri) => extended(catalog, &catalog.skilled, call, uri, "skill"),
        Operation::ReadDirectory(uri) => extended(catalog, &catalog.directories, call, uri, "directory"),
        Operation::CallTool(name) => found(catalog, catalog.tools.find("tool", name), name),
        Operation::GetPrompt(name) => found(catalog, catalog.prompts.find("prompt", name), name),
        Operation::ReadResource(uri) if own(catalog, uri) => Ok(Plan::Status),
        Operation::ReadResource(uri) => addressed(catalog, uri),
        Operation::Complete(Reference::Prompt(name)) => {
            found(catalog, catalog.prompts.find("prompt", name), name)
        }
        Operation::Complete(Reference::Resource(uri)) if own(catalog, uri) => Ok(Plan::NoCompletions),
        Operation::Complete(Reference::Resource(uri)) => addressed(catalog, uri),
        Operation::Task(request, id) if catalog.tasks => Ok(Plan::Task(*request, id.clone())),
        Operation::ListTasks(cursor) if catalog.tasks => Ok(Plan::Tasks(cursor.clone())),
        Operation::Task(..) | Operation::ListTasks(_) => {
            Err(Fault::unknown_method(method::of(&call.operation)))
        }
        Operation::Other(method) => other(catalog, method, era),
        // The fronts answer these themselves.
        Operation::Hello
        | Operation::Ping
        | Operation::Subscribe(_)
        | Operation::Unsubscribe(_)
        | Operation::SetLevel(_)
        | Operation::Listen(_) => Err(Fault::internal("an operation of the front reached the line")),
    }
}

/// Whether the URI is the status resource, which a transparent view does not show.
fn own(catalog: &Catalog, uri: &str) -> bool {
    uri == status::URI && !catalog.transparent
}

fn found(catalog: &Catalog, route: Result<Route, Fault>, name: &str) -> Result<Plan, Fault> {
    let route = route.map_err(|fault| catalog.explain(name, fault))?;
    Ok(named(route))
}

fn named(route: Route) -> Plan {
    Plan::One { server: route.server, target: route.original.clone(), route: Some(route) }
}

fn addressed(catalog: &Catalog, uri: &Text) -> Result<Plan, Fault> {
    let (server, original) = catalog.uris.route(uri).ok_or_else(|| Fault::resource_not_found(uri))?;
    let target = (*original != **uri).then(|| Text::from(&*original));
    Ok(Plan::One { server, target, route: None })
}

/// Something of the skills extension, which only the servers in `able` know.
fn extended(catalog: &Catalog, able: &[usize], call: &Call, uri: &Text, what: &str) -> Result<Plan, Fault> {
    if catalog.transparent {
        return addressed(catalog, uri);
    }
    if able.is_empty() {
        return Err(Fault::unknown_method(method::of(&call.operation)));
    }
    match addressed(catalog, uri) {
        Ok(Plan::One { server, target, route }) if able.contains(&server) => {
            Ok(Plan::One { server, target, route })
        }
        found => {
            let candidates = if found.is_err() { catalog.uris.naming(uri, able) } else { Vec::new() };
            Err(unserved(what, uri, candidates))
        }
    }
}

/// Unlike other resources these have one code in every revision (SEP-2640, "Error Handling"). A skill may be served
/// without being listed; with several servers it is then reached by naming one.
fn unserved(what: &str, uri: &str, candidates: Vec<Arc<str>>) -> Fault {
    let shown: String = uri.chars().filter(|c| !c.is_control()).take(256).collect();
    let text = if candidates.is_empty() {
        format!("no {what} is served at {shown}")
    } else {
        format!("no server lists a {what} at {shown}; name the server: {}", candidates.join(", "))
    };
    Fault::client(Kind::UnknownName(candidates), text)
}

/// Methods we know nothing of go through where one server owns the view; dispatch makes sure that it speaks the
/// caller's era.
fn other(catalog: &Catalog, method: &str, _era: Era) -> Result<Plan, Fault> {
    match catalog.servers.as_slice() {
        [(only, _)] if catalog.transparent => Ok(Plan::One { server: *only, target: None, route: None }),
        _ => Err(Fault::unknown_method(method)),
    }
}
