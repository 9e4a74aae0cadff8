//! `trunkline check`.

use trunkline_config::{Loaded, Overrides, Severity, render, to_json};

use crate::config_file::{self, ConfigArgs, Unusable};
use crate::discover;
use crate::environment::Environment;
use crate::stop::{Code, Stop};
use crate::terminal::{Paint, Terminal};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// With line and caret.
    #[default]
    Human,
    /// For programs.
    Json,
}

/// Prints every problem and note; the report is the result, so it goes to stdout.
pub(super) fn run(args: &Args, environment: &Environment, terminal: &Terminal) -> Result<Code, Stop> {
    let path = discover::required(args.config.config.as_deref(), environment)?;
    let read = config_file::read(&path, Overrides::default(), environment);
    let (findings, loaded) = match read {
        Err(Unusable::Unreadable(error)) => return Err(config_file::unreadable(&path, &error)),
        Err(Unusable::Problems(problems)) => (problems.to_vec(), None),
        Ok(loaded) => (loaded.notes.clone(), Some(loaded)),
    };
    let file = path.display().to_string();
    let text = match args.output {
        Output::Json => super::pretty(&serde_json::json!({
            "ok": loaded.is_some(),
            "file": file,
            "problems": to_json(&findings),
        })),
        Output::Human => {
            let mut text = render(&findings, terminal.out_color);
            if !text.is_empty() {
                text.push('\n');
            }
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
            text + &summary(&file, loaded.as_ref(), errors, terminal)
        }
    };
    terminal.print(&text)?;
    Ok(if loaded.is_some() { Code::OK } else { Code::CONFIG })
}

fn summary(file: &str, loaded: Option<&Loaded>, errors: usize, terminal: &Terminal) -> String {
    let Some(loaded) = loaded else {
        let plural = if errors == 1 { "" } else { "s" };
        return format!("{} {file}: {errors} problem{plural}", terminal.paint_out(Paint::Bad, "not usable:"));
    };
    let (servers, profiles) = (loaded.settings.upstreams.len(), loaded.settings.gateway.profiles.len());
    let mut text = format!("{} {file}: {servers} server", terminal.paint_out(Paint::Good, "ok:"));
    text.push_str(if servers == 1 { "" } else { "s" });
    if profiles > 0 {
        let plural = if profiles == 1 { "" } else { "s" };
        text += &[", ", &profiles.to_string(), " profile", plural].concat();
    }
    text + &format!(", endpoint http://{}/mcp", loaded.settings.listen)
}
