//! What befalls the gateway: servers that die, come back or stop answering, and configurations that change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use trunkline_e2e::process;
use trunkline_simulation::chance::Chance;

use crate::servers::{KINDS, Reached};
use crate::tally::Tally;

/// What it needs to reach.
pub(crate) struct Fate {
    pub(crate) gateway: u32,
    pub(crate) config: PathBuf,
    pub(crate) reached: Arc<Reached>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) stop: CancellationToken,
}

impl Fate {
    /// Goes on until it is stopped, and leaves everything as it was.
    pub(crate) async fn run(self, mut chance: Chance) {
        let mut edition = 0;
        while !self.stop.is_cancelled() {
            sleep(Duration::from_millis(chance.between(500, 3_000))).await;
            let done = match chance.weighed(&[(4, "kill a child"), (2, "freeze"), (2, "kill"), (2, "reload")])
            {
                "kill a child" => {
                    self.kill_a_child(&mut chance);
                    Ok(())
                }
                "freeze" => {
                    self.freeze(&mut chance).await;
                    Ok(())
                }
                "kill" => self.kill(&mut chance).await,
                _ => {
                    edition += 1;
                    self.reload(edition)
                }
            };
            if let Err(error) = done {
                self.tally.strange(&format!("fate: {error:#}"));
            }
        }
    }

    /// The processes of a started server.
    fn children(&self, name: &str) -> Vec<u32> {
        let all = process::descendants(self.gateway).into_iter();
        all.filter(|&pid| process::command_line(pid).contains(name)).collect()
    }

    fn started(chance: &mut Chance) -> &'static str {
        chance.pick(&["pipe-modern", "pipe-legacy"])
    }

    fn kill_a_child(&self, chance: &mut Chance) {
        let children = self.children(Self::started(chance));
        if !children.is_empty() {
            self.tally.did("children killed");
            send(chance.pick(&children), Signal::SIGKILL);
        }
    }

    async fn kill(&self, chance: &mut Chance) -> Result<()> {
        let name = chance.pick(&[KINDS[0].name, KINDS[1].name]);
        self.tally.did("servers killed and brought back");
        self.reached.kill(name);
        sleep(Duration::from_millis(chance.between(0, 2_500))).await;
        self.reached.revive(name)
    }

    /// A process that is stopped reads nothing and says nothing.
    async fn freeze(&self, chance: &mut Chance) {
        let children = self.children(Self::started(chance));
        if children.is_empty() {
            return;
        }
        self.tally.did("children frozen for a while");
        let child = chance.pick(&children);
        send(child, Signal::SIGSTOP);
        sleep(Duration::from_millis(chance.between(100, 5_000))).await;
        send(child, Signal::SIGCONT);
    }

    fn reload(&self, edition: u64) -> Result<()> {
        self.tally.did("reloads");
        let text = std::fs::read_to_string(&self.config).context("the configuration")?;
        let mut document: Value = serde_json::from_str(&text)?;
        document["mcpServers"] = self.reached.entries(edition)?;
        let fresh = self.config.with_extension("new");
        std::fs::write(&fresh, document.to_string())?;
        std::fs::rename(&fresh, &self.config)?;
        process::signal(self.gateway, Signal::SIGHUP);
        Ok(())
    }
}

/// Signals a process of which the gateway may have made an end meanwhile.
fn send(pid: u32, signal: Signal) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), signal);
}
