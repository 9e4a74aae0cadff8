//! What a tool says of itself: whether it only reads, and whether it does no harm twice (2025-03-26 and later,
//! `ToolAnnotations`). Hints are not to be trusted unless the server is.

use crate::json::Reader;

/// Hints of a tool; what it does not say is `false`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// It changes nothing.
    pub read_only: bool,
    /// A second call with the same arguments has no further effect.
    pub idempotent: bool,
}

/// The hints in a tool's definition.
pub fn hints(tool: &[u8]) -> Hints {
    let mut hints = Hints::default();
    let Ok(mut reader) = Reader::new(tool) else { return hints };
    // What cannot be read says nothing.
    let walked = reader.object(|key, reader| {
        if &*key != "annotations" || reader.peek()? != b'{' {
            return reader.skip();
        }
        reader.object(|key, reader| {
            let span = reader.value()?;
            let yes = reader.slice(&span) == "true";
            match &*key {
                "readOnlyHint" => hints.read_only = yes,
                "idempotentHint" => hints.idempotent = yes,
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    });
    if walked.is_ok() { hints } else { Hints::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_true_in_the_right_place_is_a_hint() {
        let read_only = Hints { read_only: true, idempotent: false };
        for (tool, found) in [
            (r#"{"name":"a","annotations":{"readOnlyHint":true}}"#, read_only),
            (
                r#"{"annotations":{"idempotentHint":true,"title":"x"}}"#,
                Hints { read_only: false, idempotent: true },
            ),
            (r#"{"annotations":{"readOnlyHint":"true"}}"#, Hints::default()),
            (r#"{"readOnlyHint":true}"#, Hints::default()),
            (r#"{"annotations":[{"readOnlyHint":true}]}"#, Hints::default()),
            (r#"{"_meta":{"annotations":{"readOnlyHint":true}}}"#, Hints::default()),
            (r#"{"annotations":{"readOnlyHint":true}"#, Hints::default()),
            ("", Hints::default()),
        ] {
            assert_eq!(hints(tool.as_bytes()), found, "{tool}");
        }
    }
}
