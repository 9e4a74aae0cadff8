//! From events and spans to lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::fields::{Fields, Value};
use super::sink::Sink;
use super::{human, json};

/// Where a line is cut, in bytes: fields that do not fit are left out whole.
pub(super) const LINE_BYTES_MAX: usize = 8 << 10;

/// What one line says.
pub(super) struct Line<'a> {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    pub(super) target: &'a str,
    pub(super) message: &'a str,
    pub(super) fields: &'a [(&'static str, Value)],
}

/// Turns each event into a line, with the fields of the spans around it.
pub(super) struct Lines {
    pub(super) json: Arc<AtomicBool>,
    pub(super) ansi: bool,
    pub(super) clock: fn() -> SystemTime,
    pub(super) sink: Sink,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let message = own.take_message().unwrap_or_default();
        let fields = with_spans(own, event, &context);
        let metadata = event.metadata();
        let line = Line {
            time: (self.clock)(),
            level: *metadata.level(),
            target: metadata.target(),
            message: &message,
            fields: &fields.0,
        };
        let json = self.json.load(Ordering::Relaxed);
        self.sink.line(if json { json::render(&line) } else { human::render(&line, self.ansi) });
    }
}

/// The event's own fields first; of the spans around it, the nearest wins.
fn with_spans<S>(own: Fields, event: &Event<'_>, context: &Context<'_, S>) -> Fields
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut all = own;
    for span in context.event_scope(event).into_iter().flatten() {
        if let Some(fields) = span.extensions().get::<Fields>() {
            for (name, value) in &fields.0 {
                if all.0.iter().all(|known| known.0 != *name) {
                    all.set(name, value.clone());
                }
            }
        }
    }
    all
}
