//! A server that speaks HTTP, and what it may answer.

use trunkline_faults::http::Http;
use trunkline_faults::row::{CANARY, Row, Target};
use trunkline_faults::server::{answer, echo};

fn bytes(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Box<dyn Target> {
    Box::new(Http::bytes(bytes))
}

/// A status with a body that holds a secret, and a field.
fn status(status: u16, name: &'static str, value: &'static str) -> Box<dyn Target> {
    Box::new(Http::new(move |_, to| {
        let body = format!("<html>at {CANARY}.rb:17 in handle</html>");
        to.send(status, &[("Content-Type", "text/html"), (name, value)], &body);
    }))
}

/// An answer with this content type and body.
fn typed(kind: &'static str, body: &'static str) -> Box<dyn Target> {
    Box::new(Http::new(move |_, to| to.send(200, &[("Content-Type", kind)], body)))
}

const JSON: &str = "application/json";

rows! {
    error_500 => Row::new("HTTP 500 with a stack trace", || status(500, "X", "y"))
        .sees(&["outcome_unknown"])
        .inside("the server may have done something before it failed; its page is dropped");
    error_503 => Row::new("HTTP 503 with Retry-After", || status(503, "Retry-After", "7"))
        .sees(&["upstream_unavailable"])
        .inside("a refusal; the caller is told when to try again");
    error_503_far => Row::new("HTTP 503 with a Retry-After of a thousand years", || status(503, "Retry-After", "31536000000"))
        .sees(&["upstream_unavailable"])
        .inside("a refusal; an hour is the longest that is passed on");
    error_429 => Row::new("HTTP 429 with a Retry-After that is no number", || status(429, "Retry-After", "soon"))
        .sees(&["upstream_unavailable"])
        .inside("a refusal; five seconds are suggested");
    error_401 => Row::new("HTTP 401 with a challenge", || status(401, "WWW-Authenticate", "Bearer realm=\"canary-4711-secret\""))
        .sees(&["upstream_unavailable"])
        .inside("the gateway's credential is not good; the challenge is not the client's business");
    error_404 => Row::new("HTTP 404 with a page", || status(404, "X", "y"))
        .sees(&["bad_answer"])
        .inside("a server without sessions has no session to lose: the status is the answer, and it is none");
    error_302 => Row::new("a redirect to another origin", || status(307, "Location", "http://127.0.0.1:9/mcp"))
        .sees(&["bad_answer"])
        .inside("calls are not redirected: credentials would travel");
    status_204 => Row::new("HTTP 204 to a request", || Box::new(Http::new(|_, to| to.raw(b"HTTP/1.1 204 No Content\r\n\r\n"))))
        .sees(&["bad_answer"])
        .inside("there is nothing where an answer must be");
    status_202 => Row::new("HTTP 202 to a request, and nothing more", || Box::new(Http::new(|_, to| to.send(202, &[], ""))))
        .sees(&["bad_answer"])
        .inside("there is nothing where an answer must be");
    empty_body => Row::new("an empty body", || typed(JSON, ""))
        .sees(&["bad_answer"])
        .inside("there is nothing where an answer must be");
    truncated_body => Row::new("a body that ends before its length", || bytes(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"jsonrpc\":\"2.0\""))
        .sees(&["outcome_unknown"])
        .inside("fewer bytes than announced: no answer");
    longer_than_said => Row::new("a body that is longer than its length", || Box::new(Http::new(|seen, to| {
            let body = answer(seen);
            to.raw(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len() / 2).as_bytes());
        })))
        .sees(&["bad_answer", "outcome_unknown"])
        .inside("half a message is no JSON; the rest must never be read as the next answer: the connection is dropped");
    answered_twice => Row::new("two whole answers to one request", || Box::new(Http::new(|seen, to| {
            echo(seen, to);
            to.result(&seen.id(), r#"{"resultType":"complete","content":[{"type":"text","text":"the second answer"}]}"#);
        })))
        // The second answer may come when the connection is in use again: then that call sees it, by a number that is not its
        // own, and no other.
        .stray(&["bad_answer"])
        .inside("the first is the answer; a connection on which the second is seen in time is not used again; else one call is told that its answer is invalid, and its connection is dropped");
    chunk_garbage => Row::new("a chunk whose size is no number", || bytes(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n"))
        .sees(&["bad_answer", "outcome_unknown"])
        .inside("what is no HTTP is no answer; the connection is dropped");
    chunk_huge => Row::new("a chunk said to be as large as numbers go", || bytes(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}"))
        .sees(&["bad_answer", "outcome_unknown"])
        .inside("nothing is reserved for what was only announced");
    length_huge => Row::new("a body said to be 16 EiB long", || bytes(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18446744073709551615\r\n\r\n{}"))
        .sees(&["result_too_large"])
        .inside("nothing is reserved for what was only announced");
    two_lengths => Row::new("two lengths that differ", || bytes(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}"))
        .sees(&["bad_answer", "outcome_unknown"])
        .inside("nobody can say where such an answer ends: it is none");
    wrong_type => Row::new("a page where an answer should be", || typed("text/html", "<html>canary-4711-secret</html>"))
        .sees(&["bad_answer"])
        .inside("only JSON and event streams are read");
    not_json => Row::new("a body that is no JSON", || typed(JSON, "canary-4711-secret"))
        .sees(&["bad_answer"])
        .inside("the strict scan refuses it");
    deep_json => Row::new("a body nested a hundred thousand deep", || Box::new(Http::new(|seen, to| {
            let deep = "[".repeat(100_000) + &"]".repeat(100_000);
            to.result(&seen.id(), &format!(r#"{{"resultType":"complete","content":[],"x":{deep}}}"#));
        })))
        .sees(&["bad_answer"])
        .inside("the scan ends at depth 128 and uses no stack");
    foreign_id => Row::new("an answer to somebody else's request", || Box::new(Http::new(|_, to| to.result("987654321", r#"{"resultType":"complete","content":[{"type":"text","text":"for somebody else"}]}"#))))
        .sees(&["bad_answer"])
        .inside("the number is not that of the exchange");
    result_is_text => Row::new("a result that is no object", || Box::new(Http::new(|seen, to| to.result(&seen.id(), "\"done\""))))
        .sees(&["bad_answer"])
        .inside("a result is an object");
    header_flood => Row::new("ten thousand header fields", || Box::new(Http::new(|_, to| {
            let fields = "X-Flood: canary-4711-secret\r\n".repeat(10_000);
            to.raw(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{fields}Content-Length: 2\r\n\r\n{{}}").as_bytes());
        })))
        .sees(&["bad_answer", "outcome_unknown"])
        .inside("heads are bounded in size and number; the connection is dropped");
    endless_head => Row::new("a head without end", || Box::new(Http::new(|_, to| {
            to.raw(b"HTTP/1.1 200 OK\r\n");
            while to.try_raw(format!("X-More: {}\r\n", "x".repeat(1000)).as_bytes()) {}
        })))
        .sees(&["bad_answer", "outcome_unknown"])
        .inside("heads are bounded in size; the connection is dropped");
    slow_head => Row::new("a head that comes in pieces for ever", || Box::new(Http::new(|_, to| {
            to.raw(b"HTTP/1.1 200 OK\r\n");
            while to.try_raw(b"X-More: x\r\n") {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        })))
        .sees(&["upstream_timeout"]).within_ms(1000)
        .inside("pieces of a head are no sign of life: the silence deadline ends the call");
    huge_body => Row::new("a body of 8 MiB where 1 MiB is allowed", || Box::new(Http::new(|seen, to| {
            to.result(&seen.id(), &format!(r#"{{"resultType":"complete","content":[],"x":"{}"}}"#, "x".repeat(8 << 20)));
        })))
        .sees(&["result_too_large"])
        .inside("reading ends at the limit; the connection is dropped");
    not_http => Row::new("another protocol answers", || bytes(b"SSH-2.0-OpenSSH_9.6 canary-4711-secret\r\n"))
        .sees(&["bad_answer", "outcome_unknown"])
        .inside("what does not begin as HTTP is no answer; the connection is dropped");
    silent => Row::new("no answer at all", || Box::new(Http::new(|_, to| to.hang())))
        .sees(&["upstream_timeout"]).within_ms(1000)
        .inside("the silence deadline ends the call, and the closed exchange tells the server");
}
