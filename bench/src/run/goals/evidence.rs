//! What a row is judged by: ratios within rounds, and inventories.

use serde::Serialize;

use super::super::inventory::{Figure, Measure};
use super::super::measure::Sample;
use super::super::spread::Spread;
use super::super::target::Name;

/// What a figure of a row is taken from.
pub(crate) enum Basis {
    /// CPU of one target as a multiple of another's, in the same cell and round
    Cpu { cell: String, of: Name, against: Name },
    /// What one target adds to the direct latency as a multiple of what another adds: both medians of what was added
    /// within rounds. The ratios of single rounds are only the range, because what is added at p99 may be next to
    /// nothing in a lucky round.
    Added { quantile: Quantile, cell: String, of: Name, against: Name, direct: Name },
    /// An inventory of a target
    Figure { measure: Measure, of: Name },
    /// Nothing can be measured yet, and why
    Nothing(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantile {
    P50,
    P99,
}

/// One thing a row is judged by.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Evidence {
    /// Which of several.
    pub(crate) of: String,
    pub(crate) spread: Option<Spread>,
    /// Why there is none.
    pub(crate) missing: Option<String>,
}

pub(super) fn all(basis: &[Basis], samples: &[Sample], figures: &[Figure]) -> Vec<Evidence> {
    let mut all: Vec<_> = basis.iter().map(|basis| one(basis, samples, figures)).collect();
    // What stands alone needs no name.
    if let [only] = &mut all[..]
        && let Basis::Figure { .. } = basis[0]
    {
        only.of = only.of.split_once("; ").map_or_else(String::new, |(_, with)| with.to_owned());
    }
    all
}

fn one(basis: &Basis, samples: &[Sample], figures: &[Figure]) -> Evidence {
    match basis {
        Basis::Cpu { cell, of, against } => {
            let ratios = pairs(samples, cell, of, against)
                .filter_map(|(own, other)| Some(own.cpu_us? / other.cpu_us?));
            found(label(cell, of), Spread::of(ratios), samples, cell, [of, against])
        }
        Basis::Added { quantile, cell, of, against, direct } => {
            let value = |sample: &Sample| match quantile {
                Quantile::P50 => sample.report.p50_us,
                Quantile::P99 => sample.report.p99_us,
            };
            let (own, other): (Vec<f64>, Vec<f64>) = pairs(samples, cell, of, against)
                .filter_map(|(own, other)| {
                    let direct = value(find(samples, cell, direct, own.round)?);
                    Some((value(own) - direct, value(other) - direct))
                })
                .unzip();
            found(label(cell, of), times(&own, &other), samples, cell, [of, against])
        }
        Basis::Figure { measure, of } => {
            let figure = figures.iter().find(|figure| figure.measure == *measure && figure.target == *of);
            let spread = figure.and_then(|figure| figure.spread);
            let missing = match figure {
                _ if spread.is_some() => None,
                Some(figure) => figure.missing.clone().or_else(|| Some("no figure came of it".to_owned())),
                None => Some("not part of this run".to_owned()),
            };
            let with = figure.map(|figure| &*figure.with).filter(|with| !with.is_empty());
            let with = with.map_or_else(String::new, |with| format!("; {with}"));
            Evidence { of: format!("{}{with}", measure.words()), spread, missing }
        }
        Basis::Nothing(why) => Evidence { of: String::new(), spread: None, missing: Some((*why).to_owned()) },
    }
}

/// The ratio of the medians; its range is that of the single ratios. None if the other adds nothing.
fn times(own: &[f64], other: &[f64]) -> Option<Spread> {
    let median = |values: &[f64]| Spread::of(values.iter().copied()).map(|spread| spread.median);
    let ratio = median(own)? / median(other).filter(|other| *other > 0.0)?;
    let single = own.iter().zip(other).filter(|(_, other)| **other > 0.0).map(|(own, other)| own / other);
    let Spread { min, max, .. } = Spread::of(single.chain([ratio]))?;
    Some(Spread { median: ratio, min, max })
}

/// The cell, and the target where the gateway is not the plain one.
fn label(cell: &str, of: &Name) -> String {
    let words = of.strip_prefix("trunkline").map_or(&**of, |rest| rest.trim_start_matches(", "));
    if words.is_empty() { cell.to_owned() } else { format!("{cell}, {words}") }
}

fn found(
    of: String,
    spread: Option<Spread>,
    samples: &[Sample],
    cell: &str,
    targets: [&Name; 2],
) -> Evidence {
    let absent = targets
        .into_iter()
        .find(|target| !samples.iter().any(|sample| sample.cell == cell && sample.target == **target));
    let missing = match (spread, absent) {
        (Some(_), _) => None,
        (None, Some(target)) => Some(format!("{target} is not part of this run")),
        (None, None) => Some("no round in which both could be told".to_owned()),
    };
    Evidence { of, spread, missing }
}

/// Both targets in each round that has both.
fn pairs<'a>(
    samples: &'a [Sample],
    cell: &'a str,
    of: &'a Name,
    against: &'a Name,
) -> impl Iterator<Item = (&'a Sample, &'a Sample)> {
    samples
        .iter()
        .filter(move |sample| sample.cell == cell && sample.target == *of)
        .filter_map(move |own| Some((own, find(samples, cell, against, own.round)?)))
}

