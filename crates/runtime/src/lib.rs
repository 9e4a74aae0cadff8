//! How the process lives: tasks, shutdown, live snapshots, bounds, identifiers.
