//! What is heard on a socket whose server says anything at all, for fuzz targets.

use std::sync::Mutex;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use trunkline_protocol::Scanned;

use super::*;

#[derive(Default)]
struct Ears(Mutex<Vec<Bytes>>);

impl Heard for Ears {
    fn hear(&self, message: Scanned) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(message.raw);
    }
}

/// What a server said in messages of at most `limit` bytes while request `id` waited: the answer to it, what belonged
/// to no request, and why the socket ended.
pub async fn overheard<S>(server: S, limit: usize, id: u64) -> (Option<Bytes>, Vec<Bytes>, String)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default().max_message_size(Some(limit)).max_frame_size(Some(limit));
    let socket = WebSocketStream::from_raw_socket(server, Role::Client, Some(config)).await;
    let (pending, ears) = (Pending::default(), Ears::default());
    let Ok(mut expected) = pending.expect(id, None) else { return (None, Vec::new(), String::new()) };
    let why = read(socket, &AtomicU32::new(0), &pending, &ears).await;
    pending.close(&why);
    let answer = expected.answer().await.ok().map(|answered| answered.message.raw);
    (answer, ears.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner), why)
}
