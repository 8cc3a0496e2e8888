"""Writes references for the elementary and special functions, computed by mpmath:

    python3 tests/compare/reference.py COUNT > FILE

A line is a function, an argument and its value as the sum of two numbers, each of them a double: the value rounded, and what
that left. `tests/benches/ulp.rs` reads it. Arguments are of all magnitudes, half of them are numbers in single precision, and many
lie where a function is hard: beside its zeros, its poles, and where it vanishes or overflows.
"""

import math
import random
import struct
import sys

import mpmath
from mpmath import mp, mpf

mp.prec = 200


def magnitude(low, high):
    return 10 ** random.uniform(low, high)


def signed(low, high):
    return random.choice([-1, 1]) * magnitude(low, high)


def near(points, low=-16, high=-1):
    return random.choice(points) * (1 + signed(low, high))


def quarter_turn():
    """The double that is nearest to a multiple of pi/2."""
    return float(int(magnitude(0, 7)) * mp.pi / 2)


FUNCTIONS = {
    "exp": (mp.exp, lambda: random.choice([signed(-18, 2.86), random.uniform(-740, 709)])),
    "exp_m1": (mp.expm1, lambda: random.choice([signed(-18, 2.85), random.uniform(-2, 2)])),
    "ln": (mp.log, lambda: random.choice([magnitude(-307, 308), near([1.0], -16, -0.1), random.uniform(0.1, 3)])),
    "ln_1p": (mp.log1p, lambda: random.choice([magnitude(-18, 300), signed(-18, -0.01), random.uniform(-1, 1)])),
    "sin": (mp.sin, lambda: random.choice([signed(-18, 7.2), quarter_turn(), random.uniform(-9, 9)])),
    "cos": (mp.cos, lambda: random.choice([signed(-18, 7.2), quarter_turn(), random.uniform(-9, 9)])),
    "tanh": (mp.tanh, lambda: random.choice([signed(-18, 1.4), random.uniform(-3, 3)])),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), lambda: random.choice([signed(-18, 2.84), random.uniform(-9, 9)])),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), lambda: random.choice([signed(-18, 2.84), random.uniform(-9, 9)])),
    "erf": (mp.erf, lambda: random.choice([signed(-300, 0.8), random.uniform(-6, 6)])),
    "lgamma": (
        lambda x: mp.loggamma(x).real,
        lambda: random.choice([magnitude(-300, 300), magnitude(-3, 2), near([1.0, 2.0]), -magnitude(-3, -0.31)]),
    ),
    "digamma": (mp.digamma, lambda: random.choice([magnitude(-300, 300), magnitude(-3, 2), near([1.4616321449683622])])),
    "trigamma": (lambda x: mp.polygamma(1, x), lambda: random.choice([magnitude(-100, 100), magnitude(-3, 2)])),
}


def main():
    random.seed(1)
    for name, (function, argument) in FUNCTIONS.items():
        for i in range(int(sys.argv[1])):
            x = argument()
            if i % 2 == 0 and 1e-37 < abs(x) < 1e38:
                x = struct.unpack("f", struct.pack("f", x))[0]
            y = function(mpf(x))
            high = float(y)
            low = float(y - high) if math.isfinite(high) else 0.0
            print(name, repr(x), repr(high), repr(low))


main()
