//! A TCP proxy between the gateway and a server, whose network fails on command.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use socket2::SockRef;

use crate::row::{Target, impatient};
use crate::server::Server;

/// What is wrong with the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Everything takes this much longer, each way.
    Latency(Duration),
    /// Answers pass at this many bytes per 10 ms.
    Bandwidth(usize),
    /// Everything is swallowed, and nobody is told.
    BlackHole,
    /// Connections that stand are cut; new ones are taken and swallow everything.
    NewBlackHole,
    /// Reset after this many bytes of an answer.
    ResetAfter(usize),
    /// Reset as soon as a request comes, which never arrives.
    ResetOnRequest,
    /// Closed in order after this many bytes of an answer.
    CloseAfter(usize),
    /// The way back is closed as soon as a request has passed; the way there stays open.
    HalfClose,
    /// A new connection is not served before this has passed. Those that stand are cut.
    SlowOpen(Duration),
    /// Bytes of an answer from this one on are not what was sent.
    Corrupt(usize),
    /// Nobody listens. Connections that stand are cut.
    Refuse,
}

/// A proxy in front of a server.
pub struct Proxy {
    server: Server,
    fault: Fault,
    state: Arc<State>,
}

struct State {
    address: SocketAddr,
    server: SocketAddr,
    fault: Mutex<Fault>,
    /// Counts changes of the fault: bytes are counted anew after each.
    changes: AtomicU64,
    closed: AtomicBool,
    open: Mutex<Vec<Weak<Pair>>>,
}

/// One connection: its side towards the gateway and its side towards the server.
struct Pair {
    near: TcpStream,
    far: TcpStream,
    /// It ends with a reset, which goes out when the last handle is dropped.
    reset: AtomicBool,
}

/// How long a pump sleeps before it looks whether the proxy has ended.
const LOOK: Duration = Duration::from_millis(200);

impl Proxy {
    /// A proxy in front of a server that behaves. While it is armed, it fails like this.
    ///
    /// # Panics
    /// When there is no port left.
    pub fn new(fault: Fault) -> Self {
        let server = Server::polite();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            address,
            server: server.address(),
            fault: Mutex::new(Fault::None),
            changes: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            open: Mutex::default(),
        });
        State::listen(&state, listener);
        Self { server, fault, state }
    }
}

impl Target for Proxy {
    fn entry(&self) -> Value {
        impatient(json!({ "url": format!("http://{}/mcp", self.state.address) }))
    }

    fn arm(&self) {
        self.state.set(self.fault);
        if self.fault == Fault::Refuse {
            // Wakes the listener, which sees that it shall end.
            let _ = TcpStream::connect(self.state.address);
        }
        if matches!(self.fault, Fault::Refuse | Fault::NewBlackHole | Fault::SlowOpen(_)) {
            self.state.cut();
        }
    }

    /// # Panics
    /// When somebody took the port meanwhile.
    fn disarm(&self) {
        self.state.set(Fault::None);
        if self.fault == Fault::Refuse {
            let again = trunkline_e2e::wait::until(Duration::from_secs(5), "the port", || {
                TcpListener::bind(self.state.address).ok()
            });
            State::listen(&self.state, again);
        }
    }

    fn calls(&self) -> usize {
        self.server.calls()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.state.address);
        self.state.cut();
    }
}

