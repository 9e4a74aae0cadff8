//! The document as the schema tells it. Nothing is read into these structs; a test holds them to the resolver.
#![expect(dead_code, reason = "only the derived schema is used")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::faults::Faults;
use super::lifecycle::{Log, Readiness, Reload, Shutdown};
use super::limits::Limits;
use super::server::{Filter, Server};
use super::values::{Address, Count, Duration, Size, Switch};

/// The configuration of Trunkline, an MCP gateway. Every key is optional.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    /// This schema, for editors.
    #[schemars(rename = "$schema")]
    schema: Option<String>,
    /// Address of the MCP endpoint (`/mcp`). Default: `127.0.0.1:8808`.
    listen: Option<Address>,
    /// The admin listener: health, metrics, status.
    admin: Option<Admin>,
    /// The MCP servers to join, by name. Snippets from MCP clients can be pasted here as they are.
    mcp_servers: Option<Servers>,
    /// How the names of tools and prompts are built.
    naming: Option<Naming>,
    /// Instructions sent to clients, in place of the generated ones. At most 64 KiB.
    instructions: Option<String>,
    /// Views with some of the servers, each at `/mcp/<name>`. `/mcp` always shows all servers.
    profiles: Option<BTreeMap<String, Profile>>,
    /// Who may connect.
    security: Option<Security>,
    /// Bounds of the front side.
    limits: Option<Limits>,
    /// Large results of tools: kept here, with a preview and a link for the client. Off unless `keepAbove` says otherwise.
    results: Option<Results>,
    /// What is logged, and how.
    log: Option<Log>,
    /// What kind of place this is. In `production` nothing is broken on purpose. Default: neither.
    environment: Option<Environment>,
    /// Faults to inject on purpose between Trunkline and its servers. A list is the rules. Default: none.
    faults: Option<Faults>,
    /// Let other processes listen at the same addresses, as the next one does while it takes over (`SO_REUSEPORT`, with
    /// the same user). Default: false.
    reuse_port: Option<Switch>,
    /// How a changed document is noticed.
    reload: Option<Reload>,
    /// How the process ends when it is told to.
    shutdown: Option<Shutdown>,
    /// When `/readyz` says that the process is ready.
    readiness: Option<Readiness>,
    /// Worker threads of the event loop, 1 to 1024. Default: one for each processor that the process may use.
    threads: Option<Count>,
    /// Folder for state that outlives the process. Default: the platform's place for state.
    state_dir: Option<String>,
}

/// What kind of place a gateway runs in.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub(super) enum Environment {
    Production,
    Development,
}

/// Servers by name, or a list of servers that each have a `name`.
pub(super) struct Servers;

impl JsonSchema for Servers {
    fn schema_name() -> Cow<'static, str> {
        "Servers".into()
    }

    // One schema for both shapes: editors complete keys better than in a choice of two.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let server = generator.subschema_for::<Server>();
        json_schema!({ "type": ["object", "array"], "additionalProperties": server, "items": server })
    }
}

/// The admin listener, or `off`.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum Admin {
    On(AdminListener),
    Off(Off),
}

/// Not at all.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub(super) enum Off {
    Off,
    None,
}

/// The admin listener.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AdminListener {
    /// Address of the admin listener, or `off` (or null) for none. Default: `127.0.0.1:8809`.
    listen: Option<Address>,
}

/// Large results of tools.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Results {
    /// Results with more text than this are kept, and replaced by a preview and a link; `off` keeps none. At least `4KiB`.
    /// Default: `off`.
    keep_above: Option<SizeOrOff>,
    /// How much of the text a client gets at once. At least `256`. Default: `4KiB`.
    preview_bytes: Option<Size>,
    /// How long a kept result can be read. Default: `1h`.
    keep_for: Option<Duration>,
    /// Most bytes kept in memory, all together; beyond it the oldest go. Default: `64MiB`.
    max_bytes: Option<Size>,
    /// Most bytes kept for one client. Default: half of `maxBytes`.
    max_bytes_per_client: Option<Size>,
}

/// A size in bytes, or `off`.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum SizeOrOff {
    Bytes(Size),
    Off(Off),
    Switch(bool),
}

/// How the names of tools and prompts are built: prefix, separator, the server's own name.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Naming {
    /// Put between prefix and name: 1 to 8 characters of the alphabet. Default: `__`.
    separator: Option<String>,
    /// `llm` (`[A-Za-z0-9_-]`, 64 characters: what model APIs accept) or `mcp` (also `.`, 128). Default: `llm`.
    alphabet: Option<Alphabet>,
    /// Most items in one page of a list. Default: 1000.
    page_items: Option<Count>,
}

/// Characters and length of names.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub(super) enum Alphabet {
    Llm,
    Mcp,
}

/// A view with some of the servers, at `/mcp/<name>`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Profile {
    /// Names of the servers shown, in this order.
    servers: Vec<String>,
    /// A further filter, on the names as they are shown.
    tools: Option<Filter>,
    /// Instructions sent to clients of this view. At most 64 KiB.
    instructions: Option<String>,
}

/// Who may connect.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Security {
    /// Values of the `Host` header accepted besides the listening address. Default: none.
    allowed_hosts: Option<Vec<String>>,
    /// Values of the `Origin` header accepted besides loopback ones, as in `https://app.example`. Default: none.
    allowed_origins: Option<Vec<String>>,
    /// Serve anybody on an address that other machines reach. Default: false.
    allow_anonymous_beyond_loopback: Option<Switch>,
}
