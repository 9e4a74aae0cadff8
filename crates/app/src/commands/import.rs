//! `trunkline import`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use trunkline_clients as clients;
use trunkline_config::Overrides;

use crate::config_file;
use crate::environment::Environment;
use crate::import::{self, Found, Plan, Target};
use crate::stop::{Code, Stop};
use crate::terminal::{Terminal, one_line};
use crate::{discover, suggest, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Take over the servers of this client, or of this file
    #[arg(long, value_name = "CLIENT|FILE", conflicts_with = "all")]
    from: Option<String>,
    /// Take over the servers of every client on this machine
    #[arg(long)]
    all: bool,
    /// The configuration to add them to [default: the one in use, else ./trunkline.yaml]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Write ${NAME} instead of each credential, and say which variables to set
    #[arg(long)]
    secrets_to_env: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Lists what there is, or takes it over.
pub(super) fn run(args: &Args, environment: &Environment, terminal: &Terminal) -> Result<Code, Stop> {
    let found = find(args, environment)?;
    if args.from.is_none() && !args.all {
        return list(&found, terminal);
    }
    for one in &found {
        if let Err(error) = &one.servers {
            terminal.warn(&format!("{}: {}", one.path.display(), one_line(error)));
        }
    }
    let path = match &args.to {
        Some(path) => path.clone(),
        None => discover::find(None, environment).unwrap_or_else(|| PathBuf::from("trunkline.yaml")),
    };
    let target = target(&path)?;
    let plan = import::plan(&found, &target.servers(), &endpoint(&path, environment), args.secrets_to_env);
    for note in &plan.notes {
        terminal.say(&format!("note: {}", one_line(note)));
    }
    if plan.entries.is_empty() {
        terminal.say("Nothing to add.");
        return Ok(Code::OK);
    }
    write(args, &path, &target, &plan, terminal)?;
    about_secrets(&plan, terminal);
    Ok(Code::OK)
}

fn find(args: &Args, environment: &Environment) -> Result<Vec<Found>, Stop> {
    let Some(from) = &args.from else { return Ok(import::everywhere(environment)) };
    let path = Path::new(from);
    if let Some(kind) = clients::by_id(from) {
        let found = import::from_client(kind, environment);
        if found.is_empty() {
            return Err(Stop::new(
                Code::FAILURE,
                format!("{} has no configuration on this machine", kind.name),
            ));
        }
        return Ok(found);
    }
    if path.exists() || path.extension().is_some() || path.components().count() > 1 {
        return Ok(vec![import::from_file(path)?]);
    }
    Err(Stop::usage(suggest::unknown("client or file", from, clients::all().iter().map(|kind| kind.id))))
}

fn list(found: &[Found], terminal: &Terminal) -> Result<Code, Stop> {
    let mut table = table::table(terminal.out_terminal, &["client", "servers", "file"]);
    for one in found {
        let servers = match &one.servers {
            Ok(servers) => servers.iter().map(|server| one_line(&server.name)).collect::<Vec<_>>().join(", "),
            Err(error) => format!("(unreadable: {})", one_line(error)),
        };
        table.add_row([one.client.clone(), servers, one.path.display().to_string()]);
    }
    if found.is_empty() {
        terminal.say("No MCP servers are configured in any client that Trunkline knows.");
        return Ok(Code::OK);
    }
    terminal.print(&table::text(&table))?;
    terminal.say("Take them over with `trunkline import --all`, or some with `--from CLIENT`.");
    Ok(Code::OK)
}

fn target(path: &Path) -> Result<Target, Stop> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Stop::file(path, &error)),
    };
    import::existing(path, text).map_err(|why| Stop::new(Code::CONFIG, format!("{}: {why}", path.display())))
}

/// Our own address, by which an entry is known to be us.
fn endpoint(path: &Path, environment: &Environment) -> String {
    let loaded = config_file::read(path, Overrides::default(), environment).ok();
    let listen =
        loaded.map_or_else(|| "127.0.0.1:8808".to_owned(), |loaded| loaded.settings.listen.to_string());
    format!("http://{listen}/mcp")
}

fn write(args: &Args, path: &Path, target: &Target, plan: &Plan, terminal: &Terminal) -> Result<(), Stop> {
    let new = target.with(&plan.entries).map_err(|why| {
        let snippet = clients::diff("", &target.snippet(&plan.entries));
        let lines = snippet.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++"));
        let snippet = lines.map(|line| &line[1..]).collect::<Vec<_>>().join("\n");
        Stop::new(
            Code::FAILURE,
            format!("{} cannot be edited safely: {why}\nplease add this by hand:\n{snippet}", path.display()),
        )
    })?;
    let names = plan.entries.iter().map(|(name, _)| one_line(name)).collect::<Vec<_>>().join(", ");
    if args.dry_run {
        terminal.say(&format!("Would add to {}: {names}", path.display()));
        return terminal.print(&clients::diff(target.before().unwrap_or_default(), &new));
    }
    let backup = clients::write_with_backup(path, target.before(), &new, SystemTime::now())
        .map_err(|error| Stop::file(path, &error))?;
    terminal.say(&format!("Added to {}: {names}", path.display()));
    if let Some(backup) = backup {
        terminal.say(&format!("The file as it was: {}", backup.display()));
    }
    Ok(())
}

fn about_secrets(plan: &Plan, terminal: &Terminal) {
    if !plan.variables.is_empty() {
        terminal.say("Set these variables to the values that the client's file has:");
        for (variable, place) in &plan.variables {
            terminal.say(&format!("  {variable}   ({})", one_line(place)));
        }
    }
    if !plan.literal.is_empty() {
        let names = plan.literal.iter().map(|name| one_line(name)).collect::<Vec<_>>().join(", ");
        terminal.warn(&format!(
            "credentials were copied as they are: {names}\n  --secrets-to-env writes references to the environment instead"
        ));
    }
}
