//! The real binary, started on ports of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Era};
use crate::http::{Answer, Connection};
use crate::{process, wait};

/// A running gateway. Ends with the value, and then shows the end of its log if the test has failed.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    dir: TempDir,
    front: SocketAddr,
    admin: SocketAddr,
    log: Log,
}

type Log = Arc<Mutex<Vec<String>>>;

/// How long the gateway may take to end when it is asked to.
const END: Duration = Duration::from_secs(15);

/// The binary under test.
///
/// # Panics
/// When it was not built.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("TRUNKLINE_BIN").map(PathBuf::from);
    let binary = named.unwrap_or_else(|| {
        // target/debug/deps/e2e-<hash> lies two below the binaries.
        let test = std::env::current_exe().expect("a test has a path");
        test.ancestors().nth(2).expect("tests lie in target/debug/deps").join("trunkline")
    });
    assert!(
        binary.exists(),
        "\n\n  The gateway is not built: {} is missing.\n  Run: cargo build -p trunkline (cargo xtask e2e does)\n",
        binary.display()
    );
    binary
}

impl Gateway {
    /// Starts it with these servers and waits until it is ready.
    pub fn start(servers: &Value) -> Self {
        Self::with(json!({ "mcpServers": servers }))
    }

    /// Starts it in front of one transparent server.
    pub fn transparent(entry: Value) -> Self {
        let mut entry = entry;
        entry["transparent"] = json!(true);
        Self::start(&json!({ "one": entry }))
    }

    /// Starts it with this document and waits until it is ready.
    pub fn with(document: Value) -> Self {
        let gateway = Self::unready(document);
        gateway.wait_until_ready();
        gateway
    }

