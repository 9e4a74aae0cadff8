//! A process of ours: started, stopped for a while, and ended by its id whatever happens.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::usage;

/// How long an end in order may take, and how often it is looked for.
const END_LIMIT: Duration = Duration::from_secs(20);
const END_POLL: Duration = Duration::from_millis(10);
/// Lines of a log shown when its process fails.
const LOG_LINES: usize = 15;

/// Ends with this value, also when that is dropped by a panic.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    /// It ended in order, and its id may be another's by now.
    is_over: bool,
}

impl Process {
    /// Starts it; what it prints goes to a file in `folder`.
    pub(crate) fn start(mut command: Command, name: &str, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{}.log", name.replace([' ', ','], "-")));
        let file = File::create(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // A group of its own: Ctrl-C is ours to handle.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, log, is_over: false })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails if it has ended, with the end of its log.
    pub(crate) fn alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("it has ended ({status}): {}", self.last_words()),
        }
    }

    /// The end of what it printed.
    pub(crate) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Asks it to end, and waits until it has, for some seconds.
    pub(crate) async fn end_in_order(&mut self) -> anyhow::Result<()> {
        kill(pid(self.id()), Signal::SIGTERM)?;
        let limit = Instant::now() + END_LIMIT;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => {
                    self.is_over = true;
                    return Ok(());
                }
                Some(status) => anyhow::bail!("it ended with {status}: {}", self.last_words()),
                None if Instant::now() > limit => anyhow::bail!("it does not end: {}", self.last_words()),
                None => tokio::time::sleep(END_POLL).await,
            }
        }
    }

    /// Takes no CPU until [`Self::thaw`], nor do those it started: peers have workers and interpreters.
    pub(super) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(super) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        // It has not been waited for, so the id is still its own; if it has ended, `alive` says so.
        let _ = kill(pid(self.id()), signal);
        for id in usage::descendants(self.id()) {
            let _ = kill(pid(id), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let descendants = usage::descendants(self.id());
        // SIGKILL also ends what is stopped.
        let _ = self.child.kill();
        // Also those of its group whose parent has ended, so that they are nobody's descendants here. It has not been
        // waited for, so the group is still its own.
        let _ = killpg(pid(self.id()), Signal::SIGKILL);
        let _ = self.child.wait();
        for id in descendants {
            let _ = kill(pid(id), Signal::SIGKILL);
        }
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("Linux ids fit"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_dropped_process_takes_its_children_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo ready; wait"]);
        let mut process = Process::start(command, "shell, with a child", folder.path()).unwrap();
        while process.last_words() != "ready" {
            process.alive().unwrap();
            std::thread::yield_now();
        }
        let id = process.id();
        let children = usage::descendants(id);
        assert_eq!(children.len(), 1);
        process.freeze();
        drop(process);
        assert!(usage::of(id).is_err());
        dies(&children[0].to_string());
    }

    #[test]
    fn a_dropped_process_takes_its_group_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        // What starts the sleeper ends at once, so that the sleeper is nobody's descendant here.
        command.args(["-c", "sh -c 'sleep 600 & echo $!'; exec sleep 600"]);
        let mut process = Process::start(command, "shell, with an orphan", folder.path()).unwrap();
        while process.last_words().is_empty() || !usage::descendants(process.id()).is_empty() {
            process.alive().unwrap();
            std::thread::yield_now();
        }
        let orphan = process.last_words();
        assert!(!is_dead(&orphan));
        drop(process);
        dies(&orphan);
    }

    /// The kernel ends it when it next runs, and its new parent buries it: it may be listed as dead for a while.
    fn dies(id: &str) {
        let limit = Instant::now() + Duration::from_secs(10);
        while !is_dead(id) {
            assert!(Instant::now() < limit, "the child lives on");
            std::thread::yield_now();
        }
    }

    fn is_dead(id: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ") || stat.contains(") X ")
    }
}
