//! How many calls one server can bear at a time, learnt from how long it takes.
//!
//! A gradient limiter after Netflix's concurrency-limits (`Gradient2Limit`) and Envoy's adaptive concurrency filter: while
//! answers take longer than they usually do, the limit goes down in proportion; while they do not, it grows by a little
//! more than its square root at a time. Two things differ, because tools are not like the requests of a fleet. How long a call
//! usually takes is learnt for each tool apart: a slow tool among fast ones says nothing about the server. And the limit
//! goes down only while calls have been queueing for a second without a pause (a *standing* queue, as in CoDel, RFC 8289): a
//! burst that the queue takes up, and long calls that nobody waits behind, never lower it. So traffic that the server
//! can bear is never refused for a wrong guess.

use std::time::Duration;

use tokio::time::Instant;

/// How long calls must have been queueing before the limit goes down.
pub(super) const STANDING: Duration = Duration::from_secs(1);
/// What is decided on: so long a time, and so many answers in it.
const WINDOW: Duration = Duration::from_millis(100);
const SAMPLES_MIN: u32 = 8;
/// How much longer than usual answers may take.
const TOLERANCE: f64 = 2.0;
/// How far one decision goes.
const SMOOTHING: f64 = 0.2;
/// An answer counts as no slower than this: one that hangs is not a thousand that are slow.
const SLOWNESS_MAX: f64 = 8.0;
/// Weight of one answer in what is usual: some hundreds of calls are remembered.
const LEARNING: f64 = 2.0 / 401.0;
/// While calls queue up, what is usual moves this slowly, however many answers come: what is bad must not soon be usual,
/// but a server that has become slower for good must not be held to what it once was.
const LEARNING_CROWDED: Duration = Duration::from_mins(2);
/// Tools that are told apart, by hash. Those that share a place share what is usual.
const TOOLS: usize = 64;
/// The limit never goes below; one slow call at a time would stop everything.
const LIMIT_MIN: f64 = 4.0;

/// The limit of one server.
#[derive(Debug)]
pub(super) struct Adaptive {
    limit: f64,
    max: f64,
    usual: Box<[Usual; TOOLS]>,
    window: Option<Instant>,
    samples: u32,
    slowness: f64,
}

/// How long calls of a tool take: a mean that forgets.
#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    seconds: f64,
    calls: u32,
    at: Option<Instant>,
}

/// One call that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Which tool, as a hash.
    pub(super) tool: u64,
    pub(super) took: Duration,
    /// Its server answered in time.
    pub(super) answered: bool,
    /// For how long calls have been queueing.
    pub(super) crowded_for: Duration,
}

impl Adaptive {
    pub(super) fn new(max: usize) -> Self {
        let max = max as f64;
        Self {
            limit: max,
            max,
            usual: Box::new([Usual::default(); TOOLS]),
            window: None,
            samples: 0,
            slowness: 0.0,
        }
    }

    /// Takes another bound; what was learnt stays.
    pub(super) fn set_max(&mut self, max: usize) -> usize {
        let max = max as f64;
        // A limit that nothing had lowered follows.
        self.limit = if self.limit >= self.max { max } else { self.limit.min(max) };
        self.max = max;
        self.limit()
    }

    #[expect(clippy::cast_sign_loss, reason = "it is clamped to positive bounds")]
    fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Takes in how a call went. Returns the limit when it has changed.
    pub(super) fn learn(&mut self, now: Instant, sample: Sample) -> Option<usize> {
        let crowded = !sample.crowded_for.is_zero();
        let usual = &mut self.usual[sample.tool as usize % TOOLS];
        self.slowness +=
            if sample.answered { usual.learn(now, sample.took.as_secs_f64(), crowded) } else { SLOWNESS_MAX };
        self.samples += 1;
        let window = *self.window.get_or_insert(now);
        if self.samples < SAMPLES_MIN || now.saturating_duration_since(window) < WINDOW {
            return None;
        }
        let slowness = self.slowness / f64::from(self.samples);
        (self.window, self.samples, self.slowness) = (Some(now), 0, 0.0);
        let before = self.limit();
        self.limit = self.next(slowness, sample.crowded_for >= STANDING);
        let after = self.limit();
        (after != before).then_some(after)
    }

    fn next(&self, slowness: f64, standing: bool) -> f64 {
        let room = self.limit.sqrt();
        let next = if standing && slowness > TOLERANCE {
            let gradient = (TOLERANCE / slowness).max(0.5);
            let wanted = self.limit * gradient + room;
            // The square root must not make a small limit grow while answers are late.
            self.limit + SMOOTHING * (wanted - self.limit).min(-1.0)
        } else {
            self.limit + room
        };
        next.clamp(LIMIT_MIN.min(self.max), self.max)
    }
}

