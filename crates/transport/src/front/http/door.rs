//! One listening address: connections are taken while there is room, and none that came is lost when it closes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::slots::Slot;
use super::{Front, accept};

/// Wait after an accept error (out of descriptors, most of all): trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A handshake that began before a shared address was left is over by then, or its client is further away than any.
const HANDSHAKE: Duration = Duration::from_millis(250);

/// Who else serves an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody: when it is closed, clients are refused.
    Alone,
    /// Other processes may, each with a listener of its own (`SO_REUSEPORT`).
    Together,
    /// The one that handed us the listener keeps it open, and the next process will have it (socket activation).
    Handed,
}

/// One listening address.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) sharing: Sharing,
    /// Each answer says that it is the last on its connection.
    leaving: AtomicBool,
    /// No more connections are taken.
    shut: CancellationToken,
    /// Connections end with the answer that they are giving; those that give none end now.
    pub(crate) quiet: CancellationToken,
    closed: watch::Sender<bool>,
}

impl Door {
    /// Begins to take connections.
    pub(crate) fn open(front: &Arc<Front>, listener: TcpListener, sharing: Sharing) -> io::Result<Arc<Self>> {
        let door = Arc::new(Self {
            address: listener.local_addr()?,
            sharing,
            leaving: AtomicBool::new(false),
            shut: CancellationToken::new(),
            quiet: front.quiet.child_token(),
            closed: watch::Sender::new(false),
        });
        tokio::spawn(run(Arc::clone(front), Arc::clone(&door), listener));
        Ok(door)
    }

    /// From now on each answer is the last on its connection.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether answers are to be the last on their connections.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Takes no more connections; returns when the address is free. Those that had come are served.
    pub(crate) async fn close(&self) {
        self.shut.cancel();
        // The sender lives in `self`.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }
}

async fn run(front: Arc<Front>, door: Arc<Door>, listener: TcpListener) {
    let mut failing = Failing::default();
    loop {
        // Room first, then a connection: what we cannot serve stays in the kernel's queue.
        let room = tokio::select! {
            room = front.connections.take() => room,
            () = door.shut.cancelled() => break,
        };
        tokio::select! {
            accepted = listener.accept() => take(&front, &door, accepted, room, &mut failing).await,
            () = door.shut.cancelled() => break,
        }
    }
    if let Err(error) = finish(&front, &door, listener).await {
        tracing::warn!(%error, address = %door.address, "connections that had just come may have been lost");
    }
    door.closed.send_replace(true);
}

/// Accepting that fails, for want of descriptors most of all: told once, and once more when it is over.
#[derive(Debug, Default)]
struct Failing(Option<(Instant, u64)>);

impl Failing {
    fn tell(&mut self, error: &io::Error) {
        if let Some((_, times)) = &mut self.0 {
            *times += 1;
            return;
        }
        tracing::warn!(%error, "no connection can be accepted now; those that are there go on");
        self.0 = Some((Instant::now(), 1));
    }

    fn over(&mut self) {
        if let Some((since, times)) = self.0.take() {
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(seconds, times, "connections are accepted again");
        }
    }
}

async fn take(
    front: &Arc<Front>,
    door: &Arc<Door>,
    accepted: io::Result<(TcpStream, SocketAddr)>,
    room: Slot,
    failing: &mut Failing,
) {
    match accepted {
        Ok((stream, from)) => {
            failing.over();
            accept::begin(front, door, stream, from.ip(), room);
        }
        Err(error) => {
            failing.tell(&error);
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Takes what has come already: the system resets what is in the queue of a listener that is closed.
async fn finish(front: &Arc<Front>, door: &Arc<Door>, listener: TcpListener) -> io::Result<()> {
    if door.sharing == Sharing::Handed {
        // What waits there waits for the next process.
        return Ok(());
    }
    if door.sharing == Sharing::Together && turn_away(&listener) && !door.address.ip().is_loopback() {
        let over = Instant::now() + HANDSHAKE;
        loop {
            let Some(room) = front.connections.try_take() else { break };
            tokio::select! {
                accepted = listener.accept() => take(front, door, accepted, room, &mut Failing::default()).await,
                () = sleep_until(over) => break,
            }
        }
    }
    // By the system's own word: the runtime may not have heard yet of what came last.
    let listener = listener.into_std()?;
    loop {
        match listener.accept() {
            Ok((stream, from)) => {
                stream.set_nonblocking(true)?;
                let Some(room) = front.connections.try_take() else { continue };
                accept::begin(front, door, TcpStream::from_std(stream)?, from.ip(), room);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Has the system ignore those who begin to connect to this listener. It chooses one of all that share an address by a
/// hash, and would go on giving us connections until the very moment of closing; one that comes between our last look
/// and that moment would be reset. A client that is ignored asks again after a second, and then another is chosen.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn turn_away(listener: &TcpListener) -> bool {
    use socket2::{SockFilter, SockRef};
    // The classic packet filter: the byte of flags in the TCP header; dropped with SYN, kept whole otherwise.
    const LOAD_FLAGS: SockFilter = SockFilter::new(0x30, 0, 0, 13);
    const IF_SYN: SockFilter = SockFilter::new(0x45, 0, 1, 0x02);
    const DROP: SockFilter = SockFilter::new(0x06, 0, 0, 0);
    const KEEP: SockFilter = SockFilter::new(0x06, 0, 0, u32::MAX);
    let attached = SockRef::from(listener).attach_filter(&[LOAD_FLAGS, IF_SYN, DROP, KEEP]);
    if let Err(error) = &attached {
        tracing::debug!(%error, "new connections come until the listener is closed");
    }
    attached.is_ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn turn_away(_: &TcpListener) -> bool {
    false
}
