//! A network of its own for what listens on every address of the machine, as the suite's mock servers do.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// How to get a network namespace: as root, or as a user who becomes root in a namespace of users.
const WAYS: [&[&str]; 2] = [&["-n"], &["-r", "-n"]];

/// A way to run commands where only they can reach each other.
pub(crate) struct Network(&'static [&'static str]);

impl Network {
    /// Finds out whether this machine permits it.
    pub(crate) fn find() -> Option<Self> {
        WAYS.into_iter().map(Self).find(|network| {
            let mut trial = network.command("true");
            trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            trial.status().is_ok_and(|status| status.success())
        })
    }

    /// A command that runs `program` in a fresh network with nothing but a loopback interface.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("unshare");
        command.args(self.0).args(["sh", "-c", "ip link set lo up && exec \"$@\"", "network"]).arg(program);
        command
    }
}
