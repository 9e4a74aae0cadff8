//! Which peers to take along.

use std::path::PathBuf;

use super::ALL;
use super::other_build::OTHER_BUILD;
use super::peer::{AtHand, Peer};
use super::shelf::Shelf;

/// Options of every command that measures peers.
#[derive(clap::Args, Debug)]
#[group(id = "peers_to_measure")]
pub(crate) struct Options {
    /// Peers to measure beside Trunkline: all, or names with commas; those named by their binary as well
    #[arg(long, value_name = "all|NAME,...", value_parser = choose)]
    peers: Option<Chosen>,
    #[command(flatten)]
    binaries: Binaries,
}

/// What is named by hand.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Binaries {
    /// agentgateway's binary, which no registry has
    #[arg(long, value_name = "PATH")]
    agentgateway: Option<PathBuf>,
    /// The binary of another build of Trunkline, to be measured in the same run
    #[arg(long, value_name = "PATH")]
    other_build: Option<PathBuf>,
}

impl Binaries {
    /// Where everything is.
    pub(super) fn shelf(&self) -> anyhow::Result<Shelf> {
        let Self { agentgateway, other_build } = self.clone();
        Ok(Shelf { agentgateway, other_build, ..Shelf::new()? })
    }

    fn named(&self) -> Vec<&'static dyn Peer> {
        let is_named =
            [(self.agentgateway.is_some(), "agentgateway"), (self.other_build.is_some(), OTHER_BUILD)];
        is_named.into_iter().filter(|(is, _)| *is).filter_map(|(_, name)| named(name).ok()).collect()
    }
}

#[derive(Clone, Debug)]
struct Chosen(Vec<&'static dyn Peer>);

/// A peer that was asked for and is not there.
#[derive(Debug)]
pub(crate) struct Absent {
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) reason: String,
}

impl Options {
    /// The same, but all peers if none was asked for.
    pub(super) fn or_all(&self) -> Self {
        let peers = self.peers.clone().unwrap_or_else(all);
        Self { peers: Some(peers), binaries: self.binaries.clone() }
    }

    /// What was asked for: what can be started, and what cannot. Nothing asked for is nothing found.
    pub(crate) fn at_hand(&self) -> anyhow::Result<(Vec<AtHand>, Vec<Absent>)> {
        let mut chosen = self.peers.clone().map(|Chosen(chosen)| chosen).unwrap_or_default();
        for peer in self.binaries.named() {
            if chosen.iter().all(|other| other.claims().name != peer.claims().name) {
                chosen.push(peer);
            }
        }
        if chosen.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let shelf = self.binaries.shelf()?;
        let (mut here, mut absent) = (Vec::new(), Vec::new());
        for peer in chosen {
            let claims = peer.claims();
            match peer.find(&shelf) {
                Ok(installed) => here.push(AtHand { peer, claims, installed }),
                Err(error) => absent.push(Absent { name: claims.name, reason: format!("{error:#}") }),
            }
        }
        Ok((here, absent))
    }
}

/// All software of others.
fn all() -> Chosen {
    Chosen(ALL.into_iter().filter(|peer| peer.claims().name != OTHER_BUILD).collect())
}

fn choose(text: &str) -> Result<Chosen, String> {
    if text == "all" {
        return Ok(all());
    }
    let mut chosen: Vec<&'static dyn Peer> = Vec::new();
    for name in text.split(',') {
        let peer = named(name)?;
        if chosen.iter().all(|other| other.claims().name != name) {
            chosen.push(peer);
        }
    }
    Ok(Chosen(chosen))
}

/// The peer with this name.
pub(super) fn named(name: &str) -> Result<&'static dyn Peer, String> {
    ALL.into_iter().find(|peer| peer.claims().name == name).ok_or_else(|| {
        let names: Vec<_> = ALL.iter().map(|peer| peer.claims().name).collect();
        format!("no peer {name:?}; there are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        choose(text).unwrap().0.iter().map(|peer| peer.claims().name).collect()
    }

    #[test]
    fn peers_are_chosen_by_name_in_the_order_given_and_once() {
        assert_eq!(names("supergateway,nginx,supergateway"), ["supergateway", "nginx"]);
        assert_eq!(names("all").len(), ALL.len() - 1);
        assert!(!names("all").contains(&OTHER_BUILD) && names(OTHER_BUILD) == [OTHER_BUILD]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let said = choose("nginx,apache").unwrap_err();
        assert!(said.starts_with("no peer \"apache\"; there are nginx, "), "{said}");
        assert!(choose("").is_err());
    }
}