fn find<'a>(samples: &'a [Sample], cell: &str, target: &Name, round: u32) -> Option<&'a Sample> {
    samples.iter().find(|sample| sample.cell == cell && sample.target == *target && sample.round == round)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::table::tests::sample;

    fn basis(quantile: Quantile) -> Basis {
        Basis::Added {
            quantile,
            cell: "echo, modern, C=16".to_owned(),
            of: "trunkline".into(),
            against: "floor".into(),
            direct: "direct".into(),
        }
    }

    #[test]
    fn added_latency_is_added_within_a_round() {
        let samples = [
            sample("direct", 0, 1.0, 10.0),
            sample("floor", 0, 1.0, 30.0),
            sample("trunkline", 0, 1.0, 40.0),
            // A slower machine.
            sample("direct", 1, 1.0, 100.0),
            sample("floor", 1, 1.0, 120.0),
            sample("trunkline", 1, 1.0, 130.0),
        ];
        let evidence = one(&basis(Quantile::P50), &samples, &[]);
        assert_eq!(evidence.spread, Spread::of([1.5]));
        assert_eq!(evidence.of, "echo, modern, C=16");
    }

    #[test]
    fn a_round_in_which_the_other_added_next_to_nothing_does_not_decide() {
        let spread = times(&[30.0, 33.0, 31.0], &[20.0, 0.1, 21.0]).unwrap();
        assert!((spread.median - 31.0 / 20.0).abs() < 1e-9, "{spread:?}");
        assert!(spread.max > 300.0 && spread.min < spread.median, "{spread:?}");
        assert!(times(&[1.0], &[-1.0]).is_none());
    }

    #[test]
    fn what_is_not_there_is_named() {
        let samples = [sample("direct", 0, 1.0, 10.0), sample("trunkline", 0, 1.0, 40.0)];
        let evidence = one(&basis(Quantile::P99), &samples, &[]);
        assert_eq!(evidence.missing.as_deref(), Some("floor is not part of this run"));
    }

    #[test]
    fn cpu_is_compared_across_targets() {
        let samples =
            [sample("trunkline, to a legacy upstream", 0, 12.0, 1.0), sample("trunkline", 0, 10.0, 1.0)];
        let basis = Basis::Cpu {
            cell: "echo, modern, C=16".to_owned(),
            of: "trunkline, to a legacy upstream".into(),
            against: "trunkline".into(),
        };
        let evidence = one(&basis, &samples, &[]);
        assert_eq!(evidence.spread, Spread::of([1.2]));
        assert_eq!(evidence.of, "echo, modern, C=16, to a legacy upstream");
    }
}
