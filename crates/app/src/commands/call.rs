//! `trunkline call`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use trunkline_config::Overrides;
use trunkline_model::{Notes, Outcome, Quiet};

use crate::assemble;
use crate::call::{Arguments, Progress, resolve, show};
use crate::client::{Client, refused};
use crate::config_file::{self, ConfigArgs};
use crate::environment::Environment;
use crate::serve::{Signal, Signals};
use crate::stop::{Code, Stop};
use crate::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The tool's name, as `trunkline tools` shows it
    #[arg(value_name = "TOOL")]
    name: String,
    /// One argument; the tool's schema decides whether a value is a number, a truth value, JSON or text
    #[arg(long = "arg", short = 'a', value_name = "NAME=VALUE")]
    arguments: Vec<String>,
    /// All arguments as a JSON object: the text itself, @FILE, or - for stdin
    #[arg(long, value_name = "JSON")]
    args_json: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
    /// Also log, at this level
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// The text of the result.
    #[default]
    Text,
    /// The result as it came.
    Json,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 =
        text.trim_end_matches('s').parse().map_err(|_| "not a number of seconds".to_owned())?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("must be more than nothing".to_owned()) } else { Ok(time) }
}

/// Calls the tool.
pub(super) fn run(args: &Args, environment: &Environment, terminal: &Terminal) -> Result<Code, Stop> {
    let given = Arguments::read(&args.arguments, args.args_json.as_deref(), |path: &Path| {
        std::fs::read_to_string(path)
    })?;
    let (_, loaded) = config_file::load(&args.config, Overrides::default(), environment, terminal)?;
    let _logs = assemble::logging_on_request(args.log_level.as_deref(), terminal)?;
    let runtime = assemble::one_thread()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let client = Client::start(loaded.settings, environment);
        let work = tokio::time::timeout(args.timeout.unwrap_or(Duration::MAX), call(&client, args, &given, terminal));
        let ended = tokio::select! {
            ended = work => ended.unwrap_or_else(|_| Err(Stop::new(Code::UNAVAILABLE, "the call took longer than --timeout allows"))),
            number = stopped(&mut signals) => Err(Stop::silent(Code::signal(number))),
        };
        client.stop().await;
        ended
    })
}

async fn stopped(signals: &mut Signals) -> u8 {
    loop {
        if let Signal::Stop(number) = signals.next().await {
            return number;
        }
    }
}

async fn call(client: &Client, args: &Args, given: &Arguments, terminal: &Terminal) -> Result<Code, Stop> {
    let shows = terminal.interactive && !terminal.quiet;
    let progress = shows.then(|| Arc::new(Progress::new(&args.name)));
    let tools = client.tools(|tools| resolve::find(&args.name, tools).is_some()).await;
    let outcome = match tools.and_then(|tools| {
        let tool = resolve::tool(&args.name, &tools, &client.sources())?;
        let arguments = given.typed(&tool.schema)?;
        Ok((tool.name.clone(), arguments))
    }) {
        Ok((name, arguments)) => {
            let notes: Arc<dyn Notes> = match &progress {
                Some(progress) => Arc::<Progress>::clone(progress),
                None => Arc::new(Quiet),
            };
            client.call(&name, &arguments, notes, shows).await
        }
        Err(stop) => Err(stop),
    };
    // Before anything is printed: the spinner must not stand in the middle of it.
    if let Some(progress) = progress {
        progress.finish();
    }
    match outcome? {
        Outcome::Result(reply) => match args.output {
            Output::Json => {
                terminal.print(&String::from_utf8_lossy(&reply.raw))?;
                Ok(show::verdict(&reply.raw))
            }
            Output::Text => show::show(&reply.raw, terminal),
        },
        other => Err(refused(&other)),
    }
}
