//! Taps: what passes between two peers is written down, and passed on unchanged.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

/// The bytes of one connection.
#[derive(Default)]
pub(crate) struct Heard {
    /// From the one who connected.
    pub(crate) asked: Vec<u8>,
    /// From the one who was connected to.
    pub(crate) answered: Vec<u8>,
}

type Connections = Arc<Mutex<Vec<Arc<Mutex<Heard>>>>>;

/// A listener on loopback that passes connections on to another one.
pub(crate) struct Tap {
    port: u16,
    connections: Connections,
    /// Keeps the listener's thread running; it ends when this goes.
    open: Arc<()>,
}

impl Tap {
    /// Opens one in front of a port on loopback.
    pub(crate) fn open(target: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot open a tap")?;
        let tap = Self {
            port: listener.local_addr()?.port(),
            connections: Connections::default(),
            open: Arc::new(()),
        };
        let (connections, open) = (Arc::clone(&tap.connections), Arc::downgrade(&tap.open));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if open.strong_count() == 0 {
                    return;
                }
                let heard = Arc::new(Mutex::new(Heard::default()));
                lock(&connections).push(Arc::clone(&heard));
                // Whoever cannot be reached is closed, as it would be without the tap.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", target)) {
                    join(client, server, &heard);
                }
            }
        });
        Ok(tap)
    }

    /// The same address with the tap's port.
    pub(crate) fn instead_of(url: &str, target: u16) -> Result<(Self, String)> {
        let tap = Self::open(target)?;
        let tapped = url.replacen(&format!(":{target}"), &format!(":{}", tap.port), 1);
        Ok((tap, tapped))
    }

    /// What was said so far, connection by connection.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        let connections = lock(&self.connections);
        connections
            .iter()
            .map(|one| {
                let one = lock(one);
                Heard { asked: one.asked.clone(), answered: one.answered.clone() }
            })
            .collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.open = Arc::new(());
        // The thread waits for a connection; this is the last one.
        let _ = TcpStream::connect_timeout(&([127, 0, 0, 1], self.port).into(), Duration::from_secs(1));
    }
}

fn join(client: TcpStream, server: TcpStream, heard: &Arc<Mutex<Heard>>) {
    let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { return };
    let (asked, answered) = (Arc::clone(heard), Arc::clone(heard));
    std::thread::spawn(move || pass(from, to, |bytes| lock(&asked).asked.extend_from_slice(bytes)));
    std::thread::spawn(move || {
        pass(server, client, |bytes| lock(&answered).answered.extend_from_slice(bytes));
    });
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut note: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = from.read(&mut buffer) {
        note(&buffer[..read]);
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // Each direction ends by itself, as a half-closed connection does.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `xtask __tee LOG COMMAND...`: runs a command on our own pipes and writes what passes to `LOG.<process>.in` and `.out`.
pub(crate) fn tee(arguments: &[String]) -> Result<bool> {
    let [log, command, rest @ ..] = arguments else { anyhow::bail!("usage: xtask __tee LOG COMMAND...") };
    let mut child = Command::new(command).args(rest).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (input, output) = (child.stdin.take().context("stdin")?, child.stdout.take().context("stdout")?);
    let (asked, answered) = (named(log, "in"), named(log, "out"));
    // Reads our own input for as long as we live; nothing is left to wait for when the command has ended.
    std::thread::spawn(move || lines(std::io::stdin(), input, &asked));
    let out = std::thread::spawn(move || lines(output, std::io::stdout(), &answered));
    let status = child.wait()?;
    let _ = out.join();
    Ok(status.success())
}

/// A file of this process.
fn named(log: &str, name: &str) -> PathBuf {
    side(log, &format!("{}.{name}", std::process::id()))
}

/// A file beside others with the same start of its name.
pub(crate) fn side(log: impl AsRef<Path>, name: &str) -> PathBuf {
    let mut path = log.as_ref().as_os_str().to_owned();
    path.push(".");
    path.push(name);
    path.into()
}

/// What tees have written, one for each process.
pub(crate) fn teed(log: &Path) -> Result<Vec<Heard>> {
    let folder = log.parent().context("a log lies in a folder")?;
    let start = side(log, "");
    let start = start.file_name().and_then(|name| name.to_str()).context("a log has a name")?.to_owned();
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(&start) && path.extension().is_some_and(|kind| kind == "in") {
            // One that was asked and said nothing has no other file.
            let answered = fs::read(path.with_extension("out")).unwrap_or_default();
            all.push(Heard { asked: fs::read(&path)?, answered });
        }
    }
    Ok(all)
}

fn lines(mut from: impl Read, mut to: impl Write, log: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(log).ok();
    let mut buffer = vec![0; 64 * 1024];
    let mut line = Vec::new();
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 || to.write_all(&buffer[..read]).and_then(|()| to.flush()).is_err() {
            break;
        }
        line.extend_from_slice(&buffer[..read]);
        if let Some(end) = line.iter().rposition(|byte| *byte == b'\n')
            && let Some(file) = &mut file
        {
            // A log that cannot be written must not stop what it listens to.
            let _ = file.write_all(&line[..=end]);
            line.drain(..=end);
        }
    }
}
