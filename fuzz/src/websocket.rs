//! WebSocket, towards servers and towards clients: what we take for a message is one to a literal reader of RFC 6455,
//! nothing over the limit is taken, and nobody is answered who did not ask.

use std::collections::HashMap;

use bytes::Bytes;
use trunkline_protocol::{Shape, scan};
use trunkline_transport::back::fuzzing::overheard;
use trunkline_transport::front::http::fuzzing::heard;

use crate::cuts;
use crate::running::{Peer, run};

/// Most bytes of a message here. Small, so that the bound is met often.
const LIMIT: usize = 300;
/// The number of our request.
const ID: u64 = 1;

/// What the other side sends behind the handshake.
pub fn check(data: &[u8]) {
    let mut before = None;
    for pieces in cuts::ways(data) {
        let now = run(overheard(Peer::saying(&pieces), LIMIT, ID));
        from_a_server(data, &now.0, &now.1);
        let before = before.get_or_insert_with(|| now.clone());
        assert_eq!((&now.0, &now.1), (&before.0, &before.1), "cut in another way");
    }
    let (answers, code) = run(heard(Peer::saying(&[data]), LIMIT));
    from_a_client(data, &answers, code);
}

/// The text messages of a stream of frames, up to its end or to what ends it.
struct Said {
    texts: Vec<Vec<u8>>,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Nothing more came, or goodbye.
    Over,
    /// A binary message.
    Binary,
    /// Something that may not be, or larger than it may.
    Wrong,
}

fn from_a_server(data: &[u8], answer: &Option<Bytes>, stray: &[Bytes]) {
    // A binary message is skipped on this side.
    let said = Said::by_the_book(data, false, false);
    let messages: Vec<_> = said.texts.into_iter().filter_map(|text| scan(Bytes::from(text)).ok()).collect();
    let first =
        messages.iter().find(|message| message.shape == Shape::Answer && message.id_number() == Some(ID));
    assert_eq!(answer.as_ref(), first.map(|message| &message.raw), "the answer to our request");
    let other = messages.iter().filter(|message| message.shape != Shape::Answer);
    let other: Vec<_> = other
        .filter(|message| &*message.method() != "notifications/progress")
        .map(|message| &message.raw)
        .collect();
    assert!(stray.iter().collect::<Vec<_>>() == other || stray.len() + 8 > other.len(), "strays");
    assert!(stray.iter().all(|message| other.contains(&message)), "a message that was not said");
}

fn from_a_client(data: &[u8], answers: &[Bytes], code: Option<u16>) {
    let said = Said::by_the_book(data, true, true);
    match (&said.end, code) {
        (End::Binary, code) => assert_eq!(code, Some(1003), "a binary message"),
        // A connection that breaks off is told apart from a goodbye.
        (End::Over, code) => assert!(matches!(code, None | Some(1002)), "nothing was wrong: {code:?}"),
        (End::Wrong, _) => {}
    }
    // How often each id was asked for; what is no request may be refused without one.
    let mut asked: HashMap<Vec<u8>, usize> = HashMap::new();
    for text in said.texts {
        let whole = scan(Bytes::from(text.clone()));
        let in_batch =
            serde_json::from_slice::<Vec<Box<serde_json::value::RawValue>>>(&text).unwrap_or_default();
        let messages =
            in_batch.iter().map(|one| scan(Bytes::copy_from_slice(one.get().as_bytes()))).chain([whole]);
        for message in messages {
            let id = match message {
                Ok(message) if message.shape == Shape::Request => message.id_bytes(),
                Ok(_) => None,
                Err(trunkline_protocol::ScanError::Invalid { id: Some(span), .. }) => {
                    text.get(span).map(Bytes::copy_from_slice)
                }
                Err(_) => Some(Bytes::from_static(b"null")),
            };
            if let Some(id) = id {
                *asked.entry(id.to_vec()).or_default() += 1;
            }
        }
    }
    for answer in answers {
        let batch = serde_json::from_slice::<Vec<Box<serde_json::value::RawValue>>>(answer);
        let parts = batch.map_or_else(
            |_| vec![answer.clone()],
            |parts| parts.iter().map(|part| Bytes::copy_from_slice(part.get().as_bytes())).collect(),
        );
        for part in parts {
            let message = scan(part).expect("what we say is a message");
            if message.shape != Shape::Answer {
                continue;
            }
            let id = message.id_bytes().map_or_else(|| b"null".to_vec(), |id| id.to_vec());
            let left = asked.entry(id.clone()).or_default();
            assert!(*left > 0, "an answer to nobody: {}", id.escape_ascii());
            *left -= 1;
        }
    }
}