impl State {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Cuts every connection.
    fn cut(&self) {
        for pair in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(pair) = pair.upgrade() {
                let _ = pair.near.shutdown(Shutdown::Both);
                let _ = pair.far.shutdown(Shutdown::Both);
            }
        }
    }

    fn listen(state: &Arc<Self>, listener: TcpListener) {
        let state = Arc::clone(state);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if state.closed.load(Ordering::Relaxed) || state.fault() == Fault::Refuse {
                    return;
                }
                let state = Arc::clone(&state);
                thread::spawn(move || state.join(near));
            }
        });
    }

    /// One connection of the gateway.
    fn join(self: Arc<Self>, near: TcpStream) {
        if let Fault::SlowOpen(wait) = self.fault() {
            thread::sleep(wait);
        }
        let Ok(far) = TcpStream::connect(self.server) else { return };
        for stream in [&near, &far] {
            let _ = stream.set_nodelay(true);
            let _ = stream.set_read_timeout(Some(LOOK));
        }
        let pair = Arc::new(Pair { near, far, reset: AtomicBool::new(false) });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|pair| pair.strong_count() > 0);
        open.push(Arc::downgrade(&pair));
        drop(open);
        let (state, same) = (Arc::clone(&self), Arc::clone(&pair));
        thread::spawn(move || state.pump(&same, true));
        self.pump(&pair, false);
    }

    /// Passes bytes on. `there` is the way from the gateway to the server.
    fn pump(&self, pair: &Pair, there: bool) {
        let (mut from, to) = if there { (&pair.near, &pair.far) } else { (&pair.far, &pair.near) };
        let (mut passed, mut since) = (0, self.changes.load(Ordering::Relaxed));
        let mut buffer = [0; 16 * 1024];
        loop {
            let length = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.closed.load(Ordering::Relaxed) {
                        break;
                    }
                    continue;
                }
                Err(_) => break,
            };
            let now = self.changes.load(Ordering::Relaxed);
            if now != since {
                (passed, since) = (0, now);
            }
            let bytes = &mut buffer[..length];
            let goes_on =
                if there { self.pass_there(pair, bytes) } else { self.pass_back(pair, bytes, passed) };
            passed += length;
            if !goes_on {
                break;
            }
        }
        if !pair.reset.load(Ordering::Relaxed) {
            let _ = to.shutdown(Shutdown::Write);
            let _ = from.shutdown(Shutdown::Read);
        }
    }

    fn pass_there(&self, pair: &Pair, bytes: &[u8]) -> bool {
        let mut far = &pair.far;
        match self.fault() {
            Fault::BlackHole | Fault::NewBlackHole => true,
            Fault::ResetOnRequest => pair.reset(),
            Fault::Latency(wait) => {
                thread::sleep(wait);
                far.write_all(bytes).is_ok()
            }
            Fault::HalfClose => {
                // First: else a quick answer gets through.
                let _ = pair.near.shutdown(Shutdown::Write);
                far.write_all(bytes).is_ok()
            }
            _ => far.write_all(bytes).is_ok(),
        }
    }

    fn pass_back(&self, pair: &Pair, bytes: &mut [u8], passed: usize) -> bool {
        let (mut near, length) = (&pair.near, bytes.len());
        // How many of these bytes come before the place where something happens.
        let before = |place: usize| place.saturating_sub(passed).min(length);
        match self.fault() {
            Fault::BlackHole | Fault::NewBlackHole => true,
            Fault::Latency(wait) => {
                thread::sleep(wait);
                near.write_all(bytes).is_ok()
            }
            Fault::Bandwidth(rate) => bytes.chunks(rate).all(|part| {
                thread::sleep(Duration::from_millis(10));
                near.write_all(part).is_ok()
            }),
            Fault::ResetAfter(place) if passed + length > place => {
                let _ = near.write_all(&bytes[..before(place)]);
                // What was sent shall be read: a reset overtakes it.
                thread::sleep(Duration::from_millis(20));
                pair.reset()
            }
            Fault::CloseAfter(place) if passed + length > place => {
                let _ = near.write_all(&bytes[..before(place)]);
                let _ = near.shutdown(Shutdown::Both);
                false
            }
            Fault::Corrupt(place) => {
                bytes[before(place)..].iter_mut().for_each(|byte| *byte ^= 0x55);
                near.write_all(bytes).is_ok()
            }
            _ => near.write_all(bytes).is_ok(),
        }
    }
}

impl Pair {
    /// Ends it with a reset. Always `false`.
    fn reset(&self) -> bool {
        self.reset.store(true, Ordering::Relaxed);
        let near = SockRef::from(&self.near);
        let _ = near.set_linger(Some(Duration::ZERO));
        // Both have the other pump let go of its handle, and tell the gateway nothing.
        let _ = near.shutdown(Shutdown::Read);
        let _ = self.far.shutdown(Shutdown::Both);
        false
    }
}
