//! The part of a JSON-RPC message the server looks at, borrowed from the bytes that came in.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    /// Absent in a notification.
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) method: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) params: Params<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Params<'a> {
    #[serde(borrow, default)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    pub(super) meta: Meta<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Meta<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
    pub(super) version: Cow<'a, str>,
    #[serde(default, rename = "io.modelcontextprotocol/clientCapabilities")]
    pub(super) capabilities: Option<IgnoredAny>,
    #[serde(borrow, default, rename = "progressToken")]
    pub(super) progress_token: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    /// A modern message says its revision itself.
    pub(super) fn is_modern(&self) -> bool {
        !self.params.meta.version.is_empty()
    }
}
