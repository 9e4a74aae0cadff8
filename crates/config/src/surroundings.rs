//! What a document is resolved against. Nothing in this crate reads the process or the disk by itself.

use std::io;
use std::path::Path;

/// The world outside the document, handed in.
pub struct Surroundings<'a> {
    /// Looks up an environment variable for `${NAME}`.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Reads a file for `${file:/path}` and `envFile`.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// Whether a program (a name to look up in `PATH`, or a path) exists.
    pub has_program: &'a dyn Fn(&str) -> bool,
    /// Environment variables; those named `TRUNKLINE__...` override values of the document.
    pub variables: Vec<(String, String)>,
    /// Values from the command line, stronger than everything else.
    pub overrides: Overrides,
}

/// Values from the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--listen`: address and port of the MCP endpoint.
    pub listen: Option<String>,
    /// `--admin-listen`: address and port of the admin listener, or `off`.
    pub admin_listen: Option<String>,
    /// `--log-level`: a level or filter.
    pub log_level: Option<String>,
}

impl<'a> Surroundings<'a> {
    /// Only `${NAME}` works: no files, no `TRUNKLINE__` variables, and every program is taken to exist.
    pub fn new(env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            env,
            read_file: &|_| Err(io::Error::new(io::ErrorKind::Unsupported, "files are not available here")),
            has_program: &|_| true,
            variables: Vec::new(),
            overrides: Overrides::default(),
        }
    }
}
