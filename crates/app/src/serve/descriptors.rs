//! File descriptors: as many as the system gives us, and never all of them for clients.

/// Of all descriptors a quarter is kept for servers, pipes and files, within these bounds.
const KEPT_MIN: u64 = 32;
/// Calls under way need one each, and few gateways have more of them.
const KEPT_MAX: u64 = 2048;

/// Raises our limit of descriptors as far as we may, and returns how many of the `wanted` connections it allows. A client more
/// than that waits in the kernel's queue until another one leaves; without this the last descriptors would go to idle
/// clients, and calls of all would fail because no server can be reached.
#[cfg(unix)]
pub(super) fn connections(wanted: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let most =
        if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    let fitting = usize::try_from(most.saturating_sub(kept(most))).unwrap_or(usize::MAX).max(1);
    if fitting < wanted {
        tracing::warn!(
            descriptors = most,
            connections = fitting,
            wanted,
            "the limit of open files allows fewer connections than `limits.connections`"
        );
    }
    wanted.min(fitting)
}

/// No such limit is known here.
#[cfg(not(unix))]
pub(super) fn connections(wanted: usize) -> usize {
    wanted
}

#[cfg(unix)]
fn kept(most: u64) -> u64 {
    (most / 4).clamp(KEPT_MIN, KEPT_MAX)
}

#[cfg(all(test, unix))]
mod tests {
    use super::kept;

    #[test]
    fn some_descriptors_are_kept_whatever_the_limit_is() {
        for (most, expected) in [(64, 32), (256, 64), (1024, 256), (1 << 20, 2048)] {
            assert_eq!(kept(most), expected);
        }
    }
}
