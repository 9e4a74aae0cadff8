//! The configuration files of other programs (MCP clients).
//!
//! Two directions: *read* the MCP servers a person has already configured somewhere (`trunkline import`), and
//! *connect* a client to Trunkline by editing its file in place (`trunkline connect`). Editing keeps comments,
//! unknown keys, order, indentation and line endings, and every edit is parsed again and compared with what was
//! there before it is handed out.
//!
//! Nothing here reads the environment or guesses a path: the application hands in [`Places`].

mod backup;
mod clients;
mod connect;
mod diff;
mod document;
mod error;
mod imported;
mod kind;
mod places;
mod read;
mod secrets;

pub use backup::write_with_backup;
pub use clients::{all, by_id, for_path};
pub use connect::{Prefer, TrunklineEntry, connect, connected, disconnect, snippet};
pub use diff::diff;
pub use error::{EditError, ReadError};
pub use imported::{ImportedServer, TransportHint};
pub use kind::{ClientKind, Container, Format, Scope};
pub use places::{Base, FileAt, Os, Places};
pub use read::{read_any, read_servers};
pub use secrets::{SecretPart, SecretPlace};
