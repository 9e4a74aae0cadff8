//! What a call says while it runs, on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use trunkline_model::{Note, Notes};

use crate::terminal::one_line;

/// Between two frames of the spinner.
const FRAME: Duration = Duration::from_millis(100);

/// A spinner that becomes a bar once the tool says how much there is to do.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Shows that the tool `name` is being called.
    pub(crate) fn new(name: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_message(one_line(name));
        bar.enable_steady_tick(FRAME);
        Self(bar)
    }

    /// Takes everything off the screen.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }

    fn advance(&self, params: &Value) {
        if let Some(message) = params["message"].as_str() {
            self.0.set_message(one_line(message));
        }
        let amount = |key: &str| params[key].as_f64().filter(|amount| *amount >= 0.0);
        if let Some(total) = amount("total").filter(|total| *total > 0.0) {
            // Totals are fractions for some tools; thousandths are finer than any terminal.
            let done = amount("progress").unwrap_or_default() / total;
            if self.0.length().is_none() {
                let bar = ProgressStyle::with_template("{spinner} [{bar:30}] {percent}% {msg}");
                self.0.set_style(bar.unwrap_or_else(|_| ProgressStyle::default_bar()));
                self.0.set_length(1000);
            }
            #[expect(clippy::cast_sign_loss, reason = "between 0 and 1000")]
            self.0.set_position((done.clamp(0.0, 1.0) * 1000.0) as u64);
        }
    }
}

impl Notes for Progress {
    fn note(&self, note: Note) {
        match note {
            Note::Progress(params) => self.advance(&serde_json::from_slice(&params).unwrap_or_default()),
            Note::Log(level, params) => {
                let params: Value = serde_json::from_slice(&params).unwrap_or_default();
                let data = &params["data"];
                let text = data.as_str().map_or_else(|| data.to_string(), str::to_owned);
                self.0.println(format!("{}: {}", level.as_str(), one_line(&text)));
            }
        }
    }
}
