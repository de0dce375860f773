# The recipes are the interface: CI runs the same ones.

# Everything that CI runs.
ci: format lint docs test examples

format:
    cargo fmt --all --check

# All but the packages of `just cluster`, which need more than cargo to be built.
lint:
    cargo clippy --workspace {{without_cluster}} --all-targets --all-features -- -D warnings

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace {{without_cluster}} --no-deps --all-features

without_cluster := "--exclude ministate-etcd --exclude ministate-object-store --exclude ministate-cluster"

# Several machines: lints, docs and tests, and the example that people can watch.
# First: apt-get install protobuf-compiler libprotobuf-dev etcd-server etcd-client; cargo install cargo-hack
cluster:
    cargo clippy {{cluster}} --all-targets -- -D warnings
    cargo hack check --each-feature --no-dev-deps -p ministate-etcd -p ministate-object-store
    RUSTDOCFLAGS="-D warnings" cargo doc {{cluster}} --no-deps
    cargo package --allow-dirty --no-verify -p ministate-derive -p ministate@0.2.0 -p ministate-etcd -p ministate-object-store
    ministate-etcd/examples/registry/watch
    # In the profile of the example, so that all that they are made of is built once.
    cargo test --profile dev {{cluster}}

cluster := "-p ministate-etcd -p ministate-object-store -p ministate-cluster --features ministate-etcd/tls-roots"

# The tests of the README.
test:
    cargo test

# The README's main job, twice: the second run recovers what the first wrote. The services go on until
# they are stopped, so only their tests run them.
examples:
    cargo run --example counter
    cargo run --example bank
    cargo run --example without_derive
    cargo run --example coming_from_0_1
    cargo run --example after_a_crash
    cargo run --example unit_test_your_app
    cargo run --example registry -- Cargo.lock
    cargo run --example registry -- Cargo.lock

# Long: kill a writing process many times.
kill rounds="500":
    MINISTATE_KILL_ROUNDS={{rounds}} cargo test --release -p ministate-tests -- survive_kill --nocapture

# Long: so many disks that a crash can leave, and every byte of small journals with every value.
crash states="20000000":
    cargo run --release -p ministate-proof -- crashes {{states}}
    cargo run --release -p ministate-proof -- damages bytes

# Long: so many random histories, interrupted by power cuts and failing calls three times each.
histories count="2000000":
    MINISTATE_CRASH_HISTORIES={{count}} cargo test --release -p ministate-tests -- power_cuts --nocapture

# Long, as root: power cuts, full disks and failing calls of the real kernel, so many of each.
kernel rounds="300":
    MINISTATE_KERNEL=require MINISTATE_KERNEL_ROUNDS={{rounds}} cargo test --release -p ministate-tests -- real_kernel --nocapture

# Long: so many orders in which the threads of each scenario of the commit protocol can go on.
schedules schedules="100000":
    MINISTATE_SCHEDULES={{schedules}} cargo test --release -p ministate-tests -- commit_protocol --nocapture

# Long: so many histories that three versions of a schema write in turn.
schema histories="100000":
    MINISTATE_SCHEMA_HISTORIES={{histories}} cargo test --release -p ministate-tests -- schema_histories --nocapture

# Long: so many histories of replicas whose engine fails in every third call.
shared histories="20000":
    MINISTATE_SHARED_HISTORIES={{histories}} cargo test --release -p ministate-tests -- shared::chaos shared::restless --nocapture

# Long, the cut of the network as root: each schedule of faults over three nodes of etcd, for so many seconds.
cluster-schedules seconds="60":
    MINISTATE_CLUSTER_SECONDS={{seconds}} cargo test --release -p ministate-cluster --test it -- --nocapture

# Mutations and linearizable reads of a replica over three nodes of etcd, beside appends one by one.
bench-cluster:
    cargo run --release -p ministate-cluster --bin throughput

# Ours beside the published ministate 0.1.3 and the disk's floor, interleaved in one run.
bench *arguments="all":
    cargo run --release -p ministate-benches -- {{arguments}}

