//! What is measured without a clock on each call: memory, starts, system calls, processes, connections.
//!
//! Each inventory starts what it looks at afresh, and is taken several times.

mod children;
mod connections;
mod growth;
mod memory;
mod open;
mod results;
mod stage;
mod start;
mod syscalls;

use std::path::Path;

use serde::Serialize;

use super::Options;
use super::spread::Spread;
use super::target::Name;
use crate::era::Era;
use stage::Stage;

/// One thing that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Measure {
    RssIdle,
    RssGrowth,
    PerModernStream,
    PerLegacyStream,
    PerModernConnection,
    PerLegacyConnection,
    PerRecord,
    PerUpstream,
    PerChild,
    PerTool,
    ModernChildren,
    LegacyChildren,
    Start,
    StartOfTwenty,
    ListOfTwenty,
    ModernSyscalls,
    LegacySyscalls,
    ModernConnections,
    LegacyConnections,
    ResultsGrowth,
}

impl Measure {
    /// For tables.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::RssIdle => "RSS idle",
            Self::RssGrowth => "RSS growth over many calls",
            Self::PerModernStream => "RSS per open stream, modern listen",
            Self::PerLegacyStream => "RSS per open stream, legacy session with GET",
            Self::PerModernConnection => "RSS per idle connection, modern",
            Self::PerLegacyConnection => "RSS per idle connection with a session, legacy",
            Self::PerRecord => "RSS per idle session without a connection, legacy",
            Self::PerUpstream => "RSS per HTTP upstream of 3 tools",
            Self::PerChild => "RSS of the gateway per stdio upstream of 10 tools",
            Self::PerTool => "RSS per tool, after a list",
            Self::ModernChildren => "children of a stdio upstream after many calls, modern",
            Self::LegacyChildren => "children of a stdio upstream after many calls, legacy",
            Self::Start => "start to first right answer",
            Self::StartOfTwenty => "the same with 20 HTTP upstreams, 3 of them dead",
            Self::ListOfTwenty => "start to a list with all tools, 20 HTTP upstreams, 3 of them dead",
            Self::ModernSyscalls => "system calls per call, modern, C=16",
            Self::LegacySyscalls => "system calls per call, legacy, C=16",
            Self::ModernConnections => "upstream connections for the first 1,000 calls, modern, C=16",
            Self::LegacyConnections => "upstream connections for the first 1,000 calls, legacy, C=16",
            Self::ResultsGrowth => "RSS growth during results of 1 MiB, C=16",
        }
    }

    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::RssIdle | Self::RssGrowth | Self::ResultsGrowth => "MiB",
            Self::PerModernStream
            | Self::PerLegacyStream
            | Self::PerModernConnection
            | Self::PerLegacyConnection
            | Self::PerRecord
            | Self::PerUpstream
            | Self::PerChild
            | Self::PerTool => "KiB",
            Self::Start | Self::StartOfTwenty | Self::ListOfTwenty => "ms",
            Self::ModernChildren
            | Self::LegacyChildren
            | Self::ModernSyscalls
            | Self::LegacySyscalls
            | Self::ModernConnections
            | Self::LegacyConnections => "",
        }
    }
}

/// One measurement, or why there is none.
struct Reading {
    measure: Measure,
    target: Name,
    value: Result<f64, String>,
    /// With what it was taken.
    with: String,
}

impl Reading {
    fn new(measure: Measure, target: &'static str, value: f64, with: impl Into<String>) -> Self {
        Self { measure, target: target.into(), value: Ok(value), with: with.into() }
    }
}

/// All measurements of one thing at one target.
#[derive(Serialize)]
pub(super) struct Figure {
    pub(super) measure: Measure,
    pub(super) target: Name,
    pub(super) values: Vec<f64>,
    pub(super) spread: Option<Spread>,
    /// How many, or by what tool.
    pub(super) with: String,
    /// Why there is no value.
    pub(super) missing: Option<String>,
}

/// What can be chosen by `--only`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inventory {
    Idle,
    Growth,
    Streams(Era),
    Connections(Era),
    Records,
    Upstreams,
    Children,
    Tools,
    Processes,
    Start,
    StartOfTwenty,
    Syscalls,
    Pool,
    Results,
}

