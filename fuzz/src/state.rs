//! What is sealed: the states of parked calls, page cursors and the ids of tasks. Only what was sealed opens, and only
//! for whom.

use trunkline_gateway::catalog::Cursors;
use trunkline_gateway::fuzzing::{States, TaskIds};
use trunkline_model::{Caller, Era, ListKind};

/// A text as a client may bring it, and the same bytes as changes to what we have sealed.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (number, rest) = data.split_at(data.len().min(4));
    let number = number.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    let key = key(data);
    states(&key, &text, number, rest);
    cursors(key, &text, number, rest);
    task_ids(&key, &text, number, rest);
}

/// A key that differs with the input. With the same one for all, libFuzzer would see the right seal in a comparison, and
/// put it into the next input.
fn key(data: &[u8]) -> [u8; 32] {
    let mut key = [7_u8; 32];
    for (at, byte) in data.iter().enumerate() {
        key[at % 32] = key[at % 32].wrapping_mul(31).wrapping_add(*byte);
        key[at % 31] ^= key[at % 32].rotate_left(3);
    }
    key
}

fn states(key: &[u8; 32], text: &str, number: u32, changes: &[u8]) {
    let ours = States::new(key);
    assert_eq!(ours.open(text), None, "nobody sealed this");
    let said = ([number as u8; 16], number, u64::from(number) << 7, [9; 32]);
    let sealed = ours.seal(said.0, said.1, said.2, said.3);
    assert_eq!(ours.open(&sealed), Some(said));
    assert_eq!(States::new(&key.map(|byte| byte ^ 1)).open(&sealed), None, "another key");
    let changed = changed(&sealed, changes);
    assert!(changed == sealed || ours.open(&changed).is_none(), "{changed} for {sealed}");
}

fn cursors(key: [u8; 32], text: &str, number: u32, changes: &[u8]) {
    let ours = Cursors::new(key);
    let page = usize::try_from(number).unwrap_or_default();
    for kind in [ListKind::Tools, ListKind::Prompts] {
        assert_eq!(ours.open(text, kind, 3), None, "nobody sealed this");
    }
    let sealed = ours.seal(ListKind::Tools, 3, page);
    assert_eq!(ours.open(&sealed, ListKind::Tools, 3), Some(page));
    assert_eq!(ours.open(&sealed, ListKind::Prompts, 3), None, "another list");
    assert_eq!(ours.open(&sealed, ListKind::Tools, 4), None, "a catalog that never was");
    let changed = changed(&sealed, changes);
    assert!(changed == sealed || ours.open(&changed, ListKind::Tools, 3).is_none(), "{changed} for {sealed}");
}

fn task_ids(key: &[u8; 32], text: &str, number: u32, changes: &[u8]) {
    let (modern, legacy) = (Caller::new(Era::Modern), Caller::new(Era::Legacy));
    let ours = TaskIds::new(key);
    assert_eq!(ours.open(&None, &modern, text), None, "nobody sealed this");
    // Both come from outside: an id of a server can be anything.
    let server = &"servers"[..(number % 8) as usize];
    let sealed = ours.seal(&None, &modern, server, text);
    assert_eq!(ours.open(&None, &modern, &sealed), expected(server, text, &sealed));
    assert_eq!(ours.open(&None, &legacy, &sealed), None, "another caller");
    assert_eq!(ours.open(&Some("view".into()), &modern, &sealed), None, "another view");
    let changed = changed(&sealed, changes);
    assert!(changed == sealed || ours.open(&None, &modern, &changed).is_none(), "{changed} for {sealed}");
}

/// Ids beyond a length are not looked at.
fn expected(server: &str, id: &str, sealed: &str) -> Option<(String, String)> {
    (sealed.len() <= "task-".len() + 4096).then(|| (server.to_owned(), id.to_owned()))
}

/// The text with bytes put, taken out, doubled or cut as told.
fn changed(text: &str, changes: &[u8]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes.chunks_exact(3).take(4) {
        let at = usize::from(change[0]) % bytes.len().max(1);
        let with = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.+/ "
            [usize::from(change[1]) % 69];
        match change[2] % 5 {
            0 if at < bytes.len() => bytes[at] = with,
            1 => bytes.insert(at, with),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            _ => bytes.push(with),
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}
