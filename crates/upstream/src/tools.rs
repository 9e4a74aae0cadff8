//! What every upstream needs from the process it lives in.

use std::sync::Arc;

use tokio::sync::broadcast;
use trunkline_model::Change;
use trunkline_observe::metrics::Metrics;
use trunkline_transport::back::HttpClient;
use trunkline_transport::process::{Environment, Launch, Shepherd};

use crate::faults::Faults;
use crate::verdict::Verdicts;

/// Changes a slow listener may lag behind before it must assume that everything changed.
pub const CHANGES_BACKLOG: usize = 256;

/// What every upstream needs from the process it lives in; shared by all of them.
#[derive(Clone)]
pub struct Tools {
    /// The variables that children may inherit from.
    pub environment: Arc<Environment>,
    /// Ends the children when the gateway is killed; `None` only in tests.
    pub shepherd: Option<Arc<Shepherd>>,
    /// Where children come from; `None` is the operating system.
    pub launch: Option<Arc<dyn Launch>>,
    /// The one HTTP connection pool.
    pub http: HttpClient,
    /// The remembered era verdicts.
    pub verdicts: Arc<Verdicts>,
    /// Where changes outside of any call are told.
    pub changes: broadcast::Sender<Change>,
    /// What shall go wrong on purpose.
    pub faults: Arc<Faults>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}
