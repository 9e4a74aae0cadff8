//! Fields of events and spans, collected as text.

use std::error::Error;
use std::fmt::{self, Write};

use tracing::field::{Field, Visit};

use crate::printable::Cut;

/// Where a value is cut, in bytes.
const VALUE_BYTES_MAX: usize = 1 << 10;

/// One value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A number or truth value, which JSON writes as it is.
    Bare(String),
    /// Anything else.
    Text(String),
}

/// Fields in the order they were recorded; a later value replaces an earlier one of the same name.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(pub(super) Vec<(&'static str, Value)>);

impl Fields {
    /// Adds a field or replaces its value.
    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|known| known.0 == name) {
            Some(known) => known.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// Takes the field `message` out.
    pub(super) fn take_message(&mut self) -> Option<String> {
        let at = self.0.iter().position(|known| known.0 == "message")?;
        match self.0.remove(at).1 {
            Value::Bare(text) | Value::Text(text) => Some(text),
        }
    }

    fn text(&mut self, field: &Field, arguments: fmt::Arguments<'_>) {
        let mut text = String::new();
        // A value whose own formatting fails is shown as far as it got.
        let _ = Cut::new(&mut text, VALUE_BYTES_MAX).write_fmt(arguments);
        self.set(field.name(), Value::Text(text));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field, format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), Value::Bare(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), Value::Bare(value.to_string()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.set(field.name(), Value::Bare(value.to_string()));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.set(field.name(), Value::Bare(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), Value::Bare(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is not finite.
        let text = value.to_string();
        self.set(field.name(), if value.is_finite() { Value::Bare(text) } else { Value::Text(text) });
    }
}
