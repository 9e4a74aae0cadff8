//! Having faults injected, through the admin listener of the gateway.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::stop::{Code, Stop};

/// For one request. The listener is on this machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The admin listener of a gateway that lets itself be broken.
pub(crate) struct Control {
    authority: String,
}

impl Control {
    /// Finds out whether the gateway lets itself be broken.
    ///
    /// # Errors
    /// When it does not, or nobody answers there.
    pub(crate) async fn open(admin: &str) -> Result<Self, Stop> {
        let uri: Uri = admin.parse().map_err(|error| Stop::usage(format!("--admin: {error}")))?;
        let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Stop::usage("--admin: expected an address such as http://127.0.0.1:8809"));
        };
        let control = Self { authority: authority.to_string() };
        control.send(Method::GET, None).await?;
        Ok(control)
    }

    /// Has these faults injected from now on, in place of those before; they go by themselves after `lease`.
    ///
    /// # Errors
    /// When it is refused.
    pub(super) async fn set(&self, rules: &Value, lease: Duration) -> Result<(), Stop> {
        self.send(Method::PUT, Some(json!({ "lease": lease.as_secs_f64(), "rules": rules }))).await
    }

    /// Has no faults injected any more.
    ///
    /// # Errors
    /// When nobody answers; they then go by themselves.
    pub(crate) async fn clear(&self) -> Result<(), Stop> {
        self.send(Method::DELETE, None).await
    }

    async fn send(&self, method: Method, body: Option<Value>) -> Result<(), Stop> {
        let at = &self.authority;
        let sent = timeout(PATIENCE, self.exchange(method, body)).await;
        let (status, text) = match sent {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let text = format!("no admin listener answers at {at}: {error}");
                return Err(Stop::new(Code::UNAVAILABLE, text));
            }
            Err(_) => {
                return Err(Stop::new(
                    Code::UNAVAILABLE,
                    format!("no answer from the admin listener at {at}"),
                ));
            }
        };
        if status == StatusCode::OK {
            return Ok(());
        }
        let text = crate::terminal::one_line(text.trim());
        let code = if status == StatusCode::NOT_FOUND { Code::PERMISSION } else { Code::FAILURE };
        Err(Stop::new(code, format!("the gateway injects no faults: {text} (HTTP {status})")))
    }

    async fn exchange(
        &self,
        method: Method,
        body: Option<Value>,
    ) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.authority).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri("/faults")
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
