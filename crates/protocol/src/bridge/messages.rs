//! Messages: of a prompt, and of a request for sampling.

use crate::json::{JsonError, Object, Reader, elements};
use crate::revision::Revision;

use super::content::{Place, Reading, text_block};

/// An array of messages that a reader can parse; `None` when it is that already.
///
/// Several blocks in one message (sampling, since 2025-11-25) become messages of the same role, one after the other,
/// for those who know only one.
///
/// # Errors
/// What is no array of objects that hold an own `content`.
pub(crate) fn downward(raw: &[u8], reading: Reading) -> Result<Option<Vec<u8>>, JsonError> {
    let many = reading.place == Place::Sampling && reading.revision >= Revision::R2025_11_25;
    let mut plain = true;
    let mut reader = Reader::new(raw)?;
    reader.array(|reader| {
        if reader.peek()? != b'{' {
            return reader.skip();
        }
        reader.object(|key, reader| {
            if key != "content" {
                return reader.skip();
            }
            if reader.peek()? == b'[' {
                plain &= many;
                return reader
                    .array(|reader| reading.look(reader).map(|(_, known)| plain &= known))
                    .map(drop);
            }
            reading.look(reader).map(|(_, known)| plain &= known)
        })?;
        Ok(())
    })?;
    if plain {
        return Ok(None);
    }
    let mut out = Vec::new();
    for message in elements(raw).unwrap_or_default() {
        respoken(message, reading, many, &mut out);
    }
    Ok(Some([b"[", &out.join(&b","[..])[..], b"]"].concat()))
}

/// Longest role that is repeated; the protocol has `user` and `assistant`.
const ROLE_BYTES_MAX: usize = 32;

/// The message or messages that stand for one.
fn respoken(raw: &[u8], reading: Reading, many: bool, out: &mut Vec<Vec<u8>>) {
    let Some(content) = Object::open(raw).ok().and_then(|message| message.get("content")) else {
        return out.push(raw.to_vec());
    };
    let mut blocks: Vec<Vec<u8>> = match elements(content) {
        Some(several) => {
            several.into_iter().enumerate().map(|(at, block)| known(block, reading, at)).collect()
        }
        None => vec![known(content, reading, 0)],
    };
    if content.starts_with(b"[") && many {
        blocks = vec![[b"[", &blocks.join(&b","[..])[..], b"]"].concat()];
    } else if blocks.is_empty() {
        blocks.push(text_block(""));
    }
    let mut blocks = blocks.into_iter();
    let Some((first, mut message)) = blocks.next().zip(Object::open(raw).ok()) else { return };
    // The further messages have nothing but a role: what else there is would grow with every block.
    let role = message.get("role").filter(|role| role.len() <= ROLE_BYTES_MAX).unwrap_or(b"\"user\"");
    if first != content {
        message.set("content", first);
    }
    out.push(message.into_bytes());
    out.extend(blocks.map(|block| [&b"{\"role\":"[..], role, b",\"content\":", &block, b"}"].concat()));
}

fn known(block: &[u8], reading: Reading, at: usize) -> Vec<u8> {
    let look = Reader::new(block).and_then(|mut reader| reading.look(&mut reader));
    if look.is_ok_and(|(_, known)| known) { block.to_vec() } else { reading.stand_in(block, at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(raw: &str, place: Place, revision: Revision) -> String {
        let got = downward(raw.as_bytes(), Reading { place, revision }).unwrap();
        got.map_or_else(|| raw.to_owned(), |out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn several_blocks_become_several_messages_of_their_role() {
        let raw = r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"tool_result","toolUseId":"1","content":[]}],"n":1.0},{"role":"assistant","content":[{"type":"text","text":"b"}]},{"role":"user","content":[]}]"#;
        assert_eq!(
            of(raw, Place::Sampling, Revision::R2025_06_18),
            r#"[{"role":"user","content":{"type":"text","text":"a"},"n":1.0},{"role":"user","content":{"type":"text","text":"{\"type\":\"tool_result\",\"toolUseId\":\"1\",\"content\":[]}"}},{"role":"assistant","content":{"type":"text","text":"b"}},{"role":"user","content":{"type":"text","text":""}}]"#
        );
        assert_eq!(of(raw, Place::Sampling, Revision::R2025_11_25), raw);
    }

    #[test]
    fn blocks_of_prompts_are_replaced_in_their_place() {
        let raw = r#"[{"role":"user","content":{"type":"resource_link","uri":"a:b","name":"n"}},{"role":"user","content":{"type":"text","text":"x"}}]"#;
        assert_eq!(
            of(raw, Place::Result, Revision::R2025_03_26),
            r#"[{"role":"user","content":{"type":"text","uri":"a:b","name":"n","text":"n: a:b"}},{"role":"user","content":{"type":"text","text":"x"}}]"#
        );
        assert_eq!(of(raw, Place::Result, Revision::R2025_06_18), raw);
        let odd = r#"[{"role":"user","content":[{"type":"new"},{"type":"text","text":"x"}]}]"#;
        let sampled = of(odd, Place::Sampling, Revision::R2025_11_25);
        assert_eq!(
            sampled,
            r#"[{"role":"user","content":[{"type":"text","text":"{\"type\":\"new\"}"},{"type":"text","text":"x"}]}]"#
        );
    }
}
