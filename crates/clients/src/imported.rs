//! One server as another client has it, in our words.

use std::fmt;

use serde_json::{Map, Value};

use crate::secrets::{SecretPlace, is_secret, literal_secrets};

/// What the client's file says about the transport. `Unknown` for an address means: find out, Streamable HTTP
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransportHint {
    /// A program to start.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// The older HTTP+SSE.
    Sse,
    /// WebSocket.
    WebSocket,
    /// Not said.
    #[default]
    Unknown,
}

/// An MCP server read from a client's configuration. Its `Debug` form masks values that look like secrets.
#[derive(Clone, PartialEq, Default)]
pub struct ImportedServer {
    /// Name in the client.
    pub name: String,
    /// Program to start.
    pub command: Option<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment, in file order. Values may hold `${NAME}` references.
    pub env: Vec<(String, String)>,
    /// Its working directory.
    pub cwd: Option<String>,
    /// Address of a remote server.
    pub url: Option<String>,
    /// Transport, as far as the file says.
    pub transport: TransportHint,
    /// HTTP headers, in file order. Values may hold `${NAME}` references.
    pub headers: Vec<(String, String)>,
    /// Only these tools; empty means all.
    pub include_tools: Vec<String>,
    /// Not these tools.
    pub exclude_tools: Vec<String>,
    /// How long a call may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Whether the client has it switched off.
    pub disabled: bool,
    /// File with further environment variables.
    pub env_file: Option<String>,
    /// What could not be taken over as it is, in sentences for the person.
    pub notes: Vec<String>,
    /// Keys we do not know, untouched.
    pub extra: Map<String, Value>,
}

impl ImportedServer {
    /// Whether there is something to start or to call. Parts built into the client itself are neither.
    pub fn is_usable(&self) -> bool {
        self.command.is_some() || self.url.is_some()
    }

    /// Places where a credential seems to be written out instead of referred to.
    pub fn literal_secrets(&self) -> Vec<SecretPlace> {
        literal_secrets(self)
    }
}

impl fmt::Debug for ImportedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |pairs: &[(String, String)]| -> Vec<(String, String)> {
            let mask = |key: &str, value: &str| {
                if is_secret(key, value) { "***".to_owned() } else { value.to_owned() }
            };
            pairs.iter().map(|(key, value)| (key.clone(), mask(key, value))).collect()
        };
        f.debug_struct("ImportedServer")
            .field("name", &self.name)
            .field("command", &self.command)
            .field("args", &format_args!("[{} arguments]", self.args.len()))
            .field("env", &masked(&self.env))
            .field("headers", &masked(&self.headers))
            .field("transport", &self.transport)
            .field("disabled", &self.disabled)
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}
