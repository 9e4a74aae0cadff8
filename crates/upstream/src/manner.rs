//! How calls of one tool are carried out, as found out once, when a catalog is built.

use std::sync::Arc;

use crate::breaker::Tool;

/// How calls of one tool are carried out. The default is the careful one: once.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// The tool's own breaker.
    pub(crate) breaker: Option<Arc<Tool>>,
    /// Running twice does no harm: it says so itself, and the operator believes it.
    pub(crate) repeats: bool,
    /// It changes nothing: it says so itself, and the operator believes it.
    pub(crate) hedges: bool,
}

impl Manner {
    /// Once, with nothing but the server's own breaker.
    pub const ONCE: Self = Self { breaker: None, repeats: false, hedges: false };
}
