//! What is said, where, and in which colours. Results go to stdout, everything else to stderr.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::environment::Environment;
use crate::stop::Stop;

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set; always with `CLICOLOR_FORCE`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The two streams of this process.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// Whether stdout takes colours.
    pub(crate) out_color: bool,
    /// Whether stderr takes colours.
    pub(crate) err_color: bool,
    /// Whether stderr is a terminal, which can show progress.
    pub(crate) interactive: bool,
    /// Whether stdout is a terminal.
    pub(crate) out_terminal: bool,
    /// Say nothing but results and failures.
    pub(crate) quiet: bool,
}

/// One of a few roles that text can have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Paint {
    Bold,
    Dim,
    Good,
    Warn,
    Bad,
}

impl Terminal {
    /// What the process, its environment and the command line say about colours.
    pub(crate) fn new(environment: &Environment, color: Color, quiet: bool) -> Self {
        let set = |name: &str| environment.variable(name).filter(|value| !value.is_empty());
        let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let refused = set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb");
        let wanted = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => forced || (terminal && !refused),
        };
        Self {
            out_color: wanted(environment.stdout_terminal),
            err_color: wanted(environment.stderr_terminal),
            interactive: environment.stderr_terminal && set("TERM").is_none_or(|term| term != "dumb"),
            out_terminal: environment.stdout_terminal,
            quiet,
        }
    }

    /// Writes a result to stdout, with a line end if it has none.
    ///
    /// # Errors
    /// When stdout cannot be written; a closed one ends the command without a complaint.
    #[expect(clippy::unused_self, reason = "one place decides where results go")]
    pub(crate) fn print(&self, text: &str) -> Result<(), Stop> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(())
    }

    /// Tells the person something on stderr, unless asked to be quiet.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            self.insist(text);
        }
    }

    /// Tells the person something on stderr, quiet or not.
    #[expect(clippy::unused_self, reason = "one place decides where messages go")]
    pub(crate) fn insist(&self, text: &str) {
        let line = if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
        // With stderr gone there is nobody left to tell.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }

    /// A warning on stderr.
    pub(crate) fn warn(&self, text: &str) {
        self.say(&format!("{}: {text}", self.paint_err(Paint::Warn, "warning")));
    }

    /// The last words of a command that failed.
    pub(crate) fn fail(&self, stop: &Stop) {
        if let Some(message) = &stop.message {
            let mut lines = message.lines();
            let first = lines.next().unwrap_or_default();
            let mut text = format!("{}: {first}", self.paint_err(Paint::Bad, "error"));
            for line in lines {
                let _ = write!(text, "\n  {line}");
            }
            self.insist(&text);
        }
    }

    /// Text for stderr.
    pub(crate) fn paint_err(&self, paint: Paint, text: &str) -> String {
        painted(self.err_color, paint, text)
    }

    /// Text for stdout.
    pub(crate) fn paint_out(&self, paint: Paint, text: &str) -> String {
        painted(self.out_color, paint, text)
    }
}

fn painted(color: bool, paint: Paint, text: &str) -> String {
    let code = match paint {
        Paint::Bold => "1",
        Paint::Dim => "2",
        Paint::Good => "32",
        Paint::Warn => "33",
        Paint::Bad => "31",
    };
    if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Text from outside, made safe for a terminal; line ends become spaces.
pub(crate) fn one_line(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    printable(&joined)
}

/// Text from outside with hidden characters shown as escapes, line ends and tabs kept.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
        }
        for (at, part) in line.trim_end_matches('\r').split('\t').enumerate() {
            if at > 0 {
                out.push('\t');
            }
            // Writing to a string cannot fail.
            let _ = trunkline_observe::printable::write_printable(&mut out, part);
        }
    }
    out
}
