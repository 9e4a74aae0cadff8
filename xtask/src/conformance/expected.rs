//! Which failures are known: a list that may only shrink.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::suite::Scenario;

/// The entries of one file: `scenario`, or `scenario:check` for one check of it.
///
/// The form is the suite's own (`server:` or `client:` and a list), so the same file can be given to it.
pub(crate) struct Expected(Vec<String>);

impl Expected {
    /// Reads a file. Every cell has one, if only an empty list.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text).with_context(|| file.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let mut entries = Vec::new();
        for line in text.lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            match line.strip_prefix("- ") {
                Some(entry) => entries.push(entry.trim().to_owned()),
                None if line.is_empty()
                    || line.starts_with('#')
                    || ["server:", "server: []", "client:", "client: []"].contains(&line) => {}
                None => bail!("not an entry: {line}"),
            }
        }
        Ok(Self(entries))
    }

    /// The number of failures that no entry covers and of entries that cover none, and what to say about it.
    pub(crate) fn compare(&self, scenarios: &[Scenario]) -> (usize, Vec<String>) {
        let mut remarks = Vec::new();
        let mut unexpected = 0;
        let mut used = vec![false; self.0.len()];
        for scenario in scenarios.iter().filter(|scenario| !scenario.passed()) {
            let mut surprising = Vec::new();
            for (check, why) in &scenario.failures {
                let exact = format!("{}:{check}", scenario.name);
                let covering = self.0.iter().position(|entry| *entry == scenario.name || *entry == exact);
                match covering {
                    Some(at) => used[at] = true,
                    None => surprising.push(format!("{check}: {why}")),
                }
            }
            if surprising.is_empty() {
                remarks.push(format!("expected: {}", scenario.name));
            } else {
                unexpected += 1;
                remarks.push(format!("FAILED: {}", scenario.name));
                remarks.extend(surprising.into_iter().map(|line| format!("    {line}")));
            }
        }
        for (entry, _) in self.0.iter().zip(used).filter(|(_, used)| !used) {
            unexpected += 1;
            remarks.push(format!("STALE: {entry} does not fail any more; take it out of the file"));
        }
        (unexpected, remarks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(name: &str, failures: &[&str]) -> Scenario {
        let failures = failures.iter().map(|check| ((*check).to_owned(), "because".to_owned())).collect();
        Scenario { name: name.to_owned(), failures }
    }

    #[test]
    fn an_expected_failure_is_none_and_a_stale_entry_is_one() {
        let expected = Expected::parse("# why\nserver:\n  - asks\n  - half:second # known\n").unwrap();
        assert_eq!(expected.compare(&[scenario("asks", &["a", "b"]), scenario("half", &["second"])]).0, 0);
        assert_eq!(
            expected.compare(&[scenario("asks", &["a"]), scenario("half", &["first", "second"])]).0,
            1
        );
        assert_eq!(expected.compare(&[scenario("asks", &[]), scenario("half", &["second"])]).0, 1);
    }

    #[test]
    fn a_file_with_something_else_is_refused() {
        assert!(Expected::parse("server: []\n").unwrap().0.is_empty());
        assert!(Expected::parse("authorization:\n  - a\n").is_err());
    }
}
