//! Which upstream a URI belongs to, and how a URI of an upstream is spelled for clients.
//!
//! A URI is shown as it is when the static rules lead it back to the server that it came from. Otherwise the server is put
//! into it: as the first path segment of `skill://` and `ui://`, whose readers look at the scheme, and as
//! `mcp+<server>:<original>` for all others. The rules are a pure function of the catalog.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use trunkline_model::Text;

use super::roots::{self, Roots};
use super::template::Template;
use crate::options::Filter;

/// Templates of one server that URIs are matched against; real servers have a handful.
const TEMPLATES_MAX: usize = 256;

/// Where URIs lead in one view. Upstreams are numbered as in the view's catalog.
#[derive(Debug, Default)]
pub struct Uris {
    servers: Vec<(usize, Arc<str>)>,
    exact: HashMap<Text, usize>,
    templates: Vec<(Template, usize)>,
    template_texts: HashMap<Text, usize>,
    /// Who uses each scheme.
    schemes: HashMap<String, Vec<usize>>,
    /// Where skills live.
    roots: Roots,
    /// What may be read of each server; what a view does not show cannot be reached by spelling it out.
    filters: HashMap<usize, Filter>,
}

impl Uris {
    /// Rules for these servers (number and name), in order of precedence.
    pub fn new(servers: Vec<(usize, Arc<str>)>) -> Self {
        Self { servers, ..Self::default() }
    }

    /// Only what `filter` admits of this server can be reached.
    pub fn restrict(&mut self, server: usize, filter: &Filter) {
        self.filters.insert(server, filter.clone());
    }

    /// A listed resource. The first server that lists a URI owns it.
    pub fn add_resource(&mut self, uri: &Text, server: usize) {
        self.exact.entry(uri.clone()).or_insert(server);
        self.add_scheme(uri, server);
    }

    /// A listed template. The first server that lists it owns it.
    pub fn add_template(&mut self, text: &Text, server: usize) {
        if self.template_texts.contains_key(text) {
            return;
        }
        self.template_texts.insert(text.clone(), server);
        if self.templates.iter().filter(|(_, owner)| *owner == server).count() < TEMPLATES_MAX {
            self.templates.push((Template::new(text), server));
        }
        self.add_scheme(text, server);
    }

    /// A server with skills, listed or not.
    pub fn add_skilled(&mut self, server: usize) {
        self.add_scheme("skill:", server);
    }

    /// A listed skill, by the URI of its manifest; what is in its directory is the same server's.
    pub fn add_skill(&mut self, uri: &Text, server: usize) {
        match roots::of(uri) {
            Some(root) => self.roots.add(root, server),
            // Against the rules for skills, but it can be read like any other.
            None => drop(self.exact.entry(uri.clone()).or_insert(server)),
        }
        self.add_scheme(uri, server);
    }

    fn add_scheme(&mut self, uri: &str, server: usize) {
        if let Some(scheme) = scheme(uri) {
            let users = self.schemes.entry(scheme).or_default();
            if !users.contains(&server) {
                users.push(server);
            }
        }
    }

    /// Call when everything is added: puts the more specific templates first, and gives the directories of skills their
    /// spellings.
    pub fn seal(&mut self) {
        self.roots.seal(&self.servers, &self.exact);
        // The sort keeps the order of equals, which is configuration order.
        self.templates.sort_by_key(|(template, _)| std::cmp::Reverse(template.specificity()));
    }

    /// The upstream that a client's URI leads to, and the upstream's own spelling of it. `None` as well when the
    /// server's filter does not admit it.
    pub fn route<'a>(&self, uri: &'a str) -> Option<(usize, Cow<'a, str>)> {
        self.lead(uri).filter(|(server, original)| self.permits(*server, original))
    }

    fn permits(&self, server: usize, uri: &str) -> bool {
        let Some(filter) = self.filters.get(&server) else { return true };
        // What an admitted template stands for, or belongs to an admitted skill, is admitted too, unless it is excluded
        // by name.
        let implied = || {
            self.roots.hold(server, uri)
                || self.template_texts.get(uri) == Some(&server)
                || self.templates.iter().any(|(template, owner)| *owner == server && template.matches(uri))
        };
        filter.admits(uri) || (!filter.excludes(uri) && implied())
    }

    fn lead<'a>(&self, uri: &'a str) -> Option<(usize, Cow<'a, str>)> {
        if let Some((name, original)) = uri.strip_prefix("mcp+").and_then(|rest| rest.split_once(':')) {
            return Some((self.number(name)?, Cow::Borrowed(original)));
        }
        self.roots
            .lead(uri)
            .or_else(|| self.exact.get(uri).map(|server| (*server, Cow::Borrowed(uri))))
            .or_else(|| self.named(uri).map(|(server, original)| (server, Cow::Owned(original))))
            .or_else(|| self.matched(uri).map(|server| (server, Cow::Borrowed(uri))))
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.servers.iter().find(|(_, known)| **known == *name).map(|(number, _)| *number)
    }

    fn name(&self, server: usize) -> &str {
        self.servers.iter().find(|(number, _)| *number == server).map_or("", |(_, name)| name)
    }

    /// The server that is the first path segment, where several servers use the scheme and it is one of them.
    fn named(&self, uri: &str) -> Option<(usize, String)> {
        let (name, original) = roots::without_server(uri)?;
        let users = self.schemes.get(&scheme(uri)?).filter(|users| users.len() > 1)?;
        let server = self.number(name).filter(|server| users.contains(server))?;
        Some((server, original))
    }

    fn matched(&self, uri: &str) -> Option<usize> {
        if let Some(server) = self.template_texts.get(uri) {
            return Some(*server);
        }
        if let Some((_, server)) = self.templates.iter().find(|(template, _)| template.matches(uri)) {
            return Some(*server);
        }
        if let Some([only]) = scheme(uri).and_then(|s| self.schemes.get(&s)).map(Vec::as_slice) {
            return Some(*only);
        }
        // With one server there is nobody else who could mean it.
        match self.servers.as_slice() {
            [(only, _)] => Some(*only),
            _ => None,
        }
    }

    /// How `uri` of `server` is spelled for clients.
    pub fn expose<'a>(&self, server: usize, uri: &'a str) -> Cow<'a, str> {
        if let Some(shown) = self.roots.expose(server, uri) {
            return shown;
        }
        let leads_back = |shown: &str| self.lead(shown) == Some((server, Cow::Borrowed(uri)));
        if leads_back(uri) {
            return Cow::Borrowed(uri);
        }
        let named = roots::with_server(uri, self.name(server)).filter(|shown| leads_back(shown));
        named.map_or_else(|| self.expose_plainly(server, uri), Cow::Owned)
    }

    /// The spelling that names the server; it always leads back, and needs no matching. What is in a skill's directory
    /// has the directory's spelling, which needs none either.
    pub fn expose_plainly<'a>(&self, server: usize, uri: &'a str) -> Cow<'a, str> {
        let shown = self.roots.expose(server, uri);
        shown.unwrap_or_else(|| Cow::Owned(roots::plainly(self.name(server), uri)))
    }

    /// The spellings of a URI that name one of these servers, where its scheme has room for that.
    pub fn naming(&self, uri: &str, servers: &[usize]) -> Vec<Arc<str>> {
        let of = |server: &usize| roots::with_server(uri, self.name(*server)).map(Arc::from);
        servers.iter().filter_map(of).collect()
    }

    /// Whether URIs in results must be looked at: with one server every URI leads back to it.
    pub fn ambiguous(&self) -> bool {
        self.servers.len() > 1
    }
}

