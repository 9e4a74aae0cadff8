//! The configuration document: load, check, resolve, schema.

mod changes;
mod check;
mod excerpt;
mod faults;
mod fields;
mod formats;
mod load;
mod patterns;
mod problem;
mod render;
mod resolve;
mod scalars;
mod scenario;
mod schema;
mod secrets;
mod settings;
mod source;
mod starter;
mod substitute;
mod surroundings;
mod tree;
mod variables;

pub use changes::{Changes, changes};
pub use faults::{Lease, lease};
pub use load::{Loaded, load, load_in};
pub use problem::{Problem, Problems, Severity, to_json};
pub use render::render;
pub use scenario::{Expect, Load, Phase, Scenario, scenario};
pub use schema::schema;
pub use settings::{
    Environment, Faults, Limits, LogFormat, LogOptions, Readiness, Reload, Required, Security, Settings,
    Shutdown,
};
pub use source::{Format, Source};
pub use starter::starter;
pub use surroundings::{Overrides, Surroundings};
