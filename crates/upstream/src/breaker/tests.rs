//! The breaker against a plain model, and the ways in which it can be used wrongly.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const FAILED: Verdict = Verdict::Failed(Trouble::Broken);

fn breaker(options: Options, now: Instant) -> Breaker {
    // Waits in full length, so that the model needs no chance.
    Breaker::new(options, now, || 255)
}

fn options() -> Options {
    Options { consecutive: Some(3), calls_min: 100, open: 5 * SECOND, ..Options::default() }
}

fn run(breaker: &Breaker, verdict: Verdict, now: Instant) -> Option<Change> {
    let (ticket, _) = breaker.admit(now).expect("it is let through");
    breaker.ended(ticket, verdict, None, now)
}

fn opened(options: Options, now: Instant) -> Breaker {
    let breaker = breaker(options, now);
    for _ in 0..3 {
        run(&breaker, FAILED, now);
    }
    assert_eq!(breaker.state(), State::Open);
    breaker
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_open_it_and_answers_between_them_do_not() {
    let now = Instant::now();
    let breaker = breaker(options(), now);
    for verdict in [FAILED, FAILED, Verdict::Well, FAILED, Verdict::Wait, Verdict::Nothing, FAILED] {
        assert_eq!(run(&breaker, verdict, now), None);
    }
    let change = run(&breaker, FAILED, now);
    assert_eq!(change, Some(Change::Opened { why: Why::Row(3), rest: 5 * SECOND }));
    assert_eq!(breaker.admit(now + SECOND).unwrap_err(), Refused(4 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_and_its_success_closes_it() {
    let now = Instant::now();
    let breaker = opened(options(), now);
    let later = now + 5 * SECOND;
    let (probe, change) = breaker.admit(later).unwrap();
    assert_eq!((change, breaker.state()), (Some(Change::Trying), State::HalfOpen));
    for _ in 0..100 {
        assert!(breaker.admit(later).is_err(), "everybody else waits");
    }
    assert_eq!(breaker.ended(probe, Verdict::Well, None, later), Some(Change::Closed));
    assert!(breaker.admit(later).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_was_cancelled_makes_room_for_another() {
    let now = Instant::now();
    let breaker = opened(options(), now);
    let later = now + 5 * SECOND;
    let (probe, _) = breaker.admit(later).unwrap();
    assert_eq!(breaker.ended(probe, Verdict::Nothing, None, later), None);
    assert!(breaker.admit(later).is_ok());
}

#[tokio::test(start_paused = true)]
async fn each_opening_lasts_longer_until_it_stood_closed_for_long() {
    let mut now = Instant::now();
    let breaker = opened(Options { open_max: 12 * SECOND, ..options() }, now);
    let mut waits = Vec::new();
    for _ in 0..3 {
        now += breaker.admit(now).unwrap_err().0;
        let Some(Change::Opened { rest, .. }) = run(&breaker, FAILED, now) else { panic!("it opens") };
        waits.push(rest.as_secs());
    }
    assert_eq!(waits, [10, 12, 12]);
    now += 12 * SECOND;
    assert_eq!(run(&breaker, Verdict::Well, now), Some(Change::Closed));
    now += 13 * SECOND;
    run(&breaker, FAILED, now);
    run(&breaker, FAILED, now);
    let change = run(&breaker, FAILED, now);
    assert_eq!(change, Some(Change::Opened { why: Why::Row(3), rest: 5 * SECOND }));
}

#[tokio::test(start_paused = true)]
async fn what_began_before_it_opened_says_nothing_about_the_time_after() {
    let now = Instant::now();
    let breaker = breaker(options(), now);
    let (old, _) = breaker.admit(now).unwrap();
    for _ in 0..3 {
        run(&breaker, FAILED, now);
    }
    let later = now + 5 * SECOND;
    let (probe, _) = breaker.admit(later).unwrap();
    assert_eq!(breaker.ended(old, FAILED, None, later), None);
    assert_eq!(breaker.state(), State::HalfOpen);
    assert_eq!(breaker.ended(probe, Verdict::Well, None, later), Some(Change::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_rate_needs_calls_and_slow_calls_have_their_own() {
    let now = Instant::now();
    let rates = Options {
        consecutive: None,
        calls_min: 10,
        slow: Some(SECOND),
        window: Span::Calls(10),
        ..Options::default()
    };
    let breaker = breaker(rates, now);
    let end = |verdict, took| {
        let (ticket, _) = breaker.admit(now).unwrap();
        breaker.ended(ticket, verdict, Some(took), now)
    };
    for _ in 0..9 {
        assert_eq!(end(Verdict::Well, 2 * SECOND), None);
    }
    let change = end(Verdict::Well, 2 * SECOND);
    assert!(matches!(change, Some(Change::Opened { why: Why::Slow(100, 10), .. })), "{change:?}");
}

#[tokio::test(start_paused = true)]
async fn a_decree_wins_over_whatever_calls_say() {
    let now = Instant::now();
    let shut = breaker(Options { force: Some(Force::Open), ..options() }, now);
    assert!(shut.pass().is_none() && shut.admit(now + 1000 * SECOND).is_err());
    let held = breaker(Options { force: Some(Force::Closed), ..options() }, now);
    for _ in 0..10 {
        assert_eq!(run(&held, FAILED, now), None);
    }
    assert_eq!(held.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_takes_its_time_does_not_keep_everybody_out() {
    let now = Instant::now();
    let breaker = opened(Options { open_max: 20 * SECOND, ..options() }, now);
    let (_probe, _) = breaker.admit(now + 5 * SECOND).unwrap();
    assert!(breaker.admit(now + 24 * SECOND).is_err());
    assert!(breaker.admit(now + 25 * SECOND).is_ok());
    assert_eq!(breaker.state(), State::Closed);
}

/// The same machine, written down as plainly as can be.
struct Model {
    options: Options,
    now: u64,
    state: State,
    until: u64,
    openings: u32,
    closed: Option<u64>,
    row: u32,
    window: VecDeque<bool>,
    passed: u32,
    /// Calls under way: the period in which each began, and whether it is a probe.
    running: Vec<(u64, bool)>,
    period: u64,
}

impl Model {
    fn enter(&mut self, state: State) {
        self.state = state;
        self.period += 1;
    }

    fn probing(&self) -> usize {
        self.running.iter().filter(|(period, probe)| *probe && *period == self.period).count()
    }

    fn admit(&mut self) -> bool {
        match self.state {
            State::Closed => self.running.push((self.period, false)),
            State::Open if self.now < self.until => return false,
            State::Open => {
                self.enter(State::HalfOpen);
                self.passed = 0;
                self.running.push((self.period, true));
            }
            State::HalfOpen if self.probing() < self.options.probes as usize => {
                self.running.push((self.period, true));
            }
            State::HalfOpen => return false,
        }
        true
    }

    fn open(&mut self) {
        let most = self.options.open_max.as_secs();
        let steady = self.closed.is_some_and(|at| self.now - at > most);
        self.openings = if steady { 1 } else { self.openings + 1 };
        let wait = self.options.open.as_secs() << (self.openings - 1).min(16);
        self.until = self.now + wait.min(most);
        self.enter(State::Open);
    }

    fn end(&mut self, index: usize, verdict: Verdict) {
        let (period, probe) = self.running.remove(index);
        let failed = matches!(verdict, Verdict::Failed(_));
        if period != self.period || !(failed || verdict == Verdict::Well) {
            return;
        }
        if probe {
            if failed {
                return self.open();
            }
            self.passed += 1;
            if self.passed >= self.options.probes {
                self.closed = Some(self.now);
                self.row = 0;
                self.window.clear();
                self.enter(State::Closed);
            }
            return;
        }
        self.row = if failed { self.row + 1 } else { 0 };
        self.window.push_back(failed);
        let Span::Calls(most) = self.options.window else { unreachable!() };
        while self.window.len() > most as usize {
            self.window.pop_front();
        }
        let bad = self.window.iter().filter(|failed| **failed).count();
        let enough = self.window.len() >= self.options.calls_min as usize;
        let rate = enough && bad * 100 >= self.options.failure_percent as usize * self.window.len();
        if failed && (rate || self.row >= self.options.consecutive.unwrap_or(u32::MAX)) {
            self.open();
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Begin,
    End(usize, Verdict),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        4 => Just(FAILED),
        4 => Just(Verdict::Well),
        1 => Just(Verdict::Nothing),
        1 => Just(Verdict::Wait),
    ];
    prop_oneof![
        5 => Just(Step::Begin),
        5 => (0..8_usize, verdict).prop_map(|(which, verdict)| Step::End(which, verdict)),
        2 => (0..7_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_model_does(
        steps in prop::collection::vec(step(), 1..200),
        row in 1..6_u32,
        probes in 1..4_u32,
        window in 2..12_u32,
    ) {
        let options = Options {
            window: Span::Calls(window),
            calls_min: 2,
            consecutive: Some(row),
            open: 3 * SECOND,
            // Longer than any history, so that no probe is taken for passed because of its length.
            open_max: 5000 * SECOND,
            probes,
            ..Options::default()
        };
        let begun = Instant::now();
        let machine = breaker(options.clone(), begun);
        let mut tickets = Vec::new();
        let mut model = Model {
            options,
            now: 0,
            state: State::Closed,
            until: 0,
            openings: 0,
            closed: None,
            row: 0,
            window: VecDeque::new(),
            passed: 0,
            running: Vec::new(),
            period: 0,
        };
        for step in steps {
            let now = begun + Duration::from_secs(model.now);
            match step {
                Step::Begin => {
                    let admitted = machine.admit(now);
                    prop_assert_eq!(admitted.is_ok(), model.admit());
                    if let Ok((ticket, _)) = admitted {
                        tickets.push(ticket);
                    }
                }
                Step::End(which, verdict) => {
                    if !tickets.is_empty() {
                        let which = which % tickets.len();
                        machine.ended(tickets.remove(which), verdict, None, now);
                        model.end(which, verdict);
                    }
                }
                Step::Pass(seconds) => model.now += seconds,
            }
            prop_assert_eq!(machine.state(), model.state);
        }
    }
}
