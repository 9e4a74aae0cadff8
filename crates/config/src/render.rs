//! Findings as a terminal shows them, in the manner of rustc.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::problem::{Problem, Severity};

/// Renders each finding with its line, a caret and a hint, separated by blank lines; `color` adds ANSI colours.
/// Values under `env` and `headers` are shown as `***`.
pub fn render(problems: &[Problem], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for problem in problems {
        out.push_str(&renderer.render(&[group(problem)]));
        out.push_str("\n\n");
    }
    out.truncate(out.trim_end().len());
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn group(problem: &Problem) -> Group<'_> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Note => Level::NOTE,
    };
    let mut origin = Origin::path(problem.file.as_str());
    let mut group = Group::with_title(level.primary_title(problem.message.as_str()));
    if let (Some(line), Some(column)) = (problem.line, problem.column) {
        origin = origin.line(line).char_column(column);
    }
    group = group.element(origin);
    if let (Some(excerpt), Some(line)) = (&problem.excerpt, problem.line) {
        // The excerpt has no path: the line above already names the true place, which masking may have moved.
        let snippet = Snippet::source(excerpt.text.as_str())
            .line_start(line)
            .annotation(AnnotationKind::Primary.span(excerpt.marked.clone()));
        group = group.element(snippet);
    }
    if let Some(hint) = &problem.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    group
}
