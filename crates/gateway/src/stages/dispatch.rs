//! Carrying a plan out, and the way back.

use std::sync::Arc;

use bytes::Bytes;
use trunkline_model::{Call, Era, Fault, Kind, Operation, Outcome, PeerError, Reply, Served, Text};
use trunkline_protocol::{bridge, headers, mirror, uris};
use trunkline_upstream::{Manner, Upstream};

use crate::catalog::{Catalog, Route, Speller};
use crate::gateway::Gateway;
use crate::parking::{Parking, Work};
use crate::results;
use crate::stages::admit::Admitted;
use crate::stages::resolve::Plan;
use crate::stages::{drive, fallback, remirror};
use crate::status;
use crate::tasks::{self, Place, Way};

/// Carries out what was admitted.
pub(crate) async fn dispatch(gateway: &Gateway, place: Place<'_>, plan: &Admitted, call: &Call) -> Served {
    let now = place.now;
    let catalog = &now.catalog;
    let era = call.caller.era;
    let outcome = match plan.get() {
        Plan::Page(raw) => Outcome::Result(Reply { raw: raw.clone(), era }),
        Plan::Status => {
            let mut sources = now.fleet.sources();
            sources.retain(|source| catalog.servers.iter().any(|(number, _)| *number == source.number));
            Outcome::Result(Reply { raw: status::read(&sources, era), era })
        }
        Plan::Kept(read) => read.answer(call),
        Plan::NoCompletions => no_completions(era),
        Plan::One { server, target, route } => {
            return one(gateway, place, *server, target.as_ref(), route.as_ref(), call).await;
        }
        Plan::Task(request, id) => {
            let (outcome, server) = Box::pin(tasks::serve(place, call, *request, id)).await;
            match server {
                Some(server) => way_back(catalog, server, call, outcome),
                None => outcome,
            }
        }
        Plan::Tasks(cursor) => Box::pin(tasks::list(place, call, cursor.as_ref())).await,
    };
    outcome.into()
}

async fn one(
    gateway: &Gateway,
    place: Place<'_>,
    server: usize,
    target: Option<&Text>,
    route: Option<&Route>,
    call: &Call,
) -> Served {
    let Some(upstream) = place.now.fleet.upstreams.get(server) else {
        return Fault::internal("dangling route").into();
    };
    let extra = match route.map(|route| headers_of(&route.mirrored, call)).transpose() {
        Ok(extra) => extra.unwrap_or_default(),
        Err(fault) => return fault.into(),
    };
    let parking = &gateway.parking;
    let keeping = place.now.fleet.rules.get(server).and_then(|rules| rules.results);
    let keeping = results::keeps(keeping, route, call);
    let support = route.map(|route| route.tasks).unwrap_or_default();
    let spelled = target.map(|t| &**t);
    let manner = route.map_or(&Manner::ONCE, |route| &route.manner);
    let way = Way::of(support, call);
    let outcome = match way {
        Way::Task => Box::pin(tasks::made(place, upstream, support, spelled, &extra, call)).await,
        Way::Perhaps => {
            let how = How::Called(manner);
            let outcome =
                Box::pin(plain(parking, upstream, target, extra.clone(), call, how)).await.outcome();
            Box::pin(tasks::settled(place, upstream, spelled, &extra, call, outcome)).await
        }
        Way::Driven => Box::pin(plain(parking, upstream, target, extra, call, How::AsTask)).await.outcome(),
        Way::Plain => {
            let passes = keeping.is_none() && passes(&place.now.catalog, route, call);
            let how = if passes { How::Passed(manner) } else { How::Called(manner) };
            match plain(parking, upstream, target, extra, call, how).await {
                Served::Whole(outcome) => outcome,
                arriving @ Served::Arriving(_) => return arriving,
            }
        }
    };
    // Only what certainly did not begin may run elsewhere, and only what can become no task there.
    let other = route.and_then(|route| route.fallback.as_ref()).filter(|_| way == Way::Plain);
    let (server, outcome) = match (outcome, other) {
        (Outcome::Fault(fault), Some(other)) if fault.unbegun => {
            match Box::pin(fallback::answered(place, upstream, other, call)).await {
                Some(answered) => (other.server, answered),
                None => (server, Outcome::Fault(fault)),
            }
        }
        (outcome, _) => (server, outcome),
    };
    let outcome = match way_back(&place.now.catalog, server, call, outcome) {
        Outcome::Result(reply) if call.caller.era == Era::Legacy && route.is_some_and(|r| r.unstructured) => {
            Outcome::Result(Reply { raw: bridge::unstructured(&reply.raw), era: reply.era })
        }
        other => other,
    };
    match keeping {
        Some(keeping) => results::keep(&gateway.results, place.view, keeping, call, outcome).into(),
        None => outcome.into(),
    }
}

/// Whether nobody has to look into the result on its way back, so that it can be handed on while it arrives.
fn passes(catalog: &Catalog, route: Option<&Route>, call: &Call) -> bool {
    call.passes && !catalog.uris.ambiguous() && !route.is_some_and(|route| route.unstructured)
}

