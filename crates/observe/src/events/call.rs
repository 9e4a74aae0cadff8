//! The end of a call.

use std::time::Duration;

use crate::metrics::{Era, MethodHandle, Outcome, ToolHandle};
use crate::trace::TraceContext;

/// The series a call is counted in, obtained when its plan was made.
#[derive(Clone, Copy, Debug)]
pub struct CallSeries<'a> {
    /// Of the MCP method.
    pub method: &'a MethodHandle,
    /// Of the tool, if it was a tool call.
    pub tool: Option<&'a ToolHandle>,
}

/// A call has ended. There is exactly one of these per call.
#[derive(Clone, Copy, Debug)]
pub struct CallFinished<'a> {
    /// Where in which trace the call was.
    pub trace: Option<&'a TraceContext>,
    /// The MCP method.
    pub method: &'a str,
    /// The upstream it went to, if to one.
    pub upstream: Option<&'a str>,
    /// The exposed name of the tool, if it was a tool call.
    pub tool: Option<&'a str>,
    /// How it ended.
    pub outcome: Outcome,
    /// From the first byte of the request to the last of the answer.
    pub duration: Duration,
    /// The era of the client.
    pub era_front: Era,
    /// The era of the upstream, if it went to one.
    pub era_back: Option<Era>,
    /// Bytes of the request's message.
    pub bytes_in: u64,
    /// Bytes of the answer's message.
    pub bytes_out: u64,
    /// The kind of the fault that was injected into it on purpose, if one was.
    pub injected: Option<&'a str>,
}

impl CallFinished<'_> {
    /// Counts the call and logs it: at debug when it went well, at info when not. Nothing is allocated unless it is
    /// logged.
    pub fn emit(&self, series: CallSeries<'_>) {
        series.method.record(self.duration);
        if let Some(tool) = series.tool {
            tool.record(self.outcome, self.duration);
        }
        // The level is part of a log line's place in the program, hence two of them.
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    trace_id = self.trace.map(|trace| tracing::field::display(trace.trace_id())),
                    span_id = self.trace.map(|trace| tracing::field::display(trace.span_id())),
                    method = self.method,
                    upstream = self.upstream,
                    tool = self.tool,
                    outcome = self.outcome.as_str(),
                    duration_ms = self.duration.as_secs_f64() * 1e3,
                    era_front = self.era_front.as_str(),
                    era_back = self.era_back.map(Era::as_str),
                    bytes_in = self.bytes_in,
                    bytes_out = self.bytes_out,
                    injected = self.injected,
                    "call finished"
                )
            };
        }
        match self.outcome {
            Outcome::Ok => log!(debug),
            Outcome::ToolError | Outcome::Error | Outcome::Cancelled => log!(info),
        }
    }
}