impl Usual {
    /// How many times longer than usual this call took.
    fn learn(&mut self, now: Instant, seconds: f64, crowded: bool) -> f64 {
        let seconds = seconds.max(1e-5);
        let passed = now.saturating_duration_since(self.at.unwrap_or(now));
        self.at = Some(now);
        self.calls = self.calls.saturating_add(1);
        if self.calls == 1 {
            self.seconds = seconds;
            return 1.0;
        }
        let slowness = seconds / self.seconds;
        let weight = if crowded {
            (passed.as_secs_f64() / LEARNING_CROWDED.as_secs_f64()).min(LEARNING)
        } else {
            // The first calls are a plain mean.
            LEARNING.max(1.0 / f64::from(self.calls))
        };
        self.seconds += (seconds - self.seconds) * weight;
        slowness.min(SLOWNESS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that works on `width` calls at a time, each for `service`; more wait inside it.
    struct Server {
        width: f64,
        service: f64,
    }

    impl Server {
        fn takes(&self, in_flight: f64) -> Duration {
            Duration::from_secs_f64(self.service * (in_flight / self.width).max(1.0))
        }
    }

    /// Lets time pass with so many callers that always have a call ready, and returns the limit and how long calls take.
    fn run(
        adaptive: &mut Adaptive,
        server: &Server,
        now: &mut Instant,
        callers: f64,
        seconds: f64,
    ) -> (f64, f64) {
        let (end, mut crowded) = (*now + Duration::from_secs_f64(seconds), Duration::ZERO);
        let mut took = Duration::ZERO;
        while *now < end {
            let in_flight = callers.min(adaptive.limit.floor());
            took = server.takes(in_flight);
            let step = took.div_f64(in_flight);
            *now += step;
            crowded = if callers > adaptive.limit { crowded + step } else { Duration::ZERO };
            adaptive.learn(*now, Sample { tool: 1, took, answered: true, crowded_for: crowded });
        }
        (adaptive.limit, took.as_secs_f64())
    }

    #[tokio::test]
    async fn overload_lowers_the_limit_towards_what_the_server_can_do_and_calm_raises_it_again() {
        let server = Server { width: 16.0, service: 0.01 };
        let (mut adaptive, mut now) = (Adaptive::new(128), Instant::now());
        let (limit, _) = run(&mut adaptive, &server, &mut now, 8.0, 5.0);
        assert!((limit - 128.0).abs() < 0.1, "calm traffic leaves it alone: {limit}");
        let (limit, took) = run(&mut adaptive, &server, &mut now, 1000.0, 20.0);
        assert!((16.0..64.0).contains(&limit), "{limit}");
        assert!(took < 0.04, "{took}");
        let (limit, _) = run(&mut adaptive, &server, &mut now, 8.0, 5.0);
        assert!((limit - 128.0).abs() < 0.1, "{limit}");
    }

    #[tokio::test]
    async fn long_calls_that_nobody_queues_behind_change_nothing() {
        let mut adaptive = Adaptive::new(64);
        let now = Instant::now();
        for number in 0..2000_u32 {
            let slow = number % 10 == 0;
            let took = Duration::from_millis(if slow { 10_000 } else { 5 });
            let sample = Sample { tool: u64::from(slow), took, answered: true, crowded_for: Duration::ZERO };
            assert_eq!(adaptive.learn(now + Duration::from_millis(u64::from(number) * 20), sample), None);
        }
        // Not even with a queue: each tool is as fast as ever.
        for number in 0..2000_u32 {
            let slow = number % 10 == 0;
            let took = Duration::from_millis(if slow { 10_000 } else { 5 });
            let crowded_for = Duration::from_secs(5);
            let sample = Sample { tool: u64::from(slow), took, answered: true, crowded_for };
            let at = now + Duration::from_millis(40_000 + u64::from(number) * 20);
            assert_eq!(adaptive.learn(at, sample), None);
        }
    }

    #[tokio::test]
    async fn a_server_that_lets_calls_time_out_is_given_fewer_but_never_none() {
        let mut adaptive = Adaptive::new(128);
        let now = Instant::now();
        for number in 0..5000_u64 {
            let at = now + Duration::from_millis(number * 20);
            let took = Duration::from_secs(1);
            adaptive
                .learn(at, Sample { tool: 1, took, answered: false, crowded_for: Duration::from_secs(2) });
        }
        assert!((4.0..8.0).contains(&adaptive.limit), "{}", adaptive.limit);
    }

    #[test]
    fn another_bound_keeps_what_was_learnt() {
        let mut adaptive = Adaptive::new(128);
        assert_eq!(adaptive.set_max(200), 200);
        adaptive.limit = 50.0;
        assert_eq!(adaptive.set_max(300), 50);
        assert_eq!(adaptive.set_max(20), 20);
    }
}
