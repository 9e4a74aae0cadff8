//! What the figures shall be, and whether they are.
//!
//! The goals are a table (`list.rs`); what a row is judged by is found among samples and inventories (`evidence.rs`).

mod evidence;
mod list;

use serde::Serialize;

use super::inventory::Figure;
use super::measure::Sample;
use super::spread::Spread;
pub(super) use evidence::Evidence;

/// A row of the table.
pub(super) struct Goal {
    pub(super) measure: &'static str,
    /// Of both bounds.
    pub(super) unit: &'static str,
    /// Above this a release is refused.
    pub(super) refuse: f64,
    /// What is aimed at; less is better.
    pub(super) goal: f64,
    pub(super) basis: Vec<evidence::Basis>,
}

/// How far it is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Met,
    /// Above the goal, but not refused.
    Between,
    Refused,
    NotMeasured,
}

impl Verdict {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Between => "between",
            Self::Refused => "**refused**",
            Self::NotMeasured => "not measured",
        }
    }

    /// A median against both bounds.
    fn of(median: f64, refuse: f64, goal: f64) -> Self {
        if median > refuse {
            Self::Refused
        } else if median > goal {
            Self::Between
        } else {
            Self::Met
        }
    }
}

/// A row that has been judged: by the worst of what it is judged by.
#[derive(Serialize)]
pub(super) struct Judged {
    pub(super) measure: &'static str,
    pub(super) unit: &'static str,
    pub(super) refuse: f64,
    pub(super) goal: f64,
    pub(super) verdict: Verdict,
    /// Where the worst median was seen.
    pub(super) worst: Option<Evidence>,
    /// Why something was not measured.
    pub(super) missing: Option<String>,
    pub(super) evidence: Vec<Evidence>,
}

/// Judges every row.
pub(super) fn judge(samples: &[Sample], figures: &[Figure]) -> Vec<Judged> {
    list::all().into_iter().map(|goal| judged(&goal, evidence::all(&goal.basis, samples, figures))).collect()
}

/// What has been refused is refused, whatever else was not measured; but a row of which a part was not measured is not
/// met.
fn judged(goal: &Goal, evidence: Vec<Evidence>) -> Judged {
    let median = |evidence: &Evidence| evidence.spread.as_ref().map(|spread| spread.median);
    let worst = evidence
        .iter()
        .filter(|evidence| evidence.spread.is_some())
        .max_by(|one, other| median(one).unwrap_or(0.0).total_cmp(&median(other).unwrap_or(0.0)))
        .cloned();
    let missing = evidence
        .iter()
        .find_map(|evidence| evidence.missing.as_ref().map(|why| (evidence.of.clone(), why)))
        .map(|(of, why)| if of.is_empty() { why.clone() } else { format!("{of}: {why}") });
    let verdict = worst.as_ref().and_then(median).map(|median| Verdict::of(median, goal.refuse, goal.goal));
    let verdict = match verdict {
        Some(Verdict::Refused) => Verdict::Refused,
        Some(verdict) if missing.is_none() => verdict,
        _ => Verdict::NotMeasured,
    };
    let Goal { measure, unit, refuse, goal, .. } = *goal;
    Judged { measure, unit, refuse, goal, verdict, worst, missing, evidence }
}

/// How many rows were refused.
pub(super) fn refused(judged: &[Judged]) -> usize {
    judged.iter().filter(|goal| goal.verdict == Verdict::Refused).count()
}

/// One line per row that says where it stands.
pub(super) fn counts(judged: &[Judged]) -> String {
    let count = |verdict| judged.iter().filter(|goal| goal.verdict == verdict).count();
    format!(
        "{} met, {} between goal and refusal, {} refused, {} not measured",
        count(Verdict::Met),
        count(Verdict::Between),
        count(Verdict::Refused),
        count(Verdict::NotMeasured),
    )
}

/// `1.25`, `16`, `0.35`: as short as the bound is written.
pub(super) fn bound(value: f64, unit: &str) -> String {
    if unit.is_empty() { format!("{value}") } else { format!("{value} {unit}") }
}

impl Judged {
    /// The worst median with its range.
    pub(super) fn measured(&self) -> String {
        let Some(Evidence { of, spread: Some(spread), .. }) = &self.worst else { return "-".to_owned() };
        let decimals = if self.refuse >= 100.0 { 0 } else { usize::from(self.refuse < 10.0) + 1 };
        let Spread { median, min, max } = spread;
        let shown = format!("{median:.decimals$} [{min:.decimals$}..{max:.decimals$}]");
        if of.is_empty() { shown } else { format!("{shown} ({of})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOAL: Goal = Goal { measure: "m", unit: "", refuse: 1.5, goal: 1.25, basis: Vec::new() };

    fn seen(of: &str, values: &[f64]) -> Evidence {
        Evidence { of: of.to_owned(), spread: Spread::of(values.iter().copied()), missing: None }
    }

    fn unseen() -> Evidence {
        Evidence { of: "x".to_owned(), spread: None, missing: Some("not asked for".to_owned()) }
    }

    #[test]
    fn a_bound_itself_is_within() {
        assert_eq!(Verdict::of(1.25, 1.5, 1.25), Verdict::Met);
        assert_eq!(Verdict::of(1.26, 1.5, 1.25), Verdict::Between);
        assert_eq!(Verdict::of(1.5, 1.5, 1.25), Verdict::Between);
        assert_eq!(Verdict::of(1.51, 1.5, 1.25), Verdict::Refused);
    }

    #[test]
    fn a_row_is_as_good_as_its_worst_part() {
        let judged = judged(&GOAL, vec![seen("a", &[1.0]), seen("b", &[1.2, 1.3, 1.4]), seen("c", &[1.1])]);
        assert_eq!(judged.verdict, Verdict::Between);
        assert_eq!(judged.measured(), "1.30 [1.20..1.40] (b)");
    }

    #[test]
    fn a_row_with_a_gap_is_not_met_but_can_be_refused() {
        let gap = judged(&GOAL, vec![seen("a", &[1.0]), unseen()]);
        assert_eq!(gap.verdict, Verdict::NotMeasured);
        assert_eq!(gap.missing.as_deref(), Some("x: not asked for"));
        assert_eq!(judged(&GOAL, vec![seen("a", &[2.0]), unseen()]).verdict, Verdict::Refused);
        assert_eq!(judged(&GOAL, vec![unseen()]).verdict, Verdict::NotMeasured);
    }

    #[test]
    fn every_goal_asks_for_more_than_its_refusal() {
        for goal in list::all() {
            assert!(goal.goal <= goal.refuse, "{}", goal.measure);
            assert!(!goal.basis.is_empty(), "{}", goal.measure);
        }
    }

    #[test]
    fn without_figures_nothing_is_met_and_each_row_says_why() {
        for goal in judge(&[], &[]) {
            assert_eq!(goal.verdict, Verdict::NotMeasured, "{}", goal.measure);
            assert!(goal.missing.is_some(), "{}", goal.measure);
        }
    }
}