    /// Starts it with this document and waits until it listens. Addresses, log form and state folder are set here.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn unready(document: Value) -> Self {
        Self::begin(document, None, |_| {})
    }

    /// Starts it with this document and no more than so many open files, and waits until it is ready.
    pub fn with_descriptors(document: Value, descriptors: u32) -> Self {
        let gateway = Self::begin(document, Some(descriptors), |_| {});
        gateway.wait_until_ready();
        gateway
    }

    /// The same, with something done to the command first.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn under(document: Value, prepare: impl Fn(&mut Command)) -> Self {
        Self::begin(document, None, prepare)
    }

    fn begin(mut document: Value, descriptors: Option<u32>, prepare: impl Fn(&mut Command)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        if document.get("listen").is_none() {
            document["listen"] = json!("127.0.0.1:0");
        }
        document["admin"] = json!({ "listen": "127.0.0.1:0" });
        if document.get("log").is_none() {
            document["log"] = json!({ "format": "json" });
        }
        document["stateDir"] = json!(dir.path().join("state"));
        if document.get("shutdown").is_none() {
            // What a test leaves running must not hold up the next one.
            document["shutdown"] = json!({ "grace": "8s" });
        }
        let config = dir.path().join("trunkline.json");
        std::fs::write(&config, serde_json::to_vec_pretty(&document).expect("a document"))
            .expect("the folder is ours");
        let (child, log) = launch(&config, dir.path(), descriptors, &prepare);
        let mut gateway = Self { child, dir, front: unset(), admin: unset(), log };
        gateway.wait_until_it_listens();
        gateway
    }

    /// Ends it and starts it once more with the same document and the same folder, as after a restart of the machine.
    pub fn restart(&mut self) {
        process::signal(self.pid(), Signal::SIGTERM);
        wait::until(END, "the end of the gateway", || (!self.runs()).then_some(()));
        (self.child, self.log) = launch(&self.config(), self.dir.path(), None, &|_| {});
        self.wait_until_it_listens();
        self.wait_until_ready();
    }

    fn wait_until_it_listens(&mut self) {
        let gateway = self;
        let said = wait::until(wait::LONG, "the gateway's word that it is ready", || {
            if let Ok(Some(status)) = gateway.child.try_wait() {
                panic!("the gateway ended with {status}:\n{}", gateway.log().join("\n"));
            }
            gateway.log().iter().find_map(|line| ready(line))
        });
        (gateway.front, gateway.admin) = said;
    }

    /// Waits until `/readyz` says so.
    pub fn wait_until_ready(&self) {
        wait::until(wait::LONG, "/readyz", || (self.admin("/readyz").head.status == 200).then_some(()));
    }

    /// The front's address.
    pub fn address(&self) -> SocketAddr {
        self.front
    }

    /// The endpoint, for drivers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.front.port())
    }

    /// A client of `/mcp`, introduced.
    pub fn client(&self, era: Era) -> Client {
        Client::connect(self.front, "/mcp", era)
    }

    /// A raw connection to the front.
    pub fn connection(&self) -> Connection {
        Connection::open(self.front)
    }

    /// GET on the admin listener.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn admin(&self, path: &str) -> Answer {
        let mut connection = Connection::open(self.admin);
        let host = self.admin.to_string();
        connection
            .request("GET", path, &[("Host", &host), ("Connection", "close")], b"")
            .expect("the admin listener reads");
        connection.answer().expect("the admin listener answers")
    }

    /// Sends JSON to the admin listener.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn admin_send(&self, verb: &str, path: &str, body: &str) -> Answer {
        let mut connection = Connection::open(self.admin);
        let host = self.admin.to_string();
        let fields = [("Host", &*host), ("Connection", "close"), ("Content-Type", "application/json")];
        connection.request(verb, path, &fields, body.as_bytes()).expect("the admin listener reads");
        connection.answer().expect("the admin listener answers")
    }

    /// The admin listener's address, for programs.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// The sum of the samples of a metric whose labels contain all of `labels`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.admin("/metrics").text();
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, set) = series.split_once('{').unwrap_or((series, ""));
            (found == name && labels.iter().all(|label| set.contains(label)))
                .then(|| value.parse::<f64>().ok())
                .flatten()
        });
        samples.sum()
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line of its log in which all of this stands: it may have been written, and not read yet.
    ///
    /// # Panics
    /// When there is none within a minute.
    pub fn says(&self, all: &[&str]) {
        wait::until(wait::LONG, &format!("{all:?} in the log"), || {
            let such = |line: &String| all.iter().all(|words| line.contains(words));
            self.log().iter().any(such).then_some(())
        });
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processes below it whose command line contains `text`.
    pub fn children(&self, text: &str) -> Vec<u32> {
        process::descendants(self.pid())
            .into_iter()
            .filter(|&pid| process::command_line(pid).contains(text))
            .collect()
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("trunkline.json")
    }

    /// Writes its configuration anew, as `edit` changes it, in the place of the old file.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let text = std::fs::read(self.config()).expect("it was written here");
        let mut document: Value = serde_json::from_slice(&text).expect("a document");
        edit(&mut document);
        let new = self.dir.path().join("trunkline.new");
        std::fs::write(&new, serde_json::to_vec_pretty(&document).expect("a document")).expect("a file");
        std::fs::rename(new, self.config()).expect("a rename within a folder");
    }

    /// Sends SIGHUP and waits until the reload that follows has come to its result; whether it succeeded.
    ///
    /// # Panics
    /// When none follows.
    pub fn reload(&self) -> bool {
        let counts = || ["ok", "error"].map(|result| self.reloads(result));
        let before = counts();
        process::signal(self.pid(), Signal::SIGHUP);
        let after = wait::until(wait::LONG, "a reload", || Some(counts()).filter(|now| *now != before));
        after[0] > before[0]
    }

    /// How many reloads had this result so far.
    pub fn reloads(&self, result: &str) -> i64 {
        self.metric("trunkline_config_reloads_total", &[&format!("result=\"{result}\"")]) as i64
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// Waits for its end; how it ended.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn ended(&mut self, limit: Duration) -> ExitStatus {
        wait::until(limit, "the end of the gateway", || self.child.try_wait().expect("it is ours"))
    }

    /// Kills it with SIGKILL and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.runs() {
            process::signal(self.pid(), Signal::SIGTERM);
            let deadline = Instant::now() + END;
            while self.runs() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            let hung = self.runs();
            self.kill();
            if std::thread::panicking() {
                let log = self.log();
                eprintln!("the gateway's last lines:\n{}", log[log.len().saturating_sub(40)..].join("\n"));
            } else {
                assert!(!hung, "the gateway did not end within {END:?} after SIGTERM");
            }
        }
    }
}

fn launch(
    config: &Path,
    dir: &Path,
    descriptors: Option<u32>,
    prepare: &dyn Fn(&mut Command),
) -> (Child, Log) {
    let mut command = match descriptors {
        // The shell lowers the limit and becomes the gateway.
        Some(number) => {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("ulimit -n {number} && exec \"$0\" \"$@\"")]).arg(binary());
            command
        }
        None => Command::new(binary()),
    };
    command
        .args(["serve", "--config"])
        .arg(config)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    prepare(&mut command);
    let mut child = command.spawn().expect("the gateway starts");
    let log = collect(child.stderr.take().expect("stderr is piped"));
    (child, log)
}

/// Reads lines to the end, so that the pipe never fills up.
pub(crate) fn collect(pipe: impl std::io::Read + Send + 'static) -> Log {
    let log: Log = Arc::default();
    let kept = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            kept.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(String::from_utf8_lossy(&line).into_owned());
        }
    });
    log
}

/// Front and admin address, from the line that says that the gateway is ready.
fn ready(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    line.get("message")?.as_str().filter(|message| message.contains("ready"))?;
    let first = |keys: &[&str]| keys.iter().find_map(|key| address(line.get(key)?.as_str()?));
    Some((first(&["endpoint", "listen", "address"])?, first(&["admin", "admin_listen"])?))
}

/// The address in `http://127.0.0.1:8808/mcp` or `127.0.0.1:8808`.
fn address(text: &str) -> Option<SocketAddr> {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    text.split('/').next()?.parse().ok()
}

fn unset() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
