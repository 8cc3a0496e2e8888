"""Runs one workload of `cargo bench -p tests --bench steps` in PyTorch or JAX on the CPU, and prints the same line:

    python3 -m venv VENV && VENV/bin/pip install torch jax numpy
    VENV/bin/python tests/compare/frameworks.py FRAMEWORK WORKLOAD BATCH THREADS

FRAMEWORK is one of

    torch         PyTorch as it is
    torchfused    with Adam as one operation
    torchcompile  that, and loss and gradient by torch.compile, which needs a C++ compiler
    jax           the step compiled
    jaxscan       a loop of 10 or 100 steps compiled

A framework that is not installed is said on standard error, and the exit code is 3. `SECS` is the measuring time in seconds (0.8), `T0`
the `time.time()` from which the time of the first step counts. The process takes as many of the processors that it may use as it
has threads: this is the only way to tell JAX.

Each step draws its noise, computes loss and gradient, updates by Adam with rate 1e-3, and reads the loss. Numbers are in single
precision, in W4 in double. `tests/src/workloads.rs` describes the same workloads:

    W1    VAE 784-400-(20, 20), 20-400-784, ReLU, Bernoulli from logits, closed-form KL; W1t with tanh
    W2    VAE 784-512-256-(2, 2), 2-64-256-784
    W3    Bayes by backprop, 13-50-1, ReLU, all 751 weights, one draw a step, KL scaled by BATCH/455
    W4    log-density of 16 Gaussian-process latents at BATCH rows by Cholesky and a solve; W4h with the adjoint by hand
    W6    a network 2-16-16-1, tanh, batch 1; W6fb without the update
    W7    convolutional VAE of 28 x 28 pixels, no update and nothing at random: its loss is that of the other implementations
"""

import importlib.util
import os
import resource
import sys
import time

sys.dont_write_bytecode = True

FRAMEWORKS = {"torch": "torch", "torchfused": "torch", "torchcompile": "torch", "jax": "jax", "jaxscan": "jax"}
# What a workload is a step of: a method of `Torch` and of `Jax`.
MODELS = {
    **dict.fromkeys(("W1", "W1t", "W2"), "vae"),
    "W3": "bayes",
    **dict.fromkeys(("W4", "W4h"), "process"),
    **dict.fromkeys(("W6", "W6fb"), "tiny"),
    "W7": "convolutional",
}
# Gradients alone: the frameworks that differ in the update or in the loop of steps are one.
WITHOUT_UPDATE = ("W6fb", "W7")


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    framework, workload, batch, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    started = float(os.environ.get("T0", time.time()))
    for names, name in ((FRAMEWORKS, framework), (MODELS, workload)):
        if name not in names:
            sys.exit(f"expected one of {', '.join(names)}, found {name}")
    if importlib.util.find_spec(FRAMEWORKS[framework]) is None:
        print(f"{framework} is left out: the package {FRAMEWORKS[framework]} is not installed", file=sys.stderr)
        sys.exit(3)
    # Both must be set before the frameworks are imported.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if FRAMEWORKS[framework] == "torch":
        from by_torch import Torch as Framework
    else:
        from by_jax import Jax as Framework
    imported = resident()
    step, steps = Framework(framework, workload, batch, threads).step_of(MODELS[workload], workload not in WITHOUT_UPDATE)
    name = f"{workload} B={batch} fw={framework} th={threads}"
    measure(name, started, imported, step, steps)


def measure(name, started, imported, step, steps):
    """Prints the line of a function that makes so many steps and returns the loss of the last."""
    secs = float(os.environ.get("SECS", "0.8"))
    first_loss = step()
    first = time.time() - started
    warm, count = time.perf_counter(), 0
    while time.perf_counter() - warm < max(secs / 4, 0.2) or count < 3:
        step()
        count += 1
    times, loss = [], first_loss
    measuring = time.perf_counter()
    while time.perf_counter() - measuring < secs or len(times) < 7:
        begin = time.perf_counter()
        loss = step()
        times.append((time.perf_counter() - begin) * 1e6 / steps)
    times.sort()
    quantile = lambda q: times[int((len(times) - 1) * q)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"RES {name} med_us={quantile(0.5):.3f} min_us={times[0]:.3f} p90_us={quantile(0.9):.3f} n={len(times) * steps} "
        f"first_s={first:.2f} rss_import_mb={imported:.0f} rss_peak_mb={peak:.0f} loss0={first_loss:.5f} loss={loss:.5f}"
    )


def resident():
    """Resident memory of this process in MB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
