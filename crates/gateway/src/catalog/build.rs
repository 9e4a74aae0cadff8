//! Building a catalog: filter, name, route.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use trunkline_model::{Era, ListKind};
use trunkline_observe::metrics::Metrics;
use trunkline_protocol::list::{Item, Respelling};
use trunkline_protocol::mirror::{self, Mirrored};
use trunkline_protocol::tasks::{self, Support};
use trunkline_protocol::{bridge, capabilities, extensions, uris as spelling};
use trunkline_upstream::breaker::Circuit;
use trunkline_upstream::group::MemberState;
use trunkline_upstream::{Manner, Offer, Policies, Status};

use super::introduction::introduce;
use super::pages::{hints, pages, skill_hints};
use super::{Absent, Catalog, Cursors, Fallback, Names, Route, Speller, Uris, names};
use crate::options::{Filter, Naming, Override, ServerRules};
use crate::status;

/// One upstream as the catalog sees it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its number.
    pub number: usize,
    /// What the operator decided about it.
    pub rules: ServerRules,
    /// Its state.
    pub status: Status,
    /// What it offers, if it has been read.
    pub offer: Option<Arc<Offer>>,
    /// What decides how its calls are carried out.
    pub policies: Arc<Policies>,
    /// How its circuit breakers stand, where it has some.
    pub circuit: Option<Circuit>,
    /// How each of several members stands; none when there is only one.
    pub members: Vec<MemberState>,
}

/// Everything a catalog is made of.
#[derive(Debug)]
pub struct Input<'a> {
    /// The number of the new catalog.
    pub version: u64,
    /// How names are built.
    pub naming: &'a Naming,
    /// The upstreams of the view, in order.
    pub sources: &'a [Source],
    /// All upstreams: a fallback need not be shown.
    pub all: &'a [Source],
    /// A further filter on exposed tool names.
    pub tools: &'a Filter,
    /// Replaces the generated instructions.
    pub instructions: Option<&'a Arc<str>>,
    /// Seals page cursors.
    pub cursors: &'a Cursors,
    /// Hands out the counters of tools.
    pub metrics: &'a Metrics,
}

/// An item to be shown: with all that its server said, and its bytes for each era.
pub(super) struct Shown {
    /// Only to clients that can be asked something.
    pub(super) asked: bool,
    whole: Bytes,
    pub(super) legacy: Bytes,
    pub(super) modern: Bytes,
}

/// Makes the catalog.
pub fn build(input: &Input<'_>) -> Catalog {
    let transparent = matches!(input.sources, [only] if only.rules.transparent);
    let servers: Vec<(usize, Arc<str>)> =
        input.sources.iter().map(|s| (s.number, Arc::clone(&s.rules.server))).collect();
    let uris = uris(input, &servers);
    let mut shown: [Vec<Shown>; ListKind::COUNT] = std::array::from_fn(|_| Vec::new());
    let tools = named(input, ListKind::Tools, &uris, transparent, &mut shown[ListKind::Tools as usize]);
    let prompts = named(input, ListKind::Prompts, &uris, transparent, &mut shown[ListKind::Prompts as usize]);
    for kind in [ListKind::Resources, ListKind::Templates] {
        addressed(input, kind, transparent, &uris, &mut shown[kind as usize]);
    }
    let skilled = declaring(input, extensions::has_skills);
    // Of a transparent server skills are asked when they are wanted.
    if !transparent {
        skills(input, &uris, &mut shown[ListKind::Skills as usize]);
        let item = Bytes::from(status::listed());
        shown[ListKind::Resources as usize].push(Shown {
            asked: false,
            whole: item.clone(),
            legacy: item.clone(),
            modern: item,
        });
    }
    let meta = status::note(input.sources);
    let (hints, skill_hints) = (hints(input.sources), skill_hints(input.sources));
    let rendered = |asked: bool| {
        [Era::Legacy, Era::Modern].map(|era| {
            ListKind::ALL.map(|kind| {
                let hints = if kind == ListKind::Skills { skill_hints } else { hints };
                pages(input, kind, era, asked, &shown[kind as usize], meta.as_deref(), hints)
            })
        })
    };
    let plain = rendered(false);
    let differs = shown.iter().flatten().any(|item| item.asked);
    let pages = [plain.clone(), if differs { rendered(true) } else { plain }];
    Catalog {
        version: input.version,
        tools,
        prompts,
        uris,
        skilled,
        directories: declaring(input, extensions::reads_directories),
        introduced: introduce(input, transparent),
        tasks: offers(input.sources).any(|(_, offer)| runs_tasks(offer)),
        transparent,
        announced: match input.sources {
            [only] if transparent => {
                only.offer.as_ref().map_or([0; ListKind::COUNT], |offer| offer.announced)
            }
            _ => [0; ListKind::COUNT],
        },
        made_from: input.sources.iter().map(|s| (s.number, s.offer.clone())).collect(),
        servers,
        absent: input
            .sources
            .iter()
            .filter(|source| source.offer.is_none())
            .map(|s| absent(input, s))
            .collect(),
        shown: shown.map(|items| items.into_iter().map(|item| item.whole).collect()),
        pages,
    }
}

