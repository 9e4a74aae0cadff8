//! `trunkline tools`.

use trunkline_config::Overrides;
use trunkline_upstream::Phase;

use super::Listing;
use crate::client::{Client, Tool};
use crate::config_file::{self, ConfigArgs};
use crate::environment::Environment;
use crate::stop::{Code, Stop};
use crate::terminal::{Terminal, one_line};
use crate::{assemble, suggest, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only the tools of this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// How to print them
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Listing,
    /// Also log, at this level
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Longest description in the table, in characters.
const DESCRIPTION_CHARS: usize = 100;

/// Lists the merged tools. Servers that are not well are told of on stderr.
pub(super) fn run(args: &Args, environment: &Environment, terminal: &Terminal) -> Result<Code, Stop> {
    let (_, loaded) = config_file::load(&args.config, Overrides::default(), environment, terminal)?;
    let _logs = assemble::logging_on_request(args.log_level.as_deref(), terminal)?;
    if let Some(wanted) = &args.server {
        let mut names = loaded.settings.upstreams.iter().map(|upstream| &*upstream.name);
        if !names.any(|name| name == wanted) {
            let names = loaded.settings.upstreams.iter().map(|upstream| &*upstream.name);
            return Err(Stop::usage(suggest::unknown("server", wanted, names)));
        }
    }
    let runtime = assemble::one_thread()?;
    let (tools, unwell) = runtime.block_on(async {
        let client = Client::start(loaded.settings, environment);
        let tools = client.tools(|_| false).await;
        let unwell = report_unwell(&client, args.server.as_deref(), terminal);
        client.stop().await;
        tools.map(|tools| (tools, unwell))
    })?;
    let wanted = |tool: &&Tool| args.server.as_ref().is_none_or(|server| *server == tool.server);
    let tools: Vec<&Tool> = tools.iter().filter(wanted).collect();
    terminal.print(&render(&tools, args.output, terminal))?;
    // An empty list with a reason is a failure; a list that lacks a part has its warning.
    Ok(if tools.is_empty() && unwell { Code::UNAVAILABLE } else { Code::OK })
}

fn report_unwell(client: &Client, server: Option<&str>, terminal: &Terminal) -> bool {
    let mut unwell = false;
    for source in client.sources() {
        let name = &*source.rules.server;
        if server.is_some_and(|server| server != name) {
            continue;
        }
        let reason = match &source.status.phase {
            Phase::Starting => "it is still starting",
            phase => match phase.reason() {
                Some(reason) => reason,
                None => continue,
            },
        };
        unwell = true;
        terminal.warn(&format!("server \"{}\": {}", one_line(name), one_line(reason)));
    }
    unwell
}

fn render(tools: &[&Tool], output: Listing, terminal: &Terminal) -> String {
    match output {
        Listing::Json => {
            let one = |tool: &&Tool| {
                serde_json::json!({
                    "name": tool.name,
                    "server": tool.server,
                    "original": tool.original,
                    "description": tool.description,
                    "inputSchema": tool.schema,
                })
            };
            super::pretty(&tools.iter().map(one).collect())
        }
        Listing::Table => {
            let mut table =
                table::table(terminal.out_terminal, &["name", "server", "original", "description"]);
            for tool in tools {
                let about = first_line(&tool.description);
                table.add_row([
                    one_line(&tool.name),
                    one_line(&tool.server),
                    one_line(&tool.original),
                    about,
                ]);
            }
            table::keep_whole(&mut table, 0);
            table::text(&table)
        }
    }
}

/// The first line or sentence, cut where it is very long.
fn first_line(description: &str) -> String {
    let line = description.trim().lines().next().unwrap_or_default();
    let sentence = line.find(". ").map_or(line, |end| &line[..=end]);
    let shown: String = sentence.chars().take(DESCRIPTION_CHARS).collect();
    let cut = if shown.len() < sentence.len() { "…" } else { "" };
    one_line(&shown) + cut
}