/// How a call reaches its server.
#[derive(Clone, Copy)]
enum How<'a> {
    /// As it is, in the manner of its tool.
    Called(&'a Manner),
    /// The same, and its result may be handed on while it arrives.
    Passed(&'a Manner),
    /// As a task, for tools that know only tasks.
    AsTask,
}

/// Runs a call to its result, however often its user is asked meanwhile.
async fn plain(
    parking: &Arc<Parking>,
    upstream: &Arc<Upstream>,
    target: Option<&Text>,
    extra: Vec<(String, String)>,
    call: &Call,
    how: How<'_>,
) -> Served {
    let asks = match call.caller.era {
        // It waits here, whatever has become of its server since.
        Era::Modern if parking.gave(call) => true,
        Era::Modern => match upstream.may_ask(call).await {
            Ok(asks) => asks,
            Err(fault) => return fault.into(),
        },
        Era::Legacy => false,
    };
    if asks {
        let begin = |call: Call| -> Work {
            let (upstream, target) = (Arc::clone(upstream), target.cloned());
            let manner = match how {
                How::Called(manner) | How::Passed(manner) => Some(manner.clone()),
                How::AsTask => None,
            };
            Box::pin(async move {
                let how = manner.as_ref().map_or(How::AsTask, How::Called);
                sent(&upstream, &call, target.as_deref(), &extra, how).await
            })
        };
        let answer = upstream.options().timeouts.answer;
        return Box::pin(parking.run(upstream.name(), answer, call, begin)).await.into();
    }
    let target = target.map(|t| &**t);
    let outcome = match how {
        How::Passed(manner) => match upstream.pass(manner, call, target, &extra).await {
            Served::Whole(outcome) => outcome,
            arriving @ Served::Arriving(_) => return arriving,
        },
        _ => sent(upstream, call, target, &extra, how).await,
    };
    let outcome = remirror::settle(upstream, call, target, outcome).await;
    // The ordinary outcome passes here without a look inside: only a modern server can ask a legacy client so.
    drive::drive(upstream, call, target, &extra, outcome).await.into()
}

async fn sent(
    upstream: &Arc<Upstream>,
    call: &Call,
    target: Option<&str>,
    extra: &[(String, String)],
    how: How<'_>,
) -> Outcome {
    match how {
        How::Called(manner) | How::Passed(manner) => upstream.call_as(manner, call, target, extra).await,
        How::AsTask => Box::pin(tasks::driven(upstream, call, target, extra)).await,
    }
}

/// The headers that mirror arguments towards an HTTP server, from the upstream's schema and the final arguments.
pub(crate) fn headers_of(mirrored: &[mirror::Mirrored], call: &Call) -> Result<Vec<(String, String)>, Fault> {
    if mirrored.is_empty() {
        return Ok(Vec::new());
    }
    let arguments = call.params.arguments.clone().and_then(|span| call.params.raw.get(span));
    let arguments = arguments.unwrap_or(b"{}");
    let mut out = Vec::with_capacity(mirrored.len());
    for one in mirrored {
        let value = mirror::value_of(arguments, &one.path);
        let value =
            value.map_err(|e| Fault::client(Kind::InvalidParams, format!("params.arguments: {e}")))?;
        if let Some(said) = &call.mirrored {
            agree(&one.header, said, value.as_deref())?;
        }
        if let Some(value) = value {
            out.push((one.header.clone(), value));
        }
    }
    Ok(out)
}

/// Checks that the caller's header says what the argument says; a header without its argument is as wrong as the
/// reverse.
fn agree(header: &str, said: &[(String, Bytes)], argument: Option<&str>) -> Result<(), Fault> {
    let mut values = said.iter().filter(|(name, _)| name == header).map(|(_, value)| value);
    let fits = match (values.next(), values.next(), argument) {
        (None, None, None) => true,
        (Some(only), None, Some(argument)) => {
            headers::decode(only).is_some_and(|header| mirror::agrees(&header, argument))
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(Fault::client(Kind::HeaderMismatch, format!("header {header} differs from its argument")))
}

/// What an upstream said, in the view's own names.
pub(crate) fn way_back(catalog: &Catalog, server: usize, call: &Call, outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Result(reply) if catalog.uris.ambiguous() => {
            let speller = Speller::new(&catalog.uris, server);
            let raw = match &call.operation {
                Operation::GetSkill(_) => uris::respell_skill(&reply.raw, |uri| speller.spell(uri)),
                Operation::ReadDirectory(_) => uris::respell_directory(&reply.raw, |uri| speller.spell(uri)),
                _ => uris::respell(&reply.raw, |uri| speller.spell(uri)),
            };
            Outcome::Result(Reply { raw, era: reply.era })
        }
        // Servers of the first revision complete without declaring it, or not at all.
        Outcome::Error(PeerError { code: bridge::METHOD_NOT_FOUND, era: Era::Legacy, .. })
            if matches!(call.operation, Operation::Complete(_)) =>
        {
            no_completions(call.caller.era)
        }
        other => other,
    }
}

fn no_completions(era: Era) -> Outcome {
    let raw: &'static [u8] = match era {
        Era::Legacy => b"{\"completion\":{\"values\":[]}}",
        Era::Modern => b"{\"resultType\":\"complete\",\"completion\":{\"values\":[]}}",
    };
    Outcome::Result(Reply { raw: Bytes::from_static(raw), era })
}
