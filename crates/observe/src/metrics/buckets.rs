//! A histogram of durations without a lock.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

/// Upper bounds in milliseconds, each belonging to its bucket: those of the OpenTelemetry conventions for MCP (10 ms
/// to 300 s), and two below, for a gateway's own part of a call is well under 10 ms.
const BOUNDS_MS: [u32; 16] =
    [1, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 120_000, 300_000];

/// One for each bound and one for what is longer.
const SLOTS: usize = BOUNDS_MS.len() + 1;

/// Counts per bucket, and the sum. The number of observations is the sum of the counts, so that the two always agree.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    counts: [AtomicU64; SLOTS],
    sum_ns: AtomicU64,
}

impl Buckets {
    /// Counts one duration.
    pub(super) fn observe(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let slot = BOUNDS_MS.partition_point(|bound| u64::from(*bound) * 1_000_000 < ns);
        self.counts[slot].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }
}

/// What was observed so far, over all shards.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Observed {
    counts: [u64; SLOTS],
    sum_ns: u64,
}

impl<'a> FromIterator<&'a Buckets> for Observed {
    fn from_iter<I: IntoIterator<Item = &'a Buckets>>(shards: I) -> Self {
        let mut all = Self::default();
        for shard in shards {
            for (total, count) in all.counts.iter_mut().zip(&shard.counts) {
                *total += count.load(Ordering::Relaxed);
            }
            all.sum_ns = all.sum_ns.wrapping_add(shard.sum_ns.load(Ordering::Relaxed));
        }
        all
    }
}

impl Observed {
    /// The number of observations.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Writes the series; the encoder carries its labels.
    pub(super) fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = BOUNDS_MS.iter().map(|ms| f64::from(*ms) / 1e3).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.counts).collect();
        let sum = Duration::from_nanos(self.sum_ns).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, self.count(), &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Buckets, Observed};

    fn slot_of(duration: Duration) -> usize {
        let buckets = Buckets::default();
        buckets.observe(duration);
        Observed::from_iter([&buckets]).counts.iter().position(|count| *count == 1).unwrap()
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_longer_than_all_has_the_last() {
        assert_eq!(slot_of(Duration::ZERO), 0);
        assert_eq!(slot_of(Duration::from_millis(1)), 0);
        assert_eq!(slot_of(Duration::from_millis(1) + Duration::from_nanos(1)), 1);
        assert_eq!(slot_of(Duration::from_mins(5)), 15);
        assert_eq!(slot_of(Duration::MAX), 16);
    }
}
