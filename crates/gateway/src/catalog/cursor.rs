//! Page cursors: which page of which list of which catalog, with a seal, so that only ours are accepted.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use trunkline_model::ListKind;

/// How long a cursor of a replaced catalog is still good: a client that pages through a list must get to its end even
/// when a server joins meanwhile.
const GRACE: Duration = Duration::from_mins(5);
/// Replaced catalogs remembered.
const RECENT_MAX: usize = 64;
const SEAL: usize = 12;

/// Makes and checks the cursors of one view.
#[derive(Debug)]
pub struct Cursors {
    key: [u8; 32],
    replaced: Mutex<VecDeque<(u64, Instant)>>,
}

impl Cursors {
    /// Cursors sealed with `key`.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key, replaced: Mutex::new(VecDeque::new()) }
    }

    /// Notes that a catalog was replaced just now.
    pub fn retire(&self, version: u64) {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.push_back((version, Instant::now()));
        if replaced.len() > RECENT_MAX {
            replaced.pop_front();
        }
    }

    /// The cursor of a page.
    pub fn seal(&self, kind: ListKind, version: u64, page: usize) -> String {
        let mut plain = [0_u8; 13];
        plain[0] = kind as u8;
        plain[1..9].copy_from_slice(&version.to_le_bytes());
        plain[9..].copy_from_slice(&u32::try_from(page).unwrap_or(u32::MAX).to_le_bytes());
        let tag = blake3::keyed_hash(&self.key, &plain);
        URL_SAFE_NO_PAD.encode([&plain[..], &tag.as_bytes()[..SEAL]].concat())
    }

    /// The page that a cursor means; `None` when it is not ours, of another list, or of a catalog replaced too long ago.
    pub fn open(&self, text: &str, kind: ListKind, current: u64) -> Option<usize> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|b| b.len() == 13 + SEAL)?;
        let (plain, seal) = bytes.split_at(13);
        let tag = blake3::keyed_hash(&self.key, plain);
        // How long it takes must not tell how much of a guess is right.
        if verify_slices_are_equal(&tag.as_bytes()[..SEAL], seal).is_err() || plain[0] != kind as u8 {
            return None;
        }
        let version = u64::from_le_bytes(plain[1..9].try_into().ok()?);
        if version != current {
            let replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
            replaced.iter().find(|(old, at)| *old == version && at.elapsed() < GRACE)?;
        }
        usize::try_from(u32::from_le_bytes(plain[9..].try_into().ok()?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_and_recent_cursors_open() {
        let cursors = Cursors::new([7; 32]);
        let text = cursors.seal(ListKind::Tools, 3, 2);
        assert_eq!(cursors.open(&text, ListKind::Tools, 3), Some(2));
        assert_eq!(cursors.open(&text, ListKind::Prompts, 3), None);
        assert_eq!(cursors.open(&text, ListKind::Tools, 4), None);
        cursors.retire(3);
        assert_eq!(cursors.open(&text, ListKind::Tools, 4), Some(2));
        assert_eq!(Cursors::new([8; 32]).open(&text, ListKind::Tools, 3), None);
        for bad in ["", "x", "AAAA", &text[1..]] {
            assert_eq!(cursors.open(bad, ListKind::Tools, 3), None);
        }
    }
}
