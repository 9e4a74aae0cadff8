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
        out.push_str(&in_true_column(renderer.render(&[group(problem)]), problem));
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
    let group = Group::with_title(level.primary_title(problem.message.as_str()));
    let file = problem.file.as_str();
    let group = match (&problem.excerpt, problem.line) {
        (Some(excerpt), Some(line)) => group.element(
            Snippet::source(excerpt.text.as_str())
                .path(file)
                .line_start(line)
                .annotation(AnnotationKind::Primary.span(excerpt.marked.clone())),
        ),
        _ => group.element(Origin::path(file)),
    };
    match &problem.hint {
        Some(hint) => group.element(Level::HELP.message(hint.as_str())),
        None => group,
    }
}

/// The renderer counts columns in the excerpt; masking and cutting have moved them.
fn in_true_column(rendered: String, problem: &Problem) -> String {
    let (Some(excerpt), Some(line), Some(column)) = (&problem.excerpt, problem.line, problem.column) else {
        return rendered;
    };
    let shown = excerpt.text[..excerpt.marked.start].chars().count() + 1;
    let (place, true_place) = (format!(":{line}:{shown}"), format!(":{line}:{column}"));
    match rendered.find("--> ").and_then(|arrow| Some(arrow + rendered[arrow..].find(&place)?)) {
        Some(at) => format!("{}{true_place}{}", &rendered[..at], &rendered[at + place.len()..]),
        None => rendered,
    }
}
