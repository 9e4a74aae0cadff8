use super::*;
use futures_util::FutureExt as _;
use proptest::prelude::*;

fn wait(millis: u64) -> Patience {
    Patience {
        until: Instant::now() + Duration::from_millis(millis),
        queue: 4,
        sensible: true,
        urgent: false,
    }
}

async fn enter(gate: &Arc<Gate>, patience: Patience) -> Result<Pass, Full> {
    gate.enter(Instant::now(), patience).await
}

fn inside(gate: &Gate) -> usize {
    gate.in_flight()
}

#[tokio::test(start_paused = true)]
async fn who_has_no_patience_is_refused_at_once_and_room_comes_back_by_itself() {
    let gate = Gate::new(2);
    let (one, _two) = (enter(&gate, wait(0)).await.unwrap(), enter(&gate, wait(0)).await.unwrap());
    assert_eq!(enter(&gate, wait(0)).await.unwrap_err(), Full);
    drop(one);
    assert!(enter(&gate, wait(0)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_in_order() {
    let gate = Gate::new(1);
    let first = enter(&gate, wait(0)).await.unwrap();
    let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..3 {
        let (gate, told) = (Arc::clone(&gate), told.clone());
        tokio::spawn(async move {
            let _pass = enter(&gate, wait(1000)).await.unwrap();
            told.send(number).unwrap();
        });
        tokio::task::yield_now().await;
    }
    drop(first);
    for number in 0..3 {
        assert_eq!(order.recv().await, Some(number));
    }
    assert_eq!((inside(&gate), gate.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_they_said_and_a_full_queue_refuses_at_once() {
    let gate = Gate::new(1);
    let _pass = enter(&gate, wait(0)).await.unwrap();
    let before = Instant::now();
    assert_eq!(enter(&gate, wait(500)).await.unwrap_err(), Full);
    assert_eq!(before.elapsed(), Duration::from_millis(500));
    assert_eq!(gate.waiting(), 0);
    let queue: Vec<_> = (0..4)
        .map(|_| {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move { enter(&gate, wait(1000)).await.is_ok() })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(enter(&gate, wait(1000)).await.unwrap_err(), Full);
    assert_eq!(before.elapsed(), Duration::from_millis(500));
    assert!(queue.iter().all(|one| !one.is_finished()));
}

/// What became of a crowd.
#[derive(Debug, Default)]
struct Crowded {
    refused: usize,
    /// Those that had to wait for more than 10 ms to hear of it.
    refused_late: usize,
    longest_wait_ms: u128,
}

/// Calls that take 100 ms, and so many newcomers a second for so long; the first of them do not count.
async fn crowd(gate: &Arc<Gate>, per_second: u64, millis: u64, skipped_millis: u64) -> Crowded {
    let began = Instant::now();
    let mut all = Vec::new();
    while began.elapsed() < Duration::from_millis(millis) {
        let gate = Arc::clone(gate);
        let one = tokio::spawn(async move {
            let before = Instant::now();
            let entered = enter(&gate, Patience { queue: 1000, ..wait(1000) }).await;
            let waited = before.elapsed().as_millis();
            let Ok(_pass) = entered else { return Err(waited) };
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(waited)
        });
        if began.elapsed() >= Duration::from_millis(skipped_millis) {
            all.push(one);
        }
        tokio::time::sleep(Duration::from_millis(1000 / per_second)).await;
    }
    let mut sum = Crowded::default();
    for one in all {
        match one.await.unwrap() {
            Ok(waited) => sum.longest_wait_ms = sum.longest_wait_ms.max(waited),
            Err(waited) => {
                sum.refused += 1;
                sum.refused_late += usize::from(waited > 10);
            }
        }
    }
    sum
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_can_be_served_in_time_is_and_more_than_that_is_refused_at_once() {
    // A hundred a second can be done.
    assert_eq!(crowd(&Gate::new(10), 90, 5000, 0).await.refused, 0, "healthy traffic");
    assert_eq!(crowd(&Gate::new(10), 500, 120, 0).await.refused, 0, "60 at once, served within a second");
    let went = crowd(&Gate::new(10), 500, 10_000, 0).await;
    assert!((3700..4200).contains(&went.refused), "no place stays empty: {went:?}");
    // Before the queue has moved nobody knows how fast it does.
    assert!(went.refused_late <= 80 && went.longest_wait_ms <= 1000, "{went:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_second_of_overload_waits_are_short_and_refusals_quick_until_it_is_over() {
    let gate = Gate::new(10);
    let went = crowd(&gate, 500, 6000, 3000).await;
    assert!(went.refused > 1000 && went.refused_late == 0 && went.longest_wait_ms <= 800, "{went:?}");
    tokio::time::advance(Duration::from_millis(300)).await;
    assert_eq!(gate.crowded_for(Instant::now()), Duration::ZERO);
    assert_eq!(crowd(&gate, 500, 120, 0).await.refused, 0, "a burst is a burst again");
}

#[tokio::test(start_paused = true)]
async fn however_slow_it_goes_somebody_waits_for_the_next_place() {
    let gate = Gate::new(1);
    let mut pass = enter(&gate, wait(0)).await.unwrap();
    for _ in 0..5 {
        let next = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { enter(&gate, wait(10_000)).await.unwrap() }
        });
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(3)).await;
        drop(pass);
        pass = next.await.unwrap();
    }
    drop(pass);
}

#[tokio::test(start_paused = true)]
async fn the_urgent_find_room_of_their_own_and_go_first() {
    let gate = Gate::new(1);
    let urgent = |millis| Patience { urgent: true, ..wait(millis) };
    let first = enter(&gate, wait(0)).await.unwrap();
    let second = enter(&gate, urgent(0)).await.unwrap();
    assert_eq!(enter(&gate, urgent(0)).await.unwrap_err(), Full, "that room has an end, too");
    let usual = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move { enter(&gate, wait(1000)).await.is_ok() }
    });
    tokio::task::yield_now().await;
    let hurried = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move { enter(&gate, urgent(1000)).await.map(std::mem::forget).is_ok() }
    });
    tokio::task::yield_now().await;
    drop(first);
    assert!(hurried.await.unwrap());
    assert!(!usual.is_finished());
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn a_higher_limit_lets_those_in_who_wait_and_a_lower_one_throws_nobody_out() {
    let gate = Gate::new(1);
    let first = enter(&gate, wait(0)).await.unwrap();
    let second = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move { enter(&gate, wait(1000)).await.unwrap() }
    });
    tokio::task::yield_now().await;
    gate.set_limit(2);
    let second = second.await.unwrap();
    gate.set_limit(1);
    assert_eq!(inside(&gate), 2);
    drop(first);
    assert!(enter(&gate, wait(0)).await.is_err());
    drop(second);
    assert!(enter(&gate, wait(0)).await.is_ok());
}

#[derive(Clone, Debug)]
enum Step {
    Enter { millis: u64, urgent: bool },
    Leave(usize),
    GiveUp(usize),
    Limit(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..400, any::<bool>()).prop_map(|(millis, urgent)| Step::Enter { millis, urgent }),
        3 => (0_usize..8).prop_map(Step::Leave),
        2 => (0_usize..8).prop_map(Step::GiveUp),
        1 => (1_usize..6).prop_map(Step::Limit),
        2 => (0_u64..300).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever comes, goes, gives up or changes: no more pass than may, nobody who could pass is left waiting, and in the
    /// end every permit has come home.
    #[test]
    fn no_permit_is_ever_lost_or_made(steps in prop::collection::vec(step(), 1..120)) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let gate = Gate::new(3);
            let mut most = 3;
            let mut passes: Vec<Pass> = Vec::new();
            let mut waiting: Vec<futures_util::future::BoxFuture<'static, Result<Pass, Full>>> = Vec::new();
            for step in steps {
                match step {
                    Step::Enter { millis, urgent } => {
                        let (gate, patience) = (Arc::clone(&gate), Patience { urgent, ..wait(millis) });
                        waiting.push(async move { enter(&gate, patience).await }.boxed());
                    }
                    Step::Leave(at) if !passes.is_empty() => drop(passes.remove(at % passes.len())),
                    Step::GiveUp(at) if !waiting.is_empty() => drop(waiting.remove(at % waiting.len())),
                    Step::Limit(limit) => {
                        gate.set_limit(limit);
                        most = most.max(limit);
                    }
                    Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                    Step::Leave(_) | Step::GiveUp(_) => {}
                }
                let mut still = Vec::new();
                for mut one in waiting.drain(..) {
                    match (&mut one).now_or_never() {
                        Some(Ok(pass)) => passes.push(pass),
                        Some(Err(Full)) => {}
                        None => still.push(one),
                    }
                }
                waiting = still;
                // Passes that were given and not yet taken count as well.
                assert!(inside(&gate) >= passes.len());
                assert!(inside(&gate) <= most + most / 8 + 1, "{} beyond a gate of {most}", inside(&gate));
                assert!(gate.waiting() <= 4 && (gate.waiting() == 0 || gate.lock().since.is_some()));
            }
            drop(passes);
            // All who wait can pass one after the other now.
            gate.set_limit(64);
            for one in waiting {
                drop(one.await);
            }
            assert_eq!((inside(&gate), gate.waiting()), (0, 0));
        });
    }
}
