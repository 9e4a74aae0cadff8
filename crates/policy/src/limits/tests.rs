use bytes::Bytes;
use trunkline_model::{Caller, Era, Kind, Retry};

use super::options::*;
use super::*;

fn caller(address: &str) -> Caller {
    let info = Some(Bytes::from_static(b"{\"name\":\"c\"}"));
    Caller { info, peer: Some(address.parse().unwrap()), ..Caller::new(Era::Modern) }
}

fn rate(name: &str, per: Per, count: u32, burst: u32) -> RateRule {
    RateRule {
        name: name.into(),
        per,
        matches: Match::default(),
        rate: Rate { count, period: Duration::from_secs(1) },
        burst,
        costs: Costs::default(),
    }
}

fn names(patterns: &[&str]) -> Names {
    Names::new(patterns.iter().map(|one| (*one).to_owned()).collect()).unwrap()
}

struct Scene {
    metrics: Metrics,
    servers: Vec<Arc<str>>,
    limits: Limits,
}

impl Scene {
    fn new(options: &Options) -> Self {
        let (metrics, servers) = (Metrics::new("test"), vec![Arc::from("a"), Arc::from("b")]);
        let limits = Limits::new(options, &servers, None, &metrics);
        Self { metrics, servers, limits }
    }

    fn reload(&mut self, options: &Options) {
        self.limits = Limits::new(options, &self.servers, Some(&self.limits), &self.metrics);
    }

    async fn call(&self, caller: &Caller, server: usize, tool: &str) -> Result<Permit, Fault> {
        self.ask(caller, server, tool, false).await
    }

    async fn ask(&self, caller: &Caller, server: usize, tool: &str, goes_on: bool) -> Result<Permit, Fault> {
        let asked = Asked {
            who: Who::of(caller),
            method: "tools/call",
            tool: Some(tool),
            server: Some((server, &self.servers[server])),
            goes_on: &|| goes_on,
        };
        self.limits.admit(&asked).await
    }

    async fn list(&self, caller: &Caller) -> Result<Permit, Fault> {
        let who = Who::of(caller);
        let asked = Asked { who, method: "tools/list", tool: None, server: None, goes_on: &|| false };
        self.limits.admit(&asked).await
    }
}

fn limited(result: Result<Permit, Fault>) -> (String, Retry) {
    let fault = result.unwrap_err();
    let Kind::RateLimited(Some(quota)) = fault.kind else { panic!("{fault:?}") };
    (quota.name.to_string(), fault.retry)
}

const PRINCIPAL: Per = Per { principal: true, client: false, tool: false, upstream: false };

#[tokio::test(start_paused = true)]
async fn each_caller_has_a_rate_of_its_own_and_all_together_have_one() {
    let options = Options {
        rates: vec![rate("each", PRINCIPAL, 1, 2), rate("all", Per::default(), 1, 3)],
        ..Options::default()
    };
    let scene = Scene::new(&options);
    let (one, two) = (caller("192.0.2.1"), caller("192.0.2.2"));
    for _ in 0..2 {
        assert!(scene.call(&one, 0, "t").await.is_ok());
    }
    assert_eq!(
        limited(scene.call(&one, 0, "t").await),
        ("each".into(), Retry::After(Duration::from_secs(1)))
    );
    assert!(scene.call(&two, 0, "t").await.is_ok());
    assert_eq!(limited(scene.call(&two, 0, "t").await).0, "all");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(scene.list(&two).await.is_ok(), "a list counts as well where nothing else is said");
}

