//! Reading the configuration file, with everything around it.

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use trunkline_config::{Loaded, Overrides, Problems, Source, Surroundings, load_in, render};

use crate::discover;
use crate::environment::Environment;
use crate::serve::Stamps;
use crate::stop::{Code, Stop};
use crate::terminal::Terminal;

/// Largest file read for `${file:...}`, in bytes; the configuration's own limit is below.
const FILE_BYTES_MAX: u64 = 2 << 20;

/// Where the configuration is.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file [default: $TRUNKLINE_CONFIG, ./trunkline.{yaml,yml,json,toml}, ~/.config/trunkline/config.*]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Why a configuration cannot be used.
pub(crate) enum Unusable {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// What it says is wrong.
    Problems(Problems),
}

/// Loads the configuration that the arguments name or that is found, or says on stderr everything that is wrong.
///
/// # Errors
/// Code 78 for a configuration that is missing or bad, 77 for one that may not be read.
pub(crate) fn load(
    args: &ConfigArgs,
    overrides: Overrides,
    environment: &Environment,
    terminal: &Terminal,
) -> Result<(PathBuf, Loaded), Stop> {
    let path = discover::required(args.config.as_deref(), environment)?;
    match read(&path, overrides, environment) {
        Ok(loaded) => Ok((path, loaded)),
        Err(unusable) => Err(refused(&path, unusable, terminal)),
    }
}

fn refused(path: &Path, unusable: Unusable, terminal: &Terminal) -> Stop {
    match unusable {
        Unusable::Unreadable(error) => unreadable(path, &error),
        Unusable::Problems(problems) => {
            terminal.insist(&render(&problems, terminal.err_color));
            Stop::new(Code::CONFIG, format!("{} cannot be used as configuration", path.display()))
        }
    }
}

/// As [`load`], noting the files that were read.
pub(crate) fn load_noting(
    args: &ConfigArgs,
    overrides: Overrides,
    environment: &Environment,
    terminal: &Terminal,
) -> Result<(PathBuf, Noted<Loaded>), Stop> {
    let path = discover::required(args.config.as_deref(), environment)?;
    let Noted { loaded, files, stamps } = read_noting(&path, overrides, environment);
    let loaded = loaded.map_err(|unusable| refused(&path, unusable, terminal))?;
    Ok((path, Noted { loaded, files, stamps }))
}

/// What was read, of which files, and how they were right before.
pub(crate) struct Noted<T> {
    /// What was read.
    pub(crate) loaded: T,
    /// The document and whatever it refers to.
    pub(crate) files: Vec<PathBuf>,
    /// The state of the files.
    pub(crate) stamps: Stamps,
}

/// A configuration file that cannot be read at all.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Stop {
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied => Code::PERMISSION,
        _ => Code::CONFIG,
    };
    Stop::new(code, format!("the configuration {} cannot be read: {error}", path.display()))
}

/// Reads and resolves the file at `path`.
pub(crate) fn read(path: &Path, overrides: Overrides, environment: &Environment) -> Result<Loaded, Unusable> {
    read_as(path, None, overrides, environment, &read_text)
}

/// As [`read`], noting the files that were read.
pub(crate) fn read_noting(
    path: &Path,
    overrides: Overrides,
    environment: &Environment,
) -> Noted<Result<Loaded, Unusable>> {
    // Their state before they are read: what is written later must be noticed.
    let read = RefCell::new((vec![path.to_owned()], Stamps::of(&[path.to_owned()])));
    let reading = |file: &Path| {
        let (files, stamps) = &mut *read.borrow_mut();
        if !files.iter().any(|known| known == file) {
            files.push(file.to_owned());
            stamps.note(file);
        }
        read_text(file)
    };
    let loaded = read_as(path, None, overrides, environment, &reading);
    let (files, stamps) = read.into_inner();
    Noted { loaded, files, stamps }
}

/// As [`read`], taking the file for readable by everybody or not.
fn read_as(
    path: &Path,
    world_readable: Option<bool>,
    overrides: Overrides,
    environment: &Environment,
    read_file: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Loaded, Unusable> {
    let text = read_file(path).map_err(Unusable::Unreadable)?;
    let mut source = Source::new(path.display().to_string(), text);
    source.world_readable = world_readable.unwrap_or_else(|| is_world_readable(path));
    let env = |name: &str| environment.variable(name);
    let has_program = |program: &str| environment.has_program(program);
    let world = Surroundings {
        read_file,
        has_program: &has_program,
        variables: variables(environment),
        overrides,
        ..Surroundings::new(&env)
    };
    load_in(&source, &world).map_err(Unusable::Problems)
}

/// `TRUNKLINE__...` as they are; and `PORT`, by which platforms say where to listen, unless there is a better word.
fn variables(environment: &Environment) -> Vec<(String, String)> {
    const LISTEN: &str = "TRUNKLINE__LISTEN";
    let mut variables = environment.texts();
    let port = environment.variable("PORT").filter(|port| port.parse::<u16>().is_ok());
    if let (Some(port), None) = (port, environment.variable(LISTEN)) {
        variables.push((LISTEN.to_owned(), port));
    }
    variables
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    Ok(text)
}

/// Whether everybody on this machine may read the file.
pub(crate) fn is_world_readable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        path.metadata().is_ok_and(|about| about.permissions().mode() & 0o004 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Whether a credential is written out in the file: the configuration notes that of files that everybody may read.
pub(crate) fn has_literal_secret(path: &Path, overrides: Overrides, environment: &Environment) -> bool {
    let notes = |readable: bool| {
        let loaded = read_as(path, Some(readable), overrides.clone(), environment, &read_text);
        loaded.map_or(0, |loaded| loaded.notes.len())
    };
    notes(true) > notes(false)
}
