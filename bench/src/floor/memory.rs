//! A finished list, sent from memory: what `tools/list` costs when there is nothing left to do but to send it.
//!
//! The request's body is read for its id, and nothing is copied: the answer is what stands before the id, the id, and
//! the list all callers share.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::Envelope;
use crate::era::{LEGACY_VERSION, MODERN_VERSION, SESSION_HEADER, VERSION_HEADER};
use crate::upstream::catalogue::Catalogue;

/// Head with the id, and the rest.
type Answer = Full<Chain<Bytes, Bytes>>;

struct Lists {
    modern: Bytes,
    legacy: Bytes,
    /// To `initialize`, with which a legacy caller begins.
    hello: Bytes,
}

pub(super) async fn serve(port: u16, fillers: usize) -> anyhow::Result<()> {
    let Catalogue { modern, legacy } = Catalogue::new(fillers);
    let hello = format!(
        r#"{{"protocolVersion":"{LEGACY_VERSION}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"trunkline-bench","version":"1"}}}}"#
    );
    let lists =
        Arc::new(Lists { modern: closed(modern), legacy: closed(legacy), hello: closed(hello.into_bytes()) });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let lists = Arc::clone(&lists);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let lists = Arc::clone(&lists);
                async move { Ok::<_, Infallible>(lists.answer(request).await) }
            });
            // A connection that breaks is the caller's to report.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What follows the id.
fn closed(mut result: Vec<u8>) -> Bytes {
    result.push(b'}');
    Bytes::from([&br#","result":"#[..], &result].concat())
}

impl Lists {
    async fn answer(&self, request: Request<Incoming>) -> Response<Answer> {
        let is_post = request.method() == Method::POST;
        let modern = request.headers().get(VERSION_HEADER).is_some_and(|version| version == MODERN_VERSION);
        let Ok(body) = request.into_body().collect().await else { return empty(StatusCode::BAD_REQUEST) };
        let body = body.to_bytes();
        if !is_post {
            return empty(StatusCode::OK);
        }
        let Ok(message) = serde_json::from_slice::<Envelope<'_>>(&body) else {
            return empty(StatusCode::BAD_REQUEST);
        };
        let Some(id) = message.id else { return empty(StatusCode::ACCEPTED) };
        let head = Bytes::from([br#"{"jsonrpc":"2.0","id":"#, id.get().as_bytes()].concat());
        let begins = message.method == "initialize";
        let result = match (begins, modern) {
            (true, _) => &self.hello,
            (false, true) => &self.modern,
            (false, false) => &self.legacy,
        };
        let mut response = Response::new(Full::new(head.chain(result.clone())));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if begins {
            response.headers_mut().insert(SESSION_HEADER, HeaderValue::from_static("bench"));
        }
        response
    }
}

fn empty(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Full::new(Bytes::new().chain(Bytes::new())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_rest_make_one_answer() {
        let bytes = [br#"{"jsonrpc":"2.0","id":7"#.as_slice(), &closed(b"{\"tools\":[]}".to_vec())].concat();
        let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(answer["result"]["tools"], serde_json::json!([]));
        assert_eq!(answer["id"], 7);
    }
}
