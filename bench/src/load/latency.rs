//! What a measurement adds up to.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::check::Mistake;

/// Longest latency told apart; longer ones count as this.
const LATENCY_NANOS_MAX: u64 = 600_000_000_000;

/// Counts and latencies while measuring.
pub(super) struct Tally {
    calls: u64,
    events: u64,
    errors: u64,
    refused: u64,
    never_begun: u64,
    /// Told only when there was no worse mistake.
    first_refusal: Option<String>,
    first_error: Option<String>,
    latencies: Histogram<u64>,
    /// How late calls began (timetable only).
    lateness: Histogram<u64>,
    /// How long refusals took, from the beginning of their call.
    refusals: Histogram<u64>,
}

impl Tally {
    pub(super) fn new() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, LATENCY_NANOS_MAX, 3)
                .expect("the bounds are constants and in order")
        };
        Self {
            calls: 0,
            events: 0,
            errors: 0,
            refused: 0,
            never_begun: 0,
            first_refusal: None,
            first_error: None,
            latencies: histogram(),
            lateness: histogram(),
            refusals: histogram(),
        }
    }

    /// A right answer. `events` are the ages of its progress events; when there are any, they are the latencies.
    pub(super) fn right(&mut self, latency: Duration, lateness: Option<Duration>, events: &[Duration]) {
        self.calls += 1;
        self.events += events.len() as u64;
        if events.is_empty() {
            self.latencies.saturating_record(nanos(latency));
        }
        for age in events {
            self.latencies.saturating_record(nanos(*age));
        }
        if let Some(lateness) = lateness {
            self.lateness.saturating_record(nanos(lateness));
        }
    }

    /// Errors have no latency: one that fails fast must not look like one that answers fast.
    pub(super) fn wrong(&mut self, mistake: &Mistake) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| mistake.to_string());
    }

    /// Refused for want of room. Counts as an error as well: who did not ask for more than there is must not be refused.
    pub(super) fn refused(&mut self, latency: Duration, mistake: &Mistake) {
        self.refused += 1;
        self.refusals.saturating_record(nanos(latency));
        self.errors += 1;
        self.first_refusal.get_or_insert_with(|| mistake.to_string());
    }

    /// Due, but nobody was free to begin it: it never left the generator.
    pub(super) fn not_begun(&mut self) {
        self.never_begun += 1;
        self.wrong(&Mistake::Hung);
    }

    pub(super) fn report(self, took: Duration) -> Report {
        let micros = |quantile| self.latencies.value_at_quantile(quantile) as f64 / 1e3;
        Report {
            calls: self.calls,
            events: self.events,
            errors: self.errors,
            refused: self.refused,
            never_begun: self.never_begun,
            refused_p50_us: self.refusal(0.5),
            refused_p99_us: self.refusal(0.99),
            first_error: self.first_error.clone().or_else(|| self.first_refusal.clone()),
            seconds: took.as_secs_f64(),
            calls_per_s: self.calls as f64 / took.as_secs_f64().max(f64::EPSILON),
            mean_us: self.latencies.mean() / 1e3,
            p50_us: micros(0.5),
            p90_us: micros(0.9),
            p99_us: micros(0.99),
            p999_us: micros(0.999),
            max_us: self.latencies.max() as f64 / 1e3,
            begun_late_p50_us: self.late(0.5),
            begun_late_p99_us: self.late(0.99),
        }
    }

    fn refusal(&self, quantile: f64) -> Option<f64> {
        (!self.refusals.is_empty()).then(|| self.refusals.value_at_quantile(quantile) as f64 / 1e3)
    }

    fn late(&self, quantile: f64) -> Option<f64> {
        (!self.lateness.is_empty()).then(|| self.lateness.value_at_quantile(quantile) as f64 / 1e3)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// One measurement. Latencies are in microseconds; with progress they are the time an event was under way.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Right answers.
    pub(crate) calls: u64,
    /// Progress events in them.
    pub(crate) events: u64,
    /// Wrong answers, and calls without one.
    pub(crate) errors: u64,
    /// Those of them that were refused with 429 or 503.
    pub(crate) refused: u64,
    /// Those of them that were due, and that no connection was free to begin.
    pub(crate) never_begun: u64,
    /// How long such a refusal took, from the beginning of its call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused_p50_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused_p99_us: Option<f64>,
    pub(crate) first_error: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) calls_per_s: f64,
    pub(crate) mean_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
    /// On a timetable: how long after its time a call began. Part of the latency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) begun_late_p50_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) begun_late_p99_us: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_a_thousandth() {
        let mut tally = Tally::new();
        for micros in 1..=1000 {
            tally.right(Duration::from_micros(micros), None, &[]);
        }
        let report = tally.report(Duration::from_secs(2));
        assert!((report.p50_us - 500.0).abs() < 1.0, "{report:?}");
        assert!((report.p99_us - 990.0).abs() < 1.0, "{report:?}");
        assert!((report.calls_per_s - 500.0).abs() < 1e-9);
    }

    #[test]
    fn errors_are_counted_and_have_no_latency() {
        let mut tally = Tally::new();
        tally.wrong(&Mistake::Id);
        tally.wrong(&Mistake::Text);
        let report = tally.report(Duration::from_secs(1));
        assert_eq!((report.calls, report.errors), (0, 2));
        assert_eq!(report.first_error.as_deref(), Some("the answer is for another request"));
        assert!(report.p999_us.abs() < f64::EPSILON);
    }

    #[test]
    fn progress_events_are_what_is_timed() {
        let mut tally = Tally::new();
        let ages = [Duration::from_micros(10), Duration::from_micros(20)];
        tally.right(Duration::from_secs(1), None, &ages);
        let report = tally.report(Duration::from_secs(1));
        assert_eq!((report.calls, report.events), (1, 2));
        assert!(report.max_us < 21.0);
    }
}
