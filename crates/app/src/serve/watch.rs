//! Noticing that the configuration has changed on the disk.
//!
//! The system tells us that something has happened in the folders concerned, and each minute we look by ourselves: not
//! every file system tells (network mounts), and a folder that was replaced tells nothing. What has happened is found out
//! by looking at the files: an editor that writes a new one in the place of the old, and a ConfigMap of Kubernetes whose
//! `..data` link is turned, come to the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// What is written within this time belongs together.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// A file that changes all the time is taken as it is after so long.
const DEBOUNCE_MAX: Duration = Duration::from_secs(2);
/// How often we look without being told.
const LOOK: Duration = Duration::from_mins(1);
/// The same while the file is away, or nobody can tell us.
const LOOK_CLOSELY: Duration = Duration::from_secs(1);
/// A file that is away for longer is worth a word.
const AWAY: Duration = Duration::from_secs(5);

/// What tells one state of a file from another; `None` when it is not there.
type Stamp = Option<(SystemTime, u64, u64)>;

/// The state of the files that a configuration was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps(Vec<Stamp>);

impl Stamps {
    /// As they are now; the first one is the document itself.
    pub(crate) fn of(files: &[PathBuf]) -> Self {
        Self(files.iter().map(|file| stamp(file)).collect())
    }

    /// Adds that of one more file, as it is now.
    pub(crate) fn note(&mut self, file: &Path) {
        self.0.push(stamp(file));
    }

    fn is_away(&self) -> bool {
        matches!(self.0.first(), Some(None))
    }
}

fn stamp(file: &Path) -> Stamp {
    let about = file.metadata().ok()?;
    #[cfg(unix)]
    let node = std::os::unix::fs::MetadataExt::ino(&about);
    #[cfg(not(unix))]
    let node = 0;
    Some((about.modified().ok()?, about.len(), node))
}

/// Watches the files of a configuration.
pub(super) struct Watch {
    on: bool,
    files: Vec<PathBuf>,
    /// Their state when they were last read.
    known: Stamps,
    told: Arc<Notify>,
    /// Something has happened that was not looked at yet.
    dirty: bool,
    watcher: Option<RecommendedWatcher>,
    away: Option<Instant>,
}

impl Watch {
    /// Watches nothing yet.
    pub(super) fn new() -> Self {
        let (told, known) = (Arc::default(), Stamps::default());
        Self { on: false, files: Vec::new(), known, told, dirty: false, watcher: None, away: None }
    }

    /// Watches these files from the state in which they were read.
    pub(super) fn follow(&mut self, on: bool, files: Vec<PathBuf>, known: Stamps) {
        self.on = on;
        self.known = known;
        self.away = None;
        // Made anew each time: a folder that was replaced is watched under its old identity.
        self.watcher = if on { self.watcher(&files) } else { None };
        self.files = files;
        // What has happened since they were read.
        self.dirty = true;
    }

    fn watcher(&self, files: &[PathBuf]) -> Option<RecommendedWatcher> {
        let told = Arc::clone(&self.told);
        let mut watcher = notify::recommended_watcher(move |_| told.notify_one())
            .inspect_err(|error| tracing::warn!(%error, "the configuration is looked at each second instead of watched"))
            .ok()?;
        for folder in folders(files) {
            if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
                tracing::debug!(folder = %folder.display(), %error, "the folder cannot be watched");
            }
        }
        Some(watcher)
    }

    /// Resolves when the files have changed and are quiet again. Cancel safe.
    pub(super) async fn changed(&mut self) {
        if !self.on {
            std::future::pending::<()>().await;
        }
        loop {
            if !self.dirty {
                let closely = self.away.is_some() || self.watcher.is_none();
                let _ = timeout(if closely { LOOK_CLOSELY } else { LOOK }, self.told.notified()).await;
                self.dirty = true;
            }
            let now = self.quiet().await;
            self.dirty = false;
            if now.is_away() {
                self.miss();
            } else if self.away.take().is_some() || now != self.known {
                // Once is enough, whatever comes of it.
                let same = now == self.known;
                self.known = now;
                if !same {
                    return;
                }
            }
        }
    }

    /// Their state, once it has not changed for a while.
    async fn quiet(&self) -> Stamps {
        let began = Instant::now();
        let mut last = Stamps::of(&self.files);
        while last != self.known {
            sleep(DEBOUNCE).await;
            let now = Stamps::of(&self.files);
            if now == last || began.elapsed() > DEBOUNCE_MAX {
                return now;
            }
            last = now;
        }
        last
    }

    /// Editors and deployments take a file away for a moment; then there is nothing to say.
    fn miss(&mut self) {
        let since = *self.away.get_or_insert_with(Instant::now);
        if since.elapsed() >= AWAY && since.elapsed() < AWAY + LOOK_CLOSELY * 2 {
            let file = self.files.first().map(|file| file.display().to_string());
            tracing::warn!(file, "the configuration file is gone; the configuration in use stays");
        }
    }
}

