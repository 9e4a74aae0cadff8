//! Answers as event streams.

use std::time::Duration;

use trunkline_faults::http::{Events, Http};
use trunkline_faults::row::{Row, Target};
use trunkline_faults::server::answer;

fn stream(
    say: impl Fn(&trunkline_e2e::scripted::Seen, &mut Events<'_>) + Send + Sync + 'static,
) -> Box<dyn Target> {
    Box::new(Http::stream(say))
}

const OTHER: &str = r#"{"jsonrpc":"2.0","id":987654321,"result":{"resultType":"complete","content":[{"type":"text","text":"for somebody else"}]}}"#;

rows! {
    silent_stream => Row::new("a stream that opens and says nothing", || stream(|_, events| events.hang()))
        .sees(&["upstream_timeout"]).within_ms(1000)
        .inside("the silence deadline ends the call");
    comments_for_ever => Row::new("a comment every 250 ms, for ever", || stream(|_, events| events.for_ever(": still here\n\n", Duration::from_millis(250))))
        .sees(&["upstream_timeout"]).within_ms(1000)
        .inside("comments keep a connection open, not a call: the silence deadline ends it");
    empty_events_for_ever => Row::new("20,000 empty events a second, for ever", || stream(|_, events| events.for_ever(&"data\n\n".repeat(20), Duration::from_millis(1))))
        .sees(&["upstream_timeout"]).within_ms(1000)
        .inside("events without a message are no sign of life");
    progress_for_ever => Row::new("progress every 100 ms, for ever", || stream(|seen, events| {
            let token = seen.id();
            let note = format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#);
            events.for_ever(&format!("event: message\ndata: {note}\n\n"), Duration::from_millis(100));
        }))
        .sees(&["upstream_timeout"]).within_ms(3000)
        .inside("progress renews the silence deadline; the total deadline ends the call");
    garbage_events => Row::new("events that are no messages, then the answer", || stream(|seen, events| {
            events.raw("data: not json\n\nevent: other\ndata: {}\n\nid: \0\n\nretry: -1\n\ndata: []\n\ndata: {\"jsonrpc\":\"2.0\"}\n\n\u{feff}data: x\n\n");
            events.message(&answer(seen));
            events.end();
        }))
        .inside("what is no message is skipped");
    cut_before_answer => Row::new("the connection ends between two events", || stream(|_, events| {
            events.raw(": hello\n\n");
            events.cut();
        }))
        .sees(&["outcome_unknown"])
        .inside("a stream without ids cannot be gone on with; the request was sent");
    ended_before_answer => Row::new("the stream ends in order without the answer", || stream(|_, events| {
            events.raw(": hello\n\n");
            events.end();
        }))
        .sees(&["outcome_unknown", "bad_answer"])
        .inside("the request was sent, so it is not sent again");
    cut_in_event => Row::new("the connection ends within the answer's event", || stream(|seen, events| {
            let answer = answer(seen);
            events.raw(&format!("event: message\ndata: {}", &answer[..answer.len() / 2]));
            events.cut();
        }))
        .sees(&["outcome_unknown"])
        .inside("an event without its blank line never happened");
    unfinished_event => Row::new("the stream ends in order after an answer without its blank line", || stream(|seen, events| {
            events.raw(&format!("event: message\ndata: {}\n", answer(seen)));
            events.end();
        }))
        .sees(&["outcome_unknown", "bad_answer"])
        .inside("an event without its blank line never happened (HTML standard, 9.2.6)");
    foreign_ids => Row::new("answers to other requests, then the answer", || stream(|seen, events| {
            events.message(OTHER);
            events.message(&OTHER.replace("987654321", "\"1\""));
            events.message(&answer(seen));
            events.end();
        }))
        .inside("answers belong to their exchange by number; others are dropped");
    only_foreign_ids => Row::new("answers to other requests, and no more", || stream(|_, events| {
            events.message(OTHER);
            events.hang();
        }))
        .sees(&["upstream_timeout"]).within_ms(1000)
        .inside("an answer to somebody else is no sign of life");
    answered_twice => Row::new("the answer twice, the second one different", || stream(|seen, events| {
            events.message(&answer(seen));
            events.message(&answer(seen).replace("\\\"n\\\"", "\\\"second\\\""));
            events.end();
        }))
        .inside("the exchange ends with its answer; the rest is not read");
    goes_on_after_answer => Row::new("the answer, and then a stream that does not end", || stream(|seen, events| {
            events.message(&answer(seen));
            events.for_ever(": still here\n\n", Duration::from_millis(100));
        }))
        .inside("the exchange ends with its answer; the connection is dropped");
    huge_event => Row::new("an event of 8 MiB where 1 MiB is allowed", || stream(|_, events| {
            events.raw("data: ");
            for _ in 0..128 {
                if !events.raw(&"x".repeat(64 << 10)) {
                    return;
                }
            }
            events.raw("\n\n");
            events.end();
        }))
        .sees(&["result_too_large"])
        .inside("reading ends at the limit; the connection is dropped");
    questions => Row::new("a question that a modern server must not put, then the answer", || stream(|seen, events| {
            events.message(r#"{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}"#);
            events.message(&answer(seen));
            events.end();
        }))
        .inside("nobody is asked; the call goes on");
}
