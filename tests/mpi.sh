#!/usr/bin/env bash
# One model on several ranks of MPI: the same bits on any number of them, refusals, a rank that dies, going on with other ranks.
#
#     tests/mpi.sh
#
# It needs Open MPI with mpirun, and libclang: libopenmpi-dev, openmpi-bin and libclang-dev on Debian.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Without these Open MPI refuses root, and warns where a container forbids one process to read another's memory.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
cargo build --release --features nn/mpi -p nn --example classify --example regress -p vae --example digits
programs="${CARGO_TARGET_DIR:-target}/release/examples"
out="$(mktemp -d)"
mpirun=
trap 'kill $mpirun 2> /dev/null || true; rm -rf "$out"' EXIT
# Where ranks other than the first have their folders.
export TMPDIR="$out/tmp"
mkdir "$TMPDIR"

ranks() { mpirun --oversubscribe -n "$@"; }
fail() { echo "error: $1" >&2; cat "$out/log" >&2; exit 1; }
# The numbers of a model's file, without its header, in which the seconds of the run stand.
numbers() { tail -c +$((9 + $(od -An -tu8 -N8 "$1/model.safetensors"))) "$1/model.safetensors"; }
same() {
    [ -s "$1/model.safetensors" ] && [ -s "$2/model.safetensors" ] || fail "$1 and $2 have no model"
    cmp <(numbers "$1") <(numbers "$2") > "$out/log" || fail "$2 has other bits than $1"
}
# The results of a run without their seconds.
results() { grep -h '^RESULT' "$1" | sed 's/ [a-z_]*seconds=[^ ]*//g'; }

# Programs in f32 and in f64, with early stopping, and minibatches of 1, 2, 8 and 16 shards.
check() {
    local name="$1"; shift
    "$programs/$1" "${@:2}" --threads 1 --out "$out/$name-alone" > "$out/$name-alone.log" 2>&1 || { cp "$out/$name-alone.log" "$out/log"; fail "$name"; }
    for count in 2 3 4 8; do
        ranks "$count" "$programs/$1" "${@:2}" --threads 2 --out "$out/$name-$count" > "$out/$name-$count.log" 2>&1 ||
            { cp "$out/$name-$count.log" "$out/log"; fail "$name on $count ranks"; }
        same "$out/$name-alone" "$out/$name-$count"
        diff <(results "$out/$name-alone.log") <(results "$out/$name-$count.log") > "$out/log" || fail "$name has other results on $count ranks"
        cp "$out/$name-$count.log" "$out/log"
        [ "$(grep -c '^RESULT' "$out/log")" = 1 ] || fail "not one rank alone speaks"
        echo "$name: the same bits on 1 and $count ranks"
    done
}
check classify classify --epochs 3 --batch-size 512 --widths 32
check small classify --epochs 1 --batch-size 16
check regress regress --epochs 5
check digits digits --epochs 2 --batch-size 1024 --importance-samples 2
check pairs digits --epochs 1 --batch-size 128 --importance-samples 2

refused() {
    local expected="$1"; shift
    if mpirun --oversubscribe "$@" > "$out/log" 2>&1; then fail "expected a refusal: $expected"; fi
    [ "$(grep -c "^error: .*$expected" "$out/log")" = 1 ] || fail "expected one line: $expected"
    [ "$(grep -c '^error: ' "$out/log")" = 1 ] && ! grep -q panicked "$out/log" || fail "expected no other error: $expected"
    echo "refused: $(grep "^error: " "$out/log")"
}
cp "$programs/classify" "$out/other"
printf 'x' >> "$out/other"
run=("$programs/classify" --epochs 1 --out "$out/refused")
refused 'rank 1 has other flags' -n 1 "${run[@]}" : -n 1 "${run[@]}" --lr 0.1
refused 'rank 2 has another build' -n 2 "${run[@]}" : -n 1 "$out/other" "${run[@]:1}"
if grep -q avx2 /proc/cpuinfo; then
    refused 'rank 1 has other vector instructions' -n 1 env AUTOGRAD_VECTORS=baseline "${run[@]}" : -n 1 "${run[@]}"
fi
refused 'rank 1: unexpected argument' -n 1 "${run[@]}" : -n 1 "${run[@]}" --epoch 2
refused 'rank 1: .*nowhere' -n 1 "${run[@]}" : -n 1 "${run[@]}" --data "$out/nowhere"
for batch in 512 16; do
    refused 'the loss is not finite' -n 2 "$programs/classify" --epochs 2 --batch-size $batch --lr 1e30 --out "$out/refused" --force
done
refused 'holds an earlier run' -n 3 "$programs/classify" --out "$out/small-alone"
ranks 2 "${run[@]}" --batch-size 16 --force > "$out/log" 2>&1 || fail "a rank without work"
grep -q '^1 rank without work: a minibatch has 1 shard' "$out/log" || fail "expected a line on the rank without work"
# Forty images of four pixels, in the format of MNIST; those of other data end with another pixel.
for data in a b; do
    mkdir "$out/$data"
    for set in train t10k; do
        { printf '\0\0\10\3\0\0\0\50\0\0\0\2\0\0\0\2'; head -c 159 /dev/zero; printf "$data"; } > "$out/$data/$set-images-idx3-ubyte"
        { printf '\0\0\10\1\0\0\0\50'; head -c 20 /dev/zero; printf '\1%.0s' {1..20}; } > "$out/$data/$set-labels-idx1-ubyte"
    done
done
refused 'rank 1 has other data' -n 1 "${run[@]}" --force --data "$out/a" : -n 1 "${run[@]}" --force --data "$out/b"

[ -z "$(ls "$TMPDIR" | grep nn-run)" ] || fail "folders of ranks are left in $(ls "$TMPDIR")"

# A rank that dies ends the others; the run goes on from the last checkpoint, with other ranks, to the same bits.
long=(classify --epochs 300 --batch-size 512 --widths 512 --patience 1000)
"$programs/${long[0]}" "${long[@]:1}" --out "$out/long" > "$out/log" 2>&1 || fail "a long run"
for signal in KILL TERM; do
    ranks 2 "$programs/${long[0]}" "${long[@]:1}" --out "$out/$signal" > "$out/log" 2>&1 &
    mpirun=$!
    until [ -e "$out/$signal/checkpoint.safetensors" ]; do
        kill -0 $mpirun 2> /dev/null || fail "the run ended before it was killed"
        sleep 0.05
    done
    # The rank that writes, or mpirun itself, which ends all ranks.
    first="$(cat "$out/$signal/.lock")"
    if [ $signal = KILL ]; then kill -KILL "$first"; else kill -TERM $mpirun; fi
    if wait $mpirun; then fail "expected the run to end with an error"; fi
    mpirun=
    # mpirun does not wait for what it ends.
    while kill -0 "$first" 2> /dev/null; do sleep 0.05; done
    ranks 4 "$programs/${long[0]}" "${long[@]:1}" --out "$out/$signal" --resume > "$out/log" 2>&1 || fail "--resume with 4 ranks"
    same "$out/long" "$out/$signal"
    echo "$signal: 4 ranks go on from the checkpoint of 2"
done