/// The folders in which something happens when one of the files changes: its own, and that of what it is a link to.
fn folders(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for file in files {
        for path in [Some(file.clone()), file.canonicalize().ok()].into_iter().flatten() {
            if let Some(parent) = path.parent() {
                let here = parent.as_os_str().is_empty();
                folders.insert(if here { PathBuf::from(".") } else { parent.to_owned() });
            }
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    struct Folder {
        dir: tempfile::TempDir,
        watch: Watch,
    }

    impl Folder {
        fn with(make: impl FnOnce(&Path)) -> Self {
            let dir = tempfile::tempdir().unwrap();
            make(dir.path());
            let mut watch = Watch::new();
            let files = vec![dir.path().join("t.yaml")];
            let known = Stamps::of(&files);
            watch.follow(true, files, known);
            Self { dir, watch }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        async fn notices(&mut self) {
            timeout(LONG, self.watch.changed()).await.expect("the change is noticed");
        }

        async fn notices_nothing(&mut self) {
            assert!(timeout(DEBOUNCE * 3, self.watch.changed()).await.is_err(), "nothing has changed");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_written_or_replaced_is_noticed_and_one_that_is_read_is_not() {
        let mut folder = Folder::with(|at| fs::write(at.join("t.yaml"), "a").unwrap());
        folder.notices_nothing().await;
        fs::read(folder.path("t.yaml")).unwrap();
        fs::write(folder.path("other"), "x").unwrap();
        folder.notices_nothing().await;
        fs::write(folder.path("t.yaml"), "ab").unwrap();
        folder.notices().await;
        folder.notices_nothing().await;
        fs::write(folder.path("t.yaml.new"), "ab").unwrap();
        fs::rename(folder.path("t.yaml.new"), folder.path("t.yaml")).unwrap();
        folder.notices().await;
    }

    #[tokio::test]
    async fn a_file_that_is_away_for_a_moment_is_waited_for() {
        let mut folder = Folder::with(|at| fs::write(at.join("t.yaml"), "a").unwrap());
        fs::rename(folder.path("t.yaml"), folder.path("t.yaml~")).unwrap();
        folder.notices_nothing().await;
        fs::write(folder.path("t.yaml"), "new").unwrap();
        folder.notices().await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_link_of_a_config_map_that_is_turned_is_noticed() {
        use std::os::unix::fs::symlink;
        let mut folder = Folder::with(|at| {
            fs::create_dir(at.join("..1")).unwrap();
            fs::write(at.join("..1/t.yaml"), "a").unwrap();
            symlink("..1", at.join("..data")).unwrap();
            symlink("..data/t.yaml", at.join("t.yaml")).unwrap();
        });
        fs::create_dir(folder.path("..2")).unwrap();
        fs::write(folder.path("..2/t.yaml"), "b").unwrap();
        folder.notices_nothing().await;
        symlink("..2", folder.path("..data_tmp")).unwrap();
        fs::rename(folder.path("..data_tmp"), folder.path("..data")).unwrap();
        fs::remove_dir_all(folder.path("..1")).unwrap();
        folder.notices().await;
    }

    #[tokio::test]
    async fn what_is_not_to_be_watched_is_not() {
        let mut folder = Folder::with(|at| fs::write(at.join("t.yaml"), "a").unwrap());
        folder.watch.follow(false, vec![folder.path("t.yaml")], Stamps::default());
        fs::write(folder.path("t.yaml"), "ab").unwrap();
        folder.notices_nothing().await;
    }
}
