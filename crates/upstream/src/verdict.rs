//! Which era a server turned out to speak, remembered across restarts so that it is not probed again.
//!
//! The file is a cache: losing it costs one probe per server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use trunkline_model::Era;

use crate::options::{Command, Options, Reach};

/// Verdicts kept at most; older files with more are started afresh.
const VERDICTS_MAX: usize = 4096;

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
    pub fn get(&self, options: &Options) -> Option<Era> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&key(options)).map(String::as_str) {
            Some("modern") => Some(Era::Modern),
            Some("legacy") => Some(Era::Legacy),
            _ => None,
        }
    }

    /// Remembers a verdict, or forgets it with `None`.
    pub fn set(&self, options: &Options, era: Option<Era>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(options);
        let changed = match era {
            Some(era) => known.insert(key, era.as_str().to_owned()).as_deref() != Some(era.as_str()),
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
        Reach::Http(endpoint) => {
            add("http");
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
        let options = Options::new(
            "a",
            Reach::Http(Endpoint { url: "http://localhost:1/mcp".into(), headers: Vec::new() }),
        );
        Verdicts::open(Some(file.clone())).set(&options, Some(Era::Legacy));
        assert_eq!(Verdicts::open(Some(file.clone())).get(&options), Some(Era::Legacy));
        Verdicts::open(Some(file.clone())).set(&options, None);
        assert_eq!(Verdicts::open(Some(file)).get(&options), None);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
