//! System calls per call, counted by `perf stat`, else by `strace`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use http::Uri;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::process::Process;
use super::super::start::{Floor, floor, url};
use super::super::target::{FLOOR, GATEWAY};
use super::stage::{CONNECTIONS, Stage, callers, calls};
use super::{Measure, Reading};
use crate::era::Era;

/// How long a tool may take to attach, and to tell.
const TOOL_LIMIT: Duration = Duration::from_secs(10);
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(20);
/// The event that counts every system call.
const EVENT: &str = "raw_syscalls:sys_enter";
/// Calls before counting.
const WARMUP_CALLS: u64 = 2000;

pub(super) async fn take(stage: &Stage) -> anyhow::Result<Vec<Reading>> {
    let tool = Tool::find();
    let mut readings = Vec::new();
    for (era, measure) in [(Era::Modern, Measure::ModernSyscalls), (Era::Legacy, Measure::LegacySyscalls)] {
        let Some(tool) = tool else {
            readings.push(Reading {
                measure,
                target: GATEWAY.into(),
                value: Err("neither perf nor strace can be used here".to_owned()),
                with: String::new(),
            });
            continue;
        };
        let with = format!("{} calls, {}", stage.sizes.calls, tool.words());
        let gateway = stage.gateway().await?;
        let value = count(stage, tool, &gateway.process, &gateway.url()?, era).await?;
        readings.push(Reading::new(measure, GATEWAY, value, &*with));
        drop(gateway);
        let (process, port) = floor(Floor::Proxy(stage.upstream.port), FLOOR, stage.folder.path()).await?;
        let value = count(stage, tool, &process, &url(port).parse()?, era).await?;
        readings.push(Reading::new(measure, FLOOR, value, with));
    }
    Ok(readings)
}

async fn count(stage: &Stage, tool: Tool, process: &Process, url: &Uri, era: Era) -> anyhow::Result<f64> {
    let open = calls(callers(url, era, CONNECTIONS).await?, WARMUP_CALLS).await?;
    let counter = Counter::attach(tool, process.id(), stage.folder.path()).await?;
    let _open = calls(open, stage.sizes.calls).await?;
    Ok(counter.told().await? as f64 / stage.sizes.calls as f64)
}

#[derive(Clone, Copy, Debug)]
enum Tool {
    Perf,
    /// Slows its victim down, but counts rightly.
    Strace,
}

impl Tool {
    /// What works here.
    fn find() -> Option<Self> {
        let works = |command: &mut Command| {
            command.stdin(Stdio::null()).output().is_ok_and(|output| {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                output.status.success() && !said.contains("<not supported>")
            })
        };
        if works(Command::new("perf").args(["stat", "-x,", "-e", EVENT, "true"])) {
            return Some(Self::Perf);
        }
        works(Command::new("strace").args(["-c", "-f", "-o", "/dev/null", "true"])).then_some(Self::Strace)
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Perf => "perf stat",
            Self::Strace => "strace -c",
        }
    }

    fn command(self, id: u32) -> Command {
        let id = id.to_string();
        let mut command = match self {
            Self::Perf => Command::new("perf"),
            Self::Strace => Command::new("strace"),
        };
        match self {
            Self::Perf => command.args(["stat", "-x,", "-e", EVENT, "-p", &id]),
            Self::Strace => command.args(["-c", "-f", "-p", &id]),
        };
        command
    }

    /// How many of the process's threads it watches.
    fn watched(self, tool: u32, id: u32) -> usize {
        match self {
            // One open event per thread.
            Self::Perf => entries(&format!("/proc/{tool}/fd"), |path| {
                std::fs::read_link(path).is_ok_and(|link| link.to_string_lossy().contains("perf_event"))
            }),
            Self::Strace => entries(&format!("/proc/{id}/task"), |path| {
                let status = std::fs::read_to_string(path.join("status")).unwrap_or_default();
                status.lines().any(|line| {
                    line.strip_prefix("TracerPid:").is_some_and(|by| by.trim() == tool.to_string())
                })
            }),
        }
    }

    fn parse(self, said: &str) -> Option<u64> {
        match self {
            Self::Perf => said.lines().find(|line| line.contains(EVENT))?.split(',').next()?.parse().ok(),
            // `100.00    0.012345           3      4100       12 total`; the column of errors may be empty.
            Self::Strace => {
                let total = said.lines().find(|line| line.trim_end().ends_with("total"))?;
                total.split_ascii_whitespace().nth(3)?.parse().ok()
            }
        }
    }
}

/// A tool at work. Ends with this value.
struct Counter {
    tool: Tool,
    child: Child,
    said: PathBuf,
}

impl Counter {
    async fn attach(tool: Tool, id: u32, folder: &Path) -> anyhow::Result<Self> {
        let said = folder.join("syscalls.txt");
        let child = tool
            .command(id)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&said)?)
            .spawn()
            .with_context(|| format!("cannot start {}", tool.words()))?;
        let mut counter = Self { tool, child, said };
        let limit = Instant::now() + TOOL_LIMIT;
        while tool.watched(counter.child.id(), id) < entries(&format!("/proc/{id}/task"), |_| true) {
            ensure!(counter.child.try_wait()?.is_none(), "{} ended: {}", tool.words(), counter.words());
            ensure!(Instant::now() < limit, "{} does not attach", tool.words());
            tokio::time::sleep(POLL).await;
        }
        // It opens its events before it lets them count.
        tokio::time::sleep(5 * POLL).await;
        Ok(counter)
    }

    /// Stops counting.
    async fn told(mut self) -> anyhow::Result<u64> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        let limit = Instant::now() + TOOL_LIMIT;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > limit {
                bail!("{} does not end", self.tool.words());
            }
            tokio::time::sleep(POLL).await;
        }
        let said = self.words();
        self.tool.parse(&said).with_context(|| format!("{} said {said:?}", self.tool.words()))
    }

    fn words(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap_or_default()
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // Both fail if it has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn entries(folder: &str, fits: impl Fn(&Path) -> bool) -> usize {
    std::fs::read_dir(folder)
        .map_or(0, |folder| folder.filter_map(Result::ok).filter(|entry| fits(&entry.path())).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tools_are_understood() {
        let perf = "9171,,raw_syscalls:sys_enter,482799824,100.00,,\n";
        assert_eq!(Tool::Perf.parse(perf), Some(9171));
        let none = "<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n";
        assert_eq!(Tool::Perf.parse(none), None);
        let strace = "% time     seconds  usecs/call     calls    errors syscall\n\
                      ------ ----------- ----------- --------- --------- ----------------\n \
                      99.00    0.000120           1      4000        12 read\n\
                      100.00    0.000123           1      4100        12 total\n";
        assert_eq!(Tool::Strace.parse(strace), Some(4100));
        assert_eq!(Tool::Strace.parse("strace: attach: no"), None);
    }
}
