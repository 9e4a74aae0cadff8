//! How a command ends: an exit code, and what is said when it did not go well.

use std::io;
use std::process::ExitCode;

/// An exit code, after `sysexits.h` where that has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u8);

impl Code {
    /// Everything went well.
    pub(crate) const OK: Self = Self(0);
    /// It did not, for a reason without a code of its own.
    pub(crate) const FAILURE: Self = Self(1);
    /// The command line asks for something that does not exist.
    pub(crate) const USAGE: Self = Self(2);
    /// A server, or an address to listen on, is not available (`EX_UNAVAILABLE`).
    pub(crate) const UNAVAILABLE: Self = Self(69);
    /// Trying again later can help (`EX_TEMPFAIL`).
    pub(crate) const LATER: Self = Self(75);
    /// The operating system does not permit it (`EX_NOPERM`).
    pub(crate) const PERMISSION: Self = Self(77);
    /// The configuration cannot be used (`EX_CONFIG`).
    pub(crate) const CONFIG: Self = Self(78);

    /// Ended by a signal, as shells say it.
    pub(crate) const fn signal(number: u8) -> Self {
        Self(128 + number)
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}

/// Why a command stopped early.
#[derive(Debug)]
pub(crate) struct Stop {
    /// The exit code.
    pub(crate) code: Code,
    /// What to say, unless everything has been said. Further lines are hints.
    pub(crate) message: Option<String>,
}

impl Stop {
    /// Stops with a code and a message.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// What to say, and the hint that goes with it.
    pub(crate) fn split(self) -> (String, Option<String>) {
        let message = self.message.unwrap_or_default();
        match message.split_once('\n') {
            Some((text, hint)) => (text.to_owned(), Some(hint.to_owned())),
            None => (message, None),
        }
    }

    /// Stops for a mistake on the command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::USAGE, message)
    }

    /// Stops without a further word.
    pub(crate) fn silent(code: Code) -> Self {
        Self { code, message: None }
    }

    /// Stops for a file that could not be used.
    pub(crate) fn file(path: &std::path::Path, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::PermissionDenied => Code::PERMISSION,
            _ => Code::FAILURE,
        };
        Self::new(code, format!("{}: {error}", path.display()))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Whoever reads our output has seen enough.
            io::ErrorKind::BrokenPipe => Self::silent(Code::OK),
            io::ErrorKind::PermissionDenied => Self::new(Code::PERMISSION, error.to_string()),
            _ => Self::new(Code::FAILURE, error.to_string()),
        }
    }
}
