//! Which requests are hit, and for how long.

use std::sync::Arc;
use std::time::Duration;

use globset::{Glob, GlobSet};
use tokio::time::advance;
use trunkline_observe::metrics::{Format, Metrics};

use crate::globs::Globs;

use super::{Abort, About, Faults, Kind, LEASE_MAX, Rule, Window, marked};

const SECOND: Duration = Duration::from_secs(1);

fn faults() -> (Arc<Metrics>, Faults) {
    let metrics = Arc::new(Metrics::new("test"));
    (Arc::clone(&metrics), Faults::new(metrics))
}

fn rule() -> Rule {
    Rule::new(Kind::Abort(Abort::Broken))
}

fn named(pattern: &str) -> Globs {
    let set = GlobSet::builder().add(Glob::new(pattern).unwrap()).build().unwrap();
    Globs::new(vec![pattern.to_owned()], set)
}

const CALL: About<'static> = About {
    server: "git",
    method: "tools/call",
    tool: Some("log"),
    client: Some(br#"{"name":"claude-code","version":"1"}"#),
    called: true,
};
const LIST: About<'static> = About { method: "tools/list", tool: None, client: None, called: false, ..CALL };

#[tokio::test]
async fn a_rule_concerns_what_it_names_and_nothing_else() {
    let cases = [
        (rule(), true, false),
        (Rule { servers: Some(named("g*")), ..rule() }, true, false),
        (Rule { servers: Some(named("x*")), ..rule() }, false, false),
        (Rule { tools: Some(named("log")), ..rule() }, true, false),
        (Rule { tools: Some(named("commit")), ..rule() }, false, false),
        (Rule { method: Some("tools/list".to_owned()), ..rule() }, false, true),
        (Rule { method: Some("tools/list".to_owned()), tools: Some(named("*")), ..rule() }, false, false),
        (Rule { clients: Some(named("claude*")), ..rule() }, true, false),
        (Rule { clients: Some(named("cursor")), ..rule() }, false, false),
    ];
    for (rule, call, list) in cases {
        let (_, faults) = faults();
        faults.configure(std::slice::from_ref(&rule));
        let hit = (faults.strike(CALL).is_some(), faults.strike(LIST).is_some());
        assert_eq!(hit, (call, list), "{rule:?}");
    }
}

#[tokio::test]
async fn the_same_seed_picks_the_same_requests_and_as_many_as_were_wanted() {
    let picked = |seed| {
        let (_, faults) = faults();
        faults.configure(&[Rule { percentage: 20.0, seed, ..rule() }]);
        (0..2000).filter(|_| faults.strike(CALL).is_some()).collect::<Vec<u32>>()
    };
    assert_eq!(picked(7), picked(7));
    assert_ne!(picked(7), picked(8));
    assert!((340..460).contains(&picked(7).len()), "{}", picked(7).len());
}

#[tokio::test(start_paused = true)]
async fn a_window_counts_from_when_the_rules_took_effect() {
    let (_, faults) = faults();
    faults.configure(&[Rule { window: Window { from: 2 * SECOND, until: Some(5 * SECOND) }, ..rule() }]);
    for expected in [false, false, true, true, true, false, false] {
        assert_eq!(faults.strike(CALL).is_some(), expected);
        advance(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_rules_again_do_not_begin_anew() {
    let (_, faults) = faults();
    let rules = [Rule { window: Window { from: Duration::ZERO, until: Some(3 * SECOND) }, ..rule() }];
    faults.configure(&rules);
    advance(2 * SECOND).await;
    faults.configure(&rules);
    assert!(faults.strike(CALL).is_some());
    advance(2 * SECOND).await;
    assert!(faults.strike(CALL).is_none());
    faults.configure(&[]);
    assert!(!faults.are_on() && faults.report().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_by_itself_unless_it_is_renewed() {
    let (_, faults) = faults();
    faults.lease(vec![rule()], 3 * SECOND);
    advance(2 * SECOND).await;
    faults.lease(vec![rule()], 3 * SECOND);
    advance(2 * SECOND).await;
    assert!(faults.strike(CALL).is_some(), "renewed");
    assert_eq!(faults.report().map(|report| report.lease_left), Some(Some(SECOND)));
    advance(SECOND).await;
    assert!(faults.report().is_none(), "what is over is not reported even if nobody called");
    assert!(faults.strike(CALL).is_none() && !faults.are_on());
    faults.lease(vec![rule()], Duration::from_hours(10_000));
    assert_eq!(faults.report().map(|report| report.lease_left), Some(Some(LEASE_MAX)));
    faults.lease(Vec::new(), SECOND);
    assert!(!faults.are_on(), "no rules are no faults");
}

#[tokio::test]
async fn a_fault_is_counted_and_marked_in_its_call_alone() {
    let (metrics, faults) = faults();
    faults.configure(&[rule()]);
    let hit = marked(async {
        assert_eq!(super::injected(), None);
        faults.strike(CALL);
        super::injected()
    });
    assert_eq!(hit.await, Some("abort"));
    assert_eq!(marked(async { super::injected() }).await, None);
    assert_eq!(super::injected(), None, "and nothing breaks outside of a call");
    let text = metrics.encode(Format::Text);
    assert!(text.contains("trunkline_faults_injected_total{kind=\"abort\",upstream=\"git\"} 1\n"), "{text}");
}
