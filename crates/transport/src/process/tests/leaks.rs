use std::process::Command;
use std::time::Duration;

use bytes::Bytes;

use super::proc::{children_and_descriptors, until};
use super::shell;
use crate::process::Limits;

/// Counts descriptors, so it needs a process in which no other test runs.
#[test]
fn forty_children_leave_no_process_and_no_descriptor() {
    let name = "process::tests::leaks::body_that_counts";
    let status = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
#[ignore = "the body of another test's process"]
async fn body_that_counts() {
    // The first child makes the runtime open what it keeps for all.
    shell("exec cat", &Limits::default(), None).shutdown(Duration::from_secs(10)).await;
    let before = children_and_descriptors();
    for round in 0..40 {
        let mut child = shell("exec cat", &Limits::default(), None);
        let mut reader = child.take_reader().unwrap();
        child.writer().send(Bytes::from_static(b"{}")).await.unwrap();
        reader.next().await.unwrap().unwrap();
        if round % 2 == 0 {
            child.shutdown(Duration::from_secs(10)).await;
        }
    }
    until("everything is given back", || children_and_descriptors() == before).await;
}
