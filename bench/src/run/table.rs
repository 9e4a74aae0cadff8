//! Samples become rows: medians with their range, and ratios within a round.

use serde::Serialize;

use super::cell::Cell;
use super::measure::Sample;
use super::spread::Spread;
use super::target::{GATEWAY, Name, PIPE_FLOOR, STDIO};

/// One target in one cell, over all rounds.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) cell: String,
    pub(super) target: Name,
    pub(super) errors: u64,
    pub(super) calls_per_s: Option<Spread>,
    /// Per call, or per progress event.
    pub(super) cpu_us: Option<Spread>,
    /// CPU as a multiple of the floor's in the same round.
    pub(super) times_floor: Option<Spread>,
    /// The same with the upstream's, where that is a child.
    pub(super) family_times_floor: Option<Spread>,
    /// CPU as a multiple of Trunkline's in the same round.
    pub(super) times_trunkline: Option<Spread>,
    pub(super) p50_us: Option<Spread>,
    pub(super) p99_us: Option<Spread>,
    /// Latency less that of the direct connection in the same round.
    pub(super) added_p50_us: Option<Spread>,
    pub(super) added_p99_us: Option<Spread>,
    pub(super) rss_mib: Option<Spread>,
    pub(super) upstream_connections: Option<Spread>,
    pub(super) children: usize,
}

/// In the order of the cells; a target without samples has no row.
pub(super) fn rows(cells: &[Cell], samples: &[Sample]) -> Vec<Row> {
    let of = |cell: &Cell, target: &Name| {
        let target = target.clone();
        let name = cell.name();
        samples.iter().filter(move |sample| sample.cell == name && sample.target == target)
    };
    let mut rows = Vec::new();
    for cell in cells {
        for target in &cell.targets {
            let own: Vec<&Sample> = of(cell, target).collect();
            if own.is_empty() {
                continue;
            }
            let floor: Vec<&Sample> = of(cell, &cell.floor).collect();
            let direct: Vec<&Sample> =
                cell.direct.as_ref().map_or_else(Vec::new, |direct| of(cell, direct).collect());
            let ours = if cell.floor == PIPE_FLOOR { STDIO } else { GATEWAY };
            let ours: Vec<&Sample> = of(cell, &ours.into()).collect();
            rows.push(row(&own, &floor, &direct, &ours));
        }
    }
    rows
}

/// `own` is not empty.
fn row(own: &[&Sample], floor: &[&Sample], direct: &[&Sample], ours: &[&Sample]) -> Row {
    let spread = |value: fn(&Sample) -> f64| Spread::of(own.iter().map(|sample| value(sample)));
    let cpu = Spread::of(own.iter().filter_map(|sample| sample.cpu_us));
    let is_direct = direct.first().is_some_and(|direct| direct.target == own[0].target);
    // The upstream's own CPU is no multiple of a floor in front of it, and nothing is added to itself.
    let ratio = |value: fn(&Sample) -> Option<f64>| {
        if is_direct {
            None
        } else {
            within_rounds(own, floor, |own, floor| Some(value(own)? / value(floor)?))
        }
    };
    let added = |value: fn(&Sample) -> f64| {
        if is_direct {
            None
        } else {
            within_rounds(own, direct, |own, direct| Some(value(own) - value(direct)))
        }
    };
    Row {
        cell: own[0].cell.clone(),
        target: own[0].target.clone(),
        errors: own.iter().map(|sample| sample.report.errors).sum(),
        calls_per_s: spread(|sample| sample.report.calls_per_s),
        cpu_us: cpu,
        times_floor: ratio(|sample| sample.cpu_us),
        family_times_floor: ratio(|sample| sample.family_cpu_us),
        times_trunkline: within_rounds(own, ours, |own, ours| Some(own.cpu_us? / ours.cpu_us?)),
        p50_us: spread(|sample| sample.report.p50_us),
        p99_us: spread(|sample| sample.report.p99_us),
        added_p50_us: added(|sample| sample.report.p50_us),
        added_p99_us: added(|sample| sample.report.p99_us),
        rss_mib: spread(|sample| sample.rss_mib),
        upstream_connections: Spread::of(
            own.iter().filter_map(|sample| sample.upstream_connections).map(|count| count as f64),
        ),
        children: own.iter().map(|sample| sample.children).max().unwrap_or(0),
    }
}

