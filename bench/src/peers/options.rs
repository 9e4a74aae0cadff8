//! Which peers to take along.

use std::path::PathBuf;

use super::ALL;
use super::peer::{AtHand, Peer};
use super::shelf::Shelf;

/// Options of every command that measures peers.
#[derive(clap::Args, Debug)]
#[group(id = "peers_to_measure")]
pub(crate) struct Options {
    /// Peers to measure beside Trunkline: all, or names with commas
    #[arg(long, value_name = "all|NAME,...", value_parser = choose)]
    peers: Option<Chosen>,
    /// agentgateway's binary, which no registry has
    #[arg(long, value_name = "PATH")]
    agentgateway: Option<PathBuf>,
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
        let peers = self.peers.clone().unwrap_or_else(|| Chosen(ALL.to_vec()));
        Self { peers: Some(peers), agentgateway: self.agentgateway.clone() }
    }

    /// What was asked for: what can be started, and what cannot. Nothing asked for is nothing found.
    pub(crate) fn at_hand(&self) -> anyhow::Result<(Vec<AtHand>, Vec<Absent>)> {
        let Some(Chosen(chosen)) = &self.peers else { return Ok((Vec::new(), Vec::new())) };
        let shelf = Shelf::new(self.agentgateway.clone())?;
        let (mut here, mut absent) = (Vec::new(), Vec::new());
        for peer in chosen {
            let claims = peer.claims();
            match peer.find(&shelf) {
                Ok(installed) => here.push(AtHand { peer: *peer, claims, installed }),
                Err(error) => absent.push(Absent { name: claims.name, reason: format!("{error:#}") }),
            }
        }
        Ok((here, absent))
    }
}

fn choose(text: &str) -> Result<Chosen, String> {
    if text == "all" {
        return Ok(Chosen(ALL.to_vec()));
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
        assert_eq!(names("all").len(), ALL.len());
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let said = choose("nginx,apache").unwrap_err();
        assert!(said.starts_with("no peer \"apache\"; there are nginx, "), "{said}");
        assert!(choose("").is_err());
    }
}
