//! Opening a conversation with an HTTP endpoint.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use trunkline_model::Era;
use trunkline_protocol::hello::{self, Introduction};
use trunkline_protocol::{Revision, headers, method};
use trunkline_transport::back::{Headers, HttpWire, Refusal, Wire, WireError};

use super::{Connected, Connecting, Failed, Probed, passing, probe_answer};
use crate::options::{Endpoint, EraChoice};

/// How long the first stream of a session may hold up the first call: as long as the handshake took, which is at least
/// one way to the server and back, within these bounds. Most servers answer at once; some only with their first event,
/// and a new session with them is this much slower.
const STREAM: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];

enum HttpProbe {
    Modern(Introduction),
    Legacy,
    Other(Revision),
    Moved(Uri),
}

impl Connecting<'_> {
    pub(super) async fn open_http(
        &self,
        endpoint: &Endpoint,
        known: Option<Era>,
    ) -> Result<Connected, Failed> {
        let mut wire = self.http_wire(endpoint)?;
        if known != Some(Era::Legacy) {
            let mut revision = Revision::MODERN_LATEST;
            // At most one move (servers that want a trailing slash) and one other revision.
            for _ in 0..3 {
                match self.probe_http(&wire, revision).await? {
                    HttpProbe::Moved(uri) => wire = wire.moved(uri),
                    HttpProbe::Other(offered) => revision = offered,
                    HttpProbe::Modern(introduction) => {
                        let shared: Arc<dyn Wire> = Arc::new(wire.clone());
                        return Ok(self.connected(introduction, shared, Some(wire), None, None));
                    }
                    HttpProbe::Legacy if self.options.era == EraChoice::Modern => {
                        return Err("the server does not speak the modern era".to_owned().into());
                    }
                    HttpProbe::Legacy => break,
                }
            }
        }
        match self.greet_http(&wire).await {
            // A server whose verdict is remembered was not probed, so the move is met here.
            Err(Failed { refused: Some(refusal), .. }) if matches!(refusal.status, 307 | 308) => {
                wire = wire.moved(moved_to(wire.uri(), &refusal)?);
                self.greet_http(&wire).await
            }
            greeted => greeted,
        }
    }

    async fn greet_http(&self, wire: &HttpWire) -> Result<Connected, Failed> {
        let shared: Arc<dyn Wire> = Arc::new(wire.clone());
        self.stray.reply_through(&shared, Headers::new(), self.options.timeouts.answer);
        let begun = Instant::now();
        let (introduction, session_id) = self.greet(&*shared).await?;
        let patience = begun.elapsed().clamp(STREAM[0], STREAM[1]);
        let connected = self.connected(introduction, shared, Some(wire.clone()), session_id, None);
        wire.follow_soon(connected.session.headers(), patience).await;
        Ok(connected)
    }

    /// A wire to the endpoint as it is configured.
    pub(super) fn http_wire(&self, endpoint: &Endpoint) -> Result<HttpWire, Failed> {
        // A WebSocket begins as HTTP on the same port: `ws` is `http`, and `wss` is `https` (RFC 6455, section 3).
        let url = endpoint.url.strip_prefix("ws").map(|rest| format!("http{rest}"));
        let uri: Uri = url
            .as_deref()
            .unwrap_or(&endpoint.url)
            .parse()
            .map_err(|e| Failed::from(format!("the URL is not usable: {e}")))?;
        let fixed = fixed_headers(endpoint)?;
        Ok(HttpWire::new(self.tools.http.clone(), uri, fixed, self.options.message_bytes_max))
    }

    async fn probe_http(&self, wire: &HttpWire, revision: Revision) -> Result<HttpProbe, Failed> {
        let extra = vec![
            (HeaderName::from_static(headers::PROTOCOL_VERSION), HeaderValue::from_static(revision.as_str())),
            (HeaderName::from_static(headers::METHOD), HeaderValue::from_static(method::DISCOVER)),
        ];
        match self.discover(wire, revision, extra).await {
            Ok(answered) => Ok(match probe_answer(&answered) {
                Probed::Modern(introduction) => HttpProbe::Modern(introduction),
                Probed::Other(revision) => HttpProbe::Other(revision),
                Probed::Legacy | Probed::Unfit(_) => HttpProbe::Legacy,
            }),
            Err(WireError::Refused(refusal)) => self.probe_refused(wire, &refusal).await,
            Err(WireError::Invalid(_)) => Ok(HttpProbe::Legacy),
            Err(error) => Err(Failed::on_wire(&error)),
        }
    }

    async fn probe_refused(&self, wire: &HttpWire, refusal: &Refusal) -> Result<HttpProbe, Failed> {
        match refusal.status {
            307 | 308 => moved_to(wire.uri(), refusal).map(HttpProbe::Moved),
            status @ (401 | 403) => {
                Err(Failed::undecided(format!("the server wants authorization (HTTP {status})")))
            }
            status if passing(status) => Err(Failed::undecided(format!("the server answered HTTP {status}"))),
            _ => {
                // Python servers open a session for every probe they refuse; end it, or each probe leaks one.
                if let Some(session) = refusal.headers.get(headers::SESSION) {
                    wire.end(vec![(HeaderName::from_static(headers::SESSION), session.clone())]).await;
                }
                let message = refusal.message.as_ref();
                let error = message.and_then(|message| Some(message.at(message.error.as_ref()?)));
                Ok(match hello::offered_instead(error.unwrap_or_default()) {
                    Some(revision) => HttpProbe::Other(revision),
                    None => HttpProbe::Legacy,
                })
            }
        }
    }
}

