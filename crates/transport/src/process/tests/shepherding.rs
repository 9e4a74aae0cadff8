use std::io::{BufRead, BufReader, IsTerminal, Write, stdin, stdout};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::proc::{alive, until};
use super::shell;
use crate::process::{Limits, Shepherd, shepherd};

const HELPER: &str = "process::tests::shepherding::body_of_the_helper";
const GATEWAY: &str = "process::tests::shepherding::body_of_a_gateway";
const STUBBORN: &str = r#"trap "" TERM; sleep 1000 & echo ready; wait; wait"#;

fn body(name: &str) -> [&str; 5] {
    [name, "--exact", "--ignored", "--nocapture", "--test-threads=1"]
}

fn shepherd() -> Shepherd {
    Shepherd::start(&std::env::current_exe().unwrap(), &body(HELPER)).unwrap()
}

/// The helper process. Does nothing when somebody runs all ignored tests by hand.
#[test]
#[ignore = "the body of another test's process"]
fn body_of_the_helper() {
    if !stdin().is_terminal() {
        shepherd::run(stdin().lock());
    }
}

/// A gateway with a stubborn, a polite and a stopped child that waits to be killed.
#[test]
#[ignore = "the body of another test's process"]
fn body_of_a_gateway() {
    if stdin().is_terminal() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let shepherd = shepherd();
        let mut children = Vec::new();
        for script in [STUBBORN, "echo ready; exec sleep 1000", "echo ready; kill -STOP $$; sleep 1000"] {
            let mut child = shell(script, &Limits::default(), Some(&shepherd));
            child.take_reader().unwrap().next().await.unwrap();
            children.push(child);
        }
        let groups: Vec<String> = children.iter().map(|child| child.pid().to_string()).collect();
        println!("\ngateway {} {}", shepherd.pid().unwrap(), groups.join(" "));
        stdout().flush().unwrap();
        stdin().lock().lines().next();
    });
}

#[tokio::test]
async fn children_of_a_killed_gateway_are_ended_and_the_helper_ends_too() {
    let mut gateway = Command::new(std::env::current_exe().unwrap())
        .args(body(GATEWAY))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(gateway.stdout.take().unwrap()).lines();
    let line = lines.find_map(|line| line.unwrap().strip_prefix("gateway ").map(str::to_owned)).unwrap();
    let ids: Vec<u32> = line.split(' ').map(|id| id.parse().unwrap()).collect();
    let (helper, groups) = ids.split_first().unwrap();
    until("the helper leads its own group", || alive(*helper) == 1).await;
    assert!(groups.iter().all(|group| alive(*group) > 0), "children run");

    // Neither Ctrl-C nor a closing terminal nor a polite end reach the helper.
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        kill(Pid::from_raw(helper.cast_signed()), signal).unwrap();
    }
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    until("all children are gone", || groups.iter().all(|group| alive(*group) == 0)).await;
    until("the helper is gone", || alive(*helper) == 0).await;
}

#[tokio::test]
async fn a_child_that_ended_is_taken_out_of_care() {
    let shepherd = shepherd();
    let child = shell("exec cat", &Limits::default(), Some(&shepherd));
    assert_eq!(shepherd.groups(), [child.pid().cast_signed()]);
    child.shutdown(Duration::from_secs(10)).await;
    assert!(shepherd.groups().is_empty());
}

#[tokio::test]
async fn a_helper_that_died_is_started_again_and_told_every_group() {
    let shepherd = shepherd();
    // Children that this process does not look after: one that did would notice the end of the first, find the helper's
    // line broken, and kill the helper before it came to the second. A gateway that was killed does nothing any more.
    let sleeper = || {
        let child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        shepherd.register(child.id().cast_signed()).unwrap();
        child
    };
    let mut first = sleeper();
    let helper = shepherd.pid().unwrap();
    // Before that it has no group to be found by, and would be taken for gone before it is.
    until("the helper leads its own group", || alive(helper) == 1).await;
    kill(Pid::from_raw(helper.cast_signed()), Signal::SIGKILL).unwrap();
    until("the helper is gone", || alive(helper) == 0).await;
    let mut second = sleeper();
    assert_ne!(shepherd.pid().unwrap(), helper);

    let groups = [first.id(), second.id()];
    assert!(groups.iter().all(|group| alive(*group) == 1));
    shepherd.close_line();
    until("both are gone", || groups.iter().all(|group| alive(*group) == 0)).await;
    assert!(first.wait().is_ok() && second.wait().is_ok());
}

#[tokio::test]
async fn a_helper_that_does_not_listen_never_blocks_a_start_and_is_replaced() {
    let shepherd = shepherd();
    let helper = shepherd.pid().unwrap();
    until("the helper leads its own group", || alive(helper) == 1).await;
    killpg(Pid::from_raw(helper.cast_signed()), Signal::SIGSTOP).unwrap();
    // Numbers no process can have; enough of them to fill the line.
    let filled = (0..200_000).any(|n| {
        shepherd.register(i32::MAX - n).unwrap();
        shepherd.unregister(i32::MAX - n);
        shepherd.pid() != Some(helper)
    });
    assert!(filled, "the line was never full");
    until("the old helper is gone", || alive(helper) == 0).await;
}
