//! What the process was given by whoever started it. Read once, here, and handed on.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::BaseStrategy;
use trunkline_clients::{Os, Places};
use trunkline_transport::process::Environment as ChildEnvironment;

/// The hidden command of the helper process that outlives us.
const SHEPHERD: &str = "__shepherd";
/// The hidden command of the built-in sample server, which stands in where real ones cannot be installed.
const SAMPLE: &str = "__sample";

/// What the process was given.
pub(crate) struct Environment {
    /// The command line, program name included.
    pub(crate) args: Vec<OsString>,
    /// This program's file.
    pub(crate) program: PathBuf,
    /// The current directory.
    pub(crate) directory: PathBuf,
    /// Where this person's files are.
    pub(crate) homes: Homes,
    /// Whether stdout is a terminal.
    pub(crate) stdout_terminal: bool,
    /// Whether stderr is a terminal.
    pub(crate) stderr_terminal: bool,
    variables: Vec<(OsString, OsString)>,
}

/// Where this person's files are, after the XDG base directories.
pub(crate) struct Homes {
    /// The home directory.
    pub(crate) home: PathBuf,
    /// `$XDG_CONFIG_HOME`, `~/.config`.
    pub(crate) config: PathBuf,
    /// `$XDG_CACHE_HOME`, `~/.cache`.
    pub(crate) cache: PathBuf,
}

impl Environment {
    /// Looks at the process.
    pub(crate) fn of_this_process() -> Self {
        let directory = env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let homes = match etcetera::choose_base_strategy() {
            Ok(base) => {
                Homes { home: base.home_dir().to_owned(), config: base.config_dir(), cache: base.cache_dir() }
            }
            // Without a home the current directory is the only place we may assume.
            Err(_) => Homes {
                home: directory.clone(),
                config: directory.join(".config"),
                cache: directory.join(".cache"),
            },
        };
        Self {
            args: env::args_os().collect(),
            program: env::current_exe().unwrap_or_else(|_| PathBuf::from("trunkline")),
            directory,
            homes,
            stdout_terminal: io::stdout().is_terminal(),
            stderr_terminal: io::stderr().is_terminal(),
            variables: env::vars_os().collect(),
        }
    }

    /// Whether this process is to be the helper that ends children after us.
    pub(crate) fn is_shepherd(&self) -> bool {
        self.args.get(1).is_some_and(|first| first == SHEPHERD)
    }

    /// Whether this process is to be the sample server.
    pub(crate) fn is_sample(&self) -> bool {
        self.args.get(1).is_some_and(|first| first == SAMPLE)
    }

    /// The arguments that make this program the helper.
    pub(crate) const fn shepherd_args() -> [&'static str; 1] {
        [SHEPHERD]
    }

    /// A variable, if it is set and is text.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.variables.iter().find(|(known, _)| known == name)?.1.to_str().map(str::to_owned)
    }

    /// A variable that is set to something, as path.
    pub(crate) fn path_variable(&self, name: &str) -> Option<PathBuf> {
        let value = self.variables.iter().find(|(known, _)| known == name)?.1.clone();
        (!value.is_empty()).then(|| PathBuf::from(value))
    }

    /// Every variable that is text.
    pub(crate) fn texts(&self) -> Vec<(String, String)> {
        let text = |(name, value): &(OsString, OsString)| {
            Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()))
        };
        self.variables.iter().filter_map(text).collect()
    }

    /// What children may inherit from.
    pub(crate) fn for_children(&self) -> Arc<ChildEnvironment> {
        Arc::new(self.variables.iter().cloned().collect())
    }

    /// Whether a program exists: a path, or a name to look up in `PATH`.
    pub(crate) fn has_program(&self, program: &str) -> bool {
        let path = Path::new(program);
        if path.components().count() > 1 {
            return is_program(&self.directory.join(path));
        }
        let folders = self.path_variable("PATH").unwrap_or_default();
        env::split_paths(&folders).any(|folder| {
            is_program(&folder.join(program))
                || (cfg!(windows)
                    && ["exe", "cmd", "bat"]
                        .iter()
                        .any(|end| is_program(&folder.join(program).with_extension(end))))
        })
    }

    /// Where the files of MCP clients are.
    pub(crate) fn places(&self) -> Places {
        let os = match env::consts::OS {
            "macos" => Os::MacOs,
            "windows" => Os::Windows,
            _ => Os::Linux,
        };
        Places {
            home: self.homes.home.clone(),
            config_home: self.homes.config.clone(),
            project_dir: Some(self.directory.clone()),
            os,
        }
    }
}

fn is_program(path: &Path) -> bool {
    let Ok(about) = path.metadata() else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        about.is_file() && about.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    about.is_file()
}
