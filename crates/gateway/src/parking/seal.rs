//! The `requestState` of a parked call: opaque, unforgeable, good for one call, one round and a limited time.
//!
//! `gw1.` and base64url of: key id (4 bytes), nonce (12), ciphertext with tag (AES-256-GCM-SIV, RFC 8452). Encrypted and
//! not only signed, for it names what goes on behind the gateway.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use trunkline_model::StateProblem;

/// What every state begins with.
const PREFIX: &str = "gw1.";
const KEY_ID: usize = 4;
const NONCE: usize = 12;
const PLAIN: usize = 16 + 4 + 8 + 32;

/// What a state says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The parked call.
    pub(crate) exchange: [u8; 16],
    /// Its round; each is answered once.
    pub(crate) round: u32,
    /// When the call is given up, in seconds since the epoch.
    pub(crate) expires: u64,
    /// A digest of caller, method, target and arguments.
    pub(crate) binding: [u8; 32],
}

/// Seals and opens states.
pub(crate) struct Sealer {
    id: [u8; KEY_ID],
    key: LessSafeKey,
}

impl Sealer {
    /// States sealed with `key`. Others that hold the same key can open them.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let derive = |purpose: &str| blake3::derive_key(purpose, key);
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&derive("trunkline 2026-11 request state key id")[..KEY_ID]);
        let secret = derive("trunkline 2026-11 request state");
        #[expect(clippy::expect_used, reason = "the key has the length that the algorithm wants")]
        let key = UnboundKey::new(&AES_256_GCM_SIV, &secret).expect("32 bytes");
        Self { id, key: LessSafeKey::new(key) }
    }

    pub(crate) fn seal(&self, sealed: &Sealed) -> String {
        let mut body = Vec::with_capacity(PLAIN + 16);
        body.extend_from_slice(&sealed.exchange);
        body.extend_from_slice(&sealed.round.to_le_bytes());
        body.extend_from_slice(&sealed.expires.to_le_bytes());
        body.extend_from_slice(&sealed.binding);
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&trunkline_runtime::random_key()[..NONCE]);
        let aad = Aad::from(PREFIX.as_bytes());
        let done = self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body);
        debug_assert!(done.is_ok(), "sealing a few bytes cannot fail");
        let whole = [&self.id[..], &nonce, &body].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(whole))
    }

    /// Opens a state.
    ///
    /// # Errors
    /// [`StateProblem::InstanceLost`] when it was sealed with a key that is not known here (any more), and
    /// [`StateProblem::Invalid`] when it is no state of ours or was changed.
    pub(crate) fn open(&self, text: &str) -> Result<Sealed, StateProblem> {
        let whole = text.strip_prefix(PREFIX).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let mut whole =
            whole.filter(|whole| whole.len() == KEY_ID + NONCE + PLAIN + 16).ok_or(StateProblem::Invalid)?;
        if whole[..KEY_ID] != self.id {
            return Err(StateProblem::InstanceLost);
        }
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&whole[KEY_ID..KEY_ID + NONCE]);
        let aad = Aad::from(PREFIX.as_bytes());
        let body = &mut whole[KEY_ID + NONCE..];
        let opened = self.key.open_in_place(Nonce::assume_unique_for_key(nonce), aad, body);
        let plain: &[u8] = opened.map_err(|_| StateProblem::Invalid)?;
        let part = |from: usize, length: usize| plain.get(from..from + length).unwrap_or_default();
        let invalid = |_| StateProblem::Invalid;
        Ok(Sealed {
            exchange: part(0, 16).try_into().map_err(invalid)?,
            round: u32::from_le_bytes(part(16, 4).try_into().map_err(invalid)?),
            expires: u64::from_le_bytes(part(20, 8).try_into().map_err(invalid)?),
            binding: part(28, 32).try_into().map_err(invalid)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> Sealed {
        Sealed { exchange: [3; 16], round: 7, expires: 1_800_000_000, binding: [9; 32] }
    }

    #[test]
    fn a_state_opens_to_what_was_sealed_and_only_untouched() {
        let sealer = Sealer::new(&[1; 32]);
        let text = sealer.seal(&state());
        assert_eq!(sealer.open(&text), Ok(state()));
        assert_ne!(sealer.seal(&state()), text, "each has a nonce of its own");
        for at in PREFIX.len()..text.len() {
            let mut bad = text.clone().into_bytes();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            assert!(sealer.open(std::str::from_utf8(&bad).unwrap()).is_err(), "changed at {at}");
        }
        for bad in ["", "gw1.", "gw1.AAAA", "x", &text[4..], &text[..text.len() - 2]] {
            assert_eq!(sealer.open(bad), Err(StateProblem::Invalid), "{bad}");
        }
    }

    #[test]
    fn a_state_of_another_process_is_told_apart() {
        let text = Sealer::new(&[1; 32]).seal(&state());
        assert_eq!(Sealer::new(&[2; 32]).open(&text), Err(StateProblem::InstanceLost));
    }
}