# Long, and it builds them all: ours beside okaywal, raft-engine, redb, fjall, sled, SQLite, LMDB, Redis and RocksDB.
bench-peers *arguments="all":
    #!/usr/bin/env bash
    set -euo pipefail
    cd benches/peers
    features=()
    # The crate's own copy of RocksDB takes half an hour to compile, so Debian's is used.
    if rocksdb=$(find /usr/lib -name librocksdb.so -print -quit) && [ -n "$rocksdb" ]; then
        features=(--features rocksdb); export ROCKSDB_LIB_DIR=$(dirname "$rocksdb")
    else
        echo "ROCKSDB IS LEFT OUT: first: apt-get install librocksdb-dev libclang-dev" >&2
    fi
    cargo run --locked --release "${features[@]}" -- {{arguments}}

# Long, as root: `just bench applies` on file systems with a journal, in files of this disk.
bench-filesystems *arguments="--rounds 9":
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --release -p ministate-benches
    work=$(mktemp -d --tmpdir=target); trap 'umount "$work"/*/ 2>/dev/null || true; rm -rf "$work"' EXIT
    for kind in ext4 xfs; do
        truncate --size 2G "$work/$kind.image"; mkdir "$work/$kind"
        "mkfs.$kind" -q "$work/$kind.image"
        mount -o loop "$work/$kind.image" "$work/$kind"
        target/release/ministate-benches applies --dir "$work/$kind" {{arguments}}
        umount "$work/$kind"; rm "$work/$kind.image"
    done

# The picture of the numbers that `just bench-peers applies --csv FILE` wrote.
bench-plot csv="benches/peers/target/applies.csv" svg="benches/peers/target/applies.svg":
    cargo run --release -p ministate-benches -- plot {{csv}} {{svg}}

# The harness of the peers, which nothing else compiles.
test-bench-peers:
    cd benches/peers && cargo test --locked

# `ministate verify` of so many records, beside reading the bytes and checksumming them.
bench-verify records="1000000":
    MINISTATE_VERIFY_RECORDS={{records}} cargo bench -p ministate-cli --bench verify_speed

# Directories as the published ministate 0.1 writes them, made again by its releases.
fixtures-0-1:
    tests/fixtures/0.1/make/all

# Long: hostile input to `segment`, `snapshot` or `directory`, for so many seconds.
fuzz target="directory" seconds="60":
    #!/usr/bin/env bash
    set -euo pipefail
    cargo fuzz --version >/dev/null 2>&1 || { echo "first: cargo install cargo-fuzz" >&2; exit 1; }
    if rustup run nightly rustc --version >/dev/null 2>&1; then toolchain=+nightly; else
        echo "no nightly toolchain: trying the stable one with RUSTC_BOOTSTRAP=1" >&2
        toolchain=""; export RUSTC_BOOTSTRAP=1
    fi
    grown={{justfile_directory()}}/tests/fuzz/target/corpus/{{target}}; mkdir -p "$grown"
    # No sanitizer: without unsafe code, more inputs find more.
    cargo $toolchain fuzz run -s none --fuzz-dir tests/fuzz {{target}} "$grown" {{justfile_directory()}}/tests/fuzz/corpus/{{target}} -- \
        -max_total_time={{seconds}} -dict={{justfile_directory()}}/tests/fuzz/json.dict -max_len=4096 -timeout=10 -rss_limit_mb=1024 \
        || { echo "a finding runs again, on any toolchain, with: just replay PATH" >&2; exit 1; }

# Takes into the committed corpus of a target what `just fuzz` has found to be new.
fuzz-keep target="directory":
    cargo +nightly fuzz run -s none --fuzz-dir tests/fuzz {{target}} {{justfile_directory()}}/tests/fuzz/corpus/{{target}} {{justfile_directory()}}/tests/fuzz/target/corpus/{{target}} -- -set_cover_merge=1 -max_len=4096

# The seeds of the corpora, written again by the library into a directory.
fuzz-seeds to:
    MINISTATE_HOSTILE_SEEDS={{absolute_path(to)}} cargo test -p ministate-tests --test it -- seeds_are_written_again

# A finding of fuzzing, again: the file that it was kept in.
replay input:
    MINISTATE_HOSTILE_INPUT={{absolute_path(input)}} cargo test -p ministate-tests --test it -- one_input_again --nocapture

# Long: so many inputs like those of the corpora of fuzzing, without a fuzzer.
hostile inputs="1000000":
    MINISTATE_HOSTILE_INPUTS={{inputs}} cargo test --release -p ministate-tests --test it -- hostile_input --nocapture

