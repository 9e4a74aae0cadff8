//! What a soak came to: a verdict, in words, in JSON, and in pictures.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::sample::{Look, SERIES, Series};
use crate::tally::Counts;
use crate::trend::Trend;

/// Everything that was found out.
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) commit: String,
    pub(crate) minutes: f64,
    pub(crate) visitors: u64,
    /// Seconds that are not looked at: caches fill, pools grow.
    pub(crate) warm_up: f64,
    /// Then more counts as noise.
    pub(crate) short: bool,
    /// Before the load, all through it, and after everything had time to end.
    pub(crate) before: Look,
    pub(crate) looks: Vec<Look>,
    pub(crate) after: Look,
    pub(crate) counts: Counts,
}

impl Report {
    fn warm(&self) -> Vec<Look> {
        self.looks.iter().filter(|look| look.at >= self.warm_up).copied().collect()
    }

    fn trends(&self) -> Vec<(&'static Series, Option<Trend>)> {
        let warm = self.warm();
        SERIES
            .iter()
            .map(|series| (series, series.trend(&warm, if self.short { 4.0 } else { 1.0 })))
            .collect()
    }

    /// What is wrong; nothing, when all is well.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        let mut wrongs = Vec::new();
        for (series, trend) in self.trends() {
            match trend {
                Some(trend) if trend.grows() => {
                    wrongs.push(format!("{} grow by {:.1} {}", series.name, trend.growth, series.unit));
                }
                Some(_) => {}
                None => wrongs.push(format!("{}: too few looks", series.name)),
            }
        }
        let left = [
            ("sessions", self.after.sessions, 0.0),
            ("streams", self.after.streams, 0.0),
            // Conversations that modern callers shared are kept for a while: four processes at most, 32 HTTP sessions.
            ("children", self.after.children, self.before.children + 4.0),
            ("tasks", self.after.tasks, self.before.tasks + 100.0),
            ("descriptors", self.after.descriptors, self.before.descriptors + 64.0),
        ];
        for (name, is, most) in left {
            if is > most {
                wrongs.push(format!("{is} {name} are left when all is quiet, and there may be {most}"));
            }
        }
        if self.counts.crossed > 0 {
            wrongs.push(format!("{} canaries crossed", self.counts.crossed));
        }
        if self.counts.unexplained > 0 {
            wrongs.push(format!("{} errors that nothing explains", self.counts.unexplained));
        }
        if self.counts.answered == 0 {
            wrongs.push("no call was answered".to_owned());
        }
        wrongs
    }

    /// Writes `soak.md`, `soak.json` and a picture of each series.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        std::fs::write(folder.join("soak.md"), self.words(""))?;
        std::fs::write(folder.join("soak.json"), serde_json::to_vec_pretty(&self.json())?)?;
        self.draw(folder)
    }

    /// Writes a picture of each series.
    pub(crate) fn draw(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for series in &SERIES {
            std::fs::write(
                folder.join(format!("soak-{}.svg", series.name)),
                picture(series, &self.looks, self.warm_up),
            )?;
        }
        Ok(())
    }

    /// The report, as Markdown; `plots` comes before the names of the pictures.
    pub(crate) fn words(&self, plots: &str) -> String {
        let mut out = String::new();
        let c = &self.counts;
        let wrongs = self.wrongs();
        let verdict =
            if wrongs.is_empty() { "nothing grows, nothing crossed".to_owned() } else { wrongs.join("; ") };
        let _ = writeln!(
            out,
            "**Verdict: {verdict}.** {:.1} minutes with {} clients at a time; commit {}; {}.\n",
            self.minutes, self.visitors, self.commit, self.machine
        );
        let _ = writeln!(
            out,
            "{} visits, {} calls answered ({:.0} a second), {} MB read by clients; {} canaries crossed, {} errors unexplained.\n",
            c.visits,
            c.answered,
            c.answered as f64 / (self.minutes * 60.0),
            c.bytes / 1_000_000,
            c.crossed,
            c.unexplained
        );
        let _ = writeln!(
            out,
            "| | before | median | growth | 99 % interval | noise below | after |\n|---|---|---|---|---|---|---|"
        );
        let (before, after) = ([self.before], [self.after]);
        for (series, trend) in self.trends() {
            let value = |looks: &[Look]| series.points(looks).first().map_or(0.0, |(_, value)| *value);
            let unit = if series.unit.is_empty() { String::new() } else { format!(" {}", series.unit) };
            let _ = match trend {
                Some(t) => writeln!(
                    out,
                    "| {}{} | {:.1} | {:.1} | {:+.2} | {:+.2} to {:+.2} | {:.1} | {:.1} |",
                    series.name,
                    unit,
                    value(&before),
                    t.median,
                    t.growth,
                    t.least,
                    t.most,
                    t.tolerance,
                    value(&after)
                ),
                None => writeln!(
                    out,
                    "| {}{unit} | {:.1} | | | | | {:.1} |",
                    series.name,
                    value(&before),
                    value(&after)
                ),
            };
        }
        let list =
            |counts: Vec<String>| if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
        let _ = writeln!(
            out,
            "\nDone on purpose: {}.",
            list(c.did.iter().map(|(what, n)| format!("{n} {what}")).collect())
        );
        let _ = writeln!(
            out,
            "\nErrors that this explains: {}.",
            list(c.explained.iter().map(|(why, n)| format!("{n} `{why}`")).collect())
        );
        for words in &c.words {
            let _ = writeln!(out, "\n    {words}");
        }
        for series in &SERIES {
            let _ = writeln!(out, "\n![{}]({plots}soak-{}.svg)", series.name, series.name);
        }
        out
    }

    fn json(&self) -> Value {
        let trends: Vec<Value> = self
            .trends()
            .into_iter()
            .filter_map(|(series, trend)| {
                let t = trend?;
                Some(
                    json!({ "name": series.name, "unit": series.unit, "median": t.median, "growth": t.growth,
                    "least": t.least, "most": t.most, "tolerance": t.tolerance, "grows": t.grows() }),
                )
            })
            .collect();
        let c = &self.counts;
        json!({
            "verdict": self.wrongs(), "machine": self.machine, "commit": self.commit, "minutes": self.minutes,
            "visitors": self.visitors, "warmUpSeconds": self.warm_up, "trends": trends,
            "visits": c.visits, "answered": c.answered, "crossed": c.crossed, "unexplained": c.unexplained,
            "done": c.did, "explained": c.explained, "before": self.before.json(), "after": self.after.json(),
            "looks": self.looks.iter().map(Look::json).collect::<Vec<_>>(),
        })
    }
}

