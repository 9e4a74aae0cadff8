//! Children that are no processes of the operating system: servers of this process, spoken to over the same pipes and
//! watched by the same keeper. For simulations.

use std::io;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::Child;

use super::spec::Spec;

/// A future at the seam.
type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is read from a child.
pub type Output = Box<dyn AsyncRead + Send + Sync + Unpin>;

/// Starts guests.
pub trait Launch: Send + Sync {
    /// Starts the server that `spec` names.
    ///
    /// # Errors
    /// There is none, or it does not start.
    fn launch(&self, spec: &Spec<'_>) -> io::Result<Launched>;
}

/// A guest that was started, and its three streams.
pub struct Launched {
    /// What it reads.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// What it says.
    pub stdout: Output,
    /// What it complains of.
    pub stderr: Output,
    /// The guest itself.
    pub guest: Arc<dyn Guest>,
}

/// A guest as the keeper of a child sees it.
pub trait Guest: Send + Sync {
    /// Resolves once it has ended. Cancel safe; may be asked again.
    fn ended(&self) -> BoxFuture<'_, ExitStatus>;

    /// Asks it to end.
    fn terminate(&self);

    /// Ends it.
    fn kill(&self);
}

/// Who leads a group.
pub(super) enum Leader {
    Process(Child),
    Guest(Arc<dyn Guest>),
}

impl Leader {
    /// Waits until it has ended. Cancel safe.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Self::Process(process) => process.wait().await,
            Self::Guest(guest) => Ok(guest.ended().await),
        }
    }
}
