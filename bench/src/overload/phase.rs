//! The phases: the most that can be done, more than that, and calm again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::{Extent, pace};
use crate::load::{Caller, Pace, Report, drive, drive_and_skip};
use crate::run::measure::get;
use crate::run::start::Gateway;
use crate::run::usage;

/// One look at the load after an overload.
const SLICE: Duration = Duration::from_millis(500);
/// Longest time that is waited for calm.
const RECOVERY_MAX: Duration = Duration::from_secs(15);
/// How often the health of the gateway is asked for.
const HEALTH_EVERY: Duration = Duration::from_millis(200);

/// What can be done.
#[derive(Serialize)]
pub(super) struct Peak {
    pub(super) connections: usize,
    pub(super) report: Report,
}

/// What became of more than that.
#[derive(Serialize)]
pub(super) struct Overload {
    /// How many times the peak was asked for.
    pub(super) factor: u32,
    pub(super) asked_per_s: f64,
    /// After the onset.
    pub(super) report: Report,
    /// How long until a half of the peak was served as if nothing had been.
    pub(super) recovery_s: Option<f64>,
    pub(super) rss_before_mib: f64,
    pub(super) rss_peak_mib: f64,
    /// The slowest answer of `/livez` meanwhile.
    pub(super) livez_max_ms: f64,
}

/// Finds the most that can be done.
pub(super) async fn peak(callers: Vec<Caller>, extent: Extent) -> anyhow::Result<(Vec<Caller>, Peak)> {
    let connections = callers.len();
    let (callers, report) = drive_and_skip(callers, Pace::Closed, extent.peak / 3, extent.peak).await;
    let first = report.first_error.clone().unwrap_or_default();
    ensure!(report.errors == 0, "{} calls failed before there was any overload: {first}", report.errors);
    Ok((callers, Peak { connections, report }))
}

/// Asks for more than can be done, and then for half of it until all is well.
pub(super) async fn overload(
    callers: Vec<Caller>,
    factor: u32,
    rate: f64,
    peak: &Peak,
    gateway: &mut Gateway,
    extent: Extent,
) -> anyhow::Result<(Vec<Caller>, Overload)> {
    let id = gateway.process.id();
    let rss_before = usage::rss_kib(id).context("the gateway has gone")?;
    usage::forget_peak(id)?;
    let slowest = AtomicU64::new(0);
    let driven = tokio::select! {
        driven = drive_and_skip(callers, pace(rate), extent.onset, extent.onset + extent.overload) => driven,
        error = ask_for_health(gateway.admin, &slowest) => return Err(error),
    };
    let (callers, report) = driven;
    let rss_peak = usage::peak_kib(id).context("the gateway has gone")?;
    gateway.process.alive()?;
    // Whoever hung is lost, and the report says so; calm is judged with those that are left.
    let (callers, recovery_s) = recovery(callers, peak).await;
    let overload = Overload {
        factor,
        asked_per_s: rate,
        report,
        recovery_s,
        rss_before_mib: rss_before as f64 / 1024.0,
        rss_peak_mib: rss_peak as f64 / 1024.0,
        livez_max_ms: slowest.load(Ordering::Relaxed) as f64 / 1e3,
    };
    Ok((callers, overload))
}

/// How long until the half of the peak is served without a refusal, and as fast as in calm times.
async fn recovery(mut callers: Vec<Caller>, peak: &Peak) -> (Vec<Caller>, Option<f64>) {
    let began = Instant::now();
    // A call by itself takes less than one of the closed loop, whose callers wait for each other.
    let fine_us = peak.report.p99_us * 1.5;
    while began.elapsed() < RECOVERY_MAX {
        let before = began.elapsed().as_secs_f64();
        let report;
        (callers, report) = drive(callers, pace(peak.report.calls_per_s / 2.0), SLICE).await;
        if report.calls > 0 && report.errors == 0 && report.p99_us <= fine_us {
            return (callers, Some(before));
        }
    }
    (callers, None)
}

/// Asks for `/livez` now and then, and keeps the slowest answer in microseconds. Ends only with an error.
async fn ask_for_health(admin: u16, slowest: &AtomicU64) -> anyhow::Error {
    loop {
        let before = Instant::now();
        match get(admin, "/livez").await {
            Ok((200, _)) => {}
            Ok((status, _)) => return anyhow::anyhow!("/livez says {status} during the overload"),
            Err(error) => return error.context("/livez does not answer during the overload"),
        }
        let micros = u64::try_from(before.elapsed().as_micros()).unwrap_or(u64::MAX);
        slowest.fetch_max(micros, Ordering::Relaxed);
        tokio::time::sleep(HEALTH_EVERY).await;
    }
}
