//! Where files live, per operating system. The environment is read by the application and handed in.

use std::path::{Path, PathBuf};

use crate::kind::Scope;

/// Operating system whose conventions apply. Not read from the build target, so that tests cover all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    /// Linux and other Unix systems that follow the XDG base directories.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

/// The directories of one person on one machine.
#[derive(Debug, Clone)]
pub struct Places {
    /// Home directory (`$HOME`, `%USERPROFILE%`).
    pub home: PathBuf,
    /// Linux: `$XDG_CONFIG_HOME` or `~/.config`. macOS: `~/.config`. Windows: `%APPDATA%`.
    pub config_home: PathBuf,
    /// Directory of the project for files of project scope, when there is one.
    pub project_dir: Option<PathBuf>,
    /// Whose conventions apply.
    pub os: Os,
}

impl Places {
    /// The usual places below `home`: what [`Places::config_home`] is when nothing overrides it.
    pub fn below(home: impl Into<PathBuf>, os: Os) -> Self {
        let home = home.into();
        let config_home = match os {
            Os::Linux | Os::MacOs => home.join(".config"),
            Os::Windows => home.join("AppData").join("Roaming"),
        };
        Self { home, config_home, project_dir: None, os }
    }

    /// The same places with a project directory.
    pub fn with_project(mut self, dir: impl Into<PathBuf>) -> Self {
        self.project_dir = Some(dir.into());
        self
    }

    fn base(&self, base: Base) -> Option<PathBuf> {
        Some(match (base, self.os) {
            (Base::Home, _) => self.home.clone(),
            (Base::Config, _) | (Base::AppData, Os::Linux | Os::Windows) => self.config_home.clone(),
            (Base::DotConfig, Os::Linux) => self.config_home.clone(),
            (Base::DotConfig, Os::MacOs | Os::Windows) => self.home.join(".config"),
            (Base::AppData, Os::MacOs) => self.home.join("Library").join("Application Support"),
            (Base::Project, _) => return self.project_dir.clone(),
        })
    }
}

/// Which directory a client's path starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The home directory.
    Home,
    /// `$XDG_CONFIG_HOME`, `~/.config` on macOS, `%APPDATA%` on Windows.
    Config,
    /// `~/.config` also on Windows (programs that use the XDG rules everywhere).
    DotConfig,
    /// Where desktop applications keep their data: `~/Library/Application Support` on macOS, else as `Config`.
    AppData,
    /// The project directory.
    Project,
}

/// One file a client reads: scope, operating systems, and the path below a base.
#[derive(Debug, Clone, Copy)]
pub struct FileAt {
    /// User-wide or per project.
    pub scope: Scope,
    /// Only on these systems; empty means all.
    pub only: &'static [Os],
    /// Directory the path starts from.
    pub base: Base,
    /// Path below it, with `/` between the parts.
    pub path: &'static str,
}

impl FileAt {
    /// A file that is in the same place, relative to its base, on every system.
    pub(crate) const fn everywhere(scope: Scope, base: Base, path: &'static str) -> Self {
        Self { scope, only: &[], base, path }
    }

    /// The full path, or nothing when this system or the lack of a project rules it out.
    pub fn resolve(&self, places: &Places) -> Option<PathBuf> {
        if !self.only.is_empty() && !self.only.contains(&places.os) {
            return None;
        }
        let base = places.base(self.base)?;
        Some(self.path.split('/').fold(base, |path, part| path.join(part)))
    }

    /// Whether `path` ends in this file's path. Used to recognise a file somebody hands us.
    pub(crate) fn is_tail_of(&self, path: &Path) -> bool {
        path.ends_with(self.path.split('/').collect::<PathBuf>())
    }
}
