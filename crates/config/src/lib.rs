//! The configuration document: load, check, resolve, schema.

#![allow(dead_code)]
mod check;
mod excerpt;
mod fields;
mod formats;
mod problem;
mod render;
mod scalars;
mod source;
mod tree;

pub use problem::{Problem, Problems, Severity, to_json};
pub use render::render;
pub use source::{Format, Source};