fn absent(input: &Input<'_>, source: &Source) -> Absent {
    let prefix = source.rules.prefix.as_deref().unwrap_or(&source.rules.server);
    let reason = source.status.phase.reason().unwrap_or("it is still starting");
    Absent {
        server: Arc::clone(&source.rules.server),
        beginning: format!("{prefix}{}", input.naming.separator),
        reason: Arc::from(reason),
    }
}

fn uris(input: &Input<'_>, servers: &[(usize, Arc<str>)]) -> Uris {
    let mut uris = Uris::new(servers.to_vec());
    for source in input.sources {
        uris.restrict(source.number, &source.rules.resources);
    }
    for (source, offer) in offers(input.sources) {
        let admitted = |item: &&Item| source.rules.resources.admits(&item.key);
        let items = |kind| offer.items(kind).map(|(item, _)| item).filter(admitted);
        items(ListKind::Resources).for_each(|i| uris.add_resource(&i.key, source.number));
        items(ListKind::Templates).for_each(|i| uris.add_template(&i.key, source.number));
        items(ListKind::Skills).for_each(|i| uris.add_skill(&i.key, source.number));
        if extensions::has_skills(&offer.introduction.capabilities) {
            uris.add_skilled(source.number);
        }
    }
    uris.seal();
    uris
}

pub(super) fn offers(sources: &[Source]) -> impl Iterator<Item = (&Source, &Arc<Offer>)> {
    sources.iter().filter_map(|source| source.offer.as_ref().map(|offer| (source, offer)))
}

/// Tools or prompts: filters, names, routes.
fn named(input: &Input<'_>, kind: ListKind, uris: &Uris, transparent: bool, shown: &mut Vec<Shown>) -> Names {
    let mut table = Names::default();
    let mut taken = names::Taken::default();
    let what_filter = if kind == ListKind::Tools { Some(input.tools) } else { None };
    for (source, offer) in offers(input.sources) {
        let rules = &source.rules;
        let (filter, overrides): (&Filter, &BTreeMap<String, Override>) = match kind {
            ListKind::Tools => (&rules.tools, &rules.tool_overrides),
            _ => (&rules.prompts, &rules.prompt_overrides),
        };
        let prefix = rules.prefix.as_deref().unwrap_or(&rules.server);
        for (item, asked) in offer.items(kind).filter(|(item, _)| filter.admits(&item.key)) {
            let change = overrides.get(&*item.key);
            let wanted = match change.and_then(|o| o.name.clone()) {
                Some(name) => name,
                None if transparent => item.key.to_string(),
                None => names::expose(input.naming, prefix, &rules.server, &item.key),
            };
            if !what_filter.is_none_or(|f| f.admits(&wanted)) {
                continue;
            }
            let Ok(mirrored) = mirrored(kind, item) else {
                tracing::warn!(
                    server = &*rules.server,
                    tool = &*item.key,
                    "left out a tool whose x-mcp-header annotation is not valid"
                );
                continue;
            };
            let Some(name) = taken.claim(input.naming, &wanted, &rules.server, &item.key) else { continue };
            let respelled = item.respell(Respelling {
                key: Some(&name),
                title: change.and_then(|o| o.title.as_deref()),
                description: change.and_then(|o| o.description.as_deref()),
                origin: (!transparent).then_some((&*rules.server, &*item.key)),
            });
            let respelled = match kind {
                ListKind::Tools if uris.ambiguous() => {
                    spelling::respell_tool(&respelled, |uri| uris.expose(source.number, uri))
                }
                _ => respelled,
            };
            let meter = (kind == ListKind::Tools).then(|| input.metrics.tool(&rules.server, &name));
            let original = (*name != *item.key).then(|| item.key.clone());
            let tasks = if kind == ListKind::Tools { support(offer, item) } else { Support::None };
            let mut item_shown = for_both(respelled, offer.introduction.era(), asked, tasks);
            let unstructured = kind == ListKind::Tools && item_shown.hide_schema();
            let manner = match kind {
                ListKind::Tools => source.policies.manner(item),
                _ => Manner::ONCE,
            };
            let structured = kind == ListKind::Tools && promises_structure(item);
            let fallback = fallback(input, source, kind, item);
            let route = Route {
                server: source.number,
                original,
                mirrored,
                tasks,
                meter,
                unstructured,
                structured,
                manner,
                fallback,
            };
            table.insert(name, &item.key, route);
            shown.push(item_shown);
        }
    }
    table
}

