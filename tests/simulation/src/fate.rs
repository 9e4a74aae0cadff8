//! What befalls servers, wires, clocks and the configuration.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{advance, sleep, timeout};
use trunkline_simulation_system as system;
use trunkline_upstream::Options;

use crate::chance::Chance;
use crate::setup;
use crate::world::World;

/// What befalls them, one thing after another.
pub(crate) async fn befalls(world: Arc<World>, mut upstreams: Vec<Options>, mut chance: Chance) {
    for _ in 0..chance.below(9) {
        sleep(Duration::from_millis(chance.below(9_000))).await;
        let server = &world.servers[chance.below(world.servers.len() as u64) as usize];
        let kind = chance.weighed(&[
            (4, "die"),
            (3, "blink"),
            (2, "stall"),
            (2, "forget"),
            (2, "edit"),
            (3, "reload"),
            (1, "wall"),
            (1, "leap"),
        ]);
        match kind {
            "die" => {
                server.die();
                sleep(Duration::from_millis(chance.between(10, 9_000))).await;
                server.rise();
            }
            "blink" => {
                server.die();
                server.rise();
            }
            "stall" => {
                server.stall(true);
                sleep(Duration::from_millis(chance.between(10, 12_000))).await;
                server.stall(false);
            }
            "forget" => server.forget_sessions(),
            // Members are equal, before and after.
            "edit" => {
                world.servers.iter().filter(|other| other.of == server.of).for_each(|other| other.edit());
            }
            "reload" => reload(&world, &mut upstreams, &mut chance).await,
            "wall" => {
                let secs = chance.pick(&[-86_400, -61, 61, 3_600, 400_000]);
                world.history.note("world", format_args!("the wall clock jumps by {secs} s"));
                system::jump_wall_clock(secs);
            }
            _ => {
                let secs = chance.pick(&[3, 20, 600]);
                world.history.note("world", format_args!("nothing runs for {secs} s"));
                world.jumps.fetch_add(1, Ordering::SeqCst);
                advance(Duration::from_secs(secs)).await;
            }
        }
    }
    for server in &world.servers {
        if server.is_down() {
            server.rise();
        }
    }
}

async fn reload(world: &Arc<World>, upstreams: &mut [Options], chance: &mut Chance) {
    let at = chance.below(upstreams.len() as u64) as usize;
    let kind = chance.below(4);
    match kind {
        1 => upstreams[at].items_max = 5_000 + chance.below(100) as usize,
        2 => upstreams[at].live = setup::live(chance),
        _ => {}
    }
    // What is left out comes back with the next reload, and begins anew then.
    if kind < 3 {
        world.setups[at].decided(&upstreams[at]);
    }
    let without = (kind == 0).then_some(at);
    let kept = upstreams.iter().enumerate().filter(|(number, _)| Some(*number) != without);
    let wanted: Vec<Options> = kept.map(|(_, options)| options.clone()).collect();
    let names: Vec<&str> = wanted.iter().map(|options| &*options.name).collect();
    world.history.note("world", format_args!("reloads with {}", names.join(", ")));
    world.has_reloaded.store(true, Ordering::SeqCst);
    let gateway = world.gateway();
    if timeout(Duration::from_mins(1), gateway.reload(world.options.clone(), wanted)).await.is_err() {
        world.history.broken("a reload ends", "not within a minute");
    }
    world.history.note("world", "has reloaded");
}
