//! Opening a conversation: start or reach the server, find out its era, agree on a revision.
//!
//! The order of attempts is what real servers need (`bridging.md` section 3.2, measured): some old ones die of the
//! probe, some stay silent for ever, and none may be probed beside a second process of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tokio::time::timeout;
use trunkline_model::Era;
use trunkline_observe::metrics::{RunningChild, UpstreamHandle};
use trunkline_protocol::hello::{self, HelloError, Introduction};
use trunkline_protocol::{Revision, bridge, compose, headers, method};
use trunkline_transport::back::{Answered, Headers, HttpWire, Outgoing, Refusal, StdioWire, Wire, WireError};
use trunkline_transport::process::{self, Child, Limits, Spec};

use crate::loss::Loss;
use crate::options::{Command, Endpoint, EraChoice, Options, Reach};
use crate::reason::said;
use crate::session::{Session, describe, own_params};
use crate::stray::Stray;
use crate::tools::Tools;

/// A conversation and, on stdio, the process it is held with.
pub(crate) struct Connected {
    pub(crate) session: Session,
    pub(crate) child: Option<Process>,
}

/// A child process that is counted as running.
pub(crate) struct Process {
    child: Child,
    _counted: RunningChild,
}

impl Process {
    /// Ends it in order; see [`Child::shutdown`].
    pub(crate) async fn shutdown(self, grace: Duration) {
        let exit = self.child.shutdown(grace).await;
        tracing::trace!(?exit, "process ended");
    }
}

impl std::ops::Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

/// Why no conversation came about.
#[derive(Debug)]
pub(crate) struct Failed {
    /// In words fit for a client.
    pub(crate) reason: String,
    /// What the process last wrote to stderr.
    pub(crate) stderr: Vec<String>,
    /// Whether it says nothing about the era: the server was not reached, or was not itself.
    pub(crate) undecided: bool,
}

impl From<String> for Failed {
    fn from(reason: String) -> Self {
        Self { reason, stderr: Vec::new(), undecided: false }
    }
}

impl Failed {
    fn undecided(reason: String) -> Self {
        Self { undecided: true, ..Self::from(reason) }
    }

    fn on_wire(error: &WireError) -> Self {
        let undecided = match error {
            WireError::NotSent(_) | WireError::Broken(_) => true,
            WireError::Refused(refusal) => passing(refusal.status),
            WireError::Invalid(_) | WireError::TooLarge(_) => false,
        };
        Self { undecided, ..Self::from(describe(error)) }
    }
}

/// HTTP statuses that are about the moment or the caller, whatever the server speaks.
const fn passing(status: u16) -> bool {
    matches!(status, 401 | 403 | 408 | 425 | 429 | 500..)
}

/// What a probe showed.
enum Probed {
    Modern(Introduction),
    Legacy,
    /// The server cannot be probed; start it anew and speak legacy.
    Unfit(String),
}

/// Grace for a process that is replaced after a failed probe.
const PROBE_GRACE: Duration = Duration::from_millis(500);

pub(crate) struct Connecting<'a> {
    pub(crate) options: &'a Options,
    pub(crate) tools: &'a Tools,
    pub(crate) stray: &'a Arc<Stray>,
    pub(crate) ids: &'a Arc<AtomicU64>,
    pub(crate) meter: &'a UpstreamHandle,
    /// Whether this is not the first attempt.
    pub(crate) again: bool,
}