fn within_rounds(
    own: &[&Sample],
    other: &[&Sample],
    compare: impl Fn(&Sample, &Sample) -> Option<f64>,
) -> Option<Spread> {
    Spread::of(own.iter().filter_map(|sample| {
        let other = other.iter().find(|other| other.round == sample.round)?;
        compare(sample, other)
    }))
}

/// One line for scripts; `n/a` for what was not measured.
pub(super) fn summary(rows: &[Row]) -> String {
    let find = |cell: &str| rows.iter().find(|row| row.cell == cell && row.target == GATEWAY);
    let show = |value: Option<f64>, decimals: usize| {
        value.map_or_else(|| "n/a".to_owned(), |value| format!("{value:.decimals$}"))
    };
    let ratio = |cell| show(find(cell).and_then(|row| row.times_floor).map(|ratio| ratio.median), 2);
    let cpu = find("echo, modern, C=16").and_then(|row| row.cpu_us).map(|cpu| 1e6 / cpu.median);
    let added = find("echo, modern, C=1").and_then(|row| row.added_p50_us).map(|added| added.median);
    format!(
        "bench: cpu_ratio_c16_modern={} cpu_ratio_c16_legacy={} calls_per_cpu_s={} added_p50_us={}",
        ratio("echo, modern, C=16"),
        ratio("echo, legacy, C=16"),
        show(cpu, 0),
        show(added, 1),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::load::Report;
    use crate::run::cell;

    /// All of one cell.
    pub(in crate::run) fn sample(target: &'static str, round: u32, cpu_us: f64, p50_us: f64) -> Sample {
        let report = Report {
            calls: 1,
            events: 0,
            errors: 0,
            refused: 0,
            never_begun: 0,
            refused_p50_us: None,
            refused_p99_us: None,
            first_error: None,
            seconds: 1.0,
            calls_per_s: 1.0,
            mean_us: p50_us,
            p50_us,
            p90_us: p50_us,
            p99_us: p50_us,
            p999_us: p50_us,
            max_us: p50_us,
            begun_late_p50_us: None,
            begun_late_p99_us: None,
        };
        Sample {
            cell: "echo, modern, C=16".to_owned(),
            target: target.into(),
            round,
            cpu_us: Some(cpu_us),
            family_cpu_us: Some(cpu_us),
            rss_mib: 1.0,
            children: 0,
            upstream_connections: None,
            report,
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine is twice as slow in the second round; the ratio is the same.
        let samples = [
            sample("direct", 0, 10.0, 20.0),
            sample("floor", 0, 20.0, 50.0),
            sample("trunkline", 0, 25.0, 60.0),
            sample("trunkline", 1, 50.0, 120.0),
            sample("floor", 1, 40.0, 100.0),
            sample("direct", 1, 20.0, 40.0),
            // A round without a floor has no ratio.
            sample("trunkline", 2, 99.0, 99.0),
        ];
        let rows = rows(&cell::all(), &samples);
        let ratio = rows[2].times_floor.unwrap();
        assert_eq!((ratio.min, ratio.max), (1.25, 1.25));
        let added = rows[2].added_p50_us.unwrap();
        assert_eq!((added.min, added.max), (40.0, 80.0));
        assert!(rows[0].times_floor.is_none() && rows[0].added_p50_us.is_none());
        assert_eq!(
            summary(&rows),
            "bench: cpu_ratio_c16_modern=1.25 cpu_ratio_c16_legacy=n/a calls_per_cpu_s=20000 added_p50_us=n/a"
        );
    }
}
