//! What a call is to do at its server, and what its client does meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::setup::TOOLS;
use crate::world::World;

/// A result that is handed on while it arrives, where that can be.
pub(crate) const LARGE_BYTES: u64 = 200_000;

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The server as the operator named it.
    pub(super) server: String,
    /// The tool, by the server's own name.
    pub(super) tool: &'static str,
    /// The client says that it is to happen once.
    pub(super) has_key: bool,
    pub(super) steps: Vec<Value>,
    /// The client wants to hear of progress.
    pub(super) progress: bool,
    pub(super) cancels_after: Option<Duration>,
    /// Size of the answer.
    pub(super) bytes: u64,
}

impl Plan {
    pub(super) fn draw(world: &World, chance: &mut Chance) -> Self {
        let setup = &world.setups[chance.below(world.setups.len() as u64) as usize];
        let tool = chance.weighed(&[(3, TOOLS[0]), (3, TOOLS[1]), (2, TOOLS[2])]);
        let mut steps = Vec::new();
        // Some fail late enough for a second one to have been made beside them, and fail each time.
        let late = setup.hedges() && tool == TOOLS[1] && chance.once_in(3);
        if late {
            let ms = chance.pick(&[200, 1_000, 6_000]);
            steps.extend([json!({ "do": "work", "ms": ms }), json!({ "do": "cut", "until": 99 })]);
        }
        for _ in 0..if late { 0 } else { chance.below(6) } {
            let plain = |name: &str| json!({ "do": name });
            // Most mishaps befall a call once, so that it may go well when it is sent again.
            let until = chance.weighed(&[(5, 1), (3, 2), (3, 99)]);
            let mishap = |name: &str| json!({ "do": name, "until": until });
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
                (2, "toil"),
                (5, "refuse"),
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
                "refuse" => {
                    let status = chance.pick(&[429, 500, 503]);
                    let after = chance.pick(&[None, Some(1), Some(2), Some(30)]);
                    steps.push(json!({ "do": "refuse", "status": status, "after": after, "until": until }));
                }
                "cut" | "hang" | "die" => steps.push(mishap(step)),
                other => steps.push(plain(other)),
            }
        }
        let cancels_after =
            chance.once_in(7).then(|| Duration::from_millis(chance.pick(&[0, 1, 20, 100, 1_000, 8_000])));
        // Only a server that is alone has its results handed on while they arrive, and only large ones.
        let large = if world.setups.len() == 1 { 6 } else { 1 };
        let bytes = chance.weighed(&[(12, 0), (4, 3_000), (1, 100_000), (large, LARGE_BYTES)]);
        let (server, has_key) = (setup.name.clone(), chance.once_in(5));
        Self { server, tool, has_key, steps, progress: chance.once_in(2), cancels_after, bytes }
    }

    /// A call that just works.
    pub(super) fn plain(server: &str) -> Self {
        Self {
            server: server.to_owned(),
            tool: TOOLS[0],
            has_key: false,
            steps: Vec::new(),
            progress: false,
            cancels_after: None,
            bytes: 0,
        }
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
            None => match step["until"].as_u64() {
                Some(most) => format!("{} {most}x", step["do"].as_str().unwrap_or_default()),
                None => step["do"].as_str().unwrap_or_default().to_owned(),
            },
        });
        let steps: Vec<String> = steps.collect();
        let cancels = self.cancels_after.map(|after| format!(", cancels after {} ms", after.as_millis()));
        let progress = if self.progress { ", hears progress" } else { "" };
        let key = if self.has_key { ", has a key" } else { "" };
        format!("{} [{}]{progress}{key}{}", self.tool, steps.join(", "), cancels.unwrap_or_default())
    }
}
