//! What is started.

use std::path::Path;

use tokio::process::Command;
use trunkline_model::Secret;

use super::environment::Environment;

/// One program to start. Borrowed from the configuration; nothing of it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Spec<'a> {
    /// The operator's name of the server, for log lines.
    pub name: &'a str,
    /// Program name (looked up in the child's `PATH`) or path.
    pub program: &'a str,
    /// Arguments, in order.
    pub args: &'a [String],
    /// Variables set for the child; they win over inherited ones.
    pub env: &'a [(String, Secret)],
    /// Names of variables the child inherits besides the safe list.
    pub inherit_env: &'a [String],
    /// Working directory; `None` is the gateway's own.
    pub cwd: Option<&'a Path>,
}

impl Spec<'_> {
    /// The command with a clean environment; stdio and group are left to the caller.
    pub(super) fn command(&self, environment: &Environment) -> Command {
        let mut command = Command::new(self.program);
        command.args(self.args).env_clear().envs(environment.inherited(self.inherit_env));
        command.envs(self.env.iter().map(|(name, value)| (name, value.expose())));
        if let Some(cwd) = self.cwd {
            command.current_dir(cwd);
        }
        command
    }
}
