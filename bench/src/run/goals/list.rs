//! The goals. The project's design says why each number.

use super::Goal;
use super::evidence::{Basis, Quantile};
use crate::era::Era;
use crate::run::cell::{ECHO, MANY_TOOLS, OVER_STDIO, PAYLOADS, PROGRESS, crossing, list, name};
use crate::run::inventory::Measure;
use crate::run::target::{
    AGENTGATEWAY, DIRECT, FLOOR, GATEWAY, Name, PIPE_FLOOR, SHAPES, STDIO, memory, shaped, sized,
};

const ERAS: [Era; 2] = [Era::Modern, Era::Legacy];
/// Connections at which CPU is judged.
const BUSY: [usize; 2] = [16, 64];

/// What hyper reads ahead on one connection at most (8 KiB and 100 pages).
const READ_AHEAD_MIB: f64 = (8.0 + 400.0) / 1024.0;
/// Both sides of 16 connections: no more than that may be held of results under way.
const STREAM_BUFFERS_MIB: f64 = 2.0 * 16.0 * READ_AHEAD_MIB;

pub(super) fn all() -> Vec<Goal> {
    [calls(), latency(), lists_and_results(), memory_at_rest(), starts(), counts(), growth_of_catalog()]
        .into_iter()
        .flatten()
        .collect()
}

fn calls() -> Vec<Goal> {
    let busy = |of: &dyn Fn(Era) -> Name, against: &dyn Fn(Era) -> Name, what: &'static str| {
        let each = |era| BUSY.map(|connections| cpu(name(what, era, connections), of(era), against(era)));
        ERAS.into_iter().flat_map(each).collect::<Vec<_>>()
    };
    let same = |target: &'static str| move |_| Name::from(target);
    vec![
        ratio(
            "CPU per small call, HTTP to HTTP, against the bare proxy",
            1.5,
            1.25,
            busy(&same(GATEWAY), &same(FLOOR), ECHO),
        ),
        ratio(
            "the same across eras, against the same era",
            1.4,
            1.2,
            busy(&|era| crossing(era).into(), &same(GATEWAY), ECHO),
        ),
        ratio(
            "CPU per small call, against agentgateway",
            0.35,
            0.27,
            busy(&same(GATEWAY), &same(AGENTGATEWAY), ECHO),
        ),
        ratio(
            "stdio upstream: CPU per call, against a pipe relay",
            2.0,
            1.5,
            busy(&same(STDIO), &same(PIPE_FLOOR), OVER_STDIO),
        ),
        Goal {
            measure: "CPU with API key, policy of 100 rules and rate limit",
            unit: "",
            refuse: 1.8,
            goal: 1.5,
            basis: vec![Basis::Nothing("the feature has not landed")],
        },
    ]
}

fn latency() -> Vec<Goal> {
    let one = |quantile, against: &'static str| {
        ERAS.map(|era| added(quantile, name(ECHO, era, 1), GATEWAY, against)).into_iter().collect::<Vec<_>>()
    };
    vec![
        ratio(
            "p50 added for one caller, against what the bare proxy adds",
            1.4,
            1.15,
            one(Quantile::P50, FLOOR),
        ),
        ratio(
            "p99 added for one caller, against what the bare proxy adds",
            1.6,
            1.3,
            one(Quantile::P99, FLOOR),
        ),
        ratio("p50 added for one caller, against agentgateway", 0.35, 0.25, one(Quantile::P50, AGENTGATEWAY)),
        ratio("p99 added for one caller, against agentgateway", 0.40, 0.30, one(Quantile::P99, AGENTGATEWAY)),
    ]
}

fn lists_and_results() -> Vec<Goal> {
    let lists = |of: Name, against: Name| {
        ERAS.map(|era| cpu(name(&list(1000), era, 4), of.clone(), against.clone())).into_iter().collect()
    };
    let each_era = |what: &'static str, connections| {
        ERAS.map(|era| cpu(name(what, era, connections), GATEWAY.into(), FLOOR.into()))
    };
    vec![
        ratio(
            "tools/list of 1,000 tools: CPU against sending the same from memory",
            1.5,
            1.1,
            lists(sized(GATEWAY, 1000), memory(1000)),
        ),
        ratio(
            "the same: five upstreams against one of the same total",
            1.1,
            1.0,
            lists(shaped((1000, 5)), sized(GATEWAY, 1000)),
        ),
        ratio(
            "results of 64 KiB and 1 MiB: CPU against the bare proxy",
            1.3,
            1.1,
            PAYLOADS.into_iter().flat_map(|(what, _)| each_era(what, 4)).collect(),
        ),
        figure(
            "results of 1 MiB, C=16: RSS growth, no more than the buffers of the streams",
            "MiB",
            STREAM_BUFFERS_MIB,
            STREAM_BUFFERS_MIB,
            &[(Measure::ResultsGrowth, GATEWAY)],
        ),
        ratio("progress event: CPU against the bare proxy", 1.5, 1.2, each_era(PROGRESS, 16).into()),
        ratio(
            "progress event: p50 added, against what the bare proxy adds",
            1.3,
            1.15,
            ERAS.map(|era| added(Quantile::P50, name(PROGRESS, era, 16), GATEWAY, FLOOR)).into(),
        ),
    ]
}

