//! A thousand histories, the ones that once went wrong, and that a history can be played again.

use std::process::{Command, Output};

fn play(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trunkline-simulation"))
        .args(arguments)
        .output()
        .expect("the simulation runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_thousand_histories_keep_the_laws() {
    let output = play(&["--from", "0", "--seeds", "1000", "--jobs", "2"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn seeds_that_once_broke_a_law_keep_it() {
    let seeds = include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#'));
    for line in seeds {
        let Some(seed) = line.split_whitespace().next() else { continue };
        let output = play(&["--seed", seed]);
        assert!(output.status.success(), "{line}\n{}", text(&output));
    }
}

#[test]
fn one_seed_is_one_history() {
    for seed in ["3", "14", "159", "2653", "58979"] {
        let (once, again) = (play(&["--seed", seed, "--trace"]), play(&["--seed", seed, "--trace"]));
        assert_eq!(text(&once), text(&again), "seed {seed}");
        assert!(text(&once).lines().count() > 10, "{}", text(&once));
        // What the code under test logged as well, not only what the others saw.
        assert_eq!(once.stderr, again.stderr, "seed {seed}");
    }
}

#[test]
fn seeds_differ() {
    assert_ne!(text(&play(&["--seed", "1", "--trace"])), text(&play(&["--seed", "2", "--trace"])));
}
