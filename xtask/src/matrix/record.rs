//! `tests/matrix.expected`: how every cell turned out, checked in. A cell may get better, which changes the file; one that got
//! worse is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::features::{FEATURES, Feature, Verdict};

const HEADER: &str = "\
# How every pair of client and server works through the gateway; `cargo xtask matrix` reads and writes this file.
# A line is client, server, and a sign for each of: connect lists calls errors progress resources prompts completion
# elicitation sampling roots.  + works  ~ works, with a note below  - does not, with a reason below  . not offered
# A run fails when a sign gets worse, or when the gateway says something that is not listed as `invalid` here. To accept a
# cell that got worse, take its lines out and run again.
";

/// A cell's name: client and server.
pub(crate) type Pair = (String, String);
/// What became of its features.
pub(crate) type Verdicts = Vec<(Feature, Verdict)>;

/// The file's content.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) cells: BTreeMap<Pair, Verdicts>,
    /// What the gateway said that the schemas forbid, in the words of `schema`.
    pub(crate) invalid: BTreeSet<String>,
}

impl Record {
    /// Reads the file; one that is missing is empty.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        match fs::read_to_string(file) {
            Ok(text) => Self::parse(&text).with_context(|| file.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let mut record = Self::default();
        let mut notes: BTreeMap<(Pair, Feature), String> = BTreeMap::new();
        let mut signs: Vec<(Pair, String)> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(violation) = line.strip_prefix("invalid: ") {
                record.invalid.insert(violation.to_owned());
            } else if let Some(note) = line.strip_prefix("    ") {
                let (name, text) = note.split_once(": ").with_context(|| format!("not a note: {line}"))?;
                let feature = Feature::named(name).with_context(|| format!("not a feature: {name}"))?;
                let (pair, _) = signs.last().with_context(|| format!("a note without a cell: {line}"))?;
                notes.insert((pair.clone(), feature), text.to_owned());
            } else {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [client, server, row] = words[..] else { bail!("not a cell: {line}") };
                if row.chars().count() != FEATURES.len() {
                    bail!("{} signs are wanted: {line}", FEATURES.len());
                }
                signs.push(((client.to_owned(), server.to_owned()), row.to_owned()));
            }
        }
        for (pair, row) in signs {
            let verdict = |(feature, sign): (Feature, char)| {
                let note = notes.get(&(pair.clone(), feature)).cloned().unwrap_or_default();
                Ok((
                    feature,
                    match sign {
                        '+' => Verdict::Works,
                        '~' => Verdict::Noted(note),
                        '-' => Verdict::Fails(note),
                        '.' => Verdict::Absent,
                        other => bail!("not a sign: {other}"),
                    },
                ))
            };
            let verdicts = FEATURES.into_iter().zip(row.chars()).map(verdict).collect::<Result<_>>()?;
            record.cells.insert(pair, verdicts);
        }
        Ok(record)
    }

    /// Writes the file. `order` gives the cells their order.
    pub(crate) fn write(&self, file: &Path, order: &[Pair]) -> Result<()> {
        let mut out = HEADER.to_owned();
        // Writing to a string cannot fail.
        for violation in &self.invalid {
            let _ = writeln!(out, "invalid: {violation}");
        }
        for pair in order {
            let Some(verdicts) = self.cells.get(pair) else { continue };
            let signs: String = verdicts.iter().map(|(_, verdict)| verdict.sign()).collect();
            let _ = writeln!(out, "{:<18} {:<22} {signs}", pair.0, pair.1);
            for (feature, verdict) in verdicts {
                if let Some(text) = verdict.text() {
                    let _ = writeln!(out, "    {}: {text}", feature.name());
                }
            }
        }
        fs::write(file, out).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Takes in how a cell turned out, and says what got worse and what got better. What got worse stays as it was; a note
    /// whose verdict did not change keeps its words.
    pub(crate) fn take(&mut self, pair: &Pair, found: Verdicts) -> (Vec<String>, Vec<String>) {
        let (mut worse, mut better) = (Vec::new(), Vec::new());
        let Some(known) = self.cells.get_mut(pair) else {
            self.cells.insert(pair.clone(), found);
            return (worse, better);
        };
        for ((feature, known), (_, found)) in known.iter_mut().zip(found) {
            let line = |verdict: &Verdict| {
                let text = verdict.text().map_or(String::new(), |text| format!(": {text}"));
                format!("{} -> {}: {} {}{text}", pair.0, pair.1, feature.name(), verdict.sign())
            };
            if found.rank() < known.rank() {
                worse.push(line(&found));
            } else if found.sign() != known.sign() {
                better.push(line(&found));
                *known = found;
            }
        }
        (worse, better)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# why\ninvalid: x\na b +-++++++++.\n    lists: the reason\n";

    fn verdicts(row: &str) -> Verdicts {
        Record::parse(&format!("a b {row}\n")).unwrap().cells.into_values().next().unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let record = Record::parse(TEXT).unwrap();
        let file = std::env::temp_dir().join(format!("trunkline-record-{}", std::process::id()));
        record.write(&file, &[("a".to_owned(), "b".to_owned())]).unwrap();
        let again = Record::read(&file).unwrap();
        fs::remove_file(file).unwrap();
        assert_eq!(again.cells, record.cells);
        assert_eq!(again.invalid, record.invalid);
        assert!(Record::parse("a b ++\n").is_err());
    }

    #[test]
    fn a_cell_may_only_get_better() {
        let pair = ("a".to_owned(), "b".to_owned());
        let mut record = Record::parse(TEXT).unwrap();
        let (worse, better) = record.take(&pair, verdicts("--+++++++++"));
        assert_eq!((worse.len(), better.len()), (1, 1), "{worse:?} {better:?}");
        assert_eq!(record.cells[&pair][0].1, Verdict::Works, "what got worse is not taken over");
        let (worse, better) = record.take(&pair, verdicts("+++++++++++"));
        assert_eq!((worse.len(), better.len()), (0, 1));
    }
}
