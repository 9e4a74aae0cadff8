//! The same server over stdin and stdout, a message per line.

use std::io::{BufRead, BufReader, BufWriter, Stdout, Write, stdin, stdout};
use std::sync::{Arc, Mutex, PoisonError};

use super::answer::{PARSE, Reply, Server, Slow, error_message};
use super::message::Message;

/// Bytes read or written in one go, at most.
const PIPE_BYTES: usize = 64 << 10;

type Out = Arc<Mutex<BufWriter<Stdout>>>;

/// Answers until stdin ends. Plain blocking reads: a pipe needs no more, and it is the fastest way.
pub(super) fn serve(server: &Server) -> anyhow::Result<()> {
    let mut input = BufReader::with_capacity(PIPE_BYTES, stdin());
    let out = Arc::new(Mutex::new(BufWriter::with_capacity(PIPE_BYTES, stdout())));
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        take(server, &line, &out)?;
        line.clear();
        // While more requests are at hand their answers are gathered, as one write costs as much as ten.
        if input.buffer().is_empty() {
            out.lock().unwrap_or_else(PoisonError::into_inner).flush()?;
        }
    }
    Ok(())
}

fn take(server: &Server, line: &[u8], out: &Out) -> std::io::Result<()> {
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    let Ok(message) = Message::read(line) else {
        return put(out, &error_message("null", PARSE, "not a JSON-RPC message"));
    };
    match server.reply(&message) {
        Reply::Nothing => Ok(()),
        Reply::Answer(bytes) | Reply::Failure(_, bytes) => put(out, &bytes),
        Reply::Slow(slow) => {
            let out = Arc::clone(out);
            // Ends by itself after its steps, or with the process.
            std::thread::spawn(move || narrate(&slow, &out));
            Ok(())
        }
    }
}

fn narrate(slow: &Slow, out: &Out) -> std::io::Result<()> {
    for step in 1..=slow.steps {
        std::thread::sleep(slow.interval);
        if let Some(progress) = slow.progress(step) {
            put_now(out, &progress)?;
        }
    }
    put_now(out, &slow.answer())
}

fn put(out: &Out, message: &[u8]) -> std::io::Result<()> {
    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
    out.write_all(message)?;
    out.write_all(b"\n")
}

fn put_now(out: &Out, message: &[u8]) -> std::io::Result<()> {
    put(out, message)?;
    out.lock().unwrap_or_else(PoisonError::into_inner).flush()
}
