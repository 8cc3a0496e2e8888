"""Mutation testing on a sample, with cargo-mutants (`cargo install cargo-mutants`):

    python3 tests/mutants.py COUNT SEED [CRATE …]

It draws mutants of the files that `.cargo/mutants.toml` names, of all crates or of those that are given, until COUNT of them are
viable (they compile), and runs the tests of the mutated crate on each. It prints how many of them the tests kill, with the exact
interval of the share of all viable mutants that they would kill (Clopper and Pearson 1934, 95 %), and those that they miss. The
same seed draws the same mutants from the same sources. Bodies of macros are not mutated: there `check::undetected` speaks.
"""

import json
import math
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def packages(crates):
    return [flag for crate in crates for flag in ("--package", crate)]


def mutants(crates):
    """The names of all mutants."""
    listed = subprocess.run(
        ["cargo", "mutants", "--list", *packages(crates)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return sorted(line for line in listed.stdout.splitlines() if line)


def run(names, crates):
    """The outcome of each mutant, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = [flag for name in names for flag in ("--re", f"^{re.escape(name)}$")]
        options = ["--baseline", "skip", "--timeout", "600", "--output", folder]
        command = ["cargo", "mutants", *options, *packages(crates), *chosen]
        # It exits with 2 if a mutant is missed.
        subprocess.run(command, cwd=ROOT, check=False)
        outcomes = json.loads((Path(folder) / "mutants.out/outcomes.json").read_text())["outcomes"]
    found = {outcome["scenario"]["Mutant"]["name"]: outcome["summary"] for outcome in outcomes}
    # Version 27.1 runs the mutants that delete a field, too, whatever is chosen.
    return {name: found[name] for name in names}


def at_most(k, n, p):
    """The probability of at most k of n."""
    return math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


def interval(k, n, error=0.05):
    """The exact interval of a share of which k of n were seen."""

    def solve(decreasing):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if decreasing(middle) > error / 2 else (low, middle)
        return low

    low = 0.0 if k == 0 else 1 - solve(lambda q: at_most(n - k, n, q))
    high = 1.0 if k == n else solve(lambda p: at_most(k, n, p))
    return low, high


def main():
    count, seed, crates = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    population = mutants(crates)
    left = random.Random(seed).sample(population, len(population))
    outcomes = {}
    viable = lambda: [name for name, outcome in outcomes.items() if outcome != "Unviable"]
    while left and len(viable()) < count:
        wanted = count - len(viable())
        outcomes |= run(left[:wanted], crates)
        left = left[wanted:]
    n = len(viable())
    missed = [name for name in viable() if outcomes[name] == "MissedMutant"]
    low, high = interval(n - len(missed), n)
    print(f"{len(population)} mutants, {len(outcomes)} drawn with seed {seed}, {n} viable")
    print(f"killed: {n - len(missed)}, {100 * (n - len(missed)) / n:.1f} % [{100 * low:.1f}, {100 * high:.1f}]")
    for name in missed:
        print(f"missed: {name}")


if __name__ == "__main__":
    main()