fn fixed_headers(endpoint: &Endpoint) -> Result<HeaderMap, Failed> {
    let mut fixed = HeaderMap::with_capacity(endpoint.headers.len());
    for (name, value) in &endpoint.headers {
        let name = HeaderName::try_from(name.as_str());
        let name = name.map_err(|_| Failed::from("a configured header name is not valid".to_owned()))?;
        let mut value = HeaderValue::try_from(value.expose())
            .map_err(|_| Failed::from(format!("the configured value of header {name} is not valid")))?;
        value.set_sensitive(true);
        fixed.append(name, value);
    }
    Ok(fixed)
}

/// Where a redirect leads.
pub(super) fn moved_to(from: &Uri, refusal: &Refusal) -> Result<Uri, Failed> {
    let to = refusal.headers.get(http::header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    same_origin(from, to).ok_or_else(|| {
        Failed::from("the server redirects to another origin, which is not followed".to_owned())
    })
}

/// The address that `location` means, if it stays at the same origin: credentials in headers must not travel further.
fn same_origin(from: &Uri, location: &str) -> Option<Uri> {
    // A network-path reference (RFC 3986, section 4.2) names another authority; `Uri` would take it for a path.
    if location.starts_with("//") {
        return None;
    }
    let to: Uri = location.parse().ok()?;
    if to.authority().is_none() {
        let mut parts = from.clone().into_parts();
        parts.path_and_query = to.into_parts().path_and_query;
        return Uri::from_parts(parts).ok();
    }
    (to.scheme() == from.scheme() && to.authority() == from.authority()).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_followed_within_one_origin_only() {
        let from: Uri = "http://localhost:1/mcp".parse().unwrap();
        assert_eq!(same_origin(&from, "/mcp/").unwrap(), "http://localhost:1/mcp/");
        assert_eq!(same_origin(&from, "http://localhost:1/x").unwrap(), "http://localhost:1/x");
        assert!(same_origin(&from, "http://localhost:2/mcp/").is_none());
        assert!(same_origin(&from, "https://localhost:1/mcp/").is_none());
        assert!(same_origin(&from, "//evil/x").is_none());
    }
}
