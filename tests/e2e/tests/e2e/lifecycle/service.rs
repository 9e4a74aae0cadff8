//! As a service: what systemd is told, and the sockets that it hands over.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use trunkline_e2e::client::Era;
use trunkline_e2e::gateway::{Gateway, binary};
use trunkline_e2e::http::Connection;
use trunkline_e2e::load::echo;
use trunkline_e2e::wait;

#[test]
fn the_service_manager_is_told_of_every_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(wait::LONG)).expect("a time");
    let upstream = echo(true);
    let document = json!({ "reload": { "watch": false }, "mcpServers": { "one": upstream.entry() } });
    let mut gateway = Gateway::under(document, |command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
    });
    let hears = |wanted: &str| loop {
        let mut buffer = [0; 512];
        let length = manager.recv(&mut buffer).expect("a word from the gateway");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.contains(wanted) {
            return text;
        }
        assert!(text.starts_with("WATCHDOG=1") || text.starts_with("STATUS="), "{text} before {wanted}");
    };
    assert!(hears("READY=1").contains("STATUS=ready; 1 of 1 servers up"));
    for _ in 0..3 {
        hears("WATCHDOG=1");
    }
    gateway.edit(|document| document["instructions"] = json!("new"));
    gateway.signal(Signal::SIGHUP);
    assert!(hears("RELOADING=1").contains("MONOTONIC_USEC="));
    hears("READY=1");
    gateway.signal(Signal::SIGTERM);
    hears("STOPPING=1");
    assert_eq!(gateway.ended(Duration::from_secs(15)).code(), Some(0));
}

#[test]
fn a_listener_that_is_handed_over_is_used_and_what_waits_there_waits_for_the_next_process() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let upstream = echo(true);
    let document = json!({ "listen": "127.0.0.1:1", "mcpServers": { "one": upstream.entry() } });
    let handed = Mutex::new(());
    let start = || {
        let _one = handed.lock();
        let copy = OwnedFd::from(listener.try_clone().expect("a descriptor"));
        let copy = Mutex::new(Some(copy));
        Gateway::under(document.clone(), |command| {
            // The manager's part: the descriptor at number 3, and the process id of the program itself.
            let socket = copy.lock().expect("unbroken").take().expect("once");
            let mut arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            let dir = command.get_current_dir().map(ToOwned::to_owned);
            let mut shell = std::process::Command::new("bash");
            let script = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
            shell.args(["-c", script, "bash"]).arg(binary()).args(arguments.drain(..));
            shell.stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(Stdio::piped());
            if let Some(dir) = dir {
                shell.current_dir(dir);
            }
            *command = shell;
        })
    };
    let mut first = start();
    assert_eq!(first.address(), address);
    assert_eq!(first.client(Era::Modern).call("one__echo", r#"{"text":"a"}"#).text(), "a");
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ended(Duration::from_secs(15)).code(), Some(0));
    // Nobody is there, and nobody is refused.
    let mut waiting = Connection::open(address);
    let host = address.to_string();
    waiting.request("GET", "/mcp", &[("Host", &host)], b"").expect("the system takes it");
    let second = start();
    assert_eq!(waiting.answer().expect("the next process answers").head.status, 405);
    drop(second);
}

#[test]
fn readiness_is_what_the_operator_asks_for() {
    let upstream = echo(true);
    let document = json!({
        "reload": { "watch": false },
        "mcpServers": { "one": upstream.entry(), "gone": { "url": "http://127.0.0.1:9/mcp" } },
    });
    let gateway = Gateway::with(document);
    for (required, status, missing) in [
        (json!("any"), 200, ""),
        (json!("all"), 503, "gone"),
        (json!(["one"]), 200, ""),
        (json!(["gone"]), 503, "gone"),
        (json!("none"), 200, ""),
    ] {
        gateway.edit(|document| document["readiness"] = json!({ "requireServers": required }));
        assert!(gateway.reload());
        let answer = gateway.admin("/readyz");
        assert_eq!(answer.head.status, status, "{required}: {}", answer.text());
        assert_eq!(answer.text().contains("\"missing\""), status == 503);
        assert!(answer.text().contains(missing));
        wait::until(wait::LONG, "the metric", || {
            ((gateway.metric("trunkline_ready", &[]) > 0.5) == (status == 200)).then_some(())
        });
    }
    assert_eq!(gateway.admin("/livez").head.status, 200);
}
