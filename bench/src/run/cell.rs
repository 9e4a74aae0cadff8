//! What is measured under load: a cell is one kind of load, played to several targets.

use super::target::of_peer;
use super::target::{
    DIRECT, FIVE, FLOOR, GATEWAY, LIMITED, LISTS, Name, PIPE_FLOOR, SHAPES, STDIO, THREADS, TO_LEGACY,
    TO_MODERN, memory, shaped, sized, threaded,
};
use crate::era::Era;
use crate::load::{Op, Pace};
use crate::peers::peer::{AtHand, Wire};

/// What cells are called, up to the era.
pub(super) const ECHO: &str = "echo";
pub(super) const OVER_STDIO: &str = "echo over stdio";
pub(super) const MANY_TOOLS: &str = "echo among many tools";
pub(super) const WITH_THREADS: &str = "echo by number of threads";
pub(super) const PROGRESS: &str = "progress events";
pub(super) const PAYLOADS: [(&str, usize); 2] =
    [("result of 64 KiB", 64 << 10), ("result of 1 MiB", 1 << 20)];

/// One kind of load.
pub(super) struct Cell {
    pub(super) what: Name,
    pub(super) era: Era,
    pub(super) op: Op,
    pub(super) connections: usize,
    pub(super) pace: Pace,
    /// In the order of odd rounds. A peer joins a cell by its name here.
    pub(super) targets: Vec<Name>,
    /// What ratios are taken against.
    pub(super) floor: Name,
    /// What latency is added to; none where nothing can be reached directly.
    pub(super) direct: Option<Name>,
}

impl Cell {
    /// For people, and for finding its samples again.
    pub(super) fn name(&self) -> String {
        name(&self.what, self.era, self.connections)
    }
}

/// The name of a cell.
pub(super) fn name(what: &str, era: Era, connections: usize) -> String {
    format!("{what}, {}, C={connections}", era.word())
}

/// The cell of a list.
pub(super) fn list(tools: usize) -> String {
    format!("list of {tools}")
}

/// The targets whose upstream speaks only the era the caller does not.
pub(super) const fn crossing(era: Era) -> &'static str {
    match era {
        Era::Modern => TO_LEGACY,
        Era::Legacy => TO_MODERN,
    }
}

/// Everything `run` measures under load.
pub(super) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for era in [Era::Modern, Era::Legacy] {
        for connections in [1, 16, 64] {
            let mut targets = vec![DIRECT, FLOOR, GATEWAY, crossing(era)];
            if connections == 16 {
                targets.extend([FIVE, LIMITED]);
            }
            cells.push(cell(ECHO, era, Op::Call, connections, &targets));
        }
        cells.push(Cell {
            pace: Pace::Open(200),
            ..cell("echo at 200/s", era, Op::Call, 16, &[DIRECT, FLOOR, GATEWAY])
        });
        for connections in [1, 16, 64] {
            cells.push(Cell {
                floor: PIPE_FLOOR.into(),
                direct: None,
                ..cell(OVER_STDIO, era, Op::Call, connections, &[PIPE_FLOOR, STDIO])
            });
        }
        for tools in LISTS {
            let mut targets = vec![sized(DIRECT, tools), memory(tools), sized(GATEWAY, tools)];
            if tools == 1000 {
                targets.push(shaped((tools, 5)));
            }
            cells.push(Cell {
                targets,
                floor: memory(tools),
                direct: Some(sized(DIRECT, tools)),
                ..cell(list(tools), era, Op::List { tools: Some(tools) }, 4, &[])
            });
        }
        let same = [DIRECT, FLOOR, GATEWAY];
        for (what, bytes) in PAYLOADS {
            cells.push(cell(what, era, Op::Payload { bytes }, 4, &same));
        }
        cells.push(cell(PROGRESS, era, Op::Progress { steps: 20, interval_ms: 2 }, 16, &same));
    }
    // The floor is the gateway with few tools: what is asked is whether more of them cost more.
    cells.push(Cell {
        targets: SHAPES.into_iter().map(shaped).collect(),
        floor: GATEWAY.into(),
        direct: None,
        ..cell(MANY_TOOLS, Era::Modern, Op::Call, 16, &[])
    });
    for connections in [16, 256] {
        cells.push(Cell {
            targets: [FLOOR.into()].into_iter().chain(THREADS.map(threaded)).collect(),
            direct: None,
            ..cell(WITH_THREADS, Era::Modern, Op::Call, connections, &[])
        });
    }
    cells
}

/// Puts a peer into the cells it can be called in: those of the ordinary upstream over its wires, in its eras, and those
/// with progress only where it passes all of it on.
pub(super) fn join(cells: &mut [Cell], peer: &AtHand) {
    for cell in cells {
        let wire = match (&*cell.floor, cell.direct.as_deref()) {
            (FLOOR, Some(DIRECT)) => Wire::Http,
            (PIPE_FLOOR, None) => Wire::Stdio,
            _ => continue,
        };
        let claims = peer.claims;
        let can = claims.wires.contains(&wire) && claims.eras.contains(&cell.era);
        if can && (!matches!(cell.op, Op::Progress { .. }) || claims.progress.contains(&(wire, cell.era))) {
            cell.targets.push(of_peer(peer, wire));
        }
    }
}

fn cell(what: impl Into<Name>, era: Era, op: Op, connections: usize, targets: &[&'static str]) -> Cell {
    Cell {
        what: what.into(),
        era,
        op,
        connections,
        pace: Pace::Closed,
        targets: targets.iter().map(|name| Name::from(*name)).collect(),
        floor: FLOOR.into(),
        direct: Some(DIRECT.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::target;

    #[test]
    fn every_target_of_a_cell_can_be_started() {
        let known: Vec<_> = target::all().into_iter().map(|spec| spec.name).collect();
        for cell in all() {
            for name in cell.targets.iter().chain([&cell.floor]).chain(&cell.direct) {
                assert!(known.contains(name), "{}: {name}", cell.name());
            }
            assert!(cell.targets.contains(&cell.floor), "{}", cell.name());
        }
    }

    #[test]
    fn a_peer_joins_the_cells_of_its_wires_eras_and_progress() {
        let peer = AtHand::pretended("mcp-proxy-npm");
        let mut cells = all();
        join(&mut cells, &peer);
        let joined = |what: &str| {
            let of = cells.iter().filter(|cell| cell.name().starts_with(what));
            of.flat_map(|cell| &cell.targets).filter(|target| target.starts_with("mcp-proxy-npm")).count()
        };
        assert_eq!(joined("echo over stdio, modern"), 3);
        assert_eq!(
            (joined("echo, modern"), joined(PROGRESS), joined("list"), joined(MANY_TOOLS)),
            (0, 0, 0, 0)
        );
    }

    #[test]
    fn no_two_cells_have_one_name() {
        let mut names: Vec<_> = all().iter().map(Cell::name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
