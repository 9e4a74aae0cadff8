//! What is measured: a cell is one kind of load, played to several targets.

use crate::era::Era;
use crate::load::{Op, Pace};

/// Names of the targets, which `Fleet` starts.
pub(super) const DIRECT: [&str; 3] = ["direct", "direct, 100 tools", "direct, 1000 tools"];
pub(super) const FLOOR: [&str; 3] = ["floor", "floor, 100 tools", "floor, 1000 tools"];
pub(super) const GATEWAY: [&str; 3] = ["trunkline", "trunkline, 100 tools", "trunkline, 1000 tools"];
pub(super) const TOOLS: [usize; 3] = [10, 100, 1000];
pub(super) const TWO: &str = "trunkline, two upstreams";
pub(super) const TO_LEGACY: &str = "trunkline, to a legacy upstream";
pub(super) const TO_MODERN: &str = "trunkline, to a modern upstream";
pub(super) const PIPE_FLOOR: &str = "pipe floor";
pub(super) const STDIO: &str = "trunkline, stdio";

/// One kind of load.
pub(super) struct Cell {
    pub(super) what: &'static str,
    pub(super) era: Era,
    pub(super) op: Op,
    pub(super) connections: usize,
    pub(super) pace: Pace,
    /// In the order of odd rounds.
    pub(super) targets: Vec<&'static str>,
    /// What ratios are taken against.
    pub(super) floor: &'static str,
    /// What latency is added to; none where nothing can be reached directly.
    pub(super) direct: Option<&'static str>,
}

impl Cell {
    /// For people, and for finding its samples again.
    pub(super) fn name(&self) -> String {
        format!("{}, {}, C={}", self.what, self.era.word(), self.connections)
    }
}

/// Everything `run` measures.
pub(super) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for era in [Era::Modern, Era::Legacy] {
        let crossing = match era {
            Era::Modern => TO_LEGACY,
            Era::Legacy => TO_MODERN,
        };
        for connections in [1, 16, 64] {
            let targets = vec![DIRECT[0], FLOOR[0], GATEWAY[0], TWO, crossing];
            cells.push(http("echo", era, Op::Call, connections, Pace::Closed, targets));
        }
        let timed = Pace::Open(200);
        cells.push(http("echo at 200/s", era, Op::Call, 16, timed, vec![DIRECT[0], FLOOR[0], GATEWAY[0]]));
        for connections in [1, 16, 64] {
            let targets = vec![PIPE_FLOOR, STDIO];
            cells.push(Cell {
                floor: PIPE_FLOOR,
                direct: None,
                ..http("echo over stdio", era, Op::Call, connections, Pace::Closed, targets)
            });
        }
        for size in 0..TOOLS.len() {
            let what = ["list of 10", "list of 100", "list of 1000"][size];
            let op = Op::List { tools: Some(TOOLS[size]) };
            let targets = vec![DIRECT[size], FLOOR[size], GATEWAY[size]];
            cells.push(Cell {
                floor: FLOOR[size],
                direct: Some(DIRECT[size]),
                ..http(what, era, op, 4, Pace::Closed, targets)
            });
        }
    }
    let same = || vec![DIRECT[0], FLOOR[0], GATEWAY[0]];
    for (what, bytes) in [("result of 64 KiB", 64 << 10), ("result of 1 MiB", 1 << 20)] {
        cells.push(http(what, Era::Modern, Op::Payload { bytes }, 4, Pace::Closed, same()));
    }
    let progress = Op::Progress { steps: 20, interval_ms: 2 };
    for era in [Era::Modern, Era::Legacy] {
        cells.push(http("progress events", era, progress, 16, Pace::Closed, same()));
    }
    cells
}

fn http(
    what: &'static str,
    era: Era,
    op: Op,
    connections: usize,
    pace: Pace,
    targets: Vec<&'static str>,
) -> Cell {
    Cell { what, era, op, connections, pace, targets, floor: FLOOR[0], direct: Some(DIRECT[0]) }
}