const ALL: [Inventory; 16] = [
    Inventory::Idle,
    Inventory::Growth,
    Inventory::Streams(Era::Modern),
    Inventory::Streams(Era::Legacy),
    Inventory::Connections(Era::Modern),
    Inventory::Connections(Era::Legacy),
    Inventory::Records,
    Inventory::Upstreams,
    Inventory::Children,
    Inventory::Tools,
    Inventory::Processes,
    Inventory::Start,
    Inventory::StartOfTwenty,
    Inventory::Syscalls,
    Inventory::Pool,
    Inventory::Results,
];

impl Inventory {
    /// What `--only` is compared with.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Idle => "inventory: memory idle",
            Self::Growth => "inventory: memory growth over calls",
            Self::Streams(Era::Modern) => "inventory: memory per stream, modern",
            Self::Streams(Era::Legacy) => "inventory: memory per stream, legacy",
            Self::Connections(Era::Modern) => "inventory: memory per idle connection, modern",
            Self::Connections(Era::Legacy) => "inventory: memory per idle connection, legacy",
            Self::Records => "inventory: memory per session record",
            Self::Upstreams => "inventory: memory per upstream",
            Self::Children => "inventory: memory per stdio upstream",
            Self::Tools => "inventory: memory per tool",
            Self::Processes => "inventory: children of a stdio upstream",
            Self::Start => "inventory: start",
            Self::StartOfTwenty => "inventory: start with 20 upstreams",
            Self::Syscalls => "inventory: system calls",
            Self::Pool => "inventory: upstream connections",
            Self::Results => "inventory: memory during large results",
        }
    }

    async fn take(self, stage: &Stage) -> anyhow::Result<Vec<Reading>> {
        match self {
            Self::Idle => memory::idle(stage).await,
            Self::Growth => growth::take(stage).await,
            Self::Streams(era) => open::streams(stage, era).await,
            Self::Connections(era) => open::connections(stage, era).await,
            Self::Records => open::records(stage).await,
            Self::Upstreams => memory::per_upstream(stage).await,
            Self::Children => memory::per_child(stage).await,
            Self::Tools => memory::per_tool(stage).await,
            Self::Processes => children::take(stage).await,
            Self::Start => start::one(stage).await,
            Self::StartOfTwenty => start::twenty(stage).await,
            Self::Syscalls => syscalls::take(stage).await,
            Self::Pool => connections::take(stage).await,
            Self::Results => results::take(stage).await,
        }
    }
}

/// Those whose name fits.
pub(super) fn chosen(fits: impl Fn(&str) -> bool) -> Vec<Inventory> {
    ALL.into_iter().filter(|inventory| fits(inventory.name())).collect()
}

/// Takes each so many times, in turns. What fails is a problem, not an end.
pub(super) async fn take(
    chosen: &[Inventory],
    binary: &Path,
    options: &Options,
    problems: &mut Vec<String>,
) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    if chosen.is_empty() {
        return Ok(figures);
    }
    let stage = Stage::new(binary, options).await?;
    for repeat in 1..=options.repeats() {
        for inventory in chosen {
            let name = format!("{}, {repeat}", inventory.name());
            eprintln!("{name}");
            match inventory.take(&stage).await {
                Ok(readings) => readings.into_iter().for_each(|reading| add(&mut figures, reading)),
                Err(error) => problems.push(format!("{name}: {error:#}")),
            }
        }
    }
    for figure in &mut figures {
        figure.spread = Spread::of(figure.values.iter().copied());
    }
    Ok(figures)
}

fn add(figures: &mut Vec<Figure>, reading: Reading) {
    let Reading { measure, target, value, with } = reading;
    let at = figures.iter().position(|figure| figure.measure == measure && figure.target == target);
    let at = at.unwrap_or_else(|| {
        figures.push(Figure { measure, target, values: Vec::new(), spread: None, with, missing: None });
        figures.len() - 1
    });
    match value {
        Ok(value) => figures[at].values.push(value),
        Err(why) => figures[at].missing = Some(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_of_one_thing_become_one_figure() {
        let mut figures = Vec::new();
        for (target, value) in [("a", 1.0), ("b", 9.0), ("a", 3.0)] {
            add(&mut figures, Reading::new(Measure::RssIdle, target, value, "10 tools"));
        }
        assert_eq!(figures.len(), 2);
        assert_eq!(figures[0].values, [1.0, 3.0]);
    }

    #[test]
    fn inventories_are_chosen_by_their_name() {
        assert_eq!(chosen(|name| name.contains("session record")), [Inventory::Records]);
        assert_eq!(chosen(|_| true).len(), ALL.len());
    }
}
