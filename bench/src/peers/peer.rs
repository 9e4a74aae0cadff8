//! What a peer is: claims, a place it is installed at, a way to start it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use http::Uri;

use super::shelf::Shelf;
use crate::era::Era;

/// How a peer reaches its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Streamable HTTP
    Http,
    /// A child's pipes
    Stdio,
}

impl Wire {
    /// The word used in tables.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Stdio => "stdio",
        }
    }
}

/// What a peer is put in front of.
#[derive(Clone, Debug)]
pub(crate) enum Upstream {
    /// A server that runs already
    Http(Uri),
    /// A program and its arguments, started by the peer
    Child(Vec<String>),
}

impl Upstream {
    /// This binary as a child, with so many tools besides `echo`, `payload` and `slow`.
    pub(crate) fn own_child(fillers: usize) -> anyhow::Result<Self> {
        let own = std::env::current_exe()?.into_os_string();
        let Ok(own) = own.into_string() else { bail!("this binary's path is not UTF-8") };
        Ok(Self::Child(vec![own, "upstream".into(), "--stdio".into(), "--tools".into(), fillers.to_string()]))
    }

    /// How it is reached.
    pub(crate) const fn wire(&self) -> Wire {
        match self {
            Self::Http(_) => Wire::Http,
            Self::Child(_) => Wire::Stdio,
        }
    }

    pub(super) fn http(&self) -> anyhow::Result<&Uri> {
        match self {
            Self::Http(url) => Ok(url),
            Self::Child(_) => bail!("this peer has no stdio upstreams here"),
        }
    }

    pub(super) fn child(&self) -> anyhow::Result<&[String]> {
        match self {
            Self::Child(words) => Ok(words),
            Self::Http(_) => bail!("this peer has no HTTP upstreams here"),
        }
    }
}

/// What is so wherever it is installed. `peers --check` fails if what it sees differs, in either direction.
#[derive(Debug)]
pub(crate) struct Claims {
    /// On the command line.
    pub(crate) name: &'static str,
    /// In tables.
    pub(crate) title: &'static str,
    /// What it can be put in front of.
    pub(crate) wires: &'static [Wire],
    /// What its front accepts.
    pub(crate) eras: &'static [Era],
    /// From where, and in which eras, all progress of a call reaches its caller on the stream of the call.
    pub(crate) progress: &'static [(Wire, Era)],
    /// Of its endpoint.
    pub(crate) path: &'static str,
    /// What it puts before a tool's name, with one upstream.
    pub(crate) prefix: &'static str,
}

/// A peer as found on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    /// What is executed.
    pub(super) program: PathBuf,
    /// What the program is to run, where it is an interpreter and the script came with the package.
    pub(super) script: Option<PathBuf>,
    /// As the package or the program says it.
    pub(crate) version: String,
}

/// Where and before what it shall start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage<'a> {
    /// On 127.0.0.1.
    pub(super) port: u16,
    pub(super) upstream: &'a Upstream,
    /// Exists, is empty, and stays until the peer has ended.
    pub(super) folder: &'a Path,
}

/// One kind of software.
pub(super) trait Peer: std::fmt::Debug + Sync {
    fn claims(&self) -> &'static Claims;

    /// Looks for it. The error is the reason why it cannot be measured, for people.
    fn find(&self, shelf: &Shelf) -> anyhow::Result<Installed>;

    /// Writes what it needs into the stage's folder. The command stays in the foreground, and has no environment yet.
    fn command(&self, installed: &Installed, stage: Stage<'_>) -> anyhow::Result<Command>;
}

/// A peer that can be started.
#[derive(Debug)]
pub(crate) struct AtHand {
    pub(super) peer: &'static dyn Peer,
    pub(crate) claims: &'static Claims,
    pub(crate) installed: Installed,
}

impl AtHand {
    /// One that is not installed, for its claims.
    #[cfg(test)]
    pub(crate) fn pretended(name: &str) -> Self {
        let peer = super::options::named(name).expect("there is such a peer");
        let installed = Installed { program: "/bin/false".into(), script: None, version: "1".to_owned() };
        Self { peer, claims: peer.claims(), installed }
    }

    /// Name and version, for tables.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.claims.title, self.installed.version)
    }

    /// Starts it on 127.0.0.1 in the foreground; `folder` must be empty and outlive it. It is ready when it takes
    /// connections and has given a first right answer: some listen before their upstream is there. Most have children,
    /// one of them in groups of their own, so it has to be ended with its descendants.
    pub(crate) fn command(&self, port: u16, upstream: &Upstream, folder: &Path) -> anyhow::Result<Command> {
        let mut command = self
            .peer
            .command(&self.installed, Stage { port, upstream, folder })
            .with_context(|| format!("cannot prepare {}", self.claims.name))?;
        let settings: Vec<_> =
            command.get_envs().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect();
        // Nothing of the user's own settings, and nothing left behind in their home.
        command.env_clear().envs(settings);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
        command.current_dir(folder);
        Ok(command)
    }

    /// Its endpoint.
    pub(crate) fn url(&self, port: u16) -> anyhow::Result<Uri> {
        Ok(format!("http://127.0.0.1:{port}{}", self.claims.path).parse()?)
    }

    /// How the upstream's tool is called through it.
    pub(crate) fn tool(&self, name: &str) -> String {
        format!("{}{name}", self.claims.prefix)
    }
}
