//! Everything a developer runs: tests, conformance, benchmarks.
fn main() {}
