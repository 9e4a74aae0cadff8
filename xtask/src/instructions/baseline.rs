//! `bench/instructions.json`: the counts to compare with, and why each is what it is.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use super::judge::{Judged, Verdict};
use crate::build;

/// What counts depend on besides the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// The compiler's version.
    pub(crate) rustc: String,
    /// What it compiles for.
    pub(crate) target: String,
    /// The counter's version.
    pub(crate) valgrind: String,
}

impl Surroundings {
    /// What is different here, in a line each.
    pub(crate) fn differences(&self, here: &Self) -> Vec<String> {
        let pairs = [
            ("rustc", &self.rustc, &here.rustc),
            ("target", &self.target, &here.target),
            ("valgrind", &self.valgrind, &here.valgrind),
        ];
        let differing = pairs.into_iter().filter(|(_, then, now)| then != now);
        differing
            .map(|(what, then, now)| {
                format!("note: the counts to compare with were made with {what} {then}, these with {now}: changes may come from that")
            })
            .collect()
    }
}

/// The count of one benchmark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Instructions per piece of work.
    pub(crate) instructions: u64,
    /// Why it was last changed.
    pub(crate) reason: String,
}

/// The file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// What the counts were made with.
    pub(crate) made_by: Surroundings,
    /// By benchmark.
    pub(crate) counts: BTreeMap<String, Entry>,
}

fn path() -> PathBuf {
    build::root().join("bench/instructions.json")
}

impl Baseline {
    /// The committed file; `None` when there is none.
    pub(crate) fn read() -> Result<Option<Self>> {
        match std::fs::read_to_string(path()) {
            Ok(text) => Self::parse(&text).context("bench/instructions.json is damaged").map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("bench/instructions.json"),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let tree: Value = serde_json::from_str(text)?;
        let word = |of: &Value, key: &str| -> Result<String> {
            Ok(of[key].as_str().with_context(|| format!("no text '{key}'"))?.to_owned())
        };
        let made_by = Surroundings {
            rustc: word(&tree, "rustc")?,
            target: word(&tree, "target")?,
            valgrind: word(&tree, "valgrind")?,
        };
        let counts = tree["counts"].as_object().context("no object 'counts'")?;
        let entry = |(name, value): (&String, &Value)| -> Result<(String, Entry)> {
            let instructions = value["instructions"].as_u64();
            let instructions =
                instructions.with_context(|| format!("no number of instructions for {name}"))?;
            Ok((name.clone(), Entry { instructions, reason: word(value, "reason")? }))
        };
        Ok(Self { made_by, counts: counts.iter().map(entry).collect::<Result<_>>()? })
    }

    /// One line for each benchmark, so that a difference shows what changed and nothing else.
    fn render(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        let Surroundings { rustc, target, valgrind } = &self.made_by;
        let lines: Vec<String> = self
            .counts
            .iter()
            .map(|(name, Entry { instructions, reason })| {
                let (name, reason) = (quoted(name), quoted(reason));
                format!("    {name}: {{ \"instructions\": {instructions}, \"reason\": {reason} }}")
            })
            .collect();
        format!(
            "{{\n  \"rustc\": {},\n  \"target\": {},\n  \"valgrind\": {},\n  \"counts\": {{\n{}\n  }}\n}}\n",
            quoted(rustc),
            quoted(target),
            quoted(valgrind),
            lines.join(",\n")
        )
    }
}

/// Writes the file anew. Counts within the tolerance stay what they are unless `all` are to be taken: else many small
/// rises would pass, each on the back of a reason for another.
pub(crate) fn accept(
    before: Option<Baseline>,
    here: Surroundings,
    judged: &[Judged],
    reason: &str,
    all: bool,
) -> Result<()> {
    let counts = before.map(|before| before.counts).unwrap_or_default();
    let baseline = Baseline { made_by: here, counts: changed(counts, judged, reason, all) };
    std::fs::write(path(), baseline.render()).context("bench/instructions.json")?;
    println!("wrote bench/instructions.json");
    Ok(())
}

fn changed(
    mut counts: BTreeMap<String, Entry>,
    judged: &[Judged],
    reason: &str,
    all: bool,
) -> BTreeMap<String, Entry> {
    for one in judged {
        match one.verdict {
            Verdict::Gone => drop(counts.remove(&one.name)),
            Verdict::Same if !all || one.before == Some(one.now) => {}
            _ => {
                let entry = Entry { instructions: one.now, reason: reason.to_owned() };
                counts.insert(one.name.clone(), entry);
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        let entry = |instructions, reason: &str| Entry { instructions, reason: reason.to_owned() };
        Baseline {
            made_by: Surroundings {
                rustc: "1.95.0".to_owned(),
                target: "x".to_owned(),
                valgrind: "3".to_owned(),
            },
            counts: BTreeMap::from([
                ("a/b".to_owned(), entry(1000, "the \"first\" one")),
                ("a/c".to_owned(), entry(1000, "first")),
                ("a/d".to_owned(), entry(1000, "first")),
            ]),
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        assert_eq!(Baseline::parse(&baseline().render()).unwrap(), baseline());
    }

    #[test]
    fn only_counts_that_moved_get_the_new_reason_unless_all_are_taken() {
        let one =
            |name: &str, now, verdict| Judged { name: name.to_owned(), now, before: Some(1000), verdict };
        let judged =
            [one("a/b", 1100, Verdict::Rose), one("a/c", 1010, Verdict::Same), one("a/d", 0, Verdict::Gone)];
        let seen = |all| -> Vec<(u64, String)> {
            let counts = changed(baseline().counts, &judged, "why", all);
            counts.into_values().map(|entry| (entry.instructions, entry.reason)).collect()
        };
        assert_eq!(seen(false), [(1100, "why".to_owned()), (1000, "first".to_owned())]);
        assert_eq!(seen(true), [(1100, "why".to_owned()), (1010, "why".to_owned())]);
    }

    #[test]
    fn another_compiler_is_mentioned() {
        let then = baseline().made_by;
        assert!(then.differences(&then).is_empty());
        let now = Surroundings { rustc: "1.96.0".to_owned(), ..then.clone() };
        let lines = then.differences(&now);
        assert!(matches!(lines.as_slice(), [line] if line.contains("1.95.0") && line.contains("1.96.0")));
    }
}
