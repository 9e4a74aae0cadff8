//! Requests of the modern era: nothing is remembered, every request brings its own metadata.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use trunkline_model::{Call, Caller, Era, Fault, Kind, Notes, Operation, Served, Watch};
use trunkline_protocol::hello::Greeting;
use trunkline_protocol::{Revision, Scanned, Shape, bridge, headers};

use super::super::answer::{self, Answer};
use super::super::decode;
use super::super::follow::Follower;
use super::super::host::{BoxFuture, Introduced, ViewName};
use super::super::listen::{acknowledgement, completion, reader};
use super::super::notes::Pad;
use super::ahead::Ahead;
use super::header::Headers;
use super::route::{Handled, Refusal};
use super::{Front, leaving, respond, stream};

/// Begins one message.
pub(crate) fn begin(
    front: &Arc<Front>,
    view: ViewName,
    headers: &Headers<'_>,
    scanned: &Scanned,
    peer: IpAddr,
) -> Result<Ahead, Refusal> {
    let answered = |answer| Ok(Ahead::Answered(respond::answer(answer)));
    match scanned.shape {
        Shape::Request => {}
        // The revision defines no notification from client to server over HTTP; what it does not define is harmless.
        Shape::Notification => return Ok(Ahead::Answered(respond::empty(StatusCode::ACCEPTED))),
        Shape::Answer => {
            let fault = Fault::client(Kind::InvalidRequest, "a client sends requests, not answers");
            return answered(answer::refusal(None, &fault, Era::Modern));
        }
    }
    let id = scanned.id_bytes().unwrap_or_default();
    let (notes, pad) = Pad::of_client(headers.accepts_events());
    match request(headers, scanned, peer, notes) {
        Ok(call) if front.ending.refuses() && !leaving::goes_on(&call) => {
            Err(leaving::refusal(front, Some(&id), Era::Modern))
        }
        Ok(call) => serve(front, view, headers, id, call, pad),
        Err(fault) => {
            front.metrics.gateway().rejected(fault.kind.reason());
            answered(answer::refusal(Some(&id), &fault, Era::Modern))
        }
    }
}

/// The checks of a modern request, in the order that `bridging.md` 3.1 gives them.
fn request(
    headers: &Headers<'_>,
    scanned: &Scanned,
    peer: IpAddr,
    notes: Arc<dyn Notes>,
) -> Result<Call, Fault> {
    headers::check(scanned, headers.version.values(), headers.method.values(), headers.name.values())?;
    let (caller, level) = decode::modern_caller(scanned, Some(peer))?;
    let mut call = decode::call(scanned, Arc::new(caller), level, Some(mirrored(headers)), notes)?;
    call.passes = bridge::passes(Revision::MODERN_LATEST, &call.operation);
    if call.traceparent.is_none() {
        call.traceparent = headers.traceparent.text().map(trunkline_model::Text::from);
    }
    Ok(call)
}

/// The headers that mirror arguments; usually there are none, and then nothing is looked for.
fn mirrored(headers: &Headers<'_>) -> Vec<(String, Bytes)> {
    let all = headers.all().filter(|_| headers.mirrors).into_iter().flatten();
    let ours = all.filter(|(name, _)| name.as_str().starts_with(headers::PARAM_PREFIX));
    ours.map(|(name, value)| (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes()))).collect()
}

fn serve(
    front: &Arc<Front>,
    view: ViewName,
    headers: &Headers<'_>,
    id: Bytes,
    call: Call,
    pad: Option<Arc<Pad>>,
) -> Result<Ahead, Refusal> {
    Ok(match &call.operation {
        Operation::Hello => Ahead::Rare(Box::pin(greet(Arc::clone(&front.host).greet(view), id))),
        Operation::Listen(watch) => Ahead::Answered(listen(front, &view, headers, id, watch, &call.caller)?),
        _ => {
            let operation = call.operation.clone();
            let served = Arc::clone(&front.host).serve(view, call);
            Ahead::Modern(Serving { served, id, operation }, pad)
        }
    })
}

async fn greet(introduced: BoxFuture<Introduced>, id: Bytes) -> Handled {
    let introduced = introduced.await;
    let greeting = Greeting {
        capabilities: &introduced.modern_capabilities,
        server_info: &introduced.server_info,
        instructions: introduced.instructions.as_deref(),
    };
    Ok(respond::answer(answer::result(&id, &greeting.discover(introduced.ttl_ms))))
}

/// A call on its way. The client's closing of the stream drops it, and with it the call: that is the cancellation.
pub(crate) struct Serving {
    served: BoxFuture<Served>,
    id: Bytes,
    operation: Operation,
}

impl Future for Serving {
    type Output = Option<Answer>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        let served = ready!(self.served.as_mut().poll(cx));
        Poll::Ready(Some(answer::served(&self.id, served, Revision::MODERN_LATEST, &self.operation)))
    }
}

fn listen(
    front: &Arc<Front>,
    view: &ViewName,
    headers: &Headers<'_>,
    id: Bytes,
    watch: &Watch,
    caller: &Arc<Caller>,
) -> Handled {
    let refuse = |fault: Fault| -> Handled {
        front.metrics.gateway().rejected(fault.kind.reason());
        let refused = answer::refusal(Some(&id), &fault, Era::Modern);
        Ok(respond::answer(Answer { status: StatusCode::SERVICE_UNAVAILABLE.as_u16(), ..refused }))
    };
    if !headers.accepts_events() {
        return Err(super::route::refuse(front, StatusCode::NOT_ACCEPTABLE, "accept text/event-stream"));
    }
    // On HTTP every caller has an address.
    let Some(room) = caller.peer.and_then(|peer| front.stream_room(peer)) else {
        return refuse(Fault::overloaded("too many streams are open; try again later"));
    };
    let Some(changes) = front.host.changes(view) else { return refuse(Fault::internal("the view has gone")) };
    let reader = reader(&front.host, view, caller, &id, watch);
    let first = acknowledgement(&reader);
    let last = Some(completion(&id));
    let follower = Follower::new(reader, changes, [front.stop.clone(), front.stop.clone()]);
    Ok(respond::events(stream::following(follower, first, last, room)))
}
