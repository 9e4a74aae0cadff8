//! Whether a series grows: the slope of Theil and Sen with its confidence interval.
//!
//! The slope is the median of the slopes between all pairs of points (Theil 1950; Sen, "Estimates of the regression
//! coefficient based on Kendall's tau", 1968), so peaks and single steps do not move it. Neighbouring samples are alike,
//! which would make the interval too narrow; so the points are medians of ten seconds or more.

/// z of a two-sided 99 % interval: of a night's seven series hardly one shall be out by chance.
const Z: f64 = 2.576;
/// Points that a series is made into, at most.
const POINTS_MAX: usize = 120;

/// What became of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    /// The median of the points.
    pub(crate) median: f64,
    /// Growth over the whole time, by the slope.
    pub(crate) growth: f64,
    /// The ends of its interval.
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// Growth above this is more than noise.
    pub(crate) tolerance: f64,
}

impl Trend {
    /// The rule: it grows when even the lower end of the interval is above zero, and the growth is above the tolerance.
    pub(crate) fn grows(&self) -> bool {
        self.least > 0.0 && self.growth > self.tolerance
    }
}

/// Looks at samples `(seconds, value)` in order; `None` when there are too few.
pub(crate) fn of(samples: &[(f64, f64)], share: f64, floor: f64) -> Option<Trend> {
    let points = thinned(samples);
    let n = points.len();
    if n < 5 {
        return None;
    }
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    for (at, (x0, y0)) in points.iter().enumerate() {
        slopes.extend(points[at + 1..].iter().map(|(x1, y1)| (y1 - y0) / (x1 - x0)));
    }
    slopes.sort_by(f64::total_cmp);
    let pairs = slopes.len() as f64;
    let size = n as f64;
    // Kendall's S has this variance when there is no trend; ties only make it smaller.
    let spread = Z * (size * (size - 1.0) * (2.0 * size + 5.0) / 18.0).sqrt();
    let rank = |at: f64| slopes[whole(at).min(slopes.len() - 1)];
    let time = points[n - 1].0 - points[0].0;
    let median = median(&mut points.iter().map(|(_, y)| *y).collect::<Vec<_>>());
    Some(Trend {
        median,
        growth: rank(pairs / 2.0) * time,
        least: rank((pairs - spread) / 2.0) * time,
        most: rank(f64::midpoint(pairs, spread)) * time,
        tolerance: (median * share).max(floor),
    })
}

/// Medians of equal spans of time.
fn thinned(samples: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Vec::new() };
    let time = last.0 - first.0;
    let count = whole(time / 10.0).clamp(5, POINTS_MAX);
    let span = (time / count as f64).max(f64::MIN_POSITIVE);
    let mut points = Vec::with_capacity(count);
    for at in 0..count {
        let from = first.0 + span * at as f64;
        let mut values: Vec<f64> = samples
            .iter()
            .filter(|(x, _)| *x >= from && (*x < from + span || at + 1 == count))
            .map(|(_, y)| *y)
            .collect();
        if !values.is_empty() {
            points.push((from + span / 2.0, median(&mut values)));
        }
    }
    points
}

/// What is not negative, rounded down.
#[expect(clippy::cast_sign_loss, reason = "it is not negative")]
fn whole(of: f64) -> usize {
    of.max(0.0) as usize
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sawtooth with noise that repeats, and a slope.
    fn series(per_second: f64) -> Vec<(f64, f64)> {
        (0..600)
            .map(|s| (f64::from(s), 1000.0 + f64::from(s * 7919 % 101) + f64::from(s) * per_second))
            .collect()
    }

    #[test]
    fn noise_is_not_growth_and_growth_is_found_in_noise() {
        let flat = of(&series(0.0), 0.02, 1.0).unwrap();
        assert!(!flat.grows(), "{flat:?}");
        let leak = of(&series(0.2), 0.02, 1.0).unwrap();
        assert!(leak.grows() && (90.0..150.0).contains(&leak.growth), "{leak:?}");
    }

    #[test]
    fn a_step_and_a_few_peaks_are_no_trend_and_a_steady_drip_is() {
        let mut peaks = series(0.0);
        for at in [50, 300, 301, 302, 550] {
            peaks[at].1 += 10_000.0;
        }
        assert!(!of(&peaks, 0.02, 1.0).unwrap().grows());
        let drip: Vec<(f64, f64)> = (0..600).map(|s| (f64::from(s), f64::from(20 + s / 60))).collect();
        let drip = of(&drip, 0.02, 4.0).unwrap();
        assert!(drip.grows(), "{drip:?}");
    }

    #[test]
    fn what_is_constant_does_not_grow_and_too_little_is_nothing() {
        let still: Vec<(f64, f64)> = (0..100).map(|s| (f64::from(s), 5.0)).collect();
        assert!(!of(&still, 0.02, 1.0).unwrap().grows());
        assert!(of(&still[..2], 0.02, 1.0).is_none_or(|trend| !trend.grows()));
        assert!(of(&[], 0.02, 1.0).is_none());
    }
}
