# The recipes are the interface: CI runs the same ones.

# Everything that CI runs.
ci: format lint docs test examples

format:
    cargo fmt --all --check

lint:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

# The tests of the README.
test:
    cargo test

# The README's main job, twice: the second run recovers what the first wrote.
examples:
    cargo run --example counter
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

# Ours beside the published ministate 0.1.3 and the disk's floor, interleaved in one run.
bench *arguments="all":
    cargo run --release -p ministate-benches -- {{arguments}}

# Directories as the published ministate 0.1 writes them, made again by its releases.
fixtures-0-1:
    tests/fixtures/0.1/make/all
