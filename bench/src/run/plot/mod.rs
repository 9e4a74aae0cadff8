//! The figures as pictures, one SVG file each, for the page.

mod bars;
mod lines;
mod svg;

use std::path::Path;

use anyhow::Context as _;

use super::Results;
use super::cell::{ECHO, MANY_TOOLS, OVER_STDIO, PAYLOADS, list, name};
use super::goals::Judged;
use super::inventory::Figure;
use super::spread::Spread;
use super::table::Row;
use super::target::{DIRECT, FIVE, FLOOR, GATEWAY, PIPE_FLOOR, SHAPES, STDIO, TO_LEGACY, TO_MODERN, shaped};
use crate::era::Era;
use bars::{Bar, Bars, Group};
use lines::{Line, Lines};

/// What of a row is shown.
type Value = fn(&Row) -> Option<Spread>;

/// The longest bar of a goal: three times what is refused.
const GOALS_MOST: f64 = 3.0;
/// A peer that is so many times as slow as the slowest of ours is cut off, else only it would be seen.
const PEERS_MOST: f64 = 6.0;

/// A picture and what it is called.
pub(super) struct Plot {
    pub(super) file: &'static str,
    /// For those who do not see it.
    pub(super) words: &'static str,
    svg: String,
}

/// Those there are figures for.
pub(super) fn all(results: &Results) -> Vec<Plot> {
    let busy = |what: &'static str| {
        [16, 64].into_iter().flat_map(move |c| [Era::Modern, Era::Legacy].map(|era| name(what, era, c)))
    };
    let large = [list(1000)].into_iter().chain(PAYLOADS.map(|(what, _)| what.to_owned()));
    let large = large.flat_map(|what| [Era::Modern, Era::Legacy].map(|era| name(&what, era, 4)));
    let cpu = |row: &Row| row.cpu_us;
    let pictures = [
        (
            "goals.svg",
            "Each goal: what was measured as a share of the bound above which it is refused",
            goals(&results.goals),
        ),
        (
            "cpu.svg",
            "CPU per small call",
            cells(&results.rows, busy(ECHO).chain(busy(OVER_STDIO)), "CPU per small call, µs", cpu),
        ),
        (
            "cpu-large.svg",
            "CPU per list of 1,000 tools and per large result",
            cells(&results.rows, large, "CPU per list or result, µs", cpu),
        ),
        ("latency.svg", "Latency added for one caller", latency(&results.rows)),
        ("memory.svg", "Memory for each thing that is kept", memory(&results.figures)),
        ("tools.svg", "CPU per call with many tools and upstreams", flatness(&results.rows)),
    ];
    pictures.into_iter().filter_map(|(file, words, svg)| Some(Plot { file, words, svg: svg? })).collect()
}

