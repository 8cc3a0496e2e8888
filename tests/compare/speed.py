"""Measures `cargo bench -p tests --bench steps` and other frameworks in turns, and prints a table of times and ratios:

    python3 -m venv VENV && VENV/bin/pip install torch jax numpy
    VENV/bin/python tests/compare/speed.py [--rounds 5] [--threads 1,2] [--frameworks torch,jax] [WORKLOAD:BATCH ...]

A round runs our program and then each framework, as processes of their own, on the same processors: in rounds for one thread these
change. `frameworks.py` describes workloads and frameworks; one that is not installed is said in a line and left out. `SECS` is the
measuring time of a process in seconds (0.8). What each process printed goes to standard error.

Times are milliseconds a step: the median over rounds of a process's median, and the smallest minimum of all in parentheses. Behind a
framework's time, how many times as long as ours it is: the median over rounds of its median by ours of the same round, and in
parentheses the same of the minima. On a busy machine frameworks whose threads wait for each other in a loop lose more than ours.

Where nothing is at random, as in W7, all must have the same loss, or there is no table.

`--avx2` keeps us and torch from using AVX-512, to stand in for a processor without: by AUTOGRAD_VECTORS and by torch's own variables.
JAX is left out of it: its products use AVX-512 where they find it, whatever XLA_FLAGS says.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from frameworks import FRAMEWORKS, WITHOUT_UPDATE  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
WORKLOADS = ["W1:128", "W2:100", "W3:32", "W4:500", "W4:2000", "W4h:500", "W6fb:1", "W7:64"]
AVX2 = {
    "AUTOGRAD_VECTORS": "avx2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: text.split(",")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--threads", type=names, default=["1", "2"], metavar="N,...")
    parser.add_argument("--frameworks", type=names, default=["torch", "torchfused", "jax", "jaxscan"], metavar="NAME,...")
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("workloads", nargs="*", default=WORKLOADS, metavar="WORKLOAD:BATCH")
    args = parser.parse_args()
    if unknown := set(args.frameworks) - set(FRAMEWORKS):
        parser.error(f"expected frameworks among {', '.join(FRAMEWORKS)}, found {', '.join(unknown)}")
    if args.avx2:
        os.environ.update(AVX2)
        args.frameworks = [name for name in args.frameworks if FRAMEWORKS[name] != "jax"]
    if wrong := [workload for workload in args.workloads if not re.fullmatch(r"\w+:\d+", workload)]:
        parser.error(f"expected a workload and its batch, as W1:128, found {', '.join(wrong)}")
    steps, processors = build(), sorted(os.sched_getaffinity(0))
    if max(map(int, args.threads)) > len(processors):
        parser.error(f"expected at most {len(processors)} threads, one for each processor")
    print(f"{processor()}{', kept to AVX2' if args.avx2 else ''}, load {os.getloadavg()[0]:.1f} at the start\n")
    frameworks, rows = list(args.frameworks), []
    for workload in args.workloads:
        for threads in map(int, args.threads):
            rows.append(measure(steps, frameworks, workload, threads, args.rounds, processors))
    shown = [framework for framework in frameworks if any(framework in times for _, _, times in rows)]
    print("| |", " | ".join(["threads", "ours", *shown]), "|")
    print("|", " | ".join(["---"] * (3 + len(shown))), "|")
    for workload, threads, times in rows:
        cells = [cell(times, framework) for framework in shown]
        row = [workload.replace(":", " B="), str(threads), milliseconds(times["ours"]), *cells]
        print("|", " | ".join(row), "|")


def build():
    """The path of our program."""
    command = "cargo bench -p tests --bench steps --no-run --message-format json".split()
    built = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, text=True, check=True)
    messages = map(json.loads, built.stdout.splitlines())
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "steps")


def processor():
    """The processor's name and family, and its vector instructions."""
    with open("/proc/cpuinfo") as lines:
        pairs = (line.split(":", 1) for line in lines if ":" in line)
        about = {key.strip(): value.strip() for key, value in pairs}
    flags = about.get("flags", "").split()
    vectors = "AVX-512" if "avx512f" in flags else "AVX2 without AVX-512" if "avx2" in flags else "no AVX2"
    name, family, model = (about.get(key, "?") for key in ("model name", "cpu family", "model"))
    return f"{os.cpu_count()} processors of {name} (family {family}, model {model}), {vectors}"


def measure(steps, frameworks, workload, threads, rounds, processors):
    """The workload, the threads, and the lines of all rounds for us and each framework."""
    name, batch = workload.split(":")
    times = {}
    for number in range(rounds):
        first = number * threads % (len(processors) - threads + 1)
        on = processors[first : first + threads]
        times.setdefault("ours", []).append(run([steps, workload], on))
        for framework in list(frameworks):
            if name in WITHOUT_UPDATE and framework not in ("torch", "torchcompile", "jax"):
                continue
            script = HERE / "frameworks.py"
            line = run([sys.executable, script, framework, name, batch, str(threads)], on)
            if line is None:
                frameworks.remove(framework)
            else:
                times.setdefault(framework, []).append(line)
                check_loss(workload, times["ours"][-1], line)
    return workload, threads, times


def run(command, processors):
    """The fields of the line that a program prints; none if its framework is not installed."""
    environment = {**os.environ, "THREADS": str(len(processors)), "T0": str(time.time())}
    bound = lambda: os.sched_setaffinity(0, processors)
    done = subprocess.run(command, env=environment, preexec_fn=bound, stdout=subprocess.PIPE, text=True)
    if done.returncode == 3:
        return None
    if done.returncode != 0 or not done.stdout.startswith("RES "):
        sys.exit(f"expected a line from {' '.join(map(str, command))}, found {done.stdout!r}")
    print(done.stdout, end="", file=sys.stderr, flush=True)
    return dict(field.split("=", 1) for field in done.stdout.split() if "=" in field)


def check_loss(workload, ours, theirs):
    if workload.startswith("W7:"):
        ours, theirs, name = float(ours["loss0"]), float(theirs["loss0"]), theirs["fw"]
        if abs(ours - theirs) > 1e-5 * abs(ours):
            sys.exit(f"{workload}: expected the loss of {name} to be ours, {ours}, found {theirs}")


def milliseconds(times):
    median = statistics.median(float(line["med_us"]) for line in times)
    minimum = min(float(line["min_us"]) for line in times)
    return f"{median / 1e3:.3g} ({minimum / 1e3:.3g})"


def cell(times, framework):
    """A framework's times, and how many times as long as ours they are."""
    if framework not in times:
        return ""
    pairs = list(zip(times[framework], times["ours"]))
    ratio = lambda key: statistics.median(float(theirs[key]) / float(ours[key]) for theirs, ours in pairs)
    median, minimum = ratio("med_us"), ratio("min_us")
    return f"{milliseconds(times[framework])}: {median:.2f} ({minimum:.2f})"


if __name__ == "__main__":
    main()
