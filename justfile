# `just` alone lists what there is.

set shell := ["bash", "-eu", "-o", "pipefail", "-c"]

_list:
    @just --list --unsorted

# Installs what the tests need and runs them all
test *arguments:
    cargo xtask test {{ arguments }}

# The official suite through the gateway: --front, --back, --keep
conformance *arguments:
    cargo xtask conformance {{ arguments }}

# The end-to-end tests alone, or those whose name contains a filter
e2e *filter:
    cargo xtask e2e {{ filter }}

# Hostile input against the real binary: all cases, or those whose name contains a filter
hostile *filter:
    cargo xtask hostile {{ filter }}

# Fuzz targets, 60 s each: names, --seconds N
fuzz *arguments:
    cargo xtask fuzz {{ arguments }}

# Formats everything
fmt:
    cargo fmt --all

# What the reviewer's machine will say: format, clippy, and licences and sources where cargo-deny is installed
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; else echo "cargo-deny is not installed; skipped"; fi

# Builds the gateway and serves a configuration
run config="examples/quickstart.yaml" *arguments:
    cargo run --release --package trunkline -- serve --config {{ config }} {{ arguments }}

# Histories of the core from seeds: --seeds, --from, --seed N --trace
simulate *arguments:
    cargo xtask simulate {{ arguments }}

# The release binary under load and faults: does anything grow? --minutes, --hours, --out
soak *arguments:
    cargo xtask soak {{ arguments }}

# Instructions of pieces of work, against bench/instructions.json: names, --accept "the reason"
instructions *arguments:
    cargo xtask instructions {{ arguments }}

# CPU, latency, memory and starts against their goals, in the release profile
bench *arguments:
    cargo xtask bench {{ arguments }}
