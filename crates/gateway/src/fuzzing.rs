//! What the fuzz targets try to forge. Built for them (`cfg(fuzzing)`), and with the tests, so that clippy sees it.

use trunkline_model::{Caller, Text};
use trunkline_transport::front::host::ViewName;

use crate::parking::seal::{Sealed, Sealer};
use crate::tasks::ids::{Ids, Named, Owner};

/// The states of parked calls.
pub struct States(Sealer);

impl States {
    /// States sealed with `key`.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Sealer::new(key))
    }

    /// The state of a call.
    pub fn seal(&self, exchange: [u8; 16], round: u32, expires: u64, binding: [u8; 32]) -> String {
        self.0.seal(&Sealed { exchange, round, expires, binding })
    }

    /// What a state says, if it is one of ours.
    pub fn open(&self, text: &str) -> Option<([u8; 16], u32, u64, [u8; 32])> {
        let sealed = self.0.open(text).ok()?;
        Some((sealed.exchange, sealed.round, sealed.expires, sealed.binding))
    }
}

/// The ids of tasks.
pub struct TaskIds(Ids);

impl TaskIds {
    /// Ids made with `key`.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Ids::new(key))
    }

    /// The id of a server's task for a caller in a view.
    pub fn seal(&self, view: &ViewName, caller: &Caller, server: &str, id: &str) -> String {
        let named = Named::Remote { server: Text::from(server), id: Text::from(id) };
        self.0.seal(&Owner::of(view, caller), &named)
    }

    /// The server and its id that an id leads to, if it is one of this caller's.
    pub fn open(&self, view: &ViewName, caller: &Caller, text: &str) -> Option<(String, String)> {
        match self.0.open(&Owner::of(view, caller), text)? {
            Named::Remote { server, id } => Some((server.to_string(), id.to_string())),
            Named::Held(_) => Some(Default::default()),
        }
    }
}
