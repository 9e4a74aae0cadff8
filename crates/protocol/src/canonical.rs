//! One spelling for all JSON texts that mean the same: members sorted by name, strings unescaped, numbers by value.
//!
//! For comparing, not for sending: the text it makes is not JSON.

use crate::json::{JsonError, Reader};

/// Appends the canonical spelling of `raw` to `out`.
///
/// # Errors
/// When `raw` is not one JSON value.
pub fn spell(raw: &[u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
    let mut reader = Reader::new(raw)?;
    value(&mut reader, out)?;
    reader.end()
}

fn value(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), JsonError> {
    match reader.peek()? {
        b'{' => {
            let mut members: Vec<(String, Vec<u8>)> = Vec::new();
            reader.object(|key, reader| {
                let mut one = Vec::new();
                value(reader, &mut one)?;
                members.push((key.to_string(), one));
                Ok(())
            })?;
            members.sort();
            out.push(b'{');
            for (key, one) in members {
                text(&key, out);
                out.extend(one);
            }
            out.push(b'}');
        }
        b'[' => {
            out.push(b'[');
            reader.array(|reader| {
                value(reader, out)?;
                out.push(b',');
                Ok(())
            })?;
            out.push(b']');
        }
        b'"' => {
            let literal = reader.string()?;
            text(&reader.decode(&literal), out);
        }
        b'-' | b'0'..=b'9' => {
            let span = reader.value()?;
            number(reader.slice(&span), out);
        }
        _ => {
            let span = reader.value()?;
            out.extend_from_slice(reader.raw(&span));
        }
    }
    Ok(())
}

/// A text with its length in front, so that no two sequences of texts are spelled alike.
fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\"{}:", text.len()).as_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Sign, digits without leading and trailing zeros, and the power of ten of the last digit.
fn number(literal: &str, out: &mut Vec<u8>) {
    let (sign, rest) = literal.strip_prefix('-').map_or(("", literal), |rest| ("-", rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    let Ok(exponent) = exponent.parse::<i64>() else {
        // Beyond any number that means something: by its spelling then.
        return out.extend_from_slice(literal.as_bytes());
    };
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let dropped = length(&digits) - length(kept);
    let power = exponent.saturating_sub(length(fraction)).saturating_add(dropped);
    let kept = kept.trim_start_matches('0');
    if kept.is_empty() {
        return out.extend_from_slice(b"#0");
    }
    out.extend_from_slice(format!("#{sign}{kept}e{power}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(raw: &str) -> Vec<u8> {
        let mut out = Vec::new();
        spell(raw.as_bytes(), &mut out).unwrap();
        out
    }

    #[test]
    fn equal_values_are_spelled_alike_and_others_are_not() {
        for (a, b) in [
            (r#"{"a":1,"b":[true,null]}"#, r#" { "b" : [ true , null ] , "a" : 1.0 } "#),
            (r#"{"k":"\u0061"}"#, r#"{"\u006b":"a"}"#),
            ("100", "1e2"),
            ("-0.050", "-5E-2"),
            ("0", "-0.0e7"),
            ("123456789012345678901234567890", "123456789012345678901234567890.0"),
        ] {
            assert_eq!(spelled(a), spelled(b), "{a} {b}");
        }
        for (a, b) in [
            ("1", "10"),
            ("1", "-1"),
            ("1", "\"1\""),
            ("[1,2]", "[12]"),
            ("[]", "{}"),
            (r#"["a","b"]"#, r#"["a,b"]"#),
            (r#"{"a":"b"}"#, r#"{"ab":""}"#),
            ("123456789012345678901234567890", "123456789012345678901234567891"),
        ] {
            assert_ne!(spelled(a), spelled(b), "{a} {b}");
        }
    }
}
