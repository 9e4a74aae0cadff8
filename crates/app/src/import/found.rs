//! Which servers are configured where.

use std::io;
use std::path::{Path, PathBuf};

use trunkline_clients::{self as clients, ClientKind, ImportedServer, Scope};

use crate::environment::Environment;
use crate::stop::{Code, Stop};

/// A file of another program and the servers in it.
pub(crate) struct Found {
    /// The client's id; the file's name when the client is not known.
    pub(crate) client: String,
    /// The file.
    pub(crate) path: PathBuf,
    /// Its servers, or why it cannot be read.
    pub(crate) servers: Result<Vec<ImportedServer>, String>,
}

/// Every file of every client that is on this machine and has servers or cannot be read.
pub(crate) fn everywhere(environment: &Environment) -> Vec<Found> {
    let all = clients::all().iter().flat_map(|kind| from_client(kind, environment));
    let mut found: Vec<Found> = Vec::new();
    for one in all.filter(|one| one.servers.as_ref().map_or(true, |servers| !servers.is_empty())) {
        // Some clients share a file.
        if found.iter().all(|known| known.path != one.path) {
            found.push(one);
        }
    }
    found
}

/// The files of one client that are there.
pub(crate) fn from_client(kind: &ClientKind, environment: &Environment) -> Vec<Found> {
    let places = environment.places();
    let paths = [Scope::User, Scope::Project].into_iter().flat_map(|scope| kind.paths(scope, &places));
    let read = |path: PathBuf| {
        let servers = match std::fs::read_to_string(&path) {
            Ok(text) => clients::read_servers(kind, &text).map_err(|error| error.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
        };
        Some(Found { client: kind.id.to_owned(), path, servers })
    };
    paths.filter_map(read).collect()
}

/// The servers in a file that the person names.
///
/// # Errors
/// When there is no such file, or no servers are found in it.
pub(crate) fn from_file(path: &Path) -> Result<Found, Stop> {
    let text = std::fs::read_to_string(path).map_err(|error| Stop::file(path, &error))?;
    let servers = clients::read_any(path, &text)
        .map_err(|error| Stop::new(Code::CONFIG, format!("{}: {error}", path.display())))?;
    let client = path.file_stem().map_or("file".into(), |stem| stem.to_string_lossy().into_owned());
    Ok(Found { client, path: path.to_owned(), servers: Ok(servers) })
}
