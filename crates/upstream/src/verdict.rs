//! What a server turned out to speak, remembered across restarts so that it is not probed again.
//!
//! The file is a cache: losing it costs one probe per server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use trunkline_model::Era;

use crate::options::{Command, Options, Reach};

/// Verdicts kept at most; older files with more are started afresh.
const VERDICTS_MAX: usize = 4096;

/// What a server turned out to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The modern era.
    Modern,
    /// The legacy era.
    Legacy,
    /// The legacy era, over HTTP+SSE.
    HttpSse,
}

impl Verdict {
    const ALL: [Self; 3] = [Self::Modern, Self::Legacy, Self::HttpSse];

    /// The verdict on a server that speaks `era`, over the transport that was tried first.
    pub const fn of(era: Era) -> Self {
        match era {
            Era::Modern => Self::Modern,
            Era::Legacy => Self::Legacy,
        }
    }

    /// The era in it.
    pub const fn era(self) -> Era {
        match self {
            Self::Modern => Era::Modern,
            Self::Legacy | Self::HttpSse => Era::Legacy,
        }
    }

    /// How it stands in the file.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
            Self::HttpSse => "legacy over http+sse",
        }
    }
}

/// The remembered verdicts.
#[derive(Debug, Default)]
pub struct Verdicts {
    path: Option<PathBuf>,
    known: Mutex<BTreeMap<String, String>>,
}

impl Verdicts {
    /// Verdicts kept in the file at `path`; `None` keeps them in memory only. A damaged file counts as empty.
    pub fn open(path: Option<PathBuf>) -> Self {
        let text = path.as_deref().and_then(|p| std::fs::read(p).ok()).unwrap_or_default();
        let known: BTreeMap<String, String> = serde_json::from_slice(&text).unwrap_or_default();
        let known = if known.len() > VERDICTS_MAX { BTreeMap::new() } else { known };
        Self { path, known: Mutex::new(known) }
    }

    /// The verdict for a server, if it was probed before.
    pub fn get(&self, options: &Options) -> Option<Verdict> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let text = known.get(&key(options))?;
        Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == text)
    }

    /// Remembers a verdict, or forgets it with `None`.
    pub fn set(&self, options: &Options, verdict: Option<Verdict>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(options);
        let changed = match verdict.map(Verdict::as_str) {
            Some(text) => known.insert(key, text.to_owned()).as_deref() != Some(text),
            None => known.remove(&key).is_some(),
        };
        if let (true, Some(path)) = (changed, &self.path)
            && let Err(error) = write(path, &known)
        {
            tracing::debug!(path = %path.display(), %error, "could not remember an era verdict");
        }
    }
}

fn write(path: &Path, known: &BTreeMap<String, String>) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let fresh = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&fresh, serde_json::to_vec_pretty(known)?)?;
    std::fs::rename(&fresh, path)
}

/// A hash over what decides which software answers: the command with its program file's size and age, or the URL.
fn key(options: &Options) -> String {
    let mut hash = blake3::Hasher::new();
    let mut add = |part: &str| {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    };
    match &options.reach {
        Reach::Stdio(Command { program, args, cwd, .. }) => {
            add("stdio");
            add(program);
            for arg in args {
                add(arg);
            }
            if let Some(cwd) = cwd {
                add(&cwd.to_string_lossy());
            }
            if let Ok(about) = std::fs::metadata(program) {
                add(&format!("{} {:?}", about.len(), about.modified().ok()));
            }
        }
        // A pinned transport is another question to the same server: its answer is kept apart.
        Reach::Http(endpoint) => {
            add("http");
            add(&endpoint.url);
        }
        Reach::StreamableHttp(endpoint) | Reach::HttpSse(endpoint) | Reach::WebSocket(endpoint) => {
            add("pinned");
            add(options.reach.transport());
            add(&endpoint.url);
        }
    }
    hash.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Endpoint;

    #[test]
    fn a_verdict_survives_a_restart_and_can_be_dropped() {
        let dir = std::env::temp_dir().join(format!("trunkline-verdicts-{}", std::process::id()));
        let file = dir.join("eras.json");
        let endpoint = Endpoint { url: "http://localhost:1/mcp".into(), headers: Vec::new() };
        let options = Options::new("a", Reach::Http(endpoint.clone()));
        let pinned = Options::new("a", Reach::StreamableHttp(endpoint));
        for verdict in Verdict::ALL {
            Verdicts::open(Some(file.clone())).set(&options, Some(verdict));
            assert_eq!(Verdicts::open(Some(file.clone())).get(&options), Some(verdict));
            assert_eq!(Verdicts::open(Some(file.clone())).get(&pinned), None);
        }
        Verdicts::open(Some(file.clone())).set(&options, None);
        assert_eq!(Verdicts::open(Some(file)).get(&options), None);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