# Long: undefined behaviour, in the tests of the parts that are pure.
miri:
    #!/usr/bin/env bash
    set -euo pipefail
    rustup run nightly cargo miri --version >/dev/null 2>&1 \
        || { echo "first: rustup component add miri rust-src --toolchain nightly" >&2; exit 1; }
    MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p ministate --lib --all-features

# Long: data races, in the tests with several threads; builds the standard library too.
tsan:
    #!/usr/bin/env bash
    set -euo pipefail
    test -d "$(rustc +nightly --print sysroot 2>/dev/null)/lib/rustlib/src/rust" \
        || { echo "first: rustup component add rust-src --toolchain nightly" >&2; exit 1; }
    RUSTFLAGS=-Zsanitizer=thread cargo +nightly test -Zbuild-std --target x86_64-unknown-linux-gnu \
        --target-dir target/tsan -p ministate-tests --test it -- \
        group_commit cancellation one_writer upkeep read_only poison backup

# Long: changes of recovery, journal and commit that no test sees; goes on from target/mutants/results.
mutants *words:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo mutants --version >/dev/null 2>&1 || { echo "first: cargo install cargo-mutants --locked" >&2; exit 1; }
    cargo run -p ministate-mutants -- {{words}}

# Long: every feature by itself, and none. First: cargo install cargo-hack.
features:
    cargo hack check --each-feature --no-dev-deps -p ministate@0.2.0 -p ministate-derive -p ministate-cli

# Long: the oldest Rust that is promised.
minimum-rust:
    #!/usr/bin/env bash
    set -euo pipefail
    version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    rustup toolchain install "$version" --profile minimal --no-self-update
    CARGO_TARGET_DIR=target/minimum-rust cargo "+$version" check --all-features -p ministate@0.2.0 -p ministate-derive -p ministate-cli
    # These need protoc.
    CARGO_TARGET_DIR=target/minimum-rust cargo "+$version" check --features ministate-etcd/tls-roots -p ministate-etcd -p ministate-object-store

# Long: the oldest versions of the direct dependencies that Cargo.toml admits; needs nightly.
minimal-versions:
    #!/usr/bin/env bash
    set -euo pipefail
    copy=$(mktemp -d --tmpdir=target); trap 'rm -rf "$copy"' EXIT
    just unpack "$copy"
    cd "$copy/readme"
    rm -f Cargo.lock
    cargo +nightly update -Zdirect-minimal-versions
    cargo build --locked

# Licenses, advisories and sources of all dependencies. First: cargo install cargo-deny.
deny:
    cargo deny check

# What of the public interface changed since the last release. First: cargo install cargo-semver-checks.
semver:
    #!/usr/bin/env bash
    set -euo pipefail
    # By the versions, 0.2 may change what 0.1 had; from 0.2.0 on, its releases are the baseline.
    cargo semver-checks --manifest-path ministate/Cargo.toml

# Every published crate builds from its own tarball, and a crate outside runs the README's code with them.
package:
    #!/usr/bin/env bash
    set -euo pipefail
    outside=$(mktemp -d); trap 'rm -rf "$outside"' EXIT
    cargo package --allow-dirty -p ministate-derive -p ministate@0.2.0 -p ministate-cli
    just unpack "$outside"
    cd "$outside/readme" && cargo run

# The tarballs of the published crates in a directory, and beside them a crate that is the README's code.
unpack to:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo package --allow-dirty --no-verify -p ministate-derive -p ministate@0.2.0 -p ministate-cli
    for name in ministate ministate-derive ministate-cli; do
        tar -xzf "target/package/$name-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1).crate" -C {{to}}
    done
    cd {{to}}
    mkdir -p readme/src
    awk '/^```rust$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' ministate-0.2.0/README.md > readme/src/main.rs
    cat > readme/Cargo.toml <<'TOML'
    [package]
    name = "readme"
    version = "0.0.0"
    edition = "2024"

    [dependencies]
    ministate = { path = "../ministate-0.2.0" }
    serde = { version = "1.0.220", features = ["derive"] }
    tokio = { version = "1.44", features = ["macros", "rt-multi-thread"] }
    tempfile = "3.10"

    [patch.crates-io]
    ministate-derive = { path = "../ministate-derive-0.2.0" }

    [workspace]
    TOML
