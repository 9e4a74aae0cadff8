//! The test runner: nextest where it is installed, else libtest.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::build;
use crate::peers::Peers;
use crate::report::{Counts, Report};

/// Tests of the end-to-end crate that run at once. Each has a gateway and real servers; with more, timings mean nothing.
const AT_ONCE: &str = "2";
/// Cases of the hostile suite that run at once. Most take a fraction of a second; the long ones wait for a deadline.
const HOSTILE_AT_ONCE: &str = "4";

/// `cargo xtask e2e`: only these tests.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let mut report = Report::default();
    Peers::install()?;
    build::gateway()?;
    report.part("e2e", || tests(arguments));
    Ok(report.close())
}

/// `cargo xtask hostile`: only the cases of the security catalogue.
pub(crate) fn run_hostile(arguments: &[String]) -> Result<bool> {
    let mut report = Report::default();
    Peers::install()?;
    build::gateway()?;
    report.part("hostile", || hostile(arguments));
    Ok(report.close())
}

/// Runs the end-to-end tests. The gateway must have been built.
pub(crate) fn tests(arguments: &[String]) -> Result<Counts> {
    let selection = ["--package", "trunkline-e2e", "--lib", "--bins", "--test", "e2e"];
    runner(&selection, Some(AT_ONCE), arguments)
}

/// Runs the cases of the security catalogue. The gateway must have been built.
pub(crate) fn hostile(arguments: &[String]) -> Result<Counts> {
    runner(&["--package", "trunkline-e2e", "--test", "hostile"], Some(HOSTILE_AT_ONCE), arguments)
}

/// Rows of the fault suite that run at once: most of them wait.
const FAULTS_AT_ONCE: &str = "4";

/// `cargo xtask faults`: only the fault suite, and its page written anew.
pub(crate) fn run_faults(arguments: &[String]) -> Result<bool> {
    let mut report = Report::default();
    build::gateway()?;
    // The page first: it is made from the table, whatever the rows then show.
    let mut page = build::cargo(&["test", "--quiet", "--package", "trunkline-faults", "--test", "faults"]);
    page.args(["the_page_says_what_the_table_says"]).env("TRUNKLINE_WRITE_PAGE", "1");
    page.status().context("cargo")?;
    report.part("faults", || faults(arguments));
    Ok(report.close())
}

/// Runs the fault suite. The gateway must have been built.
pub(crate) fn faults(arguments: &[String]) -> Result<Counts> {
    runner(&["--package", "trunkline-faults"], Some(FAULTS_AT_ONCE), arguments)
}

/// Runs tests and counts them by the runner's closing lines.
pub(crate) fn runner(selection: &[&str], at_once: Option<&str>, arguments: &[String]) -> Result<Counts> {
    let nextest = build::has_nextest();
    let mut command = if nextest {
        let mut command =
            build::cargo(&["nextest", "run", "--no-fail-fast", "--cargo-quiet", "--hide-progress-bar"]);
        command
            .args(["--status-level", "fail", "--final-status-level", "slow", "--no-tests", "fail"])
            .args(selection);
        command.args(at_once.into_iter().flat_map(|number| ["--test-threads", number])).args(arguments);
        command
    } else {
        let mut command = build::cargo(&["test", "--quiet", "--no-fail-fast", "--lib", "--bins", "--tests"]);
        command.args(selection).args(arguments);
        command.args(at_once.into_iter().flat_map(|number| ["--", "--test-threads", number]));
        command
    };
    command.env("TRUNKLINE_BIN", build::tested());
    let (ok, counts) = watch(command, if nextest { nextest_line } else { libtest_line })?;
    // A failure that no line tells of: a crate that does not compile, say.
    let unseen = usize::from(!ok && counts.failed == 0);
    Ok(Counts { failed: counts.failed + unseen, total: counts.total + unseen, ..counts })
}

/// Passes the output on and adds up the counts of the lines that hold some.
fn watch(mut command: Command, count: fn(&str) -> Option<Counts>) -> Result<(bool, Counts)> {
    // Both outputs in one pipe: the order of lines is the runner's.
    let (reader, writer) = std::io::pipe().context("pipe")?;
    let mut child =
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).spawn().context("cargo")?;
    // It holds the writing ends; the reader would never see the end.
    drop(command);
    let mut all = Counts::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        if let Some(found) = count(&line) {
            all.passed += found.passed;
            all.failed += found.failed;
            all.total += found.passed + found.failed;
        }
    }
    Ok((child.wait()?.success(), all))
}

/// `     Summary [   1.2s] 12 tests run: 11 passed (1 slow), 1 failed, 0 skipped`
fn nextest_line(line: &str) -> Option<Counts> {
    let line = plain(line);
    let counts = line.trim().strip_prefix("Summary")?.split_once("run:")?.1;
    let failed = ["failed", "timed out", "exec failed"].iter().filter_map(|word| before(counts, word)).sum();
    Some(Counts { passed: before(counts, "passed")?, failed, total: 0 })
}

/// `test result: ok. 12 passed; 0 failed; 0 ignored; ...`
fn libtest_line(line: &str) -> Option<Counts> {
    let counts = plain(line).trim().strip_prefix("test result:")?.split_once(". ")?.1.to_owned();
    Some(Counts { passed: before(&counts, "passed")?, failed: before(&counts, "failed")?, total: 0 })
}

/// The number in front of `word` in a list of counts.
fn before(counts: &str, word: &str) -> Option<usize> {
    counts.split([',', ';', '(']).find_map(|count| {
        let (number, rest) = count.trim().split_once(' ')?;
        (rest.trim_end_matches(')').trim() == word).then(|| number.parse().ok()).flatten()
    })
}

/// The line without colours.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((text, coded)) = rest.split_once('\u{1b}') {
        out.push_str(text);
        rest = coded.split_once('m').map_or("", |(_, after)| after);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_closing_lines() {
        let counts =
            nextest_line("     Summary [   1.204s] 12 tests run: 11 passed (2 slow), 1 failed, 3 skipped")
                .unwrap();
        assert_eq!((counts.passed, counts.failed), (11, 1));
        let coloured = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m4\u{1b}[0m tests run: \u{1b}[1m4\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, 0 skipped";
        assert_eq!(nextest_line(coloured).unwrap().passed, 4);
        let counts = libtest_line(
            "test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.03s",
        );
        let counts = counts.unwrap();
        assert_eq!((counts.passed, counts.failed), (5, 2));
        assert!(nextest_line("test result: ok. 1 passed; 0 failed").is_none());
    }
}
