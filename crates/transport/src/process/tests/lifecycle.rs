use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use trunkline_model::Secret;

use super::proc::{alive, has_zombie, is_stopped, until};
use super::{environment, shell};
use crate::process::{Cause, Environment, Limits, Spec, WriteError, spawn};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(30);

/// A script whose grandchild ignores SIGTERM, as the shell itself does.
const STUBBORN: &str = r#"trap "" TERM; sleep 1000 & echo ready; wait; wait"#;

#[tokio::test]
async fn messages_go_in_and_come_back_and_a_closed_stdin_ends_the_child() {
    let mut child = shell("exec cat", &Limits::default(), None);
    let mut reader = child.take_reader().unwrap();
    let writer = child.writer();
    writer.send(vec![Bytes::from_static(b"{\"id\":"), Bytes::from_static(b"1}")]).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), "{\"id\":1}");
    let exit = child.shutdown(LONG).await;
    assert_eq!((exit.cause, exit.status.unwrap().code()), (Cause::Shutdown, Some(0)));
    assert!(reader.next().await.unwrap().is_none());
    assert_eq!(writer.send(Bytes::from_static(b"{}")).await, Err(WriteError::Closed));
}

#[tokio::test]
async fn the_environment_holds_what_was_asked_for_and_nothing_else() {
    let env = [("API_KEY".to_owned(), Secret::new("k")), ("HOME".to_owned(), Secret::new("/other"))];
    let inherit_env = ["WANTED".to_owned()];
    let cwd = Some(Path::new("/usr"));
    let spec = Spec { name: "env", program: "env", args: &[], env: &env, inherit_env: &inherit_env, cwd };
    let from = [("PATH", "/usr/bin:/bin"), ("HOME", "/nowhere"), ("SECRET_KEY", "s3cret"), ("WANTED", "w")];
    let environment: Environment = from.into_iter().collect();
    let mut child = spawn(&spec, &environment, &Limits::default(), None).unwrap();
    let mut reader = child.take_reader().unwrap();
    let mut lines = Vec::new();
    while let Some(line) = reader.next().await.unwrap() {
        lines.push(String::from_utf8(line.to_vec()).unwrap());
    }
    lines.sort();
    assert_eq!(lines, ["API_KEY=k", "HOME=/other", "PATH=/usr/bin:/bin", "WANTED=w"]);
}

#[tokio::test]
async fn a_missing_program_and_a_missing_directory_are_told_apart() {
    let spec = |program, cwd| Spec { name: "x", program, args: &[], env: &[], inherit_env: &[], cwd };
    let start =
        |spec: Spec<'_>| spawn(&spec, &environment(), &Limits::default(), None).unwrap_err().to_string();
    assert!(start(spec("no-such-program", None)).contains("cannot start no-such-program"));
    let nowhere = start(spec("sh", Some(Path::new("/no/such/place"))));
    assert!(nowhere.contains("working directory /no/such/place"), "{nowhere}");
}

#[tokio::test]
async fn a_child_that_ignores_everything_is_killed_with_its_grandchildren() {
    let mut child = shell(STUBBORN, &Limits::default(), None);
    let mut reader = child.take_reader().unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), "ready");
    let group = child.pid();
    assert_eq!(alive(group), 2);
    let exit = child.shutdown(SHORT).await;
    assert_eq!((exit.cause, exit.status.unwrap().signal()), (Cause::Shutdown, Some(9)));
    assert_eq!((alive(group), has_zombie(group)), (0, false));
}

#[tokio::test]
async fn a_polite_child_is_ended_by_the_second_step() {
    let child = shell("trap 'exit 7' TERM; while :; do sleep 0.05; done", &Limits::default(), None);
    let exit = child.shutdown(Duration::from_secs(1)).await;
    assert_eq!(exit.status.unwrap().code(), Some(7));
}

#[tokio::test]
async fn a_stopped_child_is_woken_to_hear_that_it_must_end() {
    let child =
        shell("trap 'exit 7' TERM; kill -STOP $$; while :; do sleep 0.05; done", &Limits::default(), None);
    let group = child.pid();
    until("the child is stopped", || is_stopped(group)).await;
    let exit = child.shutdown(Duration::from_secs(1)).await;
    assert_eq!((exit.status.unwrap().code(), alive(group)), (Some(7), 0));
}

