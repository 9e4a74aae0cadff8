//! Opening a conversation with a child process.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use trunkline_model::Era;
use trunkline_observe::metrics::RunningChild;
use trunkline_transport::back::{Headers, StdioWire, Wire};
use trunkline_transport::process::{self, Child, Limits, Spec};

use super::{Connected, Connecting, Failed, Probed};
use crate::options::{Command, EraChoice};

/// Grace for a process that is replaced after a failed probe.
const PROBE_GRACE: Duration = Duration::from_millis(500);

/// A child process that is counted as running.
pub(crate) struct Process {
    child: Child,
    _counted: RunningChild,
}

impl Process {
    /// Ends it in order; see [`Child::shutdown`].
    pub(crate) async fn shutdown(self, grace: Duration) {
        let exit = self.child.shutdown(grace).await;
        tracing::trace!(?exit, "process ended");
    }
}

impl std::ops::Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl Connecting<'_> {
    pub(super) async fn open_stdio(
        &self,
        command: &Command,
        known: Option<Era>,
    ) -> Result<Connected, Failed> {
        let (child, wire) = self.start(command)?;
        if known == Some(Era::Legacy) {
            return self.greet_stdio(child, wire).await;
        }
        match self.probe_channel(&*wire).await {
            Probed::Modern(introduction) => Ok(self.connected(introduction, wire, None, None, Some(child))),
            Probed::Legacy | Probed::Other(_) => self.greet_stdio(child, wire).await,
            Probed::Unfit(why) if self.options.era == EraChoice::Modern => Err(self.failed(why, child).await),
            Probed::Unfit(why) => {
                tracing::debug!(server = &*self.options.name, %why, "the probe did not suit the server; starting it anew");
                child.shutdown(PROBE_GRACE).await;
                let (child, wire) = self.start(command)?;
                self.greet_stdio(child, wire).await
            }
        }
    }

    /// Starts the process and a wire over its pipes.
    fn start(&self, command: &Command) -> Result<(Process, Arc<dyn Wire>), Failed> {
        let options = self.options;
        let spec = Spec {
            name: &options.name,
            program: &command.program,
            args: &command.args,
            env: &command.env,
            inherit_env: &command.inherit_env,
            cwd: command.cwd.as_deref(),
        };
        let limits = Limits { message_bytes_max: options.message_bytes_max, ..Limits::default() };
        let shepherd = self.tools.shepherd.as_deref();
        let started = match &self.tools.launch {
            None => process::spawn(&spec, &self.tools.environment, &limits, shepherd),
            Some(launch) => process::welcome(&spec, &limits, &**launch),
        };
        let mut child = started.map_err(|error| Failed::undecided(error.to_string()))?;
        let counted = self.meter.child_started(self.again);
        let reader =
            child.take_reader().ok_or_else(|| Failed::from("the process has no output".to_owned()))?;
        let stray = Arc::clone(self.stray) as Arc<_>;
        let wire = StdioWire::open(child.writer(), reader, Arc::clone(&options.name), stray);
        Ok((Process { child, _counted: counted }, Arc::new(wire)))
    }

    async fn greet_stdio(&self, child: Process, wire: Arc<dyn Wire>) -> Result<Connected, Failed> {
        // The stray listener must be able to answer a server that pings or asks during the handshake.
        self.stray.reply_through(&wire, Headers::new(), self.options.timeouts.answer);
        let greeted = tokio::select! {
            greeted = self.greet(&*wire) => greeted,
            exit = child.wait() => Err(exited(exit.status).into()),
        };
        match greeted {
            Ok((introduction, _)) => Ok(self.connected(introduction, wire, None, None, Some(child))),
            Err(failed) => Err(self.failed(failed.reason, child).await),
        }
    }

    async fn failed(&self, why: String, child: Process) -> Failed {
        // Give a dying process a moment to say why on stderr.
        let exit = timeout(Duration::from_millis(300), child.wait()).await;
        let reason = exit.map_or(why, |exit| exited(exit.status));
        let stderr = child.stderr_tail();
        child.shutdown(PROBE_GRACE).await;
        Failed { stderr, ..Failed::from(reason) }
    }
}

/// How a process ended, in words fit for a client.
pub(crate) fn exited(status: Option<std::process::ExitStatus>) -> String {
    match status {
        Some(status) => format!("the process ended ({status})"),
        None => "the process ended".to_owned(),
    }
}
