//! The directories that skills live in, and how each is spelled in one view.
//!
//! What is in a skill's directory belongs to the skill, whether a list mentions it or not, and relative references lead
//! from file to file. So a directory is spelled in one way as a whole: as it came, or, where an earlier server of the
//! view has something there, with the server in it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// What the URI of a skill ends in (SEP-2640, "Resource Mapping").
const MANIFEST: &str = "/SKILL.md";
/// Schemes whose first path segment has no meaning but its server's, and whose readers look at the scheme: the server
/// is put there instead of before the scheme.
const ROOMY: [&str; 2] = ["skill://", "ui://"];

/// The directory of the skill whose manifest has this URI, without a slash at its end.
pub(super) fn of(uri: &str) -> Option<&str> {
    let root = uri.strip_suffix(MANIFEST)?;
    let (scheme, path) = root.split_once(':')?;
    // A directory without a name would hold everything of its scheme.
    let named = !path.trim_matches('/').is_empty() && !path.ends_with('/');
    (named && !scheme.starts_with("mcp+")).then_some(root)
}

/// `uri` with the server as its first path segment, where the scheme has room for it.
pub(super) fn with_server(uri: &str, server: &str) -> Option<String> {
    let scheme = ROOMY.into_iter().find(|scheme| uri.starts_with(scheme))?;
    Some(format!("{scheme}{server}/{}", &uri[scheme.len()..]))
}

/// Undoes [`with_server`]: the server named, and the URI without it.
pub(super) fn without_server(uri: &str) -> Option<(&str, String)> {
    let scheme = ROOMY.into_iter().find(|scheme| uri.starts_with(scheme))?;
    let (server, rest) = uri[scheme.len()..].split_once('/')?;
    (!rest.is_empty()).then(|| (server, format!("{scheme}{rest}")))
}

/// Directories, none of which is inside another. Kept with a slash at their end, so that the nearest one before a URI in
/// byte order is the only one that it can be in.
#[derive(Debug)]
struct Directories<V>(BTreeMap<Box<str>, V>);

impl<V> Default for Directories<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> Directories<V> {
    /// The directory that `uri` is or is in, and what of `uri` comes behind its name (empty or with a slash).
    fn find<'a>(&self, uri: &'a str) -> Option<(&str, &V, &'a str)> {
        if self.0.is_empty() {
            return None;
        }
        let around = self.0.range::<str, _>((Bound::Unbounded, Bound::Included(uri))).next_back();
        let inside = around.and_then(|(key, value)| {
            uri.starts_with(&**key).then(|| (&key[..key.len() - 1], value, &uri[key.len() - 1..]))
        });
        inside.or_else(|| {
            let (key, value) = self.0.get_key_value(&*format!("{uri}/"))?;
            Some((&key[..key.len() - 1], value, ""))
        })
    }

    /// Whether `root` is in one of them or one of them is in `root`.
    fn meets(&self, root: &str) -> bool {
        let slashed = format!("{root}/");
        let after = self.0.range::<str, _>((Bound::Included(&*slashed), Bound::Unbounded)).next();
        let within = after.is_some_and(|(key, _)| key.starts_with(&slashed));
        within || self.find(root).is_some()
    }

    fn add(&mut self, root: &str, value: V) {
        self.0.insert(format!("{root}/").into(), value);
    }
}

/// Where a directory as a client spells it leads.
#[derive(Debug)]
struct Owner {
    server: usize,
    /// The server's own spelling, where it differs.
    original: Option<Box<str>>,
}

/// The directories of all skills of a view.
#[derive(Debug, Default)]
pub(super) struct Roots {
    found: HashMap<usize, BTreeSet<Box<str>>>,
    /// As clients spell them.
    shown: Directories<Owner>,
    /// As their servers spell them, with the clients' spelling where it differs.
    own: HashMap<usize, Directories<Option<Box<str>>>>,
}

impl Roots {
    /// A skill's directory of this server.
    pub(super) fn add(&mut self, root: &str, server: usize) {
        self.found.entry(server).or_default().insert(format!("{root}/").into());
    }

