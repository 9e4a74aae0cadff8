//! Which tool is meant.

use trunkline_gateway::catalog::Source;
use trunkline_upstream::Phase;

use crate::client::Tool;
use crate::stop::{Code, Stop};
use crate::suggest;

/// The tool of that name: the exposed one, or a server's own where only one server has it.
pub(crate) fn find<'a>(name: &str, tools: &'a [Tool]) -> Option<&'a Tool> {
    let mut own = tools.iter().filter(|tool| tool.original == name);
    let only = match (own.next(), own.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    };
    tools.iter().find(|tool| tool.name == name).or(only)
}

/// As [`find`], or what to tell the person.
///
/// # Errors
/// Code 69 when the tool may be on a server that is down, 2 otherwise.
pub(crate) fn tool<'a>(name: &str, tools: &'a [Tool], sources: &[Source]) -> Result<&'a Tool, Stop> {
    if let Some(tool) = find(name, tools) {
        return Ok(tool);
    }
    let several: Vec<&str> =
        tools.iter().filter(|tool| tool.original == name).map(|tool| tool.name.as_str()).collect();
    if !several.is_empty() {
        return Err(Stop::usage(format!(
            "several servers have a tool \"{name}\"\nuse one of: {}",
            several.join(", ")
        )));
    }
    // A server that never answered has no names yet, so the operator's prefix is all there is to go by.
    for source in sources {
        let prefix = source.rules.prefix.as_deref().unwrap_or(&source.rules.server);
        let hidden = source.offer.is_none() && name.starts_with(prefix);
        if let (true, Phase::Down { reason, .. }) = (hidden, &source.status.phase) {
            let server = &source.rules.server;
            let message =
                format!("the server \"{server}\" is unavailable: {}", crate::terminal::one_line(reason));
            return Err(Stop::new(Code::UNAVAILABLE, message));
        }
    }
    Err(Stop::usage(suggest::unknown("tool", name, tools.iter().map(|tool| tool.name.as_str()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, original: &str) -> Tool {
        Tool {
            name: name.to_owned(),
            server: String::new(),
            original: original.to_owned(),
            description: String::new(),
            schema: serde_json::Value::Null,
        }
    }

    #[test]
    fn an_exposed_name_wins_and_a_servers_own_must_be_unique() {
        let tools = [named("a__now", "now"), named("b__now", "now"), named("a__add", "add")];
        assert_eq!(find("b__now", &tools).unwrap().name, "b__now");
        assert_eq!(find("add", &tools).unwrap().name, "a__add");
        assert!(find("now", &tools).is_none());
        let stop = tool("now", &tools, &[]).unwrap_err();
        assert_eq!(stop.code, Code::USAGE);
        assert!(stop.message.unwrap().contains("a__now, b__now"));
    }

    #[test]
    fn an_unknown_tool_comes_with_a_suggestion() {
        let stop = tool("a__ad", &[named("a__add", "add")], &[]).unwrap_err();
        assert!(stop.message.unwrap().contains("did you mean \"a__add\"?"));
    }
}
