//! From a scanned request to a call.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use trunkline_model::{Call, Caller, Era, Fault, Kind, Level, Notes, Operation};
use trunkline_protocol::{Revision, Scanned, offers, request, tasks};

/// The caller of one modern request, from its own metadata.
///
/// # Errors
/// A revision that is not spoken here, or missing or malformed metadata.
pub(crate) fn modern_caller(
    scanned: &Scanned,
    peer: Option<IpAddr>,
) -> Result<(Caller, Option<Level>), Fault> {
    let invalid = |text: &'static str| Fault::client(Kind::InvalidParams, text);
    let meta = &scanned.params.meta;
    let version = match &meta.version {
        None => return Err(invalid("params._meta has no io.modelcontextprotocol/protocolVersion")),
        Some(None) => return Err(invalid("the protocol version in params._meta must be a string")),
        Some(Some(literal)) => scanned.text(literal),
    };
    if Revision::parse(&version).is_none_or(|r| r.era() != Era::Modern) {
        let shown: String = version.chars().take(64).collect();
        let text = format!("protocol version {} is not supported", shown.escape_debug());
        return Err(Fault::client(Kind::UnsupportedRevision(shown.into()), text));
    }
    let capabilities = meta.capabilities.as_ref().filter(|span| scanned.at(span).starts_with(b"{"));
    let capabilities = capabilities
        .ok_or_else(|| invalid("params._meta has no io.modelcontextprotocol/clientCapabilities object"))?;
    let info = meta.client_info.as_ref();
    if info.is_some_and(|span| !scanned.at(span).starts_with(b"{")) {
        return Err(invalid("the client information in params._meta must be an object"));
    }
    let level = meta.log_level.as_ref().map(|span| scanned.at(span));
    let level = level.map(|text| {
        let name: Option<&str> = serde_json::from_slice(text).ok();
        name.and_then(Level::parse).ok_or_else(|| invalid("the log level in params._meta is not one"))
    });
    let level = level.transpose()?;
    let capabilities = scanned.share(capabilities);
    let caller = Caller {
        era: Era::Modern,
        info: info.map(|span| scanned.share(span)),
        offers: offers::of(&capabilities),
        capabilities,
        stay: None,
        peer,
    };
    Ok((caller, level))
}

/// The call that a request makes.
pub(crate) fn call(
    scanned: &Scanned,
    caller: Arc<Caller>,
    log_level: Option<Level>,
    mirrored: Option<Vec<(String, Bytes)>>,
    notes: Arc<dyn Notes>,
) -> Result<Call, Fault> {
    let (operation, params) = request::decode(scanned, caller.era)?;
    if let Operation::Listen(watch) = &operation
        && !watch.tasks.is_empty()
        && !tasks::declared(&caller.capabilities)
    {
        let text = "notifications of tasks need the tasks extension among the client's capabilities";
        return Err(Fault::client(Kind::MissingCapability(tasks::NEEDED.into()), text));
    }
    let meta = &scanned.params.meta;
    let progress = meta.progress_token.as_ref().map(|span| scanned.share(span));
    if progress.as_ref().is_some_and(|token| !matches!(token.first(), Some(b'"' | b'-' | b'0'..=b'9'))) {
        return Err(Fault::client(Kind::InvalidParams, "the progress token must be a string or a number"));
    }
    let traceparent = meta.traceparent.as_ref().map(|literal| scanned.text(literal));
    Ok(Call { operation, params, caller, progress, log_level, traceparent, mirrored, passes: false, notes })
}
