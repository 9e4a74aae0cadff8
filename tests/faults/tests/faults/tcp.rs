//! The network between the gateway and a server.

use std::time::Duration;

use trunkline_faults::proxy::{Fault, Proxy};
use trunkline_faults::row::{Reaches, Row, Target};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn proxy(fault: Fault) -> Box<dyn Target> {
    Box::new(Proxy::new(fault))
}

rows! {
    latency => Row::new("every packet takes 100 ms longer", || proxy(Fault::Latency(ms(100))))
        .inside("nothing; the call takes as long as it takes");
    slow_line => Row::new("answers come at 100 bytes per 10 ms", || proxy(Fault::Bandwidth(100)))
        .inside("nothing; the answer is read as it comes");
    drip => Row::new("answers come at one byte per 10 ms", || proxy(Fault::Bandwidth(1)))
        .sees(&["upstream_timeout"]).within_ms(1000)
        .inside("bytes of an answer are no sign of life: the silence deadline ends the call and its connection");
    black_hole => Row::new("everything is swallowed on connections that stand", || proxy(Fault::BlackHole))
        .sees(&["upstream_timeout"]).within_ms(1000).reaches(Reaches::Never)
        .inside("the silence deadline ends the call; its connection is closed and not used again");
    black_hole_for_new_connections => Row::new("new connections are taken and everything on them is swallowed", || proxy(Fault::NewBlackHole))
        .sees(&["upstream_timeout", "outcome_unknown"]).within_ms(1000).reaches(Reaches::Never)
        .inside("a pooled connection whose end was seen is not used, on the new one the silence deadline ends the call; a call that was being written when its connection was cut may have run");
    reset_on_request => Row::new("the connection is reset when the request comes", || proxy(Fault::ResetOnRequest))
        .sees(&["outcome_unknown"]).reaches(Reaches::Never)
        .inside("the request was sent, so it is not sent again");
    reset_at_answer => Row::new("the connection is reset before the first byte of the answer", || proxy(Fault::ResetAfter(0)))
        .sees(&["outcome_unknown"])
        .inside("the request was sent, so it is not sent again");
    reset_in_head => Row::new("the connection is reset within the head of the answer", || proxy(Fault::ResetAfter(20)))
        .sees(&["outcome_unknown"])
        .inside("half a head is no answer; the connection is dropped");
    reset_in_body => Row::new("the connection is reset within the body of the answer", || proxy(Fault::ResetAfter(120)))
        .sees(&["outcome_unknown"])
        .inside("half a body is no answer; the connection is dropped");
    closed_in_body => Row::new("the connection is closed in order within the body of the answer", || proxy(Fault::CloseAfter(120)))
        .sees(&["outcome_unknown"])
        .inside("fewer bytes than announced: no answer");
    closed_before_answer => Row::new("the connection is closed in order before the answer", || proxy(Fault::CloseAfter(0)))
        .sees(&["outcome_unknown"])
        .inside("the request was sent, so it is not sent again");
    half_closed => Row::new("the server's side is closed when the request has passed", || proxy(Fault::HalfClose))
        .sees(&["outcome_unknown"])
        .inside("nobody can answer on a connection that is closed on that side");
    refused => Row::new("nobody listens any more, and connections that stand are cut", || proxy(Fault::Refuse))
        .sees(&["upstream_unavailable", "outcome_unknown"]).reaches(Reaches::Never).back_ms(2000)
        .inside("nothing was sent: the call is tried once more over a new conversation, which cannot be opened; one that was being written when its connection was cut may have run");
    slow_open => Row::new("new connections are served only after 500 ms", || proxy(Fault::SlowOpen(ms(500))))
        .may_see(&["outcome_unknown"]).reaches(Reaches::AtMostOnce)
        .inside("nothing; the call takes that much longer. One that was being written when its connection was cut may have run");
    corrupt_body => Row::new("bytes of the answer's body are not what was sent", || proxy(Fault::Corrupt(110)))
        .sees(&["bad_answer"])
        .inside("the strict scan refuses what is no JSON");
    corrupt_head => Row::new("bytes of the answer's head are not what was sent", || proxy(Fault::Corrupt(0)))
        .sees(&["bad_answer", "outcome_unknown"])
        .inside("what does not begin as HTTP is no answer; the connection is dropped");
}
