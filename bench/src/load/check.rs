//! Whether an answer is the right one.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::plan::{Op, Plan};
use crate::era::Era;

/// What can be wrong with an exchange.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mistake {
    #[error("the connection failed: {0}")]
    Transport(String),
    #[error("no answer in time")]
    Hung,
    #[error("status {0}: {1}")]
    Status(u16, String),
    #[error("not a JSON-RPC answer: {0}")]
    Json(String),
    #[error("the answer is for another request")]
    Id,
    #[error("an error came back: {0}")]
    Failed(String),
    #[error("resultType does not fit the era")]
    ResultType,
    #[error("another text came back")]
    Text,
    #[error("{0} tools in the list")]
    Tools(usize),
    #[error("{0} progress events, or not in order")]
    Progress(u64),
}

#[derive(Deserialize)]
struct Answer<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    result: Option<Outcome<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    #[serde(borrow, default)]
    result_type: Cow<'a, str>,
    #[serde(default)]
    is_error: bool,
    #[serde(borrow, default)]
    content: Vec<Content<'a>>,
    #[serde(borrow, default)]
    tools: Vec<Tool<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// Checks the answer to the request with `id`, which sent `text`.
pub(super) fn answer(plan: &Plan, id: u64, text: &str, bytes: &[u8]) -> Result<(), Mistake> {
    let answer: Answer<'_> =
        serde_json::from_slice(bytes).map_err(|error| Mistake::Json(error.to_string()))?;
    if let Some(error) = answer.error {
        return Err(Mistake::Failed(error.get().to_owned()));
    }
    if answer.id != Some(id) {
        return Err(Mistake::Id);
    }
    let Some(result) = answer.result else { return Err(Mistake::Json("no result".to_owned())) };
    let kind = match plan.era {
        Era::Modern => "complete",
        Era::Legacy => "",
    };
    if result.result_type != kind {
        return Err(Mistake::ResultType);
    }
    let said = result.content.first().map_or("", |content| &content.text);
    if result.is_error {
        return Err(Mistake::Failed(said.to_owned()));
    }
    let right = match plan.op {
        Op::Call => said == text,
        Op::Payload { bytes } => said.len() == bytes && said.bytes().all(|byte| byte == b'x'),
        Op::Progress { steps, .. } => said.parse() == Ok(steps),
        Op::List { tools } => return list(tools, &result.tools),
    };
    if right { Ok(()) } else { Err(Mistake::Text) }
}

fn list(expected: Option<usize>, tools: &[Tool<'_>]) -> Result<(), Mistake> {
    let count = tools.len();
    let right = count > 0 && expected.is_none_or(|expected| expected == count);
    let named = tools.iter().all(|tool| !tool.name.is_empty());
    if right && named { Ok(()) } else { Err(Mistake::Tools(count)) }
}

/// A progress notification, as far as it is looked at.
#[derive(Deserialize)]
pub(super) struct Progress<'a> {
    #[serde(borrow)]
    pub(super) method: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) params: Step<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step<'a> {
    pub(super) progress_token: u64,
    /// A float, because some senders write `1.0`.
    pub(super) progress: f64,
    /// When it was written: nanoseconds since 1970.
    #[serde(borrow, default)]
    pub(super) message: Cow<'a, str>,
}

impl Step<'_> {
    /// Whether this is event `number` of the call with `id`.
    pub(super) fn is(&self, id: u64, number: u64) -> bool {
        self.progress_token == id && (self.progress - number as f64).abs() < 0.5
    }
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    fn checked(era: Era, op: Op, text: &str, bytes: &str) -> Result<(), Mistake> {
        let url = Uri::from_static("http://127.0.0.1:9/mcp");
        let plan = Plan::new(&url, era, op, op.tool().to_owned()).unwrap();
        answer(&plan, 7, text, bytes.as_bytes())
    }

    fn echo(id: u64, text: &str, rest: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}]{rest}}}}}"#
        )
    }

    const COMPLETE: &str = r#","resultType":"complete""#;

    #[test]
    fn the_right_answer_passes_in_both_eras() {
        assert_eq!(checked(Era::Modern, Op::Call, "hello", &echo(7, "hello", COMPLETE)), Ok(()));
        assert_eq!(checked(Era::Legacy, Op::Call, "hello", &echo(7, "hello", "")), Ok(()));
        assert_eq!(checked(Era::Legacy, Op::Call, "h\"o", &echo(7, r#"h\"o"#, "")), Ok(()));
    }

    #[test]
    fn the_answer_of_another_caller_is_noticed() {
        let call = |bytes: &str| checked(Era::Modern, Op::Call, "hello", bytes);
        assert_eq!(call(&echo(8, "hello", COMPLETE)), Err(Mistake::Id));
        assert_eq!(call(&echo(7, "other", COMPLETE)), Err(Mistake::Text));
    }

    #[test]
    fn the_wrong_era_is_noticed() {
        assert_eq!(checked(Era::Modern, Op::Call, "a", &echo(7, "a", "")), Err(Mistake::ResultType));
        assert_eq!(checked(Era::Legacy, Op::Call, "a", &echo(7, "a", COMPLETE)), Err(Mistake::ResultType));
    }

    #[test]
    fn errors_are_errors() {
        let refused = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"no"}}"#;
        assert!(matches!(checked(Era::Legacy, Op::Call, "a", refused), Err(Mistake::Failed(_))));
        let failed = echo(7, "a", r#","isError":true"#);
        assert_eq!(checked(Era::Legacy, Op::Call, "a", &failed), Err(Mistake::Failed("a".to_owned())));
        assert!(matches!(checked(Era::Legacy, Op::Call, "a", r#"{"id":7"#), Err(Mistake::Json(_))));
    }

    #[test]
    fn a_list_has_as_many_tools_as_expected() {
        let two = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"a"},{"name":"b"}]}}"#;
        let none = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[]}}"#;
        assert_eq!(checked(Era::Legacy, Op::List { tools: Some(2) }, "", two), Ok(()));
        assert_eq!(checked(Era::Legacy, Op::List { tools: Some(3) }, "", two), Err(Mistake::Tools(2)));
        assert_eq!(checked(Era::Legacy, Op::List { tools: None }, "", none), Err(Mistake::Tools(0)));
    }

    #[test]
    fn a_payload_is_complete_and_unchanged() {
        let payload = Op::Payload { bytes: 4 };
        assert_eq!(checked(Era::Legacy, payload, "", &echo(7, "xxxx", "")), Ok(()));
        assert_eq!(checked(Era::Legacy, payload, "", &echo(7, "xxx", "")), Err(Mistake::Text));
        assert_eq!(checked(Era::Legacy, payload, "", &echo(7, "xxxy", "")), Err(Mistake::Text));
    }
}
