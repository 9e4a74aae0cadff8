//! The child process of a stdio server.

use std::path::{Path, PathBuf};

use trunkline_model::Secret;
use trunkline_upstream::Command;

use crate::check::Check;
use crate::fields::Fields;
use crate::surroundings::Surroundings;
use crate::tree::{Entry, Node, Value};

/// Spellings of the key of the program.
pub(crate) const COMMAND_KEYS: [&str; 2] = ["command", "cmd"];

/// Spellings of the key of the child's variables.
pub(crate) const ENV_KEYS: [&str; 3] = ["env", "environment", "envs"];

/// Spellings of the key of inherited variables.
pub(crate) const INHERIT_KEYS: [&str; 2] = ["inheritEnv", "env_vars"];

/// Reads the keys of a child process. `None` when there is no program or it is unusable.
pub(super) fn command(
    fields: &mut Fields<'_>,
    program: Option<&Node>,
    has_url: bool,
    enabled: bool,
    world: &Surroundings<'_>,
    check: &mut Check<'_>,
) -> Option<Command> {
    let args = fields.take_entry("args", check);
    let env = fields.take_any(&ENV_KEYS, check);
    let env_file = fields.take_entry("envFile", check);
    let cwd = fields.take_entry("cwd", check);
    let inherit = fields.take_any(&INHERIT_KEYS, check);
    if program.is_none() && has_url {
        for entry in [args, env_file, cwd].into_iter().flatten() {
            check.note(
                &entry.key_spot,
                format!("`{}` has no effect on a server that is reached by `url`", entry.key),
                "",
            );
        }
    }

    let mut variables = Vec::new();
    if let Some(entry) = env_file {
        read_env_file(entry, world, &mut variables, check);
    }
    let inherit_env = inherit.map(|node| inherited(node, check)).unwrap_or_default();
    let mut out = program.and_then(|node| words(node, &mut variables, world, check));
    if let Some(node) = env {
        set_variables(node, &mut variables, world, check);
    }
    let more = args.map(|entry| arguments(&entry.value, check)).unwrap_or_default();
    let cwd = cwd.and_then(|entry| check.text(&entry.value)).map(PathBuf::from);
    let (name, mut all) = out.take()?;
    let has_args = !all.is_empty() || !more.is_empty();
    all.extend(more);
    let node = program?;
    if enabled && !(world.has_program)(&name) {
        let hint = if !has_args && name.contains(' ') {
            "put the arguments under `args`"
        } else {
            "install it, or give its path"
        };
        check.note(&node.spot, "this program is not found", hint);
    }
    Some(Command { program: name, args: all, env: variables, inherit_env, cwd })
}

/// `command` as text, as a list of program and arguments (OpenCode), or as a map of `path` and `args` (Zed).
fn words(
    node: &Node,
    variables: &mut Vec<(String, Secret)>,
    world: &Surroundings<'_>,
    check: &mut Check<'_>,
) -> Option<(String, Vec<String>)> {
    let (program, args) = match &node.value {
        Value::String(text) => (text.clone(), Vec::new()),
        Value::List(_) => {
            let mut words = arguments(node, check).into_iter();
            (words.next().unwrap_or_default(), words.collect())
        }
        Value::Map(_) => {
            let mut fields = Fields::open(node, "command", check)?;
            let path =
                fields.take("path", check).and_then(|node| check.text(node)).unwrap_or_default().to_owned();
            let args = fields.take("args", check).map(|node| arguments(node, check)).unwrap_or_default();
            if let Some(env) = fields.take("env", check) {
                set_variables(env, variables, world, check);
            }
            fields.finish(check);
            (path, args)
        }
        _ => {
            check.expected("text or a list", node);
            return None;
        }
    };
    if program.trim().is_empty() || program.contains('\0') {
        check.problem(&node.spot, "the name of the program is missing", "");
        return None;
    }
    Some((program, args))
}

fn arguments(node: &Node, check: &mut Check<'_>) -> Vec<String> {
    let items = check.list(node);
    items.iter().filter_map(|item| check.text_like(item)).collect()
}

fn set_variables(
    node: &Node,
    variables: &mut Vec<(String, Secret)>,
    world: &Surroundings<'_>,
    check: &mut Check<'_>,
) {
    let Value::Map(entries) = &node.value else {
        check.expected("a map of variables", node);
        return;
    };
    for entry in entries {
        if !variable_name(&entry.key) {
            check.problem(&entry.key_spot, "not the name of a variable", "");
        } else if let Some(text) = variable_text(entry, world, check) {
            set(variables, &entry.key, text);
        }
    }
}

/// Gemini CLI also writes `$NAME` for a whole value. It means the same as `${NAME}`.
pub(super) fn variable_text(
    entry: &Entry,
    world: &Surroundings<'_>,
    check: &mut Check<'_>,
) -> Option<String> {
    let text = check.text_like(&entry.value)?;
    if entry.value.soft {
        return Some(text);
    }
    let Some(name) = text.strip_prefix('$').filter(|name| variable_name(name) && name.chars().all(word))
    else {
        return Some(text);
    };
    let value = (world.env)(name);
    if value.is_none() {
        check.problem(&entry.value.spot, format!("the environment variable {name} is not set"), "");
    }
    value
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn variable_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn set(variables: &mut Vec<(String, Secret)>, name: &str, text: String) {
    variables.retain(|(known, _)| known != name);
    variables.push((name.to_owned(), Secret::new(text)));
}

/// Names, or Codex's `{name, source}` maps.
fn inherited(node: &Node, check: &mut Check<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for item in check.list(node) {
        let name = item.get("name").unwrap_or(&item);
        let Some(text) = check.text(name) else { continue };
        if variable_name(text) {
            names.push(text.to_owned());
        } else {
            check.problem(
                &name.spot,
                "not the name of a variable",
                "write the name alone; values go under `env`",
            );
        }
    }
    names
}

/// `NAME=value` lines, `#` comments, an optional `export`, and quotes around the value.
fn read_env_file(
    entry: &Entry,
    world: &Surroundings<'_>,
    variables: &mut Vec<(String, Secret)>,
    check: &mut Check<'_>,
) {
    let Some(path) = check.text(&entry.value) else { return };
    let text = match (world.read_file)(Path::new(path)) {
        Ok(text) => text,
        Err(error) => {
            check.problem(&entry.value.spot, format!("the file cannot be read: {}", error.kind()), "");
            return;
        }
    };
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        match line.split_once('=') {
            Some((name, value)) if variable_name(name.trim()) => {
                let value = value.trim();
                let unquoted =
                    ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
                set(variables, name.trim(), unquoted.unwrap_or(value).to_owned());
            }
            _ => {
                let message = format!("line {} of the file is not NAME=value", index + 1);
                check.problem(&entry.value.spot, message, "");
            }
        }
    }
}