    /// Decides the spellings. `servers` are in order of precedence, and `listed` is every listed resource with its owner.
    pub(super) fn seal(
        &mut self,
        servers: &[(usize, Arc<str>)],
        listed: &HashMap<trunkline_model::Text, usize>,
    ) {
        if self.found.is_empty() {
            return;
        }
        let mut resources: Vec<(&str, usize)> = listed.iter().map(|(uri, owner)| (&**uri, *owner)).collect();
        resources.sort_unstable();
        let mut earlier: Vec<usize> = Vec::new();
        for (server, name) in servers {
            for root in outermost(self.found.remove(server).unwrap_or_default()) {
                let spelled = self.spell(&root, name, &resources, &earlier);
                let original = spelled.is_some().then(|| root.clone());
                let exposed = spelled.as_deref().unwrap_or(&root);
                // What is spelled with the server before the scheme needs no entry to lead back.
                if !exposed.starts_with("mcp+") {
                    self.shown.add(exposed, Owner { server: *server, original });
                }
                self.own.entry(*server).or_default().add(&root, spelled);
            }
            earlier.push(*server);
        }
    }

    /// Another spelling for a directory, where its own is not free.
    fn spell(
        &self,
        root: &str,
        name: &str,
        resources: &[(&str, usize)],
        earlier: &[usize],
    ) -> Option<Box<str>> {
        let slashed = format!("{root}/");
        let from = resources.partition_point(|(uri, _)| *uri < &*slashed);
        let mut inside = resources[from..].iter().take_while(|(uri, _)| uri.starts_with(&slashed));
        if !self.shown.meets(root) && !inside.any(|(_, owner)| earlier.contains(owner)) {
            return None;
        }
        let roomy = with_server(root, name).filter(|spelled| !self.shown.meets(spelled));
        Some(roomy.unwrap_or_else(|| plainly(name, root)).into())
    }

    /// The server that a client's URI leads to, and the server's own spelling of it.
    pub(super) fn lead<'a>(&self, uri: &'a str) -> Option<(usize, Cow<'a, str>)> {
        let (_, owner, rest) = self.shown.find(uri)?;
        let original = match &owner.original {
            None => Cow::Borrowed(uri),
            Some(original) => Cow::Owned(format!("{original}{rest}")),
        };
        Some((owner.server, original))
    }

    /// How clients spell a URI in one of the server's directories; `None` for all others.
    pub(super) fn expose<'a>(&self, server: usize, uri: &'a str) -> Option<Cow<'a, str>> {
        let (_, spelled, rest) = self.own.get(&server)?.find(uri)?;
        Some(match spelled {
            None => Cow::Borrowed(uri),
            Some(spelled) => Cow::Owned(format!("{spelled}{rest}")),
        })
    }

    /// Whether a URI is in one of the server's directories.
    pub(super) fn hold(&self, server: usize, uri: &str) -> bool {
        self.own.get(&server).is_some_and(|own| own.find(uri).is_some())
    }
}

/// The spelling that names the server; it always leads back.
pub(super) fn plainly(server: &str, uri: &str) -> String {
    format!("mcp+{server}:{uri}")
}

