//! What is promised, and whether it held. Every bound is relative to the same run's own peak, or far from what a busy
//! machine adds by itself.

use serde::Serialize;

use super::Scarce;
use super::phase::{Overload, Peak};

/// One promise.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) what: String,
    pub(super) bound: String,
    pub(super) seen: String,
    pub(super) held: bool,
}

/// The bounds of one scenario.
struct Bounds {
    goodput: f64,
    /// Of what is asked for beyond what is answered.
    refused: f64,
    /// Of the calls that were answered.
    p99_ms: f64,
    refusal_p99_ms: f64,
    recovery_s: f64,
    rss_more_mib: f64,
    livez_ms: f64,
}

impl Bounds {
    fn of(scarce: Scarce, quick: bool) -> Self {
        let strict = Self {
            goodput: 0.9,
            refused: 0.75,
            p99_ms: 1500.0,
            refusal_p99_ms: 10.0,
            recovery_s: 5.0,
            rss_more_mib: 64.0,
            livez_ms: 100.0,
        };
        match (scarce, quick) {
            (Scarce::Server, false) => strict,
            // The generator takes what the gateway would need, and calls that nobody is free to begin wait in it.
            (Scarce::Processor, false) => Self {
                goodput: 0.8,
                refused: 0.0,
                p99_ms: f64::INFINITY,
                refusal_p99_ms: f64::INFINITY,
                livez_ms: 1000.0,
                ..strict
            },
            // Others take what they want of a busy machine, now more and now less: counts say something, times do not.
            (scarce, true) => {
                let (goodput, refused) = match scarce {
                    Scarce::Server => (0.5, 0.2),
                    Scarce::Processor => (0.2, 0.0),
                };
                Self {
                    goodput,
                    refused,
                    p99_ms: f64::INFINITY,
                    refusal_p99_ms: f64::INFINITY,
                    recovery_s: 15.0,
                    livez_ms: 10_000.0,
                    ..strict
                }
            }
        }
    }
}

/// Judges one overload.
pub(super) fn judge(scarce: Scarce, peak: &Peak, overload: &Overload, quick: bool) -> Vec<Verdict> {
    let bounds = Bounds::of(scarce, quick);
    let at = |what: &str| format!("{}x, {scarce:?}: {what}", overload.factor);
    let report = &overload.report;
    let share = report.calls_per_s / peak.report.calls_per_s;
    let mut verdicts = vec![
        Verdict {
            what: at("goodput"),
            bound: format!("at least {:.0} % of the peak", bounds.goodput * 100.0),
            seen: format!("{:.1} %", share * 100.0),
            held: share >= bounds.goodput,
        },
        Verdict {
            what: at("recovery"),
            bound: format!("within {:.0} s", bounds.recovery_s),
            seen: overload.recovery_s.map_or("never".to_owned(), |seconds| format!("{seconds:.1} s")),
            held: overload.recovery_s.is_some_and(|seconds| seconds <= bounds.recovery_s),
        },
        below(
            at("memory grows by"),
            bounds.rss_more_mib,
            overload.rss_peak_mib - overload.rss_before_mib,
            "MiB",
        ),
        below(at("the slowest /livez"), bounds.livez_ms, overload.livez_max_ms, "ms"),
        Verdict {
            what: at("failures that are no refusals"),
            bound: "none".to_owned(),
            seen: (report.errors - report.refused - report.never_begun).to_string(),
            held: report.errors == report.refused + report.never_begun,
        },
    ];
    if bounds.refused > 0.0 {
        let refused = report.refused as f64 / report.seconds;
        let share = refused / (overload.asked_per_s - report.calls_per_s);
        verdicts.push(Verdict {
            what: at("refusals"),
            bound: format!("at least {:.0} % of what is too much", bounds.refused * 100.0),
            seen: format!("{:.0} %", share * 100.0),
            held: share >= bounds.refused,
        });
        let sooner = report.refused_p50_us.map_or(f64::INFINITY, |us| us / report.p50_us);
        verdicts.push(Verdict {
            what: at("a refusal comes"),
            bound: "in half the time of an answer (medians)".to_owned(),
            seen: format!("{:.0} % of it", sooner * 100.0),
            held: sooner <= 0.5,
        });
    }
    if bounds.p99_ms.is_finite() {
        verdicts.push(below(at("p99 of answered calls"), bounds.p99_ms, report.p99_us / 1e3, "ms"));
    }
    if bounds.refusal_p99_ms.is_finite() {
        let seen = report.refused_p99_us.map_or(f64::INFINITY, |us| us / 1e3);
        verdicts.push(below(at("p99 of refusals"), bounds.refusal_p99_ms, seen, "ms"));
    }
    verdicts
}

fn below(what: String, bound: f64, seen: f64, unit: &str) -> Verdict {
    Verdict {
        what,
        bound: format!("at most {bound:.0} {unit}"),
        seen: format!("{seen:.1} {unit}"),
        held: seen <= bound,
    }
}
