//! What a fault does to calls that have nothing to do with it.
//!
//! Latencies on a shared machine wander by more than what is looked for. So each call of the neighbour through the gateway
//! that is hit has a twin, made right after it, through a gateway that is the same in all but the fault: what the machine
//! does to one it does to the other. A gateway is slowed down by a fault when its calls are slow and their twins are not,
//! in each of several rounds.

use std::fs::File;
use std::time::{Duration, Instant};

use trunkline_e2e::client::{Client, Era};
use trunkline_e2e::gateway::Gateway;

/// Pairs of calls in a round. The 99th percentile is the fourth worst.
const PAIRS: usize = 300;
/// A gateway that is slowed down is so in each of them.
const ROUNDS: usize = 6;
/// How much slower the 99th percentile may be.
const FACTOR: f64 = 1.2;
/// A twin that nothing befalls and that takes this long stands in a queue for a core.
const CROWDED: Duration = Duration::from_millis(5);
/// How much slower it may be then: the scheduler lets whoever has more to do wait longer.
const FACTOR_CROWDED: f64 = 2.0;
/// Differences below this are the machine's: a scheduler's slice is longer.
const NOISE: Duration = Duration::from_millis(2);

/// The 99th percentiles of one round.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Through the gateway that is hit.
    pub hit: Duration,
    /// Through its twin.
    pub twin: Duration,
}

impl Round {
    fn is_well(&self) -> bool {
        let factor = if self.twin >= CROWDED { FACTOR_CROWDED } else { FACTOR };
        self.hit <= self.twin.mul_f64(factor).max(self.twin + NOISE)
    }
}

/// Calls the neighbour until a round is well.
///
/// # Panics
/// When none is.
pub fn is_not_slowed_down(hit: &Gateway, twin: &Gateway) {
    let _alone = alone();
    let (mut hit, mut twin) = (hit.client(Era::Modern), twin.client(Era::Modern));
    let mut rounds = Vec::new();
    while rounds.len() < ROUNDS {
        let round = round(&mut hit, &mut twin);
        if std::env::var_os("TRUNKLINE_FAULTS_TIMES").is_some() {
            eprintln!("99th percentile: {round:?}");
        }
        if round.is_well() {
            return;
        }
        rounds.push(round);
    }
    panic!(
        "calls to another server are slower than they may be (99th percentile, in each round): {rounds:?}"
    );
}

/// Rows run beside each other, but only one of them measures at a time: on a machine without a free core every process
/// that has more to do is slower than one that has less. Held until it is dropped.
fn alone() -> File {
    let file = File::create(std::env::temp_dir().join("trunkline-faults.lock")).expect("a temporary file");
    file.lock().expect("a file can be locked");
    file
}

fn round(hit: &mut Client, twin: &mut Client) -> Round {
    let (mut a, mut b) = (Vec::with_capacity(PAIRS), Vec::with_capacity(PAIRS));
    for number in 0..PAIRS {
        // In turns, so that neither always comes after a pause.
        if number % 2 == 0 {
            a.push(one(hit, number));
            b.push(one(twin, number));
        } else {
            b.push(one(twin, number));
            a.push(one(hit, number));
        }
    }
    Round { hit: worst(a), twin: worst(b) }
}

fn one(client: &mut Client, number: usize) -> Duration {
    let arguments = format!(r#"{{"near":{number}}}"#);
    let start = Instant::now();
    let reply = client.call("near__echo", &arguments);
    let took = start.elapsed();
    assert_eq!(reply.text(), arguments, "the neighbour answers as always");
    took
}

/// The 99th percentile.
fn worst(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() - 1 - times.len() / 100]
}