/// Those that are in no other; a skill inside a skill is spelled with it. Slashes come and do not go.
fn outermost(found: BTreeSet<Box<str>>) -> Vec<Box<str>> {
    let mut out: Vec<Box<str>> = Vec::with_capacity(found.len());
    let mut last: Option<Box<str>> = None;
    for slashed in found {
        if last.as_ref().is_some_and(|last| slashed.starts_with(&**last)) {
            continue;
        }
        out.push(slashed.trim_end_matches('/').into());
        last = Some(slashed);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_model::Text;

    fn servers() -> Vec<(usize, Arc<str>)> {
        vec![(0, Arc::from("one")), (1, Arc::from("two")), (2, Arc::from("three"))]
    }

    fn sealed(roots: &[(usize, &str)], listed: &[(&str, usize)]) -> Roots {
        let mut all = Roots::default();
        for (server, root) in roots {
            all.add(root, *server);
        }
        let listed = listed.iter().map(|(uri, owner)| (Text::from(*uri), *owner)).collect();
        all.seal(&servers(), &listed);
        all
    }

    fn exposed(roots: &Roots, server: usize, uri: &str) -> String {
        let shown = roots.expose(server, uri).expect("in a directory").into_owned();
        let back = roots.lead(&shown).map(|(server, uri)| (server, uri.into_owned()));
        if !shown.starts_with("mcp+") {
            assert_eq!(back, Some((server, uri.to_owned())), "{shown}");
        }
        shown
    }

    #[test]
    fn a_manifest_names_its_directory() {
        assert_eq!(of("skill://a/b/SKILL.md"), Some("skill://a/b"));
        assert_eq!(of("github://o/r/skills/x/SKILL.md"), Some("github://o/r/skills/x"));
        for none in
            ["skill://SKILL.md", "file:///SKILL.md", "skill://a/x.md", "SKILL.md", "mcp+one:s://a/SKILL.md"]
        {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn equal_directories_are_told_apart_and_others_stay() {
        let roots = sealed(
            &[(0, "skill://refunds"), (1, "skill://refunds"), (1, "skill://acme/x"), (2, "skill://acme/y")],
            &[],
        );
        assert_eq!(exposed(&roots, 0, "skill://refunds/SKILL.md"), "skill://refunds/SKILL.md");
        assert_eq!(exposed(&roots, 1, "skill://refunds/SKILL.md"), "skill://two/refunds/SKILL.md");
        assert_eq!(
            exposed(&roots, 1, "skill://refunds/new.md"),
            "skill://two/refunds/new.md",
            "listed or not"
        );
        assert_eq!(exposed(&roots, 1, "skill://refunds"), "skill://two/refunds", "the directory itself");
        assert_eq!(exposed(&roots, 1, "skill://acme/x/a"), "skill://acme/x/a");
        assert_eq!(exposed(&roots, 2, "skill://acme/y/a"), "skill://acme/y/a");
        assert_eq!(roots.expose(0, "skill://acme/x/a"), None);
        assert_eq!(roots.expose(1, "skill://refunds-2/a"), None, "a longer name is another directory");
    }

    #[test]
    fn a_skill_inside_a_skill_is_spelled_with_it() {
        let roots = sealed(&[(0, "skill://acme/x"), (1, "skill://acme"), (1, "skill://acme/z")], &[]);
        for (own, shown) in [
            ("skill://acme/SKILL.md", "skill://two/acme/SKILL.md"),
            ("skill://acme/z/SKILL.md", "skill://two/acme/z/SKILL.md"),
        ] {
            assert_eq!(exposed(&roots, 1, own), shown);
        }
        let roots = sealed(&[(0, "skill://acme"), (1, "skill://acme/x/deep")], &[]);
        assert_eq!(exposed(&roots, 1, "skill://acme/x/deep/a"), "skill://two/acme/x/deep/a");
    }

    #[test]
    fn what_an_earlier_server_lists_in_a_directory_is_a_collision_and_what_a_later_one_lists_is_not() {
        let roots = sealed(&[(1, "skill://a")], &[("skill://a/SKILL.md", 0)]);
        assert_eq!(exposed(&roots, 1, "skill://a/SKILL.md"), "skill://two/a/SKILL.md");
        let roots =
            sealed(&[(1, "skill://a")], &[("skill://a/SKILL.md", 2), ("skill://a/b", 1), ("skill://b", 0)]);
        assert_eq!(exposed(&roots, 1, "skill://a/SKILL.md"), "skill://a/SKILL.md");
    }

    #[test]
    fn where_the_servers_name_is_taken_too_it_goes_before_the_scheme() {
        let roots = sealed(&[(0, "skill://a"), (0, "skill://two/a/b"), (1, "skill://a")], &[]);
        assert_eq!(exposed(&roots, 1, "skill://a/SKILL.md"), "mcp+two:skill://a/SKILL.md");
        let roots = sealed(&[(0, "github://a/b"), (1, "github://a/b")], &[]);
        assert_eq!(exposed(&roots, 1, "github://a/b/SKILL.md"), "mcp+two:github://a/b/SKILL.md");
    }

    #[test]
    fn three_equal_ones_have_three_spellings() {
        let roots =
            sealed(&[(0, "skill://a"), (1, "skill://a"), (2, "skill://a"), (2, "skill://two/a")], &[]);
        let shown: BTreeSet<String> = (0..3).map(|s| exposed(&roots, s, "skill://a/SKILL.md")).collect();
        assert_eq!(shown.len(), 3);
        assert_eq!(
            exposed(&roots, 2, "skill://two/a/x"),
            "skill://three/two/a/x",
            "taken by the second server"
        );
    }
}
