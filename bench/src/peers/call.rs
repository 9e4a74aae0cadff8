//! Single checked calls, to see whether somebody is there and what they can.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use http::Uri;
use tokio::net::TcpStream;

use crate::era::Era;
use crate::load::{Op, Pace, Plan, drive, open};
use crate::run::process::Process;

/// How long a peer may take from its start to a right answer. Python needs 1 to 7 s on a quiet machine.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How often it is asked.
const START_POLL: Duration = Duration::from_millis(20);
/// How long one connection and its call may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);

/// One connection, one checked call; the error is what was wrong.
pub(super) async fn once(url: &Uri, era: Era, op: Op, tool: &str) -> anyhow::Result<()> {
    let plan = Plan::new(url, era, op, tool.to_owned())?;
    let exchange = async {
        // A timetable of any length makes one call.
        let (callers, report) = drive(open(&plan, 1).await?, Pace::Open(1), Duration::ZERO).await;
        for caller in callers {
            caller.close().await;
        }
        match report.first_error {
            None => Ok(()),
            Some(error) => bail!(error),
        }
    };
    tokio::time::timeout(CALL_LIMIT, exchange).await.context("no answer in time")?
}

/// Waits until it listens. Fails with its last words if it ends instead.
pub(crate) async fn listening(process: &mut Process, port: u16) -> anyhow::Result<()> {
    let limit = Instant::now() + START_LIMIT;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        process.alive()?;
        if Instant::now() > limit {
            bail!("not listening on port {port}: {}", process.last_words());
        }
        tokio::time::sleep(START_POLL).await;
    }
    Ok(())
}

/// Waits until it has echoed once in this era: a peer may listen before its upstream is connected.
pub(crate) async fn first_answer(
    process: &mut Process,
    url: &Uri,
    era: Era,
    tool: &str,
) -> anyhow::Result<()> {
    let limit = Instant::now() + START_LIMIT;
    loop {
        match once(url, era, Op::Call, tool).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > limit => {
                return Err(error.context(process.last_words()).context("no right answer"));
            }
            Err(_) => process.alive()?,
        }
        tokio::time::sleep(START_POLL).await;
    }
}