/// Whether a tool has an output schema.
fn promises_structure(tool: &Item) -> bool {
    let mut found = false;
    if memchr::memmem::find(&tool.raw, b"\"outputSchema\"").is_some() {
        // A list item was read before, so it can be read again.
        let _ = bridge::each_member(&tool.raw, |key, value| {
            found |= key == "outputSchema" && value.starts_with(b"{");
        });
    }
    found
}

/// The tool of the same own name at the server's fallback. The fallback's filters say what it shows itself; they do not
/// keep it from standing in.
fn fallback(input: &Input<'_>, source: &Source, kind: ListKind, item: &Item) -> Option<Arc<Fallback>> {
    let name = source.rules.fallback.as_ref().filter(|_| kind == ListKind::Tools)?;
    let other = input.all.iter().find(|other| other.rules.server == *name)?;
    let tool = other.offer.as_ref()?.list(kind).iter().find(|tool| tool.key == item.key)?;
    // A tool that may become a task there would become one that nobody keeps.
    if matches!(support(other.offer.as_ref()?, tool), Support::Required | Support::Chosen) {
        return None;
    }
    let mirrored = mirrored(kind, tool).ok()?;
    let manner = other.policies.manner(tool);
    Some(Arc::new(Fallback { server: other.number, name: tool.key.clone(), mirrored, manner }))
}

/// The arguments of a tool that must be mirrored in headers.
pub(crate) fn mirrored(kind: ListKind, item: &Item) -> Result<Arc<[Mirrored]>, mirror::BadAnnotation> {
    match item.input_schema().filter(|_| kind == ListKind::Tools) {
        Some(schema) => mirror::read(schema).map(Arc::from),
        None => Ok(Arc::from([])),
    }
}

/// Resources or templates: filters and spelling.
fn addressed(input: &Input<'_>, kind: ListKind, transparent: bool, uris: &Uris, shown: &mut Vec<Shown>) {
    for (source, offer) in offers(input.sources) {
        for (item, asked) in offer.items(kind).filter(|(item, _)| source.rules.resources.admits(&item.key)) {
            let uri = uris.expose(source.number, &item.key);
            let origin = (!transparent).then_some((&*source.rules.server, &*item.key));
            let respelled = item.respell(Respelling { key: Some(&uri), origin, ..Respelling::default() });
            shown.push(for_both(respelled, offer.introduction.era(), asked, Support::None));
        }
    }
}

/// Skills: the same filters and spelling as their files have as resources.
fn skills(input: &Input<'_>, uris: &Uris, shown: &mut Vec<Shown>) {
    for (source, offer) in offers(input.sources) {
        let speller = Speller::new(uris, source.number);
        let admitted = |item: &Item| source.rules.resources.admits(&item.key);
        for (item, asked) in offer.items(ListKind::Skills).filter(|(item, _)| admitted(item)) {
            let origin = Some((&*source.rules.server, &*item.key));
            let noted = item.respell(Respelling { origin, ..Respelling::default() });
            let entry = spelling::respell_entry(&noted, |uri| speller.spell(uri));
            shown.push(Shown { asked, whole: entry.clone(), legacy: entry.clone(), modern: entry });
        }
    }
}

fn declaring(input: &Input<'_>, what: impl Fn(&[u8]) -> bool) -> Vec<usize> {
    let declares = |offer: &Offer| what(&offer.introduction.capabilities);
    offers(input.sources).filter(|(_, offer)| declares(offer)).map(|(source, _)| source.number).collect()
}

pub(super) fn runs_tasks(offer: &Offer) -> bool {
    capabilities::has_tasks(&offer.introduction.capabilities, offer.introduction.era())
}

/// Whether a tool can be called as a task: as it says itself, where its server runs tasks at all.
fn support(offer: &Offer, tool: &Item) -> Support {
    match (runs_tasks(offer), offer.introduction.era()) {
        (false, _) => Support::None,
        (true, Era::Legacy) => tasks::support(&tool.raw),
        (true, Era::Modern) => Support::Chosen,
    }
}

/// What a modern client must not see of a legacy item: task support of the experiment that the extension replaced; and
/// what a legacy client must learn of a tool that the extension can make a task of.
fn for_both(item: Bytes, era: Era, asked: bool, tasks: Support) -> Shown {
    if tasks == Support::Chosen {
        return Shown { asked, legacy: tasks::offered_downward(&item), modern: item.clone(), whole: item };
    }
    let carries = era == Era::Legacy && memchr::memmem::find(&item, b"\"execution\"").is_some();
    let modern = carries.then(|| bridge::without(&item, |key, _| key == "execution")).flatten();
    Shown {
        asked,
        modern: modern.map_or_else(|| item.clone(), Bytes::from),
        legacy: item.clone(),
        whole: item,
    }
}

impl Shown {
    /// Puts a tool into the words of legacy clients; whether its output schema had to be left out there.
    fn hide_schema(&mut self) -> bool {
        let listed = bridge::tool_downward(&self.legacy);
        self.legacy = listed.raw;
        listed.unstructured
    }
}
