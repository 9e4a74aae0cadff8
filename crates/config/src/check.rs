//! Collects findings while the tree is read.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::excerpt;
use crate::problem::{Problem, Severity};
use crate::source::Source;
use crate::tree::{Place, Spot};

/// Most findings kept; beyond that the first ones are the ones to repair.
pub(crate) const FINDINGS_MAX: usize = 200;

/// The findings so far, and what is needed to make one.
pub(crate) struct Check<'s> {
    source: &'s Source,
    secrets: Vec<Range<usize>>,
    list: Vec<Problem>,
    /// Each key that was asked for, by section. The schema must tell the same.
    pub(crate) asked: BTreeSet<(&'static str, String)>,
}

impl<'s> Check<'s> {
    /// `secrets` are the parts of the text that must never be shown.
    pub(crate) fn new(source: &'s Source, mut secrets: Vec<Range<usize>>) -> Self {
        secrets.sort_by_key(|range| range.start);
        Self { source, secrets, list: Vec::new(), asked: BTreeSet::new() }
    }

    /// Records an error. An empty `hint` is none.
    pub(crate) fn problem(&mut self, at: &Spot, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Error, at, message.into(), hint.into());
    }

    /// Records something the operator should know.
    pub(crate) fn note(&mut self, at: &Spot, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Note, at, message.into(), hint.into());
    }

    /// Whether anything so far makes the document unusable.
    pub(crate) fn failed(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The source being checked.
    pub(crate) fn source(&self) -> &Source {
        self.source
    }

    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.list
    }

    fn add(&mut self, severity: Severity, at: &Spot, message: String, hint: String) {
        // Errors always find room: a flood of notes must not turn a bad document into a good one.
        if self.list.len() >= FINDINGS_MAX && (severity == Severity::Note || self.failed()) {
            return;
        }
        // Keys and names of the document are in messages; they must not drive the terminal.
        let printable = |text: &str| text.replace(char::is_control, "\u{fffd}");
        let message = printable(&message);
        let hint = Some(printable(&hint)).filter(|hint| !hint.is_empty());
        let path = printable(&at.path);
        let problem = match &at.place {
            Place::Text(range) => {
                let (line, column) = excerpt::line_and_column(&self.source.text, range.start);
                let excerpt = excerpt::cut(&self.source.text, range, &self.secrets);
                Problem {
                    severity,
                    message,
                    file: self.source.name.clone(),
                    line: Some(line),
                    column: Some(column),
                    hint,
                    path,
                    excerpt: Some(excerpt),
                }
            }
            Place::Outside(origin) => Problem {
                severity,
                message,
                file: printable(origin),
                line: None,
                column: None,
                hint,
                path,
                excerpt: None,
            },
        };
        self.list.push(problem);
    }
}