#[tokio::test(start_paused = true)]
async fn tools_have_their_cost_and_a_limit_is_about_what_it_matches() {
    let mut rule = rate("tools", Per::default(), 1, 10);
    rule.matches = Match {
        tools: Some(names(&["gpt_*"])),
        servers: Some(vec!["a".into()]),
        methods: Some(vec!["tools/call".into()]),
    };
    rule.costs = Costs { default: 1, tools: vec![(names(&["gpt_big"]), 5), (names(&["gpt_free"]), 0)] };
    let scene = Scene::new(&Options { rates: vec![rule], ..Options::default() });
    let one = caller("192.0.2.1");
    for _ in 0..2 {
        assert!(scene.call(&one, 0, "gpt_big").await.is_ok());
    }
    assert!(scene.call(&one, 0, "gpt_small").await.is_err());
    assert!(scene.call(&one, 0, "gpt_free").await.is_ok());
    assert!(scene.call(&one, 0, "other").await.is_ok());
    assert!(scene.call(&one, 1, "gpt_big").await.is_ok());
    assert!(scene.list(&one).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn calls_at_a_time_are_limited_until_they_end_and_may_wait_for_it() {
    let rule = ConcurrencyRule {
        name: "one".into(),
        per: PRINCIPAL,
        matches: Match::default(),
        max: 1,
        wait: Duration::ZERO,
    };
    let scene = Scene::new(&Options { concurrency: vec![rule], ..Options::default() });
    let one = caller("192.0.2.1");
    let held = scene.call(&one, 0, "t").await.unwrap();
    let fault = scene.call(&one, 0, "t").await.unwrap_err();
    assert_eq!(fault.kind, Kind::RateLimited(None));
    assert!(scene.call(&caller("192.0.2.2"), 0, "t").await.is_ok());
    drop(held);
    assert!(scene.call(&one, 0, "t").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_takes_nothing_from_any_limit() {
    let rule = ConcurrencyRule {
        name: "ten".into(),
        per: Per::default(),
        matches: Match::default(),
        max: 10,
        wait: Duration::ZERO,
    };
    let mut options = Options {
        rates: vec![rate("wide", Per::default(), 1, 1000), rate("each", PRINCIPAL, 1, 1)],
        concurrency: vec![rule],
        ..Options::default()
    };
    options.overload.servers.insert("b".into(), 1);
    options.overload.queue_age = Duration::from_millis(10);
    let scene = Scene::new(&options);
    let one = caller("192.0.2.1");
    let held = scene.call(&one, 1, "t").await.unwrap();
    for number in 0..50_u8 {
        assert!(scene.call(&one, 0, "t").await.is_err(), "too often");
        let fault = scene.call(&caller(&format!("192.0.2.{}", number + 2)), 1, "t").await.unwrap_err();
        assert_eq!((fault.kind, fault.server.as_deref()), (Kind::Overloaded, Some("b")));
    }
    drop(held);
    // Whoever was refused for want of room has their unit still.
    assert!(scene.call(&caller("192.0.2.2"), 1, "t").await.is_ok());
    assert_eq!(Crowd::in_flight(&*scene.limits.all), 0);
}

use trunkline_observe::metrics::Crowd;

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_was_taken_and_who_is_under_way() {
    let options = |count, burst, max| Options {
        rates: vec![rate("each", PRINCIPAL, count, burst)],
        concurrency: vec![ConcurrencyRule {
            name: "some".into(),
            per: Per::default(),
            matches: Match::default(),
            max,
            wait: Duration::ZERO,
        }],
        ..Options::default()
    };
    let mut scene = Scene::new(&options(1, 3, 2));
    let one = caller("192.0.2.1");
    let _held = scene.call(&one, 0, "t").await.unwrap();
    drop(scene.call(&one, 0, "t").await.unwrap());
    scene.reload(&options(1, 3, 1));
    assert_eq!(scene.call(&caller("192.0.2.2"), 0, "t").await.unwrap_err().kind, Kind::Overloaded);
    scene.reload(&options(1, 3, 5));
    assert!(scene.call(&one, 0, "t").await.is_ok(), "the third of three");
    assert!(scene.call(&one, 0, "t").await.is_err());
    // A lower burst: what was taken is still owed.
    scene.reload(&options(1, 2, 5));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(scene.call(&one, 0, "t").await.is_err());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(scene.call(&one, 0, "t").await.is_ok());
    assert_eq!(Crowd::in_flight(&*scene.limits.all), 1, "the call from before the reloads");
}

#[tokio::test(start_paused = true)]
async fn retries_with_answers_find_room_that_new_calls_do_not() {
    let mut options = Options::default();
    options.overload.per_server = 8;
    options.overload.queue = 0;
    let scene = Scene::new(&options);
    let one = caller("192.0.2.1");
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(scene.call(&one, 0, "t").await.unwrap());
    }
    assert_eq!(scene.call(&one, 0, "t").await.unwrap_err().kind, Kind::Overloaded);
    held.push(scene.ask(&one, 0, "t", true).await.unwrap());
    scene.limits.pressure().look(Some(95), Duration::ZERO, (Some(100), None));
    assert!(scene.call(&one, 1, "t").await.is_err());
    assert!(scene.ask(&one, 1, "t", true).await.is_ok());
    assert!(scene.list(&one).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_server_that_hangs_leaves_room_for_the_others() {
    let mut options = Options::default();
    options.overload.in_flight = 200;
    let scene = Arc::new(Scene::new(&options));
    let one = caller("192.0.2.1");
    let mut held = Vec::new();
    for _ in 0..128 {
        held.push(scene.call(&one, 0, "hangs").await.unwrap());
    }
    let waiting: Vec<_> = (0..300)
        .map(|_| {
            let (scene, one) = (Arc::clone(&scene), one.clone());
            tokio::spawn(async move { scene.call(&one, 0, "hangs").await.is_ok() })
        })
        .collect();
    tokio::task::yield_now().await;
    let before = Instant::now();
    for _ in 0..72 {
        held.push(scene.call(&one, 1, "fine").await.unwrap());
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    for one in waiting {
        assert!(!one.await.unwrap());
    }
    assert_eq!(before.elapsed(), Duration::from_secs(1));
}
