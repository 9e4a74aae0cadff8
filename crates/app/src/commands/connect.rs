//! `trunkline connect`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use trunkline_clients::{self as clients, ClientKind, EditError, Prefer, Scope, TrunklineEntry};
use trunkline_config::Overrides;

use super::Listing;
use crate::config_file::{self, ConfigArgs};
use crate::environment::Environment;
use crate::stop::{Code, Stop};
use crate::terminal::{Paint, Terminal};
use crate::{discover, suggest, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The client, such as `claude-code`; --list shows all
    #[arg(required_unless_present = "list")]
    client: Option<String>,
    /// List the clients that are known, their files, and which are connected
    #[arg(long)]
    list: bool,
    /// How to print the list
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", requires = "list")]
    output: Listing,
    /// Whose configuration: yours, or that of the project in this directory [default: user, if the client has it]
    #[arg(long, value_enum, value_name = "SCOPE")]
    scope: Option<ScopeArg>,
    /// Name of the entry
    #[arg(long, default_value = "trunkline", value_name = "NAME")]
    name: String,
    /// Have the client use the address of `trunkline serve` (the default where a client can)
    #[arg(long, conflicts_with = "stdio")]
    http: bool,
    /// Have the client start `trunkline stdio`
    #[arg(long)]
    stdio: bool,
    /// Address of the MCP endpoint [default: as the configuration says]
    #[arg(long, value_name = "URL", conflicts_with = "stdio")]
    url: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Take the entry out again
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ScopeArg {
    /// Everything you do.
    User,
    /// The project in the current directory.
    Project,
}

/// Edits a client's file, or lists the clients.
pub(super) fn run(args: &Args, environment: &Environment, terminal: &Terminal) -> Result<Code, Stop> {
    let Some(id) = args.client.as_deref().filter(|_| !args.list) else {
        return list(args, environment, terminal);
    };
    let kind = clients::by_id(id).ok_or_else(|| {
        Stop::usage(suggest::unknown("client", id, clients::all().iter().map(|kind| kind.id)))
    })?;
    let path = file(kind, args, environment)?;
    let old = existing(&path)?;
    let new = if args.remove {
        clients::disconnect(kind, old.as_deref().unwrap_or_default(), &args.name)
    } else {
        clients::connect(kind, old.as_deref(), &entry(kind, args, environment))
    };
    let new = new.map_err(|error| refused(&path, &error))?;
    if old.as_deref().unwrap_or_default() == new {
        let state = if args.remove { "is not connected" } else { "is connected already" };
        terminal.say(&format!("{} {state} ({})", kind.name, path.display()));
        return Ok(Code::OK);
    }
    if args.dry_run {
        terminal.say(&format!("{} would change like this:", path.display()));
        terminal.print(&clients::diff(old.as_deref().unwrap_or_default(), &new))?;
        return Ok(Code::OK);
    }
    let backup = clients::write_with_backup(&path, old.as_deref(), &new, SystemTime::now())
        .map_err(|error| Stop::file(&path, &error))?;
    let done = if args.remove { "Disconnected" } else { "Connected" };
    terminal.say(&format!("{done} {}: {}", terminal.paint_err(Paint::Bold, kind.name), path.display()));
    if let Some(backup) = backup {
        terminal.say(&format!("The file as it was: {}", backup.display()));
    }
    terminal.say(&format!("Restart {} to make it read the file again.", kind.name));
    Ok(Code::OK)
}

fn file(kind: &ClientKind, args: &Args, environment: &Environment) -> Result<PathBuf, Stop> {
    let places = environment.places();
    let path = match args.scope {
        Some(ScopeArg::User) => kind.locate(Scope::User, &places),
        Some(ScopeArg::Project) => kind.locate(Scope::Project, &places),
        None => kind.locate(Scope::User, &places).or_else(|| kind.locate(Scope::Project, &places)),
    };
    path.ok_or_else(|| {
        Stop::usage(format!("{} has no configuration file of that scope on this system", kind.name))
    })
}

fn existing(path: &Path) -> Result<Option<String>, Stop> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Stop::file(path, &error)),
    }
}

/// What the client is told. The configuration may be missing or bad: then the usual address is meant.
fn entry(kind: &ClientKind, args: &Args, environment: &Environment) -> TrunklineEntry {
    let config = discover::find(args.config.config.as_deref(), environment);
    let listen = config.as_deref().and_then(|path| {
        let loaded = config_file::read(path, Overrides::default(), environment).ok()?;
        Some(loaded.settings.listen.to_string())
    });
    let listen = listen.unwrap_or_else(|| "127.0.0.1:8808".to_owned());
    let mut stdio_command = vec![environment.program.display().to_string(), "stdio".to_owned()];
    if let Some(path) = config {
        // The client starts us in a directory of its own choice.
        let path = std::path::absolute(&path).unwrap_or(path);
        stdio_command.extend(["--config".to_owned(), path.display().to_string()]);
    }
    let stdio = args.stdio || (kind.stdio_only && !args.http);
    TrunklineEntry {
        name: args.name.clone(),
        url: args.url.clone().unwrap_or_else(|| format!("http://{listen}/mcp")),
        stdio_command,
        prefer: if stdio { Prefer::Stdio } else { Prefer::Http },
    }
}

fn refused(path: &Path, error: &EditError) -> Stop {
    let code = if matches!(error, EditError::Read(_)) { Code::CONFIG } else { Code::FAILURE };
    Stop::new(code, format!("{}: {error}", path.display()))
}

fn list(args: &Args, environment: &Environment, terminal: &Terminal) -> Result<Code, Stop> {
    let places = environment.places();
    let mut rows = Vec::new();
    for kind in clients::all() {
        for (scope, word) in [(Scope::User, "user"), (Scope::Project, "project")] {
            let Some(path) = kind.locate(scope, &places) else { continue };
            let state = match existing(&path) {
                Ok(Some(text)) => match clients::connected(kind, &text, &args.name) {
                    Ok(true) => "connected",
                    Ok(false) => "found",
                    Err(_) => "unreadable",
                },
                Ok(None) => "-",
                Err(_) => "unreadable",
            };
            rows.push([
                kind.id.to_owned(),
                kind.name.to_owned(),
                word.to_owned(),
                state.to_owned(),
                path.display().to_string(),
            ]);
        }
    }
    let keys = ["client", "name", "scope", "state", "file"];
    let text = match args.output {
        Listing::Json => {
            let one = |row: &[String; 5]| -> serde_json::Value {
                keys.iter()
                    .zip(row)
                    .map(|(key, value)| ((*key).to_owned(), value.as_str().into()))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            };
            super::pretty(&rows.iter().map(one).collect())
        }
        Listing::Table => {
            let mut table = table::table(terminal.out_terminal, &keys);
            for row in rows {
                table.add_row(row);
            }
            table::text(&table)
        }
    };
    terminal.print(&text)?;
    Ok(Code::OK)
}