#[tokio::test]
async fn a_dropped_child_is_killed_with_its_grandchildren_and_reaped() {
    let mut child = shell(STUBBORN, &Limits::default(), None);
    let mut reader = child.take_reader().unwrap();
    reader.next().await.unwrap();
    let group = child.pid();
    drop(child);
    until("the group is gone", || alive(group) == 0 && !has_zombie(group)).await;
    assert!(reader.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_cancelled_shutdown_kills_at_once() {
    let mut child = shell(STUBBORN, &Limits::default(), None);
    child.take_reader().unwrap().next().await.unwrap();
    let group = child.pid();
    let _ = tokio::time::timeout(SHORT, child.shutdown(LONG)).await;
    until("the group is gone", || alive(group) == 0 && !has_zombie(group)).await;
}

#[test]
fn the_end_of_the_runtime_is_the_end_of_the_child() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let child = runtime.block_on(async {
        let mut child = shell(STUBBORN, &Limits::default(), None);
        child.take_reader().unwrap().next().await.unwrap();
        child
    });
    let group = child.pid();
    drop(runtime);
    drop(child);
    let outside = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    outside.block_on(until("the group is gone", || alive(group) == 0));
}

#[tokio::test]
async fn grandchildren_go_when_their_leader_exits_by_itself() {
    let mut child = shell("sleep 1000 & exit 3", &Limits::default(), None);
    let group = child.pid();
    let exit = child.wait().await;
    assert_eq!((exit.cause, exit.status.unwrap().code()), (Cause::Itself, Some(3)));
    assert_eq!(child.try_exit(), Some(exit));
    let mut reader = child.take_reader().unwrap();
    assert!(reader.next().await.unwrap().is_none());
    until("the grandchild is gone", || alive(group) == 0 && !has_zombie(group)).await;
}

#[tokio::test]
async fn the_last_words_on_stderr_are_there_when_the_exit_is_known() {
    for _ in 0..20 {
        let child = shell("echo 'cannot find \x1b[31mmodule' >&2; exit 1", &Limits::default(), None);
        child.wait().await;
        assert_eq!(child.stderr_tail(), ["cannot find \\u{1b}[31mmodule"]);
    }
}

#[tokio::test]
async fn a_child_that_never_reads_is_stuck_and_is_killed() {
    let limits = Limits { write_deadline: SHORT, queue_bytes_max: 1 << 20, ..Limits::default() };
    let child = shell("sleep 1000", &limits, None);
    let group = child.pid();
    let writer = child.writer();
    let refusal = loop {
        if let Err(error) = writer.send(Bytes::from(vec![b'x'; 100_000])).await {
            break error;
        }
    };
    assert_eq!(refusal, WriteError::Stuck);
    assert_eq!(child.wait().await.cause, Cause::Stuck);
    // The leader has been reaped; what it had started was killed with it, and may take a moment longer to go.
    until("the group is gone", || alive(group) == 0).await;
}

#[tokio::test]
async fn a_child_that_reads_slowly_is_not_stuck() {
    let limits = Limits { write_deadline: Duration::from_millis(500), ..Limits::default() };
    let script = "for i in 1 2 3 4 5 6 7 8; do dd bs=65536 count=1 of=/dev/null; sleep 0.1; done; cat >/dev/null; echo done";
    let mut child = shell(script, &limits, None);
    let started = Instant::now();
    child.writer().send(Bytes::from(vec![b'x'; 900_000])).await.unwrap();
    let mut reader = child.take_reader().unwrap();
    let exit = child.shutdown(LONG).await;
    assert_eq!((exit.cause, exit.status.unwrap().code()), (Cause::Shutdown, Some(0)));
    assert!(started.elapsed() > limits.write_deadline, "the child was meant to be slow");
    assert_eq!(reader.next().await.unwrap().unwrap(), "done");
}
