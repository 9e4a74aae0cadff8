//! The measuring kit.
fn main() {}