fn memory_at_rest() -> Vec<Goal> {
    use Measure::{
        PerLegacyConnection, PerLegacyStream, PerModernConnection, PerModernStream, PerRecord, RssGrowth,
        RssIdle,
    };
    vec![
        figure("RSS idle", "MiB", 19.0, 12.0, &[(RssIdle, GATEWAY)]),
        figure("RSS growth over 100,000 calls", "MiB", 4.0, 2.0, &[(RssGrowth, GATEWAY)]),
        figure(
            "RSS per open stream",
            "KiB",
            32.0,
            18.0,
            &[(PerModernStream, GATEWAY), (PerLegacyStream, GATEWAY)],
        ),
        figure(
            "RSS per idle session on keep-alive",
            "KiB",
            21.0,
            16.0,
            &[(PerModernConnection, GATEWAY), (PerLegacyConnection, GATEWAY)],
        ),
        figure("RSS per idle session without a connection", "KiB", 2.0, 1.0, &[(PerRecord, GATEWAY)]),
    ]
}

fn starts() -> Vec<Goal> {
    vec![
        figure("start to first right answer", "ms", 28.0, 15.0, &[(Measure::Start, GATEWAY)]),
        figure(
            "the same with 20 HTTP upstreams, 3 of them dead",
            "ms",
            100.0,
            50.0,
            &[(Measure::StartOfTwenty, GATEWAY)],
        ),
    ]
}

fn counts() -> Vec<Goal> {
    use Measure::{
        LegacyChildren, LegacyConnections, LegacySyscalls, ModernChildren, ModernConnections, ModernSyscalls,
    };
    vec![
        figure(
            "children of a stdio upstream after many calls",
            "",
            1.0,
            1.0,
            &[(ModernChildren, STDIO), (LegacyChildren, STDIO)],
        ),
        figure(
            "system calls per call, C=16",
            "",
            5.0,
            4.6,
            &[(ModernSyscalls, GATEWAY), (LegacySyscalls, GATEWAY)],
        ),
        figure(
            "upstream connections for 1,000 calls, C=16",
            "",
            16.0,
            16.0,
            &[(ModernConnections, GATEWAY), (LegacyConnections, GATEWAY)],
        ),
    ]
}

/// Flat is: within a tenth; refused is what the ratios of two runs on one machine cannot explain.
fn growth_of_catalog() -> Vec<Goal> {
    let cell = || name(MANY_TOOLS, Era::Modern, 16);
    let basis = SHAPES.into_iter().skip(1).map(|shape| cpu(cell(), shaped(shape), GATEWAY.into())).collect();
    vec![ratio(
        "CPU per call with up to 10,000 tools over up to 100 upstreams, against 10 of one",
        1.2,
        1.1,
        basis,
    )]
}

fn ratio(measure: &'static str, refuse: f64, goal: f64, basis: Vec<Basis>) -> Goal {
    Goal { measure, unit: "", refuse, goal, basis }
}

fn figure(
    measure: &'static str,
    unit: &'static str,
    refuse: f64,
    goal: f64,
    figures: &[(Measure, &'static str)],
) -> Goal {
    let basis =
        figures.iter().map(|(measure, of)| Basis::Figure { measure: *measure, of: (*of).into() }).collect();
    Goal { measure, unit, refuse, goal, basis }
}

fn cpu(cell: String, of: Name, against: Name) -> Basis {
    Basis::Cpu { cell, of, against }
}

fn added(quantile: Quantile, cell: String, of: &'static str, against: &'static str) -> Basis {
    Basis::Added { quantile, cell, of: of.into(), against: against.into(), direct: DIRECT.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::cell;

    /// Else a row would silently never be measured.
    #[test]
    fn every_row_speaks_of_cells_and_targets_there_are() {
        let cells = cell::all();
        for goal in all() {
            for basis in &goal.basis {
                let (name, targets) = match basis {
                    Basis::Cpu { cell, of, against } => (cell, vec![of, against]),
                    Basis::Added { cell, of, against, direct, .. } => (cell, vec![of, against, direct]),
                    Basis::Figure { .. } | Basis::Nothing(_) => continue,
                };
                let cell = cells.iter().find(|cell| cell.name() == *name);
                let cell = cell.unwrap_or_else(|| panic!("{}: no cell {name}", goal.measure));
                for target in targets {
                    // Peers join cells when they are at hand.
                    let known = cell.targets.contains(target) || target == AGENTGATEWAY;
                    assert!(known, "{}: {target} is not in {name}", goal.measure);
                }
            }
        }
    }

    #[test]
    fn buffers_are_those_of_sixteen_connections_on_both_sides() {
        assert!((STREAM_BUFFERS_MIB - 12.75).abs() < 1e-9);
    }
}
