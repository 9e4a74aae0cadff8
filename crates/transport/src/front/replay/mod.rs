//! The streams of a session that its client may come back to after its connection broke: every event has an id, is
//! kept for a while, and `Last-Event-ID` names the last one that arrived (2025-11-25, Streamable HTTP, resumability).
//!
//! `track.rs` is one such stream. A session that has none keeps nothing.

#[cfg(test)]
mod tests;
mod track;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use trunkline_protocol::Revision;

use super::frames;
pub(crate) use track::{Place, Reader, Source, Track};

/// How long a stream is kept after its end, or after the client's own stream lost its reader. A client that is able to
/// come back does so within seconds; networks that change take longer.
const KEPT: Duration = Duration::from_mins(2);
/// Most streams of one session that are kept, those that run included.
const TRACKS_MAX: usize = 64;
/// Bytes of events that are kept for all sessions of a front together.
pub(crate) const KEPT_BYTES_MAX: usize = 64 << 20;
/// How long a client is told to wait before it comes back, in milliseconds.
const RETRY_MS: u64 = 1000;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What the server has to say of itself; a session has one such stream at a time.
    News,
    /// One call. It goes on without a reader.
    Call,
}

/// The streams of one session.
#[derive(Default)]
pub(crate) struct Replay {
    next: AtomicU64,
    /// Oldest first.
    tracks: Mutex<Vec<Arc<Track>>>,
}

/// What an event id leads to.
pub(crate) enum Resumed {
    /// Everything after that event.
    Reader(Reader),
    /// Nothing: the stream of a call, or what came after the event, is not kept any more.
    Lost,
    /// Nothing that would be missed: a stream of news that has gone, or an id that was never given.
    Afresh,
}

impl Replay {
    fn tracks(&self) -> MutexGuard<'_, Vec<Arc<Track>>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a stream, which takes the place of one for the same news; the source back when too many are kept.
    pub(crate) fn begin(
        &self,
        purpose: Purpose,
        source: Source,
        revision: Revision,
        room: &Arc<Semaphore>,
    ) -> Result<Reader, Source> {
        let mut tracks = self.tracks();
        if purpose == Purpose::News {
            retain(&mut tracks, |track| track.purpose != Purpose::News);
        } else if tracks.len() >= TRACKS_MAX {
            let Some(done) = tracks.iter().position(|track| track.is_over()) else { return Err(source) };
            tracks.remove(done);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let track = Arc::new(Track::new(number, purpose, source, Arc::clone(room)));
        tracks.push(Arc::clone(&track));
        drop(tracks);
        // Older clients take empty data for a message.
        let first = (revision >= Revision::R2025_11_25)
            .then(|| frames::priming(&Place { purpose, track: number, event: 0 }.to_string(), RETRY_MS));
        Ok(Reader::first(track, first))
    }

    /// Goes on after an event.
    pub(crate) fn resume(&self, id: &str) -> Resumed {
        let Some(place) = Place::parse(id) else { return Resumed::Afresh };
        let tracks = self.tracks();
        let track = tracks.iter().find(|track| (track.number, track.purpose) == (place.track, place.purpose));
        match (track.and_then(|track| track.attach(place.event)), place.purpose) {
            (Some(reader), _) => Resumed::Reader(reader),
            (None, Purpose::Call) => Resumed::Lost,
            (None, Purpose::News) => Resumed::Afresh,
        }
    }

    /// Forgets what nobody came back for.
    pub(crate) fn prune(&self, now: Instant) {
        let left = |track: &Arc<Track>| track.left().is_some_and(|at| now.duration_since(at) >= KEPT);
        retain(&mut self.tracks(), |track| !left(track));
    }

    /// Ends and forgets every stream.
    pub(crate) fn clear(&self) {
        retain(&mut self.tracks(), |_| false);
    }
}

/// Keeps some tracks and ends the others.
fn retain(tracks: &mut Vec<Arc<Track>>, keep: impl Fn(&Arc<Track>) -> bool) {
    tracks.retain(|track| {
        let kept = keep(track);
        if !kept {
            track.end();
        }
        kept
    });
    if tracks.is_empty() {
        // An idle session takes no room.
        *tracks = Vec::new();
    }
}
