//! How much is read at a time.

use bytes::BytesMut;

/// Room for a read, at least: a usual answer with its head.
pub(super) const READ_BYTES: usize = 8 * 1024;
/// Most room for a read that may bring the head of an answer.
const HEAD_READ_BYTES_MAX: usize = 128 * 1024;
/// A usual head.
const HEAD_BYTES_USUAL: u64 = 1024;
/// Room for a read of what is known to be large.
pub(super) const LARGE_BYTES: usize = 64 * 1024;
/// Most room for a read of a large body, while few are read; see [`Appetite::for_body`].
const BODY_READ_BYTES_MAX: usize = 256 * 1024;
/// Room for all reads of large bodies of one origin together, in bytes. Beyond it each still has [`LARGE_BYTES`].
const BODIES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How much the server of a connection has lately sent at once. What a large answer costs is mostly how often it is read
/// and written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appetite {
    head: usize,
    body: usize,
    had_less: bool,
}

impl Appetite {
    pub(super) const fn new() -> Self {
        Self { head: READ_BYTES, body: READ_BYTES, had_less: false }
    }

    /// Room for the next read of a head, and what follows it.
    pub(super) const fn for_head(self) -> usize {
        self.head
    }

    /// An answer has so many bytes behind its head, where that is known. The next one shall come in one read if it is as
    /// large; but of one that does not, as little as possible, because that has to be copied to the rest of it.
    pub(super) fn answered(&mut self, bytes: Option<u64>) {
        let whole = bytes.map_or(0, |bytes| bytes.saturating_add(HEAD_BYTES_USUAL));
        let whole = usize::try_from(whole).ok().filter(|whole| *whole <= HEAD_READ_BYTES_MAX).unwrap_or(0);
        if whole > self.head {
            self.head = whole.next_power_of_two();
        } else if whole <= self.head / 2 {
            self.head = (self.head / 2).max(READ_BYTES);
        }
    }

    /// Room for the next read of a body, of which so many bytes are certainly missing; `others` are being read at the same
    /// time.
    pub(super) fn for_body(self, missing: Option<u64>, others: usize) -> usize {
        let share = (BODIES_BYTES_MAX / (others + 1)).clamp(LARGE_BYTES, BODY_READ_BYTES_MAX);
        let Some(missing) = missing else { return self.body.min(share) };
        // One byte more than there will be: a read that fills its room is one behind which there may be more.
        let missing = usize::try_from(missing).unwrap_or(usize::MAX).saturating_add(1);
        missing.clamp(READ_BYTES, self.body.max(LARGE_BYTES).min(share))
    }

    /// A read of a body that had so much room has brought so much: one that fills its room makes the next one larger, two in
    /// a row that need less than half of it smaller.
    pub(super) fn had(&mut self, read: usize, room: usize) {
        if read >= room {
            self.body = (room * 4).clamp(READ_BYTES, BODY_READ_BYTES_MAX);
            self.had_less = false;
        } else if read >= self.body / 2 {
            self.had_less = false;
        } else if std::mem::replace(&mut self.had_less, true) {
            self.body = (self.body / 2).max(READ_BYTES);
            self.had_less = false;
        }
    }
}

/// Makes room for `wanted` bytes, or leaves it at half of it where there is as much. What is there stays; nothing else is
/// copied or cleared.
pub(super) fn make_room(ahead: &mut BytesMut, wanted: usize) {
    if ahead.capacity() - ahead.len() >= wanted / 2 {
        return;
    }
    // The same block again, once nobody needs what was read into it before.
    if ahead.try_reclaim(wanted) {
        return;
    }
    let mut fresh = BytesMut::with_capacity(ahead.len() + wanted);
    fresh.extend_from_slice(ahead);
    *ahead = fresh;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_a_body_grows_with_what_comes_and_shrinks_with_what_does_not() {
        let mut appetite = Appetite::new();
        let mut rooms = Vec::new();
        for _ in 0..5 {
            let room = appetite.for_body(None, 0);
            rooms.push(room >> 10);
            appetite.had(room, room);
        }
        assert_eq!(rooms, [8, 32, 128, 256, 256]);
        // One small read changes nothing.
        for read in [100, 200_000, 100, 200_000] {
            appetite.had(read, 256 << 10);
            assert_eq!(appetite.for_body(None, 0), 256 << 10);
        }
        for _ in 0..20 {
            appetite.had(200, 256 << 10);
        }
        assert_eq!(appetite.for_body(None, 0), READ_BYTES);
    }

    #[test]
    fn the_next_answer_has_room_for_one_as_large_as_the_last() {
        let mut appetite = Appetite::new();
        for (bytes, room) in [
            (200, 8),
            (10_000, 16),
            (65_700, 128),
            (70_000, 128),
            (60_000, 64),
            (200, 32),
            (200, 16),
            (200, 8),
        ] {
            appetite.answered(Some(bytes));
            assert_eq!(appetite.for_head() >> 10, room, "{bytes}");
        }
        // What is too large for it is read to where it stays.
        for bytes in [Some(1 << 20), Some(u64::MAX), None] {
            appetite.answered(bytes);
            assert_eq!(appetite.for_head(), READ_BYTES);
        }
    }

    #[test]
    fn what_is_known_to_come_has_room_at_once_and_not_much_more() {
        let appetite = Appetite::new();
        assert_eq!(appetite.for_body(Some(10), 0), READ_BYTES);
        assert_eq!(appetite.for_body(Some(50_000), 0), 50_001);
        assert_eq!(appetite.for_body(Some(1 << 30), 0), LARGE_BYTES);
        let mut hungry = appetite;
        hungry.had(1 << 20, 1 << 20);
        assert_eq!(hungry.for_body(Some(1 << 30), 0), BODY_READ_BYTES_MAX);
        // Many share what there is for all of them.
        assert_eq!(hungry.for_body(Some(1 << 30), 127), 128 << 10);
        assert_eq!(hungry.for_body(Some(1 << 30), 10_000), LARGE_BYTES);
    }

    #[test]
    fn a_block_that_nobody_needs_is_used_again() {
        let mut ahead = BytesMut::new();
        make_room(&mut ahead, 1000);
        ahead.extend_from_slice(&[b'x'; 1000]);
        let (block, taken) = (ahead.as_ptr(), ahead.split().freeze());
        drop(taken);
        make_room(&mut ahead, 1000);
        ahead.extend_from_slice(b"y");
        assert_eq!(ahead.as_ptr(), block);
        // One that is needed is not, and what is left in it comes along.
        ahead.extend_from_slice(&[b'z'; 999]);
        let taken = ahead.split_to(998);
        make_room(&mut ahead, 1000);
        assert!(ahead.capacity() >= 1002);
        assert_eq!((&ahead[..], taken[0]), (b"zz".as_slice(), b'y'));
    }
}
