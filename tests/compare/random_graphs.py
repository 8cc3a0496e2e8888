"""Computes random graphs of all operations again, values and gradients, with PyTorch in double precision, and reports the largest
deviation of each operation:

    pip install torch mpmath
    cargo run --release -p tests --features thorough --bin random_graphs -- 10000 1 | python3 tests/compare/random_graphs.py

A deviation is |found - expected| / (1 + |expected|), the largest over an array's elements: of the operation's value, and of the
adjoints of its inputs. Whatever exceeds 1e-11 is shown, and the exit code is 1. Below, an operation is its definition in PyTorch's
functions, whose reverse mode makes the gradients: nothing says here what an adjoint is. The derivatives of lgamma and digamma are
the exception. PyTorch's trigamma is wrong by 5e-10, and they are computed by mpmath; `--torch-only` leaves them to PyTorch.

`random_graphs.rs` describes the format of a line.
"""

import argparse
import collections
import json
import math
import sys

import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

TOLERANCE = 1e-11
HALF_LN_2PI = 0.5 * math.log(2 * math.pi)


def leaky_relu(x, c):
    return torch.where(x > 0, x, c * x)


def elu(x):
    return torch.where(x > 0, x, torch.expm1(x))


def sigmoid(x):
    return 1 / (1 + torch.exp(-x))


def softplus(x):
    return torch.logaddexp(x, torch.zeros_like(x))


ACTIVATIONS = {
    "identity": lambda x: x.clone(),
    "relu": torch.relu,
    "leaky_relu": lambda x: leaky_relu(x, 0.1),
    "elu": elu,
    "tanh": torch.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
}


def convolution(x, w, b, phi, stride, padding):
    return ACTIVATIONS[phi](torch.nn.functional.conv2d(x, w, b, stride, padding))


def transposed_convolution(x, w, b, phi, stride, padding, output_padding):
    y = torch.nn.functional.conv_transpose2d(x, w, b, stride, padding, output_padding)
    return ACTIVATIONS[phi](y)


def solution(l, b, system):
    l = torch.tril(l)
    if "t" in system:
        return torch.linalg.solve_triangular(l.mT, b, upper=True, left=system.startswith("L"))
    return torch.linalg.solve_triangular(l, b, upper=False, left=system.startswith("L"))


def normal(x, mu, log_sigma):
    return (-0.5 * ((x - mu) / log_sigma.exp()) ** 2 - log_sigma - HALF_LN_2PI).sum(-1)


def halves(packed):
    return packed.chunk(2, -1)


def kl(q, p):
    (mu_q, s_q), (mu_p, s_p) = halves(q), halves(p)
    return (0.5 * ((2 * (s_q - s_p)).exp() + ((mu_q - mu_p) / s_p.exp()) ** 2 - 1) + s_p - s_q).sum(-1)


def multivariate_normal(z, k):
    l = torch.linalg.cholesky(k)
    whitened = torch.linalg.solve_triangular(l, z, upper=False)
    n, c = z.shape
    return -0.5 * (whitened**2).sum() - c * l.diagonal().log().sum() - n * c * HALF_LN_2PI


def along(f):
    """A function of all elements, or along an axis."""
    return lambda x, axis=None: f(x.reshape(-1), 0).reshape(x.shape) if axis is None else f(x, axis)


OPERATIONS = {
    **ACTIVATIONS,
    "neg": lambda x: -x,
    "recip": lambda x: 1 / x,
    "square": lambda x: x * x,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "powi": lambda x, n: x**n,
    "powf": lambda x, c: x**c,
    "scale": lambda x, c: c * x,
    "shift": lambda x, c: x + c,
    "exp": torch.exp,
    "exp_m1": torch.expm1,
    "ln": torch.log,
    "ln_1p": torch.log1p,
    "sin": torch.sin,
    "cos": torch.cos,
    "log_sigmoid": lambda x: -softplus(-x),
    "leaky_relu": leaky_relu,
    "clamp": lambda x, low, high: x.clamp(low, high),
    "gelu": lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
    "silu": lambda x: x * sigmoid(x),
    "erf": torch.erf,
    "lgamma": torch.lgamma,
    "digamma": torch.digamma,
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "pow": torch.pow,
    "sum": torch.sum,
    "mean": torch.mean,
    "max": torch.amax,
    "min": torch.amin,
    "cumsum": along(torch.cumsum),
    "logsumexp": lambda x: x.reshape(-1).logsumexp(0),
    "softmax": along(torch.softmax),
    "log_softmax": along(torch.log_softmax),
    "sum_axis": lambda x, axis: x.sum(axis),
    "mean_axis": lambda x, axis: x.mean(axis),
    "max_axis": lambda x, axis: x.amax(axis),
    "min_axis": lambda x, axis: x.amin(axis),
    "cumsum_axis": along(torch.cumsum),
    "logsumexp_axis": lambda x, axis: x.logsumexp(axis),
    "softmax_axis": along(torch.softmax),
    "log_softmax_axis": along(torch.log_softmax),
    "matmul": lambda a, b: a @ b,
    "matmul_t": lambda a, b: a @ b.mT,
    "t_matmul": lambda a, b: a.mT @ b,
    "cholesky": torch.linalg.cholesky,
    "solve_triangular": solution,
    "transpose": lambda x: x.mT,
    "columns": lambda x, start, end: x[..., start:end],
    "concatenate": lambda *x, axis: torch.cat(x, axis),
    "gather": lambda x, indices: x[indices],
    "diagonal": lambda x: x.diagonal(),
    "diagonal_matrix": torch.diag,
    "tril": torch.tril,
    "select": lambda mask, a, b: torch.where(mask > 0, a, b),
    "dense": lambda x, w, b, phi: ACTIVATIONS[phi](x @ w + b),
    "conv2d": convolution,
    "conv_transpose2d": transposed_convolution,
    "upsample_nearest": lambda x, factor: x.repeat_interleave(factor, -1).repeat_interleave(factor, -2),
    "bernoulli_log_prob": lambda x, l: (x * l - softplus(l)).sum(-1),
    "normal_log_prob": normal,
    "diag_normal_log_prob": lambda x, packed: normal(x, *halves(packed)),
    "diag_normal_sample": lambda packed, noise: halves(packed)[0] + halves(packed)[1].exp() * noise,
    "diag_normal_kl": kl,
    "diag_normal_kl_to_standard": lambda q: kl(q, torch.zeros_like(q)),
    "bound_log_sigma": lambda q, bound: torch.cat([halves(q)[0], bound * (halves(q)[1] / bound).tanh()], -1),
    "multivariate_normal_log_prob": multivariate_normal,
}


