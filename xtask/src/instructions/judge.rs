//! Counts against those of before.

use std::collections::BTreeMap;

use super::Counted;
use super::baseline::Entry;

/// A count may move by this much, in percent: the compiler inlines a little differently when something far away
/// changes.
const TOLERANCE: f64 = 3.0;

/// What became of one count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is what it was, or nearly.
    Same,
    /// It is higher than tolerated.
    Rose,
    /// It is lower than by accident: worth to be held on to.
    Fell,
    /// It was never counted before.
    New,
    /// It was counted before, and there is no such benchmark any more.
    Gone,
}

/// One benchmark, with the count of before.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) name: String,
    pub(crate) now: u64,
    pub(crate) before: Option<u64>,
    pub(crate) verdict: Verdict,
}

impl Judged {
    fn new(name: &str, now: u64, before: Option<u64>) -> Self {
        let verdict = match before.map(|before| change(before, now)) {
            None => Verdict::New,
            Some(change) if change > TOLERANCE => Verdict::Rose,
            Some(change) if change < -TOLERANCE => Verdict::Fell,
            Some(_) => Verdict::Same,
        };
        Self { name: name.to_owned(), now, before, verdict }
    }
}

/// By how much `now` is above `before`, in percent.
fn change(before: u64, now: u64) -> f64 {
    // Counts are far below 2^52.
    (now as f64 - before as f64) / before.max(1) as f64 * 100.0
}

/// All that were counted, and those `wanted` that have gone.
pub(crate) fn all(
    counted: &[Counted],
    before: Option<&BTreeMap<String, Entry>>,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Judged> {
    let known = |name: &str| before.and_then(|before| before.get(name)).map(|entry| entry.instructions);
    let mut all: Vec<Judged> =
        counted.iter().map(|(name, now)| Judged::new(name, *now, known(name))).collect();
    for (name, entry) in before.into_iter().flatten().filter(|(name, _)| wanted(name)) {
        if !counted.iter().any(|(counted, _)| counted == name) {
            let before = Some(entry.instructions);
            all.push(Judged { name: name.clone(), now: 0, before, verdict: Verdict::Gone });
        }
    }
    all
}

/// The same benchmark counted again: the lower count holds.
pub(crate) fn lower(one: &Judged, again: u64) -> Judged {
    Judged::new(&one.name, one.now.min(again), one.before)
}

/// Prints a line for each.
pub(crate) fn show(judged: &[Judged]) {
    println!("{:<40} {:>12} {:>12} {:>9}", "instructions of", "before", "now", "change");
    for one in judged {
        let number = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let (before, now) =
            (number(one.before), number(Some(one.now).filter(|_| one.verdict != Verdict::Gone)));
        let change = match (one.before, one.verdict) {
            (None, _) | (_, Verdict::Gone) => "-".to_owned(),
            (Some(before), _) => format!("{:+.2} %", change(before, one.now)),
        };
        let word = match one.verdict {
            Verdict::Same => "",
            Verdict::Rose => "  ROSE",
            Verdict::Fell => "  fell",
            Verdict::New => "  NEW",
            Verdict::Gone => "  GONE",
        };
        println!("{:<40} {before:>12} {now:>12} {change:>9}{word}", one.name);
    }
}

/// Says what is wrong, and what to do about it.
pub(crate) fn advise(judged: &[Judged]) {
    for one in judged {
        let (name, now) = (&one.name, one.now);
        let Some(before) = one.before else { continue };
        let change = change(before, now).abs();
        match one.verdict {
            Verdict::Rose => {
                println!(
                    "FAILED: {name} takes {change:.2} % more instructions than before ({before} -> {now})"
                );
            }
            Verdict::Fell => {
                println!(
                    "hint: {name} takes {change:.2} % fewer instructions than before ({before} -> {now})"
                );
            }
            _ => {}
        }
    }
    let of = |verdict: Verdict| -> Vec<&str> {
        judged.iter().filter(|one| one.verdict == verdict).map(|one| one.name.as_str()).collect()
    };
    for (names, what) in [
        (of(Verdict::New), "not counted before"),
        (of(Verdict::Gone), "counted before, but not there any more"),
    ] {
        if !names.is_empty() {
            println!("FAILED: {what}: {}", names.join(", "));
        }
    }
    let accept = "cargo xtask instructions --accept REASON";
    if judged.iter().any(Judged::fails) {
        println!(
            "More than {TOLERANCE} % need a reason; if there is a good one: {accept}. To see where instructions went: callgrind_annotate, on the profiles in target/instructions."
        );
    } else if !of(Verdict::Fell).is_empty() {
        println!("To hold on to what was gained: {accept}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(before: u64, now: u64) -> Verdict {
        Judged::new("x", now, Some(before)).verdict
    }

    #[test]
    fn more_than_three_percent_is_a_rise_or_a_fall() {
        assert_eq!(verdict(1000, 1030), Verdict::Same);
        assert_eq!(verdict(1000, 1031), Verdict::Rose);
        assert_eq!(verdict(1000, 970), Verdict::Same);
        assert_eq!(verdict(1000, 969), Verdict::Fell);
    }

    #[test]
    fn what_is_new_or_gone_is_told_apart_from_what_was_not_asked_for() {
        let entry = |instructions| Entry { instructions, reason: String::new() };
        let before = BTreeMap::from([
            ("a/gone".to_owned(), entry(1)),
            ("a/same".to_owned(), entry(2)),
            ("b/x".to_owned(), entry(3)),
        ]);
        let counted = [("a/same".to_owned(), 2), ("a/new".to_owned(), 4)];
        let judged = all(&counted, Some(&before), |name| name.starts_with("a/"));
        let verdicts: Vec<(&str, Verdict)> =
            judged.iter().map(|one| (one.name.as_str(), one.verdict)).collect();
        assert_eq!(verdicts, [("a/same", Verdict::Same), ("a/new", Verdict::New), ("a/gone", Verdict::Gone)]);
    }

    #[test]
    fn of_several_counts_the_lowest_holds() {
        let one = Judged::new("x", 1100, Some(1000));
        assert_eq!(lower(&one, 1200).verdict, Verdict::Rose);
        assert_eq!(lower(&one, 1010).verdict, Verdict::Same);
    }
}
