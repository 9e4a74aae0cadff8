//! Real programs, real signals, counted through `/proc`.

mod floods;
mod leaks;
mod lifecycle;
mod proc;
mod shepherding;

use std::path::Path;

use super::{Child, Environment, Limits, Shepherd, Spec, spawn};

/// The part of the environment every test child gets.
fn environment() -> Environment {
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/nowhere"), ("SECRET_KEY", "s3cret")]
        .into_iter()
        .collect()
}

/// A shell that runs `script`.
fn shell(script: &str, limits: &Limits, shepherd: Option<&Shepherd>) -> Child {
    let args = ["-c".to_owned(), script.to_owned()];
    let cwd = Some(Path::new("/"));
    let spec = Spec { name: "test", program: "sh", args: &args, env: &[], inherit_env: &[], cwd };
    spawn(&spec, &environment(), limits, shepherd).unwrap()
}
