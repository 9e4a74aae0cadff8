//! The ids under which clients know tasks: unguessable, good for one caller, and telling us where the task is.
//!
//! `task-` and base64url of: key id (4 bytes), nonce (12), ciphertext with tag (AES-256-GCM-SIV, RFC 8452). The caller is
//! part of what is authenticated, so that another caller's id opens to nothing. The nonce follows from what is sealed: one
//! task has one id, and this algorithm permits it.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use trunkline_model::{Caller, Text};
use trunkline_transport::front::host::ViewName;

/// What every id begins with.
const PREFIX: &str = "task-";
/// Longest id that is looked at, in bytes.
const LEN_MAX: usize = 4096;
const KEY_ID: usize = 4;
const NONCE: usize = 12;

/// Whose a task or a kept result is: the view, and for legacy clients their session. Modern clients have none, and until there are
/// principals whoever knows the id is the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    bytes: Vec<u8>,
    /// The legacy session.
    pub(crate) stay: Option<u64>,
}

impl Owner {
    pub(crate) fn of(view: &ViewName, caller: &Caller) -> Self {
        let stay = caller.stay.as_ref().map(|stay| stay.number());
        let mut bytes = caller.era.as_str().as_bytes().to_vec();
        bytes.extend_from_slice(&stay.unwrap_or(0).to_le_bytes());
        bytes.push(u8::from(view.is_some()));
        bytes.extend_from_slice(view.as_deref().unwrap_or_default().as_bytes());
        Self { bytes, stay }
    }
}

/// Where a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Among those that are held here.
    Held([u8; 16]),
    /// At a server, under the server's own id.
    Remote {
        /// The server.
        server: Text,
        /// Its id.
        id: Text,
    },
}

impl Named {
    fn spell(&self) -> Vec<u8> {
        match self {
            Self::Held(key) => [&[0], &key[..]].concat(),
            Self::Remote { server, id } => {
                let length = u16::try_from(server.len()).unwrap_or(u16::MAX).to_le_bytes();
                [&[1], &length[..], server.as_bytes(), id.as_bytes()].concat()
            }
        }
    }

    fn read(plain: &[u8]) -> Option<Self> {
        let (kind, rest) = plain.split_first()?;
        match kind {
            0 => Some(Self::Held(rest.try_into().ok()?)),
            1 => {
                let (length, rest) = rest.split_at_checked(2)?;
                let length = usize::from(u16::from_le_bytes(length.try_into().ok()?));
                let (server, id) = rest.split_at_checked(length)?;
                let text = |bytes| std::str::from_utf8(bytes).ok().map(Text::from);
                Some(Self::Remote { server: text(server)?, id: text(id)? })
            }
            _ => None,
        }
    }
}

/// Makes and reads ids.
pub(crate) struct Ids {
    id: [u8; KEY_ID],
    key: LessSafeKey,
    nonces: [u8; 32],
}

impl Ids {
    /// Ids made with `key`. Others that hold the same key can read them.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let derive = |purpose: &str| blake3::derive_key(purpose, key);
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&derive("trunkline 2026-11 task id key id")[..KEY_ID]);
        let secret = derive("trunkline 2026-11 task id");
        #[expect(clippy::expect_used, reason = "the key has the length that the algorithm wants")]
        let key_of = |secret: &[u8; 32]| UnboundKey::new(&AES_256_GCM_SIV, secret).expect("32 bytes");
        Self { id, key: LessSafeKey::new(key_of(&secret)), nonces: derive("trunkline 2026-11 task id nonce") }
    }

    pub(crate) fn seal(&self, owner: &Owner, named: &Named) -> String {
        let mut body = named.spell();
        let mut hash = blake3::Hasher::new_keyed(&self.nonces);
        hash.update(&(owner.bytes.len() as u64).to_le_bytes());
        hash.update(&owner.bytes);
        hash.update(&body);
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&hash.finalize().as_bytes()[..NONCE]);
        let aad = Aad::from(&owner.bytes);
        let done = self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body);
        debug_assert!(done.is_ok(), "sealing a few bytes cannot fail");
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([&self.id[..], &nonce, &body].concat()))
    }

    /// What an id leads to; `None` when it is none of this caller's.
    pub(crate) fn open(&self, owner: &Owner, text: &str) -> Option<Named> {
        let text = text.strip_prefix(PREFIX).filter(|text| text.len() <= LEN_MAX)?;
        let mut whole = URL_SAFE_NO_PAD.decode(text).ok()?;
        if whole.len() < KEY_ID + NONCE || whole[..KEY_ID] != self.id {
            return None;
        }
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&whole[KEY_ID..KEY_ID + NONCE]);
        let body = &mut whole[KEY_ID + NONCE..];
        let aad = Aad::from(&owner.bytes);
        let plain = self.key.open_in_place(Nonce::assume_unique_for_key(nonce), aad, body).ok()?;
        Named::read(plain)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner(stay: u64) -> Owner {
        Owner { bytes: format!("legacy{stay}").into_bytes(), stay: Some(stay) }
    }

    #[test]
    fn an_id_is_good_for_its_owner_alone_and_only_untouched() {
        let ids = Ids::new(&[1; 32]);
        let named = Named::Held([7; 16]);
        let id = ids.seal(&owner(1), &named);
        assert_eq!(ids.seal(&owner(1), &named), id, "one task has one id");
        assert_ne!(ids.seal(&owner(2), &named), id);
        assert_eq!(ids.open(&owner(1), &id), Some(named));
        assert_eq!(ids.open(&owner(2), &id), None);
        assert_eq!(Ids::new(&[2; 32]).open(&owner(1), &id), None);
        for at in 0..id.len() {
            let mut bad = id.clone().into_bytes();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(ids.open(&owner(1), std::str::from_utf8(&bad).unwrap()), None, "changed at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_server_and_id_come_back(server in "\\PC{0,40}", id in "\\PC{0,200}") {
            let ids = Ids::new(&[1; 32]);
            let named = Named::Remote { server: Text::from(server.as_str()), id: Text::from(id.as_str()) };
            prop_assert_eq!(ids.open(&owner(1), &ids.seal(&owner(1), &named)), Some(named));
        }

        #[test]
        fn nothing_else_opens(text in "(task-)?[A-Za-z0-9_-]{0,200}") {
            prop_assert_eq!(Ids::new(&[1; 32]).open(&owner(1), &text), None);
        }
    }
}
