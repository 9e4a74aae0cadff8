//! What a client can be asked for, between its capabilities object and [`Offers`].

use bytes::Bytes;
use trunkline_model::Offers;

use crate::asks::{ELICIT, ROOTS, SAMPLE};
use crate::bridge::{members, without};

/// What a declared capabilities object offers to servers that ask. `elicitation: {}` means forms, as in the revisions
/// before 2025-11-25.
pub fn of(capabilities: &[u8]) -> Offers {
    let mut offers = Offers::NONE;
    let walked = members(capabilities, |key, value| {
        if !value.starts_with(b"{") {
            return;
        }
        match key {
            "elicitation" => {
                let (form, url) = (has(value, "form"), has(value, "url"));
                if form || !url {
                    offers = offers | Offers::FORM;
                }
                if url {
                    offers = offers | Offers::URL;
                }
            }
            "sampling" => {
                offers = offers | Offers::SAMPLING;
                if has(value, "tools") {
                    offers = offers | Offers::SAMPLING_TOOLS;
                }
                if has(value, "context") {
                    offers = offers | Offers::SAMPLING_CONTEXT;
                }
            }
            "roots" => offers = offers | Offers::ROOTS,
            _ => {}
        }
    });
    if walked.is_err() { Offers::NONE } else { offers }
}

fn has(object: &[u8], wanted: &str) -> bool {
    let mut found = false;
    let _ = members(object, |key, _| found |= key == wanted);
    found
}

/// The capabilities object that declares exactly these offers to a server.
pub fn declared(offers: Offers) -> Bytes {
    let flags = |pairs: &[(Offers, &str)]| -> String {
        let set: Vec<String> = pairs
            .iter()
            .filter(|(one, _)| offers.has(*one))
            .map(|(_, name)| format!("\"{name}\":{{}}"))
            .collect();
        format!("{{{}}}", set.join(","))
    };
    let mut parts = Vec::with_capacity(3);
    if offers.has(Offers::FORM) || offers.has(Offers::URL) {
        let elicitation = flags(&[(Offers::FORM, "form"), (Offers::URL, "url")]);
        parts.push(format!("\"elicitation\":{elicitation}"));
    }
    if offers.has(Offers::SAMPLING) {
        let sampling = flags(&[(Offers::SAMPLING_TOOLS, "tools"), (Offers::SAMPLING_CONTEXT, "context")]);
        parts.push(format!("\"sampling\":{sampling}"));
    }
    if offers.has(Offers::ROOTS) {
        parts.push("\"roots\":{}".to_owned());
    }
    Bytes::from(format!("{{{}}}", parts.join(",")))
}

/// What a legacy client declared, for a conversation held on its behalf alone: everything but tasks that the client
/// would host, which are not relayed.
pub fn on_behalf(capabilities: &Bytes) -> Bytes {
    without(capabilities, |key, _| key == "tasks").map_or_else(|| capabilities.clone(), Bytes::from)
}

/// What a question needs; `None` when the method is no question.
pub fn needed(method: &str, params: &[u8]) -> Option<Offers> {
    let has_value = |wanted: &str, value: &[u8]| {
        let mut found = false;
        let _ = members(params, |key, has| found |= key == wanted && has == value);
        found
    };
    Some(match method {
        ELICIT if has_value("mode", b"\"url\"") => Offers::URL,
        ELICIT => Offers::FORM,
        SAMPLE if !params.is_empty() && has(params, "tools") => Offers::SAMPLING | Offers::SAMPLING_TOOLS,
        SAMPLE => Offers::SAMPLING,
        ROOTS => Offers::ROOTS,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_upstream_is_what_was_offered() {
        for (said, passed) in [
            ("{}", "{}"),
            (r#"{"elicitation":{}}"#, r#"{"elicitation":{"form":{}}}"#),
            (r#"{"elicitation":{"url":{}},"x":{}}"#, r#"{"elicitation":{"url":{}}}"#),
            (
                r#"{"roots":{"listChanged":true},"sampling":{"tools":{}}}"#,
                r#"{"sampling":{"tools":{}},"roots":{}}"#,
            ),
            (r#"{"sampling":null,"elicitation":true}"#, "{}"),
        ] {
            assert_eq!(declared(of(said.as_bytes())), passed, "{said}");
            assert_eq!(of(&declared(of(said.as_bytes()))), of(said.as_bytes()));
        }
    }

    #[test]
    fn a_question_needs_what_its_form_says() {
        assert_eq!(needed(ELICIT, br#"{"mode":"url"}"#), Some(Offers::URL));
        assert_eq!(needed(ELICIT, br#"{"message":"mode"}"#), Some(Offers::FORM));
        assert_eq!(needed(SAMPLE, br#"{"tools":[]}"#), Some(Offers::SAMPLING | Offers::SAMPLING_TOOLS));
        assert_eq!(needed(ROOTS, b""), Some(Offers::ROOTS));
        assert_eq!(needed("tools/call", b"{}"), None);
    }

    #[test]
    fn a_clients_own_tasks_are_not_promised_to_servers() {
        let said = Bytes::from_static(
            br#"{"tasks":{"list":{}},"roots":{"listChanged":true},"experimental":{"x":{}}}"#,
        );
        assert_eq!(on_behalf(&said), r#"{"roots":{"listChanged":true},"experimental":{"x":{}}}"#);
    }
}