/// URIs of one result that are matched against templates; further ones get the spelling that needs no matching. A
/// result may hold any number of URIs, and matching is not free.
const MATCHED_MAX: usize = 512;

/// Spells the URIs of one result of one server.
pub struct Speller<'u> {
    uris: &'u Uris,
    server: usize,
    left: Cell<usize>,
}

impl<'u> Speller<'u> {
    /// For a result of this server.
    pub fn new(uris: &'u Uris, server: usize) -> Self {
        Self { uris, server, left: Cell::new(MATCHED_MAX) }
    }

    /// How `uri` is spelled for clients.
    pub fn spell<'a>(&self, uri: &'a str) -> Cow<'a, str> {
        if let Some(shown) = self.uris.roots.expose(self.server, uri) {
            return shown;
        }
        let matched = self.left.get() > 0;
        self.left.set(self.left.get().saturating_sub(1));
        if matched { self.uris.expose(self.server, uri) } else { self.uris.expose_plainly(self.server, uri) }
    }
}

fn scheme(uri: &str) -> Option<String> {
    let (scheme, _) = uri.split_once(':')?;
    let legal = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    legal.then(|| scheme.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris() -> Uris {
        let mut uris = Uris::new(vec![(0, Arc::from("one")), (1, Arc::from("two"))]);
        uris.add_resource(&Text::from("memo://a"), 0);
        uris.add_resource(&Text::from("memo://a"), 1);
        uris.add_resource(&Text::from("memo://b"), 1);
        uris.add_template(&Text::from("db://{t}/row/{id}"), 1);
        uris.add_template(&Text::from("db://{+rest}"), 0);
        uris.add_resource(&Text::from("git://x"), 1);
        uris.seal();
        uris
    }

    #[test]
    fn uris_lead_to_their_owner() {
        let uris = uris();
        for (uri, expected) in [
            ("memo://a", Some((0, "memo://a"))),
            ("memo://b", Some((1, "memo://b"))),
            ("mcp+two:memo://a", Some((1, "memo://a"))),
            ("db://users/row/1", Some((1, "db://users/row/1"))),
            ("db://users", Some((0, "db://users"))),
            ("git://anything", Some((1, "git://anything"))),
            ("memo://unlisted", None),
            ("mcp+nobody:x", None),
        ] {
            let expected = expected.map(|(server, uri)| (server, Cow::Borrowed(uri)));
            assert_eq!(uris.route(uri), expected, "{uri}");
        }
    }

    #[test]
    fn what_a_filter_excludes_cannot_be_reached_by_any_spelling() {
        let set = |pattern: &str| {
            let mut set = globset::GlobSetBuilder::new();
            set.add(globset::Glob::new(pattern).unwrap());
            Some(set.build().unwrap())
        };
        let mut uris = uris();
        uris.restrict(1, &Filter { include: None, exclude: set("secret:**") });
        uris.restrict(0, &Filter { include: set("memo:**"), exclude: None });
        assert_eq!(uris.route("mcp+two:secret://x"), None);
        assert_eq!(uris.route("mcp+two:git://x"), Some((1, "git://x".into())));
        assert_eq!(uris.route("mcp+one:file:///etc/passwd"), None);
        assert_eq!(
            uris.route("db://users"),
            Some((0, "db://users".into())),
            "matched by an admitted template"
        );
    }

    #[test]
    fn what_is_shown_leads_back() {
        let uris = uris();
        for server in [0, 1] {
            for uri in ["memo://a", "memo://b", "memo://unlisted", "git://y", "db://users/row/1", "zip://q"] {
                let shown = uris.expose(server, uri).into_owned();
                assert_eq!(uris.route(&shown), Some((server, uri.into())), "{server} {uri} as {shown}");
            }
        }
    }
}
