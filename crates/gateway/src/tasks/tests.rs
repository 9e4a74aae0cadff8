use std::time::Duration;

use tokio::time::sleep;
use trunkline_model::{Quiet, Reply, Stay};
use trunkline_protocol::tasks::{Status, Task};

use super::*;

fn caller(stay: Option<u64>) -> Caller {
    let era = if stay.is_some() { Era::Legacy } else { Era::Modern };
    let stay = stay.map(|number| Arc::new(Stay::new(number, Arc::new(Quiet))));
    Caller { stay, ..Caller::new(era) }
}

fn made(tasks: &Arc<Tasks>, caller: &Caller, ttl_ms: Option<u64>, outcome: Option<Outcome>) -> Arc<Held> {
    let owner = Owner::of(&None, caller);
    let room = tasks.admit(&owner).unwrap();
    let task = Task { ttl_ms, status: Status::Working, ..Task::ended("now", 0) };
    let new = New { owner, server: "s".into(), back: Era::Modern, task, hold: None, maker: None, outcome };
    tasks.hold(room, caller, new)
}

fn key(tasks: &Tasks, owner: &Owner, id: &str) -> Option<[u8; 16]> {
    match tasks.ids.open(owner, id)? {
        Named::Held(key) => Some(key),
        Named::Remote { .. } => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_is_its_owners_for_as_long_as_its_server_keeps_it() {
    let tasks = Tasks::new(&[1; 32]);
    let (one, other) = (caller(Some(1)), caller(Some(2)));
    let held = made(&tasks, &one, Some(60_000), None);
    let owner = Owner::of(&None, &one);
    let found = key(&tasks, &owner, &held.id).unwrap();
    assert!(tasks.find(&owner, &found).is_some());
    for foreign in
        [Owner::of(&None, &other), Owner::of(&Some("view".into()), &one), Owner::of(&None, &caller(None))]
    {
        assert!(key(&tasks, &foreign, &held.id).is_none());
        assert!(tasks.find(&foreign, &found).is_none());
    }
    sleep(Duration::from_secs(70)).await;
    assert!(tasks.find(&owner, &found).is_none());
    assert!(tasks.table().held.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_task_without_a_limit_is_kept_while_somebody_asks_for_it() {
    let tasks = Tasks::new(&[1; 32]);
    let held = made(&tasks, &caller(None), None, None);
    for _ in 0..5 {
        sleep(Duration::from_mins(50)).await;
        let now = held.state().task.clone();
        held.heard(&now);
    }
    assert_eq!(tasks.table().held.len(), 1);
    sleep(Duration::from_mins(61)).await;
    assert!(tasks.table().held.is_empty());
}

#[tokio::test]
async fn with_its_session_a_task_goes_and_with_it_its_place() {
    let tasks = Tasks::new(&[1; 32]);
    let (one, other) = (caller(Some(1)), caller(Some(2)));
    for _ in 0..HELD_PER_SESSION_MAX {
        made(&tasks, &one, Some(60_000), None);
    }
    assert!(tasks.admit(&Owner::of(&None, &one)).is_err());
    let kept = made(&tasks, &other, Some(60_000), None);
    drop(one);
    assert_eq!(tasks.table().held.keys().collect::<Vec<_>>(), [&kept.key]);
    assert!(tasks.table().stays.contains(&2) && !tasks.table().stays.contains(&1));
}

#[tokio::test]
async fn a_cancelled_task_stays_cancelled_whatever_its_server_says() {
    let tasks = Tasks::new(&[1; 32]);
    let held = made(&tasks, &caller(None), None, None);
    let with = |status| Task { status, ..Task::ended("later", 5) };
    held.heard(&with(Status::Cancelled));
    held.heard(&with(Status::Completed));
    assert_eq!(held.state().task.status, Status::Cancelled);
}

#[tokio::test]
async fn results_are_kept_within_bounds() {
    let tasks = Tasks::new(&[1; 32]);
    let large =
        |bytes: usize| Outcome::Result(Reply { raw: Bytes::from(vec![b' '; bytes]), era: Era::Modern });
    assert!(tasks.may_keep(&large(KEPT_BYTES_MAX)));
    made(&tasks, &caller(None), None, Some(large(KEPT_BYTES_MAX / 2)));
    assert!(tasks.may_keep(&large(KEPT_BYTES_MAX / 2)));
    assert!(!tasks.may_keep(&large(KEPT_BYTES_MAX / 2 + 1)));
}
