#!/usr/bin/env bash
# What the README's two commands, and the gradient checks alone, take from an empty target, in seconds of processor time
# (user + sys, of all cores) and of the clock.
#
#     tests/build-time.sh
#
# The second command follows the first in the same target, as it does for a reader of the README; the gradient checks have an
# empty target of their own. Packages are downloaded beforehand.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
export CARGO_TARGET_DIR="$folder/target"
cargo fetch --quiet
TIMEFORMAT='%U %S %R'

# Runs a command and prints what it took.
measure() {
    local name="$1" took
    shift
    # The command's own output goes to a file, that of `time` is kept.
    if ! took="$({ time "$@" >"$folder/log" 2>&1; } 2>&1)"; then
        cat "$folder/log" >&2
        echo "error: $name failed" >&2
        exit 1
    fi
    echo "$took" | awk -v name="$name" '{ printf "%-16s %6.0f s of processor time, %6.0f s of the clock\n", name, $1 + $2, $3 }'
}

measure "first command" cargo run --release -p vae --example digits -- --out "$folder/digits"
measure "second command" cargo test --workspace --release
rm -rf "$CARGO_TARGET_DIR"
measure "gradient checks" cargo test --release -p autograd --test gradients