/// Into a folder, which is made if need be.
pub(super) fn write(folder: &Path, plots: &[Plot]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for plot in plots {
        let path = folder.join(plot.file);
        std::fs::write(&path, &plot.svg).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// All rows on one scale, the bound being 1.
fn goals(judged: &[Judged]) -> Option<String> {
    let groups: Vec<_> = judged
        .iter()
        .filter_map(|goal| {
            let spread = goal.worst.as_ref()?.spread?;
            let share = |value: f64| value / goal.refuse;
            let Spread { median, min, max } = spread;
            let shares = Spread { median: share(median), min: share(min), max: share(max) };
            let value = goal.measured();
            let value = value.split_once(" (").map_or(&*value, |(value, _)| value).to_owned();
            Some(Group {
                label: goal.measure.to_owned(),
                bars: vec![Bar { series: 0, spread: shares, value }],
                mark: Some(share(goal.goal)),
            })
        })
        .collect();
    let title =
        "Share of the bound above which a release is refused (dashed line); short mark: goal".to_owned();
    Bars { title, series: vec!["measured".to_owned()], groups, line: Some(1.0), most: Some(GOALS_MOST) }
        .draw()
}

/// One group of bars per cell, one bar per target but the direct connection.
fn cells(
    rows: &[Row],
    names: impl Iterator<Item = String>,
    title: &str,
    value: impl Fn(&Row) -> Option<Spread>,
) -> Option<String> {
    let mut series: Vec<String> = Vec::new();
    let mut groups = Vec::new();
    for name in names {
        let mut bars = Vec::new();
        for row in rows.iter().filter(|row| row.cell == name && !row.target.starts_with(DIRECT)) {
            let Some(spread) = value(row) else { continue };
            bars.push(Bar {
                series: position(&mut series, plain(&row.target)),
                spread,
                value: spread.show(0),
            });
        }
        if !bars.is_empty() {
            groups.push(Group { label: name, bars, mark: None });
        }
    }
    let most = most(&series, &groups);
    Bars { title: title.to_owned(), series, groups, line: None, most }.draw()
}

/// The target without what its cell says already, so that there are few colours.
fn plain(target: &str) -> &str {
    match target {
        TO_LEGACY | TO_MODERN => "trunkline, across eras",
        PIPE_FLOOR => FLOOR,
        STDIO => GATEWAY,
        _ if target == shaped((1000, 5)) => FIVE,
        _ => target.strip_suffix(", 1000 tools").unwrap_or(target),
    }
}

/// Where the axis ends when there are others than ours.
fn most(series: &[String], groups: &[Group]) -> Option<f64> {
    let ours =
        |bar: &&Bar| series.get(bar.series).is_some_and(|name| name.starts_with(GATEWAY) || name == FLOOR);
    let bars = groups.iter().flat_map(|group| &group.bars).filter(ours);
    bars.map(|bar| bar.spread.median * PEERS_MOST).reduce(f64::max).filter(|most| *most > 0.0)
}

fn latency(rows: &[Row]) -> Option<String> {
    let mut series = Vec::new();
    let mut groups = Vec::new();
    for era in [Era::Modern, Era::Legacy] {
        let cell = name(ECHO, era, 1);
        let quantiles: [(&str, Value); 2] =
            [("p50", |row| row.added_p50_us), ("p99", |row| row.added_p99_us)];
        for (quantile, value) in quantiles {
            let mut bars = Vec::new();
            for row in rows.iter().filter(|row| row.cell == cell) {
                let Some(spread) = value(row) else { continue };
                bars.push(Bar {
                    series: position(&mut series, plain(&row.target)),
                    spread,
                    value: spread.show(0),
                });
            }
            if !bars.is_empty() {
                groups.push(Group { label: format!("{quantile}, {}", era.word()), bars, mark: None });
            }
        }
    }
    let most = most(&series, &groups);
    Bars { title: "Added to a direct call by one caller, µs".to_owned(), series, groups, line: None, most }
        .draw()
}

fn memory(figures: &[Figure]) -> Option<String> {
    let mut series = Vec::new();
    let groups: Vec<_> = figures
        .iter()
        .filter(|figure| figure.measure.unit() == "KiB")
        .filter_map(|figure| {
            let spread = figure.spread?;
            let series = position(&mut series, &figure.target);
            let label = figure.measure.words().trim_start_matches("RSS ").to_owned();
            Some(Group { label, bars: vec![Bar { series, spread, value: spread.show(1) }], mark: None })
        })
        .collect();
    Bars { title: "Resident memory, KiB".to_owned(), series, groups, line: None, most: None }.draw()
}

/// CPU per call over the number of tools, a line per number of upstreams.
fn flatness(rows: &[Row]) -> Option<String> {
    let cell = name(MANY_TOOLS, Era::Modern, 16);
    let mut lines: Vec<Line> = Vec::new();
    for shape @ (tools, servers) in SHAPES {
        let name = shaped(shape);
        let row = rows.iter().find(|row| row.cell == cell && row.target == name);
        let Some(spread) = row.and_then(|row| row.cpu_us) else { continue };
        let label = if servers == 1 { "1 upstream".to_owned() } else { format!("{servers} upstreams") };
        let point = (tools as f64, spread);
        match lines.iter_mut().find(|line| line.label == label) {
            Some(line) => line.points.push(point),
            None => lines.push(Line { label, points: vec![point] }),
        }
    }
    Lines { title: "CPU per call over the number of tools, µs".to_owned(), lines }.draw()
}

/// Where a series stands among those seen so far.
fn position(series: &mut Vec<String>, name: &str) -> usize {
    series.iter().position(|seen| seen == name).unwrap_or_else(|| {
        series.push(name.to_owned());
        series.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_colour_for_one_thing_in_all_cells() {
        assert_eq!(plain("trunkline, 1000 tools"), GATEWAY);
        assert_eq!(plain("trunkline, 1000 tools of 5 upstreams"), FIVE);
        assert_eq!(plain(TO_LEGACY), plain(TO_MODERN));
        assert_eq!(plain("agentgateway"), "agentgateway");
    }

    #[test]
    fn a_slow_peer_does_not_hide_the_others() {
        let bar = |series, value| Bar { series, spread: Spread::of([value]).unwrap(), value: String::new() };
        let series = ["trunkline".to_owned(), "snail".to_owned()];
        let group = Group { label: String::new(), bars: vec![bar(0, 10.0), bar(1, 9000.0)], mark: None };
        assert_eq!(most(&series, &[group]), Some(10.0 * PEERS_MOST));
    }
}