impl Connecting<'_> {
    /// Opens the conversation.
    pub(crate) async fn open(&self, within: Duration) -> Result<Connected, Failed> {
        let attempt = timeout(within, self.attempt()).await;
        let opened =
            attempt.unwrap_or_else(|_| Err(format!("no handshake within {} s", within.as_secs()).into()));
        if self.options.era == EraChoice::Auto {
            match &opened {
                Ok(connected) => self.tools.verdicts.set(self.options, Some(connected.session.era())),
                Err(failed) if failed.undecided => {}
                // A remembered verdict may be what is wrong: probe again next time.
                Err(_) => self.tools.verdicts.set(self.options, None),
            }
        }
        opened
    }

    async fn attempt(&self) -> Result<Connected, Failed> {
        let known = match self.options.era {
            EraChoice::Modern => Some(Era::Modern),
            EraChoice::Legacy => Some(Era::Legacy),
            EraChoice::Auto => self.tools.verdicts.get(self.options),
        };
        match &self.options.reach {
            Reach::Stdio(command) => self.open_stdio(command, known).await,
            Reach::Http(endpoint) => self.open_http(endpoint, known).await,
        }
    }

    async fn open_stdio(&self, command: &Command, known: Option<Era>) -> Result<Connected, Failed> {
        let (child, wire) = self.start(command)?;
        if known == Some(Era::Legacy) {
            return self.greet_stdio(child, wire).await;
        }
        let probed = match timeout(self.options.timeouts.probe, self.discover(&*wire, &Headers::new())).await
        {
            Err(_) => Probed::Unfit("it did not answer the probe".to_owned()),
            Ok(Ok(answered)) => probe_answer(&answered),
            Ok(Err(error)) => Probed::Unfit(error.to_string()),
        };
        match probed {
            Probed::Modern(introduction) => Ok(self.connected(introduction, wire, None, None, Some(child))),
            Probed::Legacy => self.greet_stdio(child, wire).await,
            Probed::Unfit(why) if self.options.era == EraChoice::Modern => Err(self.failed(why, child).await),
            Probed::Unfit(why) => {
                tracing::debug!(server = &*self.options.name, %why, "the probe did not suit the server; starting it anew");
                child.shutdown(PROBE_GRACE).await;
                let (child, wire) = self.start(command)?;
                self.greet_stdio(child, wire).await
            }
        }
    }

    /// Starts the process and a wire over its pipes.
    fn start(&self, command: &Command) -> Result<(Process, Arc<dyn Wire>), Failed> {
        let options = self.options;
        let spec = Spec {
            name: &options.name,
            program: &command.program,
            args: &command.args,
            env: &command.env,
            inherit_env: &command.inherit_env,
            cwd: command.cwd.as_deref(),
        };
        let limits = Limits { message_bytes_max: options.message_bytes_max, ..Limits::default() };
        let shepherd = self.tools.shepherd.as_deref();
        let mut child = process::spawn(&spec, &self.tools.environment, &limits, shepherd)
            .map_err(|error| Failed::undecided(error.to_string()))?;
        let counted = self.meter.child_started(self.again);
        let reader =
            child.take_reader().ok_or_else(|| Failed::from("the process has no output".to_owned()))?;
        let stray = Arc::clone(self.stray) as Arc<_>;
        let wire = StdioWire::open(child.writer(), reader, Arc::clone(&options.name), stray);
        Ok((Process { child, _counted: counted }, Arc::new(wire)))
    }

    async fn greet_stdio(&self, child: Process, wire: Arc<dyn Wire>) -> Result<Connected, Failed> {
        // The stray listener must be able to answer a server that pings or asks during the handshake.
        self.stray.reply_through(&wire, Headers::new());
        let greeted = tokio::select! {
            greeted = self.greet(&*wire) => greeted,
            exit = child.wait() => Err(exited(exit.status).into()),
        };
        match greeted {
            Ok((introduction, _)) => Ok(self.connected(introduction, wire, None, None, Some(child))),
            Err(failed) => Err(self.failed(failed.reason, child).await),
        }
    }

    async fn failed(&self, why: String, child: Process) -> Failed {
        // Give a dying process a moment to say why on stderr.
        let exit = timeout(Duration::from_millis(300), child.wait()).await;
        let reason = exit.map_or(why, |exit| exited(exit.status));
        let stderr = child.stderr_tail();
        child.shutdown(PROBE_GRACE).await;
        Failed { stderr, ..Failed::from(reason) }
    }

    async fn open_http(&self, endpoint: &Endpoint, known: Option<Era>) -> Result<Connected, Failed> {
        let uri: Uri =
            endpoint.url.parse().map_err(|e| Failed::from(format!("the URL is not usable: {e}")))?;
        let fixed = fixed_headers(endpoint)?;
        let mut wire = HttpWire::new(self.tools.http.clone(), uri, fixed, self.options.message_bytes_max);
        if known != Some(Era::Legacy) {
            // At most one move: servers that want a trailing slash.
            for _ in 0..2 {
                match self.probe_http(&wire).await? {
                    HttpProbe::Moved(uri) => wire = wire.moved(uri),
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
        let shared: Arc<dyn Wire> = Arc::new(wire.clone());
        self.stray.reply_through(&shared, Headers::new());
        let (introduction, session_id) = self.greet(&*shared).await?;
        Ok(self.connected(introduction, shared, Some(wire), session_id, None))
    }

    async fn probe_http(&self, wire: &HttpWire) -> Result<HttpProbe, Failed> {
        let revision = HeaderValue::from_static(Revision::MODERN_LATEST.as_str());
        let extra = vec![
            (HeaderName::from_static(headers::PROTOCOL_VERSION), revision),
            (HeaderName::from_static(headers::METHOD), HeaderValue::from_static(method::DISCOVER)),
        ];
        match self.discover(wire, &extra).await {
            Ok(answered) => Ok(match probe_answer(&answered) {
                Probed::Modern(introduction) => HttpProbe::Modern(introduction),
                Probed::Legacy | Probed::Unfit(_) => HttpProbe::Legacy,
            }),
            Err(WireError::Refused(refusal)) => self.probe_refused(wire, &refusal).await,
            Err(WireError::Invalid(_)) => Ok(HttpProbe::Legacy),
            Err(error) => Err(Failed::on_wire(&error)),
        }
    }

    async fn probe_refused(&self, wire: &HttpWire, refusal: &Refusal) -> Result<HttpProbe, Failed> {
        match refusal.status {
            307 | 308 => {
                let to = refusal
                    .headers
                    .get(http::header::LOCATION)
                    .and_then(|v| v.to_str().ok())
                    .unwrap_or_default();
                same_origin(wire.uri(), to).map(HttpProbe::Moved).ok_or_else(|| {
                    Failed::from("the server redirects to another origin, which is not followed".to_owned())
                })
            }
            status @ (401 | 403) => {
                Err(Failed::undecided(format!("the server wants authorization (HTTP {status})")))
            }
            status if passing(status) => Err(Failed::undecided(format!("the server answered HTTP {status}"))),
            _ => {
                // Python servers open a session for every probe they refuse; end it, or each probe leaks one.
                if let Some(session) = refusal.headers.get(headers::SESSION) {
                    wire.end(vec![(HeaderName::from_static(headers::SESSION), session.clone())]).await;
                }
                Ok(HttpProbe::Legacy)
            }
        }
    }

    /// Sends `server/discover`.
    async fn discover(&self, wire: &dyn Wire, extra: &Headers) -> Result<Answered, WireError> {
        let id = self.ids.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let params = own_params(Bytes::from_static(b"{}"), Revision::MODERN_LATEST);
        let message = compose::request(id, method::DISCOVER, &params);
        wire.exchange(Outgoing { id, message, headers: extra.clone(), heard: None }).await
    }

    /// Sends `initialize` and `notifications/initialized`; returns what the server said and the session it opened.
    async fn greet(&self, wire: &dyn Wire) -> Result<(Introduction, Option<HeaderValue>), Failed> {
        let id = self.ids.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let params = hello::initialize_params(Revision::LEGACY_LATEST, env!("CARGO_PKG_VERSION"), b"{}");
        let message = compose::request(id, method::INITIALIZE, &params);
        let answered = wire.exchange(Outgoing { id, message, headers: Headers::new(), heard: None }).await;
        let answered = answered.map_err(|error| match &error {
            WireError::Refused(refusal) if matches!(refusal.status, 400 | 404 | 405) && refusal.message.is_none() => {
                Failed::from(format!(
                    "no MCP endpoint answers there (HTTP {}); a server of the older HTTP+SSE transport is not supported yet",
                    refusal.status
                ))
            }
            other => Failed::on_wire(other),
        })?;
        let raw = match (&answered.message.result, &answered.message.error) {
            (Some(span), _) => answered.message.share(span),
            (None, error) => {
                let raw = error.as_ref().map(|span| answered.message.at(span)).unwrap_or_default();
                return Err(format!("it refused to initialize: {}", said(raw)).into());
            }
        };
        let introduction = hello::read_initialize(&raw).map_err(|error| Failed::from(error.to_string()))?;
        let mut extra = Headers::new();
        let revision = HeaderValue::from_static(introduction.revision.as_str());
        extra.push((HeaderName::from_static(headers::PROTOCOL_VERSION), revision));
        if let Some(session) = &answered.session {
            extra.push((HeaderName::from_static(headers::SESSION), session.clone()));
        }
        let ready = compose::notification(method::INITIALIZED, &Bytes::new());
        wire.tell(ready, extra).await.map_err(|error| Failed::on_wire(&error))?;
        Ok((introduction, answered.session))
    }

    fn connected(
        &self,
        introduction: Introduction,
        wire: Arc<dyn Wire>,
        http: Option<HttpWire>,
        session_id: Option<HeaderValue>,
        child: Option<Process>,
    ) -> Connected {
        let session = Session {
            server: Arc::clone(&self.options.name),
            wire,
            http,
            introduction,
            session_id,
            stray: Arc::clone(self.stray),
            ids: Arc::clone(self.ids),
            timeouts: self.options.timeouts,
            level: AtomicU8::new(u8::MAX),
            lost: Loss::default(),
        };
        self.stray.reply_through(&session.wire, session.headers());
        Connected { session, child }
    }
}

enum HttpProbe {
    Modern(Introduction),
    Legacy,
    Moved(Uri),
}

/// What an answer to `server/discover` says about the server.
fn probe_answer(answered: &Answered) -> Probed {
    let message = &answered.message;
    if let Some(span) = &message.result {
        return match hello::read_discover(&message.share(span)) {
            Ok(introduction) => Probed::Modern(introduction),
            Err(HelloError::NoRevision(_) | HelloError::Malformed(_)) => Probed::Legacy,
        };
    }
    let raw = message.error.as_ref().map(|span| message.at(span)).unwrap_or_default();
    match bridge::code_of(raw) {
        // A server that knows these codes knows the modern era, but then it would have answered; without an
        // introduction there is nothing to go by.
        bridge::UNSUPPORTED_VERSION | bridge::HEADER_MISMATCH | bridge::MISSING_CAPABILITY => {
            Probed::Unfit(format!("it refused the probe: {}", said(raw)))
        }
        _ => Probed::Legacy,
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

/// How a process ended, in words fit for a client.
pub(crate) fn exited(status: Option<std::process::ExitStatus>) -> String {
    match status {
        Some(status) => format!("the process ended ({status})"),
        None => "the process ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_of_the_server_itself_say_something_about_its_era() {
        let http = |status| {
            let headers = HeaderMap::new();
            WireError::Refused(Box::new(Refusal { status, headers, body: Bytes::new(), message: None }))
        };
        for error in
            [WireError::NotSent(String::new()), WireError::Broken(String::new()), http(503), http(401)]
        {
            assert!(Failed::on_wire(&error).undecided, "{error}");
        }
        for error in [WireError::Invalid(String::new()), http(400), http(405)] {
            assert!(!Failed::on_wire(&error).undecided, "{error}");
        }
    }

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
