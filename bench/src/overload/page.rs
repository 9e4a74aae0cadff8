//! The result as a section of a page.

use std::fmt::Write as _;

use super::{Scarce, Scenario};

/// Everything as Markdown.
pub(super) fn render(scenarios: &[Scenario], quick: bool) -> String {
    let mut page = String::new();
    for scenario in scenarios {
        // Writing to a string cannot fail.
        let _ = table(&mut page, scenario);
    }
    let _ = verdicts(&mut page, scenarios, quick);
    page
}

fn table(page: &mut String, scenario: &Scenario) -> std::fmt::Result {
    let title = match scenario.scarce {
        Scarce::Server => "The server is what there is too little of (16 calls at a time, 100 ms each)",
        Scarce::Processor => "The processor is what there is too little of",
    };
    writeln!(page, "### {title}\n")?;
    writeln!(
        page,
        "| | asked/s | answered/s | p50 ms | p99 ms | refused/s | refusal p50 ms | refusal p99 ms | calm after s | memory MiB |"
    )?;
    writeln!(page, "|---|---|---|---|---|---|---|---|---|---|")?;
    let peak = &scenario.peak.report;
    writeln!(
        page,
        "| peak, {} callers | | {:.0} | {:.1} | {:.1} | 0 | | | | |",
        scenario.peak.connections,
        peak.calls_per_s,
        peak.p50_us / 1e3,
        peak.p99_us / 1e3
    )?;
    for overload in &scenario.overloads {
        let report = &overload.report;
        let ms = |us: Option<f64>| us.map_or(String::new(), |us| format!("{:.1}", us / 1e3));
        writeln!(
            page,
            "| {} times the peak | {:.0} | {:.0} | {:.1} | {:.1} | {:.0} | {} | {} | {} | {:.0} to {:.0} |",
            overload.factor,
            overload.asked_per_s,
            report.calls_per_s,
            report.p50_us / 1e3,
            report.p99_us / 1e3,
            report.refused as f64 / report.seconds,
            ms(report.refused_p50_us),
            ms(report.refused_p99_us),
            overload.recovery_s.map_or("never".to_owned(), |seconds| format!("{seconds:.1}")),
            overload.rss_before_mib,
            overload.rss_peak_mib,
        )?;
    }
    writeln!(page)
}

fn verdicts(page: &mut String, scenarios: &[Scenario], quick: bool) -> std::fmt::Result {
    let form = if quick { "short form, generous bounds" } else { "full form" };
    writeln!(page, "| promise ({form}) | bound | seen | |\n|---|---|---|---|")?;
    for verdict in scenarios.iter().flat_map(|scenario| &scenario.verdicts) {
        let word = if verdict.held { "held" } else { "**missed**" };
        writeln!(page, "| {} | {} | {} | {word} |", verdict.what, verdict.bound, verdict.seen)?;
    }
    Ok(())
}