/// A line over time; the warm-up is shaded.
fn picture(series: &Series, looks: &[Look], warm_up: f64) -> String {
    const WIDTH: f64 = 900.0;
    const HEIGHT: f64 = 220.0;
    const LEFT: f64 = 60.0;
    const TOP: f64 = 30.0;
    const BOTTOM: f64 = 30.0;
    let points = series.points(looks);
    let most = points.iter().map(|(_, value)| *value).fold(1.0, f64::max) * 1.1;
    let time = points.last().map_or(1.0, |(at, _)| at.max(1.0));
    let x = |at: f64| LEFT + at / time * (WIDTH - LEFT - 20.0);
    let y = |value: f64| HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM);
    let mut line = String::new();
    for (at, value) in &points {
        let _ = write!(line, "{:.1},{:.1} ", x(*at), y(*value));
    }
    let unit = if series.unit.is_empty() { String::new() } else { format!(", {}", series.unit) };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{}{unit}</text>\n\
         <rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#f0f0f0\"/>\n",
        series.name,
        x(warm_up.min(time)) - LEFT,
        HEIGHT - TOP - BOTTOM
    );
    for share in [0.0, 0.5, 1.0] {
        let at = y(most * share);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"#ccc\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.0}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0} s</text>",
            WIDTH - 20.0,
            LEFT - 6.0,
            at + 4.0,
            most * share,
            x(time * share),
            HEIGHT - 10.0,
            time * share
        );
    }
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"1.5\"/>\n</svg>",
        line.trim_end()
    );
    out
}