def by_mpmath():
    """lgamma and digamma with derivatives by mpmath."""
    import mpmath

    def polygamma(order, x):
        return x.clone().apply_(lambda x: float(mpmath.polygamma(order, mpmath.mpf(x))))

    def function(order, value):
        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return value(x)

            @staticmethod
            def backward(ctx, dy):
                return dy * polygamma(order, ctx.saved_tensors[0])

        return Function.apply

    OPERATIONS["lgamma"] = function(0, torch.lgamma)
    OPERATIONS["digamma"] = function(1, torch.digamma)


def recompute(nodes):
    """The values of all nodes, with their adjoints as `grad`."""
    values = []
    for node in nodes:
        op, shape = node["op"], node["shape"]
        inputs = [values[i] for i in node["inputs"]]
        if op in ("parameter", "constant"):
            y = torch.tensor(node["value"]).reshape(shape).requires_grad_(op == "parameter")
        elif op == "reshape":
            y = inputs[0].reshape(shape)
        elif op == "broadcast_to":
            y = inputs[0].expand(shape)
        else:
            y = OPERATIONS[op](*inputs, **node.get("attributes", {}))
        if y.requires_grad:
            y.retain_grad()
        values.append(y)
    weights = (torch.arange(k, k + y.numel()).cos().reshape(y.shape) for k, y in enumerate(values))
    sum((weight * y).sum() for weight, y in zip(weights, values)).backward()
    return values


def deviation(found, expected):
    found = torch.tensor(found)
    if found.numel() == 0:
        return 0.0
    difference = (found - expected.reshape(-1)).abs() / (1 + expected.reshape(-1).abs())
    # NaN is no small deviation.
    return float(difference.nan_to_num(math.inf, math.inf).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-only", action="store_true", help="no derivative is computed by mpmath")
    if not parser.parse_args().torch_only:
        by_mpmath()
    count, value_of, adjoint_of = collections.Counter(), collections.Counter(), collections.Counter()
    graphs = wrong = 0
    for line in sys.stdin:
        nodes = json.loads(line)["nodes"]
        values = recompute(nodes)
        adjoints = [
            0.0 if node["adjoint"] is None else deviation(node["adjoint"], y.grad) for node, y in zip(nodes, values)
        ]
        for k, (node, y) in enumerate(zip(nodes, values)):
            op = node["op"]
            assert list(y.shape) == node["shape"], f"graph {graphs}, node {k}, {op}: {list(y.shape)}"
            value = deviation(node["value"], y.detach())
            adjoint = max((adjoints[i] for i in node["inputs"]), default=0.0)
            count[op] += 1
            value_of[op], adjoint_of[op] = max(value_of[op], value), max(adjoint_of[op], adjoint)
            if max(value, adjoint) > TOLERANCE:
                wrong += 1
                print(f"graph {graphs}, node {k}, {op}: value {value:.1e}, adjoints of its inputs {adjoint:.1e}")
        graphs += 1
    print(f"{'operation':30} {'nodes':>8} {'value':>9} {'adjoints':>9}")
    for op in sorted(count):
        print(f"{op:30} {count[op]:8} {value_of[op]:9.1e} {adjoint_of[op]:9.1e}")
    print(f"{graphs} graphs, {sum(count.values())} nodes, {wrong} deviations above {TOLERANCE:g}")
    sys.exit(wrong > 0)


main()
