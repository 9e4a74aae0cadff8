//! From a document and its surroundings to settings.

use crate::check::Check;
use crate::excerpt::suspects;
use crate::formats;
use crate::problem::{Problem, Problems};
use crate::secrets;
use crate::settings::Settings;
use crate::source::Source;
use crate::substitute::substitute;
use crate::surroundings::Surroundings;
use crate::tree::{Node, Spot};
use crate::{resolve, schema, variables};

/// A usable document.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// What the operator should know nevertheless.
    pub notes: Vec<Problem>,
}

/// Loads a document whose `${NAME}` references `env` answers. Files, `TRUNKLINE__` variables and flags need
/// [`load_in`].
pub fn load(source: Source, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Problems> {
    load_in(&source, &Surroundings::new(env))
}

/// Loads a document: text, then variables and flags over it, then `${...}`, then every check.
pub fn load_in(source: &Source, world: &Surroundings<'_>) -> Result<Loaded, Problems> {
    let root = formats::parse(source).map_err(|found| unreadable(source, found))?;
    let (settings, check) = resolved(source, root, world);
    let list = check.into_list();
    match settings {
        Some(settings) => Ok(Loaded { settings, notes: list }),
        None => Err(Problems::new(list)),
    }
}

pub(crate) fn resolved<'s>(
    source: &'s Source,
    mut root: Node,
    world: &Surroundings<'_>,
) -> (Option<Settings>, Check<'s>) {
    let mut check = Check::new(source, secrets::in_tree(&root));
    if source.world_readable
        && let Some(node) = secrets::first_literal(&root)
    {
        let hint =
            "make the file private (chmod 600), or write ${NAME} and keep the value in the environment";
        check.note(&node.spot, "everybody on this machine can read this credential", hint);
    }
    variables::overlay(&mut root, world, &mut check);
    substitute(&mut root, world, &mut check);
    let settings = resolve::document(&root, world, &mut check);
    let settings = if check.failed() { None } else { settings };
    (settings, check)
}

fn unreadable(source: &Source, found: Vec<formats::Syntax>) -> Problems {
    let words = schema::words();
    let hidden = suspects(&source.text, &|word| words.contains(word));
    let mut check = Check::new(source, hidden);
    for syntax in found {
        check.problem(&Spot::text(syntax.range), syntax.message, "");
    }
    Problems::new(check.into_list())
}
