//! The end of a conversation, as found out by those who use it.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

use crate::reason::printable;

/// Says, once, that a conversation is over and why. It belongs to its session, so that no word about an old one is
/// taken for a word about its successor, and none is missed by a listener that comes later.
#[derive(Debug, Default)]
pub(crate) struct Loss {
    told: CancellationToken,
    why: OnceLock<String>,
}

impl Loss {
    /// The conversation is over; the first reason counts.
    pub(crate) fn tell(&self, why: &str) {
        self.why.get_or_init(|| printable(why));
        self.told.cancel();
    }

    /// Resolves with the reason once the conversation is over, also when it was over before.
    pub(crate) async fn heard(&self) -> &str {
        self.told.cancelled().await;
        self.why.get().map_or("the conversation was lost", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loss_told_before_anybody_listened_is_heard_with_its_first_reason() {
        let loss = Loss::default();
        loss.tell("first");
        loss.tell("second");
        assert_eq!(loss.heard().await, "first");
    }
}
