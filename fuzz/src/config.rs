//! The configuration document in its three formats: whatever it says, a bad one becomes no settings, each problem has a
//! place, and no secret is told.

use std::path::Path;

use trunkline_config::{Format, Problem, Severity, Source, Surroundings, load_in, render, to_json};

/// What stands in the environment and in files, and must never be said.
const SECRET: &str = "canary-4711-secret";

/// One document, read in each format.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // It is the environment that has the secret; a document that spells it out tells what it told.
    if text.contains(SECRET) {
        return;
    }
    // As the content says, and in a format that the length says: all three for each input would be a third of the inputs.
    let mut source = Source::new("-", text);
    one(&source);
    source.format = Some([Format::Yaml, Format::Json, Format::Toml][text.len() % 3]);
    one(&source);
}

fn one(source: &Source) {
    let env = |name: &str| (name != "MISSING").then(|| SECRET.to_owned());
    let read_file = |path: &Path| match path.to_str() {
        Some("/secret") => Ok(SECRET.to_owned()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    let world = Surroundings { read_file: &read_file, ..Surroundings::new(&env) };
    match load_in(source, &world) {
        Ok(loaded) => {
            assert!(
                loaded.notes.iter().all(|note| note.severity == Severity::Note),
                "settings in spite of an error"
            );
            told(source, &loaded.notes);
            let again = load_in(source, &world).expect("the same as before");
            assert_eq!(format!("{:?}", again.settings), format!("{:?}", loaded.settings));
        }
        Err(problems) => {
            assert!(
                problems.iter().any(|problem| problem.severity == Severity::Error),
                "no settings and no error"
            );
            assert!(!problems.to_string().contains(SECRET));
            told(source, &problems);
        }
    }
}

/// What an operator is told: with places that exist, and without secrets.
fn told(source: &Source, problems: &[Problem]) {
    let lines = source.text.split('\n').count();
    for problem in problems {
        assert!(!problem.message.is_empty() && !problem.file.is_empty());
        assert_eq!(problem.line.is_some(), problem.column.is_some());
        if let (Some(line), Some(column)) = (problem.line, problem.column) {
            assert!((1..=lines).contains(&line) && column > 0, "{line}:{column} of {lines} lines");
        }
        // What is in the document has a place in it.
        let in_document = problem.file == source.name;
        assert!(!in_document || problem.line.is_some(), "without a place: {problem}");
    }
    let shown = [render(problems, false), render(problems, true), to_json(problems).to_string()];
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
    }
}
