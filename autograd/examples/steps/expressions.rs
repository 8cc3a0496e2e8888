//! The computations that can be watched.

use std::f64::consts::PI;

use autograd::{Tape, Var};

/// A computation.
pub(crate) struct Expression {
    /// The value of `--expression`.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) about: &'static str,
    /// Puts it on a tape.
    pub(crate) record: for<'t> fn(&'t Tape<f64>) -> Recorded<'t>,
}

/// A computation on a tape.
pub(crate) struct Recorded<'t> {
    /// What is differentiated.
    pub(crate) loss: Var<'t, f64>,
    /// What nodes are called, all parameters among them.
    pub(crate) names: Vec<(Var<'t, f64>, &'static str)>,
}

/// All of them; the first one is shown if none is asked for.
pub(crate) const EXPRESSIONS: &[Expression] = &[
    Expression {
        name: "network",
        about: "R = (Y − f)² of a network with nine parameters, of chapter 1",
        record: network,
    },
    Expression { name: "product", about: "f = (x · x) · y at (3, 2): what is used twice", record: product },
    Expression {
        name: "survey",
        about: "f = ln x + x y − sin y at (2, 5), as in Baydin et al. (2018), table 3",
        record: survey,
    },
    Expression {
        name: "softmax",
        about: "minus the log-probability of the class t: f = −Σ t · log softmax a",
        record: softmax,
    },
    Expression {
        name: "normal",
        about: "log N(x; μ, σ²) of one x, composed of eight operations",
        record: normal,
    },
    Expression {
        name: "logsumexp",
        about: "ln Σ exp x by three operations, at (1, 2, 3)",
        record: logsumexp,
    },
    Expression {
        name: "overflow",
        about: "the same at (1, 2, 800): a value that is infinite",
        record: overflow,
    },
    Expression { name: "nan", about: "Σ 2 ln x at (1, −2): a value that is no number", record: nan },
    Expression {
        name: "nan-adjoint",
        about: "Σ c √x at x = (4, 0), c = (1, 0): finite, the gradient is not",
        record: nan_adjoint,
    },
];

fn network(tape: &Tape<f64>) -> Recorded<'_> {
    let theta = tape.parameter(&[0.5, -0.3, 0.2, 0.4, 0.1, -0.1, 1.0, -2.0, 0.3], [9]);
    let (x, y) = (tape.constant(&[1.0, -1.0], [1, 2]), tape.constant(&[0.5], [1, 1]));
    let (w1, b1) = (theta.view(0, [2, 2]), theta.view(4, [2]));
    let (w2, b2) = (theta.view(6, [2, 1]), theta.view(8, [1]));
    let a = x.matmul(w1) + b1;
    let h = a.tanh();
    let f = h.matmul(w2) + b2;
    let loss = (y - f).square().sum();
    let names = [
        (theta, "θ"),
        (x, "x"),
        (y, "Y"),
        (w1, "w₁"),
        (b1, "b₁"),
        (w2, "w₂"),
        (b2, "b₂"),
        (a, "a"),
        (h, "h"),
        (f, "f"),
        (loss, "R"),
    ];
    Recorded { loss, names: names.into() }
}

fn product(tape: &Tape<f64>) -> Recorded<'_> {
    let (x, y) = (tape.parameter(&[3.0], []), tape.parameter(&[2.0], []));
    let loss = x * x * y;
    Recorded { loss, names: vec![(x, "x"), (y, "y"), (loss, "f")] }
}

fn survey(tape: &Tape<f64>) -> Recorded<'_> {
    let (x, y) = (tape.parameter(&[2.0], []), tape.parameter(&[5.0], []));
    let loss = x.ln() + x * y - y.sin();
    Recorded { loss, names: vec![(x, "x"), (y, "y"), (loss, "f")] }
}

fn softmax(tape: &Tape<f64>) -> Recorded<'_> {
    let (a, t) = (tape.parameter(&[0.5, 2.0, -1.0], [3]), tape.constant(&[1.0, 0.0, 0.0], [3]));
    let loss = -(t * a.log_softmax()).sum();
    Recorded { loss, names: vec![(a, "a"), (t, "t"), (loss, "f")] }
}

fn normal(tape: &Tape<f64>) -> Recorded<'_> {
    let (mu, s) = (tape.parameter(&[0.5], []), tape.parameter(&[-0.4], []));
    let x = tape.constant(&[1.2], []);
    let r = (x - mu) * (-s).exp();
    let loss = r.square() * -0.5 - s + (-0.5 * (2.0 * PI).ln());
    Recorded { loss, names: vec![(mu, "μ"), (s, "s"), (x, "x"), (r, "r"), (loss, "f")] }
}

fn log_sum_exp<'t>(tape: &'t Tape<f64>, x: &[f64]) -> Recorded<'t> {
    let x = tape.parameter(x, [x.len()]);
    let loss = x.exp().sum().ln();
    Recorded { loss, names: vec![(x, "x"), (loss, "f")] }
}

fn logsumexp(tape: &Tape<f64>) -> Recorded<'_> {
    log_sum_exp(tape, &[1.0, 2.0, 3.0])
}

fn overflow(tape: &Tape<f64>) -> Recorded<'_> {
    log_sum_exp(tape, &[1.0, 2.0, 800.0])
}

fn nan(tape: &Tape<f64>) -> Recorded<'_> {
    let x = tape.parameter(&[1.0, -2.0], [2]);
    let loss = (x.ln() * 2.0).sum();
    Recorded { loss, names: vec![(x, "x"), (loss, "f")] }
}

fn nan_adjoint(tape: &Tape<f64>) -> Recorded<'_> {
    let (x, c) = (tape.parameter(&[4.0, 0.0], [2]), tape.constant(&[1.0, 0.0], [2]));
    let loss = (c * x.powf(0.5)).sum();
    Recorded { loss, names: vec![(x, "x"), (c, "c"), (loss, "f")] }
}
