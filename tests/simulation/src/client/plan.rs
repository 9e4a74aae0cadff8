//! What a call is to do at its server, and what its client does meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::world::World;

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) server: String,
    pub(super) steps: Vec<Value>,
    /// The client wants to hear of progress.
    pub(super) progress: bool,
    pub(super) cancels_after: Option<Duration>,
    /// Size of the answer.
    pub(super) bytes: u64,
}

impl Plan {
    pub(super) fn draw(world: &World, chance: &mut Chance) -> Self {
        let server = &world.servers[chance.below(world.servers.len() as u64) as usize];
        let mut steps = Vec::new();
        for _ in 0..chance.below(6) {
            let plain = |name: &str| json!({ "do": name });
            let step = chance.weighed(&[
                (10, "work"),
                (8, "progress"),
                (4, "log"),
                (2, "stray"),
                (2, "error"),
                (2, "twice"),
                (2, "cut"),
                (2, "hang"),
                (1, "die"),
                (4, "ask"),
                (1, "toil"),
            ]);
            match step {
                "work" => {
                    let ms = chance.pick(&[0, 1, 30, 200, 1_000, 3_000, 7_900, 8_100]);
                    steps.push(json!({ "do": "work", "ms": ms }));
                }
                // Longer than a whole call may be, with signs of life all the time.
                "toil" => {
                    for _ in 0..8 {
                        steps.extend([plain("progress"), json!({ "do": "work", "ms": 5_000 })]);
                    }
                }
                "ask" if !world.asks => {}
                other => steps.push(plain(other)),
            }
        }
        let cancels_after =
            chance.once_in(7).then(|| Duration::from_millis(chance.pick(&[0, 1, 20, 100, 1_000, 8_000])));
        let bytes = chance.weighed(&[(6, 0), (2, 3_000), (1, 100_000)]);
        Self { server: server.name.clone(), steps, progress: chance.once_in(2), cancels_after, bytes }
    }

    pub(super) fn arguments(&self, call: &str) -> Value {
        json!({ "call": call, "steps": self.steps, "bytes": self.bytes })
    }

    pub(super) fn questions(&self) -> u32 {
        self.steps.iter().filter(|step| step["do"] == "ask").count() as u32
    }

    /// In a few words, for the log.
    pub(super) fn told(&self) -> String {
        let steps = self.steps.iter().map(|step| match step["ms"].as_u64() {
            Some(ms) => format!("work {ms}"),
            None => step["do"].as_str().unwrap_or_default().to_owned(),
        });
        let steps: Vec<String> = steps.collect();
        let cancels = self.cancels_after.map(|after| format!(", cancels after {} ms", after.as_millis()));
        let progress = if self.progress { ", hears progress" } else { "" };
        format!("[{}]{progress}{}", steps.join(", "), cancels.unwrap_or_default())
    }
}