impl Said {
    fn by_the_book(mut rest: &[u8], from_client: bool, binary_ends: bool) -> Self {
        let mut texts = Vec::new();
        // The message under way: whether it is text, and what came of it.
        let mut under_way: Option<(bool, Vec<u8>)> = None;
        loop {
            let (final_, code, payload) = match frame(&mut rest, from_client) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Self { texts, end: End::Over },
                Err(()) => return Self { texts, end: End::Wrong },
            };
            match code {
                8 => {
                    return Self {
                        texts,
                        end: if goodbye_is_good(&payload) { End::Over } else { End::Wrong },
                    };
                }
                9 | 10 => continue,
                0 if under_way.is_some() => {}
                1 | 2 if under_way.is_none() => under_way = Some((code == 1, Vec::new())),
                _ => return Self { texts, end: End::Wrong },
            }
            let Some((text, message)) = &mut under_way else { continue };
            message.extend_from_slice(&payload);
            let cut = std::str::from_utf8(message).err().is_some_and(|error| error.error_len().is_some());
            if message.len() > LIMIT || (*text && cut) {
                return Self { texts, end: End::Wrong };
            }
            if !final_ {
                continue;
            }
            match under_way.take() {
                Some((true, message)) if std::str::from_utf8(&message).is_ok() => texts.push(message),
                Some((false, _)) if binary_ends => return Self { texts, end: End::Binary },
                Some((false, _)) => {}
                _ => return Self { texts, end: End::Wrong },
            }
        }
    }
}

/// A close frame has nothing, or a code and text.
fn goodbye_is_good(payload: &[u8]) -> bool {
    payload.is_empty() || (payload.len() >= 2 && std::str::from_utf8(&payload[2..]).is_ok())
}

type Frame = (bool, u8, Vec<u8>);

/// Takes one frame (section 5.2); `None` when it does not come whole.
fn frame(rest: &mut &[u8], from_client: bool) -> Result<Option<Frame>, ()> {
    let [first, second, behind @ ..] = *rest else { return Ok(None) };
    let (code, masked) = (first & 15, second & 0x80 != 0);
    let control = code >= 8;
    if first & 0x70 != 0 || !matches!(code, 0..=2 | 8..=10) {
        return Err(());
    }
    let (length, behind) = match (second & 127, behind) {
        (short @ 0..=125, behind) => (u64::from(short), behind),
        (126, [a, b, behind @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), behind),
        (127, _) if behind.len() >= 8 => {
            (u64::from_be_bytes(behind[..8].try_into().map_err(|_| ())?), &behind[8..])
        }
        _ => return Ok(None),
    };
    if control && (first & 0x80 == 0 || length > 125) {
        return Err(());
    }
    if masked != from_client {
        return Err(());
    }
    let (key, behind) = match (masked, behind) {
        (true, [a, b, c, d, behind @ ..]) => ([*a, *b, *c, *d], behind),
        (true, _) => return Ok(None),
        (false, behind) => ([0; 4], behind),
    };
    if length > LIMIT as u64 {
        return Err(());
    }
    let Some((payload, behind)) =
        usize::try_from(length).ok().and_then(|length| behind.split_at_checked(length))
    else {
        return Ok(None);
    };
    *rest = behind;
    let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    Ok(Some((first & 0x80 != 0, code, payload)))
}
