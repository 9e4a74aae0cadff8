//! What came for one request, and what it says.

use serde_json::Value;

use crate::http::Head;
use crate::json;

/// What came for one request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status and fields.
    pub head: Head,
    /// Notifications that came before the answer, raw.
    pub notes: Vec<String>,
    /// The answer, raw; empty if there was none.
    pub raw: String,
}

impl Reply {
    /// Whether the connection ends with it.
    pub fn says_close(&self) -> bool {
        self.head.field("connection").is_some_and(|word| word.eq_ignore_ascii_case("close"))
    }

    /// The raw result.
    ///
    /// # Panics
    /// When there is none.
    pub fn result(&self) -> String {
        json::member(&self.raw, "result")
            .unwrap_or_else(|| panic!("no result: HTTP {} {}", self.head.status, self.raw))
    }

    /// The result parsed.
    pub fn value(&self) -> Value {
        json::parse(&self.result())
    }

    /// The error.
    ///
    /// # Panics
    /// When there is none.
    pub fn error(&self) -> Value {
        let error = json::member(&self.raw, "error");
        json::parse(&error.unwrap_or_else(|| panic!("no error: HTTP {} {:.500}", self.head.status, self.raw)))
    }

    /// The error's code, if it is an error.
    pub fn code(&self) -> Option<i64> {
        let answer: Value = serde_json::from_str(&self.raw).ok()?;
        answer.get("error")?.get("code")?.as_i64()
    }

    /// The first text block of a tool result.
    ///
    /// # Panics
    /// When it has none.
    pub fn text(&self) -> String {
        let value = self.value();
        value["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
    }

    /// The reason in a fault of the gateway, of a tool result or of an error.
    pub fn reason(&self) -> Option<String> {
        let answer: Value = serde_json::from_str(&self.raw).ok()?;
        let fault = &answer["result"]["_meta"]["io.trunkline/fault"];
        let fault = if fault.is_null() { &answer["error"]["data"] } else { fault };
        fault["reason"].as_str().map(str::to_owned)
    }
}
