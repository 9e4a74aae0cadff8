//! Servers on SDKs of 2024 and early 2025, as real processes. They meet the question for the era in every way there is: an
//! error, the end of the process, and silence after which even `initialize` kills them.

use std::path::PathBuf;

use serde_json::{Value, json};
use trunkline_e2e::client::{ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::peers::{self, Program};
use trunkline_e2e::wait;

/// What a silent server costs at its first start; long enough for Python to be up on a busy machine.
const PROBE: &str = "4s";

struct Old {
    program: Program,
    tool: &'static str,
    arguments: &'static str,
    /// Part of the answer.
    answer: &'static str,
    /// Processes that the first start takes: a server that does not survive the question takes two.
    starts: u32,
}

const NOON: &str = r#"{"source_timezone":"UTC","time":"12:00","target_timezone":"Asia/Tokyo"}"#;

#[test]
fn rmcp_0_1_5_which_ends_when_it_is_probed() {
    Old {
        program: peers::rmcp_old_server(),
        tool: "add",
        arguments: r#"{"a":2,"b":3}"#,
        answer: "5",
        starts: 2,
    }
    .check();
}

#[test]
fn mcp_1_2_1_which_is_silent_and_dies_of_the_next_message() {
    let program = peers::old_time("12");
    Old { program, tool: "convert_time", arguments: NOON, answer: "T21:00:00+09:00", starts: 2 }.check();
}

#[test]
fn mcp_1_6_0_which_is_silent_and_dies_of_the_next_message() {
    let program = peers::old_time("16");
    Old { program, tool: "convert_time", arguments: NOON, answer: "T21:00:00+09:00", starts: 2 }.check();
}

#[test]
fn typescript_1_0_which_refuses_the_probe_and_goes_on() {
    let program = peers::everything_0_6();
    Old { program, tool: "echo", arguments: r#"{"message":"a"}"#, answer: "Echo: a", starts: 1 }.check();
}

impl Old {
    fn check(self) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let watched = Watched::new(&self.program, dir.path().to_owned());
        let mut entry = watched.entry();
        entry["timeouts"] = json!({ "probe": PROBE });
        let mut gateway = Gateway::transparent(entry);
        self.works(&gateway);
        assert_eq!(watched.starts(), self.starts, "the first start");
        assert_eq!(Self::seen_starts(&gateway), self.starts);

        gateway.restart();
        self.works(&gateway);
        assert_eq!(watched.starts(), self.starts + 1, "the era was remembered");
        assert_eq!(Self::seen_starts(&gateway), 1);
        watched.assert_never_two();
    }

    fn works(&self, gateway: &Gateway) {
        for era in ERAS {
            let mut client = gateway.client(era);
            wait::until(wait::LONG, "the server's tools", || {
                client.tool_names().iter().any(|name| name == self.tool).then_some(())
            });
            let text = client.call(self.tool, self.arguments).text();
            assert!(text.contains(self.answer), "{era:?}: {text}");
        }
        let up = gateway.metric("trunkline_upstream_up", &["era=\"legacy\""]);
        assert!((up - 1.0).abs() < 0.5, "it is up, and legacy");
        assert_eq!(gateway.client(Era::Modern).tool_names(), gateway.client(Era::Legacy).tool_names());
    }

    fn seen_starts(gateway: &Gateway) -> u32 {
        let starts = gateway.metric("trunkline_child_starts_total", &["upstream=\"one\""]);
        (0..10).find(|&number| (starts - f64::from(number)).abs() < 0.5).expect("few starts")
    }
}

/// A server that keeps a lock for as long as its process lives, and notes each start, so that two at a time are seen
/// however short the overlap is.
struct Watched {
    program: Program,
    dir: PathBuf,
}

impl Watched {
    fn new(program: &Program, dir: PathBuf) -> Self {
        Self { program: program.clone(), dir }
    }

    fn entry(&self) -> Value {
        let log = self.dir.join("starts");
        let lock = self.dir.join("lock");
        // The descriptor is handed down to the server, and the lock with it.
        let script = format!(
            "exec 9>'{}'; if flock -n 9; then echo start; else echo overlap; fi >>'{}'; exec \"$@\"",
            lock.display(),
            log.display()
        );
        let mut args = vec!["-c".to_owned(), script, "sh".to_owned(), self.program.command.clone()];
        args.extend(self.program.args.clone());
        json!({ "command": "bash", "args": args })
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.join("starts")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn starts(&self) -> u32 {
        u32::try_from(self.lines().len()).expect("few starts")
    }

    fn assert_never_two(&self) {
        // The lock is the kernel's; a look at the end of the list is enough.
        assert!(
            self.lines().iter().all(|line| line == "start"),
            "two processes at a time: {:?}",
            self.lines()
        );
    }
}
