//! One request as the tools see it.

use rmcp::{
    RoleServer,
    model::{
        ClientCapabilities, LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam,
        ProtocolVersion,
    },
    service::RequestContext,
};
use serde_json::{Map, Value, json};

/// A request under way.
pub struct Call<'a> {
    pub context: &'a RequestContext<RoleServer>,
    pub arguments: Value,
    /// Answers to what was asked in earlier rounds.
    pub inputs: Map<String, Value>,
    /// Our own state, as it came back.
    pub state: Option<Value>,
    /// The least severe level that the legacy session set.
    pub session_level: Option<LoggingLevel>,
}

impl Call<'_> {
    /// Whether the client speaks the modern era, in which nobody can be asked but by a result.
    pub fn modern(&self) -> bool {
        let version = self.context.protocol_version();
        version.is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
    }

    /// What the client declared.
    pub fn capabilities(&self) -> ClientCapabilities {
        self.context.client_capabilities().unwrap_or_default()
    }

    /// An argument that is text.
    pub fn argument(&self, name: &str) -> &str {
        self.arguments[name].as_str().unwrap_or_default()
    }

    /// Reports progress, if that was asked for.
    pub async fn progress(&self, done: f64, total: f64) {
        if let Some(token) = self.context.meta.get_progress_token() {
            let update = ProgressNotificationParam::new(token, done).with_total(total);
            // A caller that stopped listening still gets its answer.
            let _ = self.context.peer.notify_progress(update).await;
        }
    }

    /// Writes a log message, if the request or the session wants its level.
    pub async fn log(&self, words: &str) {
        let wanted = if self.modern() {
            self.context.meta.log_level()
        } else {
            Some(self.session_level.unwrap_or(LoggingLevel::Debug))
        };
        if matches!(wanted, Some(LoggingLevel::Debug | LoggingLevel::Info)) {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(words));
            let _ = self.context.peer.notify_logging_message(message).await;
        }
    }
}
