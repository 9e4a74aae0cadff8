//! The event stream format (`text/event-stream`, WHATWG HTML section 9.2.6), both ways, without copying messages.

mod decoder;
mod encoder;
mod line;

#[cfg(test)]
mod tests;

pub use decoder::{Decoder, Event, EventTooLarge};
pub use encoder::{Head, KEEP_ALIVE, event_pieces, small_event};
