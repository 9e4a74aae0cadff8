//! The helper process that ends all children when the gateway was killed.
//!
//! Nothing in a killed process can clean up after it, so one small process waits for the end of a pipe. The gateway
//! tells it which process groups live; when the pipe ends, whatever the reason, it ends those groups and itself.

mod body;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

pub use body::run;

/// The gateway's side of the helper. Cheap to clone; when the last clone is dropped the helper ends.
#[derive(Clone, Debug)]
pub struct Shepherd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    args: Vec<OsString>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    groups: BTreeSet<i32>,
    helper: Option<Helper>,
}

#[derive(Debug)]
struct Helper {
    process: std::process::Child,
    /// A socket and not a pipe: it can be written without ever blocking, and std closes it on exec.
    line: UnixStream,
}

impl Shepherd {
    /// A helper that is started with the first child: `program` with `args` must call [`run`] on its stdin.
    pub fn lazy(program: &Path, args: &[&str]) -> Self {
        let args = args.iter().map(OsString::from).collect();
        Self(Arc::new(Inner { program: program.to_owned(), args, state: Mutex::default() }))
    }

    /// A helper that is started now.
    pub fn start(program: &Path, args: &[&str]) -> io::Result<Self> {
        let shepherd = Self::lazy(program, args);
        let helper = shepherd.0.launch(&BTreeSet::new())?;
        shepherd.0.state.lock().unwrap_or_else(PoisonError::into_inner).helper = Some(helper);
        Ok(shepherd)
    }

    /// The process id of the helper, if one was started.
    pub fn pid(&self) -> Option<u32> {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.helper.as_ref().map(|helper| helper.process.id())
    }

    /// Puts a group under the helper's care. A helper that died is started again and told every group.
    pub(super) fn register(&self, group: i32) -> io::Result<()> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.groups.insert(group);
        if let Some(helper) = &mut state.helper {
            if helper.tell('+', group).is_ok() {
                return Ok(());
            }
            helper.discard();
            state.helper = None;
        }
        state.helper = Some(self.0.launch(&state.groups)?);
        Ok(())
    }

    /// Takes an empty group out of the helper's care. A helper that died is left for the next registration.
    pub(super) fn unregister(&self, group: i32) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.groups.remove(&group);
        if let Some(helper) = &mut state.helper
            && helper.tell('-', group).is_err()
        {
            helper.discard();
            state.helper = None;
        }
    }
}

#[cfg(test)]
impl Shepherd {
    /// The groups under care.
    pub(super) fn groups(&self) -> Vec<i32> {
        self.0.state.lock().unwrap().groups.iter().copied().collect()
    }

    /// Ends the line as the death of the gateway would.
    pub(super) fn close_line(&self) {
        let state = self.0.state.lock().unwrap();
        state.helper.as_ref().unwrap().line.shutdown(std::net::Shutdown::Both).unwrap();
    }
}

impl Inner {
    fn launch(&self, groups: &BTreeSet<i32>) -> io::Result<Helper> {
        let (line, far) = UnixStream::pair()?;
        line.set_nonblocking(true)?;
        // Nothing of ours is kept open by it: no terminal, no log pipe, no directory.
        let process = Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(far)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut helper = Helper { process, line };
        for group in groups {
            if let Err(error) = helper.tell('+', *group) {
                helper.discard();
                return Err(error);
            }
        }
        Ok(helper)
    }
}

impl Helper {
    fn tell(&mut self, sign: char, group: i32) -> io::Result<()> {
        self.line.write_all(format!("{sign}{group}\n").as_bytes())
    }

    /// Kills a helper that no longer listens. Before its line is closed: otherwise it would end every child.
    fn discard(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
