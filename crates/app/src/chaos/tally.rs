//! What the users of one phase saw, and whether that was as expected.

use std::collections::BTreeMap;
use std::time::Duration;

use trunkline_config::Phase;

/// What a user tells of a call.
pub(super) enum Told {
    /// It was begun.
    Begun {
        /// The number of the phase.
        phase: usize,
    },
    /// It has ended.
    Ended {
        /// The number of the phase in which it was begun.
        phase: usize,
        /// From when it was due.
        took: Duration,
        /// Why there was no answer, if there was none.
        reason: Option<String>,
    },
}

impl Told {
    pub(super) const fn phase(&self) -> usize {
        match self {
            Self::Begun { phase } | Self::Ended { phase, .. } => *phase,
        }
    }
}

/// The calls of a phase.
#[derive(Debug, Default)]
pub(super) struct Tally {
    begun: usize,
    times: Vec<Duration>,
    reasons: BTreeMap<String, usize>,
}

/// What the users of a phase saw.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The phase's name.
    pub(crate) name: String,
    /// Calls that were made.
    pub(crate) calls: usize,
    /// Those with an answer.
    pub(crate) answered: usize,
    /// Why the others had none.
    pub(crate) reasons: BTreeMap<String, usize>,
    /// The 50th and the 99th percentile and the longest time of those that ended.
    pub(crate) times: [Duration; 3],
    /// What was expected and did not come true.
    pub(crate) broken: Vec<String>,
}

impl Tally {
    pub(super) fn take(&mut self, told: Told) {
        match told {
            Told::Begun { .. } => self.begun += 1,
            Told::Ended { took, reason, .. } => {
                self.times.push(took);
                if let Some(reason) = reason {
                    *self.reasons.entry(reason).or_default() += 1;
                }
            }
        }
    }

    /// Compares with what was expected.
    pub(super) fn judged(mut self, phase: &Phase) -> Seen {
        let lost = self.begun.saturating_sub(self.times.len());
        if lost > 0 {
            *self.reasons.entry("no_answer".to_owned()).or_default() += lost;
        }
        let failed: usize = self.reasons.values().sum();
        self.times.sort_unstable();
        let times = [percentile(&self.times, 50), percentile(&self.times, 99), percentile(&self.times, 100)];
        let mut seen = Seen {
            name: phase.name.clone(),
            calls: self.begun,
            answered: self.begun.saturating_sub(failed),
            reasons: self.reasons,
            times,
            broken: Vec::new(),
        };
        seen.broken = broken(&seen, phase);
        seen
    }
}

impl Seen {
    /// Calls with an answer, in hundredths.
    pub(crate) fn success(&self) -> f64 {
        if self.calls == 0 { 100.0 } else { self.answered as f64 * 100.0 / self.calls as f64 }
    }
}

fn broken(seen: &Seen, phase: &Phase) -> Vec<String> {
    let (expect, mut broken) = (&phase.expect, Vec::new());
    if seen.calls == 0 {
        broken.push("no call was made".to_owned());
    }
    if let Some(least) = expect.success.filter(|least| seen.success() < *least) {
        broken.push(format!("success {:.1} %, expected {least} %", seen.success()));
    }
    if let Some(most) = expect.p99.filter(|most| seen.times[1] > *most) {
        broken.push(format!("p99 {} ms, expected {} ms", seen.times[1].as_millis(), most.as_millis()));
    }
    if let Some(allowed) = &expect.reasons {
        let others = seen.reasons.iter().filter(|(reason, _)| !allowed.contains(reason));
        broken
            .extend(others.map(|(reason, times)| format!("{times} times {reason}, which was not expected")));
    }
    broken
}

/// By the nearest rank; nothing of nothing.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trunkline_config::Expect;

    use super::*;

    fn phase(expect: Expect) -> Phase {
        let (name, lasts) = ("p".to_owned(), Duration::from_secs(1));
        Phase { name, lasts, load: Vec::new(), faults: json!([]), expect }
    }

    fn tally(ended: &[(u64, Option<&str>)], lost: usize) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..ended.len() + lost {
            tally.take(Told::Begun { phase: 0 });
        }
        for (ms, reason) in ended {
            let (took, reason) = (Duration::from_millis(*ms), reason.map(str::to_owned));
            tally.take(Told::Ended { phase: 0, took, reason });
        }
        tally
    }

    #[test]
    fn calls_that_never_ended_have_no_answer() {
        let seen = tally(&[(1, None), (2, None), (3, Some("upstream_timeout"))], 1)
            .judged(&phase(Expect::default()));
        assert_eq!((seen.calls, seen.answered), (4, 2));
        assert_eq!(seen.reasons["no_answer"], 1);
        assert_eq!(seen.times, [2, 3, 3].map(Duration::from_millis));
        assert!(seen.broken.is_empty() && (seen.success() - 50.0).abs() < 0.01);
    }

    #[test]
    fn each_expectation_that_fails_is_named() {
        let expect = Expect {
            success: Some(90.0),
            p99: Some(Duration::from_millis(2)),
            reasons: Some(vec!["circuit_open".to_owned()]),
        };
        let seen = tally(&[(1, None), (3, Some("bad_answer"))], 0).judged(&phase(expect.clone()));
        assert_eq!(seen.broken.len(), 3, "{:?}", seen.broken);
        let seen = tally(&[(1, None); 100], 0).judged(&phase(expect.clone()));
        assert!(seen.broken.is_empty());
        assert_eq!(tally(&[], 0).judged(&phase(expect)).broken, ["no call was made"]);
    }
}
