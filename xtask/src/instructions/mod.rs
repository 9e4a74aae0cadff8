//! `cargo xtask instructions`: what pieces of work cost, in instructions, against what they cost before.
//!
//! The pieces are those of `bench/instructions`; each runs alone under callgrind. Instructions do not depend on who else
//! uses the machine, so a rise is one, and it fails. Why it is done in this way is told in `decisions/0050`.

mod baseline;
mod count;
mod judge;
mod valgrind;

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::report::{Counts, Report};
use baseline::Baseline;
use judge::{Judged, Verdict};

const USAGE: &str = "usage: cargo xtask instructions [NAME...] [--accept REASON [--all]]";

/// What was asked for.
#[derive(Default)]
struct Request {
    /// Only benchmarks whose name begins so; all when empty.
    names: Vec<String>,
    /// Why the counts may change.
    accept: Option<String>,
    /// Counts within the tolerance are taken anew, too.
    all: bool,
}

/// The command.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let request = Request::read(arguments)?;
    let mut report = Report::default();
    part(&mut report, &request);
    Ok(report.close())
}

/// The part of `cargo xtask test`.
pub(crate) fn test(report: &mut Report) {
    part(report, &Request::default());
}

fn part(report: &mut Report, request: &Request) {
    println!("\n=== instructions");
    let start = Instant::now();
    let (counts, note) = match compared(request) {
        Ok(Ended::Judged(counts)) => (counts, String::new()),
        Ok(Ended::Skipped(why)) => (Counts::default(), format!("skipped: {why}")),
        Err(error) => (Counts::whole(false), format!("{error:#}")),
    };
    report.add("instructions", counts, start.elapsed(), note);
}

enum Ended {
    Judged(Counts),
    /// Nothing was compared; not a failure, but not to be taken for a success either.
    Skipped(String),
}

fn compared(request: &Request) -> Result<Ended> {
    let valgrind = match valgrind::version() {
        Ok(version) => version,
        Err(why) => return Ok(Ended::Skipped(format!("{why:#}"))),
    };
    let here = count::surroundings(valgrind)?;
    let before = Baseline::read()?;
    if let Some(before) = &before {
        if before.made_by.target != here.target && request.accept.is_none() {
            let (there, here) = (&before.made_by.target, &here.target);
            return Ok(Ended::Skipped(format!("the counts to compare with are of {there}, this is {here}")));
        }
        for line in before.made_by.differences(&here) {
            println!("{line}");
        }
    }
    let benchmarks = count::build()?;
    let wanted = |name: &str| {
        request.names.is_empty() || request.names.iter().any(|beginning| name.starts_with(beginning))
    };
    let counted = count::all(benchmarks.iter().filter(|(name, _)| wanted(name)).cloned().collect())?;
    if counted.is_empty() {
        bail!("no benchmark begins so");
    }
    let known = before.as_ref().map(|before| &before.counts);
    let mut judged = judge::all(&counted, known, wanted);
    // The seeds of hash tables differ from run to run, and now and then one is unlucky; a rise is there each time.
    for one in judged.iter_mut().filter(|one| matches!(one.verdict, Verdict::Rose)) {
        for _ in 0..2 {
            let pieces = benchmarks.iter().find(|(name, _)| *name == one.name).map_or(1, |(_, n)| *n);
            let again = count::one(&one.name, pieces)?;
            *one = judge::lower(one, again);
        }
    }
    judge::show(&judged);
    if let Some(reason) = &request.accept {
        let anew = before.as_ref().is_none_or(|before| before.made_by != here);
        if anew && !request.names.is_empty() {
            bail!("counts of different compilers do not go into one file: accept all of them, without names");
        }
        baseline::accept(before, here, &judged, reason, request.all || anew)?;
        return Ok(Ended::Judged(Counts { passed: judged.len(), total: judged.len(), failed: 0 }));
    }
    let failed = judged.iter().filter(|one| one.fails()).count();
    judge::advise(&judged);
    Ok(Ended::Judged(Counts { passed: judged.len() - failed, total: judged.len(), failed }))
}

impl Request {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut request = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--accept" => {
                    let reason = arguments.next().map(|reason| reason.trim()).filter(|r| !r.is_empty());
                    request.accept = Some(reason.context("--accept needs a reason")?.to_owned());
                }
                "--all" => request.all = true,
                flag if flag.starts_with('-') => bail!("{USAGE}"),
                name => request.names.push(name.to_owned()),
            }
        }
        if request.all && request.accept.is_none() {
            bail!("{USAGE}");
        }
        Ok(request)
    }
}

/// One benchmark, counted: instructions per piece of work.
type Counted = (String, u64);
/// A benchmark that there is, and how many pieces of work it does while counting.
type Known = (String, u64);

impl Judged {
    fn fails(&self) -> bool {
        matches!(self.verdict, Verdict::Rose | Verdict::New | Verdict::Gone)
    }
}
