//! Processes that end with the value that holds them, also when a panic unwinds through it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A running process and the lines of one of its outputs.
pub(crate) struct Guarded {
    name: String,
    child: Child,
    lines: Receiver<String>,
}

/// Which output is read.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Guarded {
    /// Starts `command` and reads one of its outputs from then on; the other is dropped.
    pub(crate) fn start(name: &str, mut command: Command, read: Output) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match read {
            Output::Stdout => command.stdout(Stdio::piped()),
            Output::Stderr => command.stderr(Stdio::piped()),
        };
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let pipe: Box<dyn Read + Send> = match read {
            Output::Stdout => Box::new(child.stdout.take().context("stdout was piped")?),
            Output::Stderr => Box::new(child.stderr.take().context("stderr was piped")?),
        };
        let (send, lines) = channel();
        // Reads to the end even when nobody listens: a full pipe would stop the process.
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let _ = send.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Ok(Self { name: name.to_owned(), child, lines })
    }

    /// Waits for a line from which `find` makes something.
    pub(crate) fn wait_for<T>(&self, limit: Duration, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + limit;
        let mut last = String::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match find(&line) {
                    Some(found) => return Ok(found),
                    None => last = line,
                },
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} was not ready within {limit:?}; its last line: {last}", self.name)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{} ended before it was ready; its last line: {last}", self.name)
                }
            }
        }
    }

    /// The lines that came since the last look.
    pub(crate) fn drain(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Both fail only for a process that has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
