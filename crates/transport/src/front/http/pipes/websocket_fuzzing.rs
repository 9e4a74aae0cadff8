//! A client that says anything at all on a WebSocket, for fuzz targets.

use trunkline_observe::metrics::Metrics;

use super::super::super::super::pipe::Opening;
use super::super::super::super::scripted::Scripted;
use super::*;

/// What is answered to a client on a socket with messages of at most `limit` bytes, and the code with which we end it.
pub async fn heard<S>(client: S, limit: usize) -> (Vec<Bytes>, Option<u16>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    thread_local! {
        static METRICS: Arc<Metrics> = Arc::new(Metrics::new("fuzz"));
    }
    let over = CancellationToken::new();
    let opening = Opening {
        host: Scripted::new(),
        view: None,
        metrics: METRICS.with(Arc::clone),
        modern: true,
        peer: None,
        over: over.clone(),
    };
    let (pipe, mut outgoing) = Pipe::open(opening);
    let config = WebSocketConfig::default().max_message_size(Some(limit)).max_frame_size(Some(limit));
    let mut socket = WebSocketStream::from_raw_socket(client, Role::Server, Some(config)).await;
    let mut answers = Vec::new();
    let end = {
        let hearing = hear(&mut socket, &pipe, PING);
        tokio::pin!(hearing);
        loop {
            tokio::select! {
                biased;
                Some(answer) = outgoing.next() => answers.push(answer.into_bytes()),
                end = &mut hearing => break end,
            }
        }
    };
    // What runs may wait for something that never comes; what can end ends before it would have to be waited for.
    for _ in 0..64 {
        tokio::task::yield_now().await;
        while let Some(answer) = outgoing.try_next() {
            answers.push(answer.into_bytes());
        }
    }
    over.cancel();
    drop(pipe);
    while let Some(answer) = outgoing.next().await {
        answers.push(answer.into_bytes());
    }
    let code = if let End::Close(code, _) = end { Some(code.into()) } else { None };
    (answers, code)
}
