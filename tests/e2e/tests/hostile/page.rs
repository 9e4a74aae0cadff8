//! The page that tells how the cases stand, made of the table.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use trunkline_e2e::peers;

use crate::catalogue::{SECTIONS, Standing};

const TOP: &str = "\
<!-- Made by `TRUNKLINE_WRITE_PAGE=1 cargo xtask hostile the_page`; a test compares it. -->

# Security cases

What is done to the gateway on purpose, and what must be observed. *pass* is a test that `cargo xtask test` runs against the
real binary; one that fails fails the build. After every case a plain call must succeed within two seconds, and what was
refused must not have reached a server. *not yet* says what is missing for the case to mean something.

The whole suite is `cargo xtask hostile`; one case is `cargo xtask hostile s_10`.
";

fn page() -> String {
    let mut out = TOP.to_owned();
    let all: Vec<_> = SECTIONS.iter().flat_map(|section| section.cases).collect();
    let passing = all.iter().filter(|case| !matches!(case.standing, Standing::NotYet(_))).count();
    let _ = writeln!(
        out,
        "\n{passing} of {} cases pass; {} are not applicable yet.",
        all.len(),
        all.len() - passing
    );
    for section in SECTIONS {
        let _ = writeln!(
            out,
            "\n## {}\n\n| case | what is done | what must be observed | |\n|---|---|---|---|",
            section.title
        );
        for case in section.cases {
            let standing = match &case.standing {
                Standing::Here => "pass".to_owned(),
                Standing::There(tests) => format!("pass: `{}`", tests.join("`, `")),
                Standing::NotYet(why) => format!("not yet: {why}"),
            };
            let _ = writeln!(out, "| {} | {} | {} | {standing} |", case.id, case.done, case.observed);
        }
    }
    out
}

#[test]
fn the_page_is_what_the_table_says() {
    let file = peers::root().join("docs/security-cases.md");
    if std::env::var_os("TRUNKLINE_WRITE_PAGE").is_some() {
        fs::write(&file, page()).expect("the page is written");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == page(),
        "docs/security-cases.md is not what the table says; its first line says how to make it"
    );
}

/// The names of all test functions in a folder.
fn tests_in(folder: &str) -> BTreeSet<String> {
    let folder: PathBuf = peers::root().join(folder);
    let files = fs::read_dir(&folder).expect("the folder is there").flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    let mut names = BTreeSet::new();
    for text in texts {
        let mut parts = text.split("#[test]\nfn ").skip(1);
        names.extend(parts.by_ref().filter_map(|part| part.split_once('(').map(|(name, _)| name.to_owned())));
    }
    names
}

#[test]
fn each_case_that_passes_has_its_test_and_each_test_its_case() {
    let (here, there) = (tests_in("tests/e2e/tests/hostile"), tests_in("tests/e2e/tests/e2e"));
    let begins = |id: &str, name: &str| {
        name.strip_prefix(&id.to_lowercase().replace('-', "_"))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    let all: Vec<_> = SECTIONS.iter().flat_map(|section| section.cases).collect();
    for case in &all {
        match &case.standing {
            Standing::Here => {
                assert!(here.iter().any(|name| begins(case.id, name)), "{} has no test", case.id);
            }
            Standing::There(tests) => {
                for test in *tests {
                    assert!(there.contains(*test), "{}: {test} is no end-to-end test", case.id);
                }
            }
            Standing::NotYet(why) => assert!(!why.is_empty()),
        }
    }
    let numbered = |name: &&String| {
        let mut parts = name.split('_');
        matches!(parts.next(), Some("s" | "r")) && parts.next().is_some_and(|n| n.parse::<u32>().is_ok())
    };
    for name in here.iter().filter(numbered) {
        let case = all.iter().find(|case| begins(case.id, name));
        assert!(case.is_some_and(|case| matches!(case.standing, Standing::Here)), "{name} is in no table");
    }
    let ids: BTreeSet<_> = all.iter().map(|case| case.id).collect();
    assert_eq!(ids.len(), all.len(), "an id is there twice");
}
