# `just` lists the recipes. Nothing needs it: each is one or two commands that can be typed as well.

_default:
    @just --list --unsorted

# Does it compile?
check:
    cargo check --workspace --all-targets

# All tests; arguments go to cargo: `just test -p abx-core`
test *arguments="--workspace":
    cargo test {{arguments}}

# The event function in a storm: every count against what happened
chaos seeds="10000":
    ABX_CHAOS_SEEDS={{seeds}} cargo test --release -p abx-functions --test chaos storm -- --exact --nocapture

# Format and lints, as CI has them
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    .ci/dependency-rule

# Measure; arguments go to cargo: `just bench -p abx-core`
bench *arguments="--workspace":
    cargo bench {{arguments}}

# Check the documents; other files may be named
validate *paths="experiments/":
    cargo run -q -- validate {{paths}} --deny-warnings

# Decide the documents for many units
simulate users="1000000" *arguments="":
    cargo run -q --release -- simulate experiments/ --units {{users}} {{arguments}}

# Types, tests and templates of the stacks
stacks:
    .ci/stacks

# The documentation of the crates, in a browser
docs:
    cargo doc --workspace --no-deps --open

# Release archives for each installed target, checksums, and the Homebrew formula: target/dist
dist:
    packaging/dist

# Everything that CI runs
ci:
    .ci/run
