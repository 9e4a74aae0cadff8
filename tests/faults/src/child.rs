//! Faults of a server that is a child process: `faulty-stdio` does what a file says.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use trunkline_e2e::{process, wait};

use crate::row::{Target, impatient};

/// A child process that fails on command.
pub struct Child {
    program: &'static str,
    behaviour: &'static str,
    /// The shell's part before the server is started.
    before: &'static str,
    signals: Option<(Signal, Signal)>,
    dir: TempDir,
}

impl Child {
    /// A child that behaves like this while it is armed: a behaviour of `faulty-stdio`, whose path is `program`.
    ///
    /// # Panics
    /// When there is no room for its files.
    pub fn new(program: &'static str, behaviour: &'static str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::write(dir.path().join("behaviour"), "polite").expect("the folder is ours");
        fs::write(dir.path().join("calls"), "").expect("the folder is ours");
        Self { program, behaviour, before: "", signals: None, dir }
    }

    /// A child that is sent a signal when it is armed, and another when it is not any more.
    pub fn signalled(program: &'static str, armed: Signal, disarmed: Signal) -> Self {
        Self { signals: Some((armed, disarmed)), ..Self::new(program, "polite") }
    }

    /// A shell runs this first, and then becomes the server.
    pub fn after(mut self, shell: &'static str) -> Self {
        self.before = shell;
        self
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn behave(&self, behaviour: &str) {
        // Whole or not at all: the child may read at any time.
        let (next, file) = (self.file("next"), self.file("behaviour"));
        fs::write(&next, behaviour).and_then(|()| fs::rename(next, file)).expect("the folder is ours");
    }

    /// The processes of this server, wherever they hang.
    fn processes(&self) -> Vec<u32> {
        process::with_command(self.dir.path().to_str().expect("a plain name"))
    }

    fn send(&self, signal: Signal) {
        for pid in self.processes() {
            // One may have ended since the look.
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(i32::try_from(pid).expect("process ids are small")),
                signal,
            );
        }
    }
}

impl Target for Child {
    fn entry(&self) -> Value {
        let folder = self.dir.path();
        let entry = if self.before.is_empty() {
            json!({ "command": self.program, "args": [folder] })
        } else {
            let line = format!("{}; exec {} {}", self.before, self.program, folder.display());
            json!({ "command": "sh", "args": ["-c", line] })
        };
        impatient(entry)
    }

    fn arm(&self) {
        self.behave(self.behaviour);
        if let Some((armed, _)) = self.signals {
            self.send(armed);
        }
        if self.behaviour == "exit-on-start" {
            self.send(Signal::SIGKILL);
            wait::until(Duration::from_secs(5), "the end of the child", || {
                self.processes().is_empty().then_some(())
            });
        }
    }

    fn disarm(&self) {
        self.behave("polite");
        if let Some((_, disarmed)) = self.signals {
            self.send(disarmed);
        }
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.file("calls")).expect("it was written").lines().count()
    }
}
