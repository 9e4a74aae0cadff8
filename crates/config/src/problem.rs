//! What is wrong, where, and what to do about it.

use std::fmt;

use serde::Serialize;

use crate::excerpt::Excerpt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document cannot be used.
    Error,
    /// The document is usable; the operator should know.
    Note,
}

/// One finding. It never holds a secret: values are masked when it is made.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// The document's name, or the variable or flag the value came from.
    pub file: String,
    /// Line, from 1; absent when the value is not in the document.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The dotted path of the value, as in `mcpServers.github.url`; empty for the whole document.
    pub path: String,
    /// The masked lines to show.
    #[serde(skip)]
    pub(crate) excerpt: Option<Excerpt>,
}

/// Everything that is wrong with a document, at least one of it an error.
#[derive(Clone, Debug)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn new(mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| {
            (problem.severity, problem.line.unwrap_or(0), problem.column.unwrap_or(0))
        });
        Self(list)
    }

    /// The findings as a JSON list of `{severity, message, file, line, column, hint, path}`.
    pub fn to_json(&self) -> serde_json::Value {
        to_json(&self.0)
    }
}

/// Findings as a JSON list of `{severity, message, file, line, column, hint, path}`.
pub fn to_json(problems: &[Problem]) -> serde_json::Value {
    serde_json::to_value(problems).unwrap_or_default()
}

impl std::ops::Deref for Problems {
    type Target = [Problem];

    fn deref(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: message`, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.0.iter().filter(|problem| problem.severity == Severity::Error);
        for (index, problem) in errors.enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
