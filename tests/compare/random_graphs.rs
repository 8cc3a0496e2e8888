//! Writes random graphs of all operations of the catalogue with their values and gradients, a line of JSON each, for programs
//! that compute them again by other means (`random_graphs.py`):
//!
//!     cargo run --release -p tests --features thorough --bin random_graphs -- COUNT SEED
//!
//! A line is `{"nodes": […]}`, the nodes in the order in which they are computed. A node has
//!
//! - `op`: `parameter`, `constant`, `reshape`, or the name of the method of `Var` (with `_axis` if it has one)
//! - `inputs`: the numbers of the nodes that it is computed of
//! - `attributes`: by name, if there are any
//! - `shape` and `value`, row by row
//! - `adjoint`: the derivative of the loss Σₖ Σᵢ cos(k + i) yₖᵢ over all nodes k and their elements i; null for a constant and
//!   for `reshape`, which has the memory of its input
//!
//! No function with a kink has an argument there, and none an argument near a pole.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};

use autograd::check::{Checked, Operation, Visitor, catalogue};
use autograd::ops::{Convolution, Nonlinearity, TriangularSystem};
use autograd::{Op, Tape, Var};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

type V<'t> = Var<'t, f64>;

/// What a function of one number asks of its argument.
#[derive(Clone, Copy, PartialEq)]
enum Argument {
    Any,
    Positive,
    /// Nothing at 0 by construction.
    Generic,
}

type Unary = (&'static str, Argument, for<'t> fn(V<'t>) -> V<'t>);

macro_rules! unary {
    ($($argument:ident: $($f:ident)*;)*) => { &[$($((stringify!($f), Argument::$argument, |x| x.$f()),)*)*] };
}

const UNARY: &[Unary] = unary! {
    Any: identity neg square exp exp_m1 sin cos tanh sigmoid log_sigmoid softplus gelu silu erf;
    Any: sum mean cumsum logsumexp softmax log_softmax;
    Positive: recip sqrt ln ln_1p lgamma digamma;
    Generic: abs relu elu max min;
};

type AlongAxis = for<'t> fn(V<'t>, usize) -> V<'t>;

macro_rules! along_axis {
    ($($f:ident)*) => { &[$((stringify!($f), |x, axis| x.$f(axis)),)*] };
}

const ALONG_AXIS: &[(&str, AlongAxis)] = along_axis! {
    sum_axis mean_axis max_axis min_axis cumsum_axis logsumexp_axis softmax_axis log_softmax_axis
};

type Binary = (&'static str, Argument, for<'t> fn(V<'t>, V<'t>) -> V<'t>);

/// What the second argument must be.
const BINARY: [Binary; 7] = {
    use Argument::*;
    [
        ("add", Any, |x, y| x + y),
        ("sub", Any, |x, y| x - y),
        ("mul", Any, |x, y| x * y),
        ("div", Positive, |x, y| x / y),
        ("maximum", Generic, |x, y| x.maximum(y)),
        ("minimum", Generic, |x, y| x.minimum(y)),
        ("pow", Any, |x, y| x.pow(y)),
    ]
};

const ACTIVATIONS: [(&str, Nonlinearity); 7] = [
    ("identity", Nonlinearity::Identity),
    ("relu", Nonlinearity::Relu),
    ("leaky_relu", Nonlinearity::LeakyRelu(0.1)),
    ("elu", Nonlinearity::Elu),
    ("tanh", Nonlinearity::Tanh),
    ("sigmoid", Nonlinearity::Sigmoid),
    ("softplus", Nonlinearity::Softplus),
];

const SYSTEMS: [(&str, TriangularSystem); 4] = [
    ("LX", TriangularSystem::LX),
    ("LtX", TriangularSystem::LtX),
    ("XL", TriangularSystem::XL),
    ("XLt", TriangularSystem::XLt),
];

/// A graph that grows.
struct Graph<'t> {
    tape: &'t Tape<f64>,
    random: StdRng,
    vars: Vec<V<'t>>,
    nodes: Vec<Value>,
}

impl<'t> Graph<'t> {
    fn new(tape: &'t Tape<f64>, seed: u64) -> Self {
        Self { tape, random: StdRng::seed_from_u64(seed), vars: Vec::new(), nodes: Vec::new() }
    }

    /// Adds a node: its number.
    fn push(&mut self, op: &str, inputs: &[usize], attributes: Value, y: V<'t>) -> usize {
        self.vars.push(y);
        let mut node = json!({"op": op, "inputs": inputs});
        if !attributes.is_null() {
            node["attributes"] = attributes;
        }
        self.nodes.push(node);
        self.vars.len() - 1
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }

    fn size(&mut self) -> usize {
        1 + self.below(3)
    }

    fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn numbers(&mut self, shape: &[usize]) -> Vec<f64> {
        (0..shape.iter().product()).map(|_| self.random.random_range(-1.5..1.5)).collect()
    }

    fn parameter(&mut self, shape: &[usize]) -> usize {
        let x = self.tape.parameter(&self.numbers(shape), shape);
        self.push("parameter", &[], Value::Null, x)
    }

    fn constant(&mut self, values: &[f64], shape: &[usize]) -> usize {
        let x = self.tape.constant(values, shape);
        self.push("constant", &[], Value::Null, x)
    }

    /// A node of the graph so far that is no constant, within ±3.
    fn any(&mut self) -> usize {
        let mut i = self.below(self.vars.len());
        while self.nodes[i]["op"] == "constant" {
            i = self.below(self.vars.len());
        }
        if self.vars[i].with(|x| x.iter().all(|x| x.abs() <= 3.0)) {
            return i;
        }
        self.push("tanh", &[i], Value::Null, self.vars[i].tanh())
    }

    fn sum(&mut self, i: usize, j: usize) -> usize {
        self.push("add", &[i, j], Value::Null, self.vars[i] + self.vars[j])
    }

    /// The node with numbers added that nothing else has, so that no two of its elements are equal.
    fn generic(&mut self, i: usize) -> usize {
        let moved = self.parameter(self.vars[i].shape().dims());
        self.sum(i, moved)
    }

    fn positive(&mut self, i: usize) -> usize {
        let i = self.push("softplus", &[i], Value::Null, self.vars[i].softplus());
        self.push("shift", &[i], json!({"c": 0.1}), self.vars[i].shift(0.1))
    }

    fn argument(&mut self, argument: Argument) -> usize {
        let i = self.any();
        match argument {
            Argument::Any => i,
            Argument::Positive => self.positive(i),
            Argument::Generic => self.generic(i),
        }
    }

    /// New parameters of a shape, plus the mean of a node.
    fn linked(&mut self, shape: &[usize]) -> usize {
        let (i, own) = (self.any(), self.parameter(shape));
        let mean = self.push("mean", &[i], Value::Null, self.vars[i].mean());
        self.sum(mean, own)
    }

    /// A node as a matrix.
    fn matrix(&mut self) -> usize {
        let i = self.any();
        if self.vars[i].shape().rank() == 2 {
            return i;
        }
        let (size, last) = (self.vars[i].size(), self.vars[i].shape().last());
        let y = self.vars[i].reshape([size / last, last]);
        self.push("reshape", &[i], Value::Null, y)
    }

    /// A lower triangular matrix, but for what is above the diagonal, and far from singular.
    fn factor(&mut self, n: usize) -> usize {
        let m = self.linked(&[n, n]);
        // At most 1.2, since the parameters are at most 1.5 and the mean 3.
        let m = self.push("scale", &[m], json!({"c": 0.25}), self.vars[m].scale(0.25));
        let diagonal: Vec<f64> = (0..n * n).map(|i| if i % (n + 1) == 0 { 4.0 } else { 0.0 }).collect();
        let diagonal = self.constant(&diagonal, &[n, n]);
        self.sum(m, diagonal)
    }

    fn covariance(&mut self, n: usize) -> usize {
        let l = self.factor(n);
        self.push("matmul_t", &[l, l], Value::Null, self.vars[l].matmul_t(self.vars[l]))
    }

    /// An operation at random.
    fn step(&mut self) {
        match self.below(10) {
            0..3 => {
                let (op, argument, f) = self.choose(UNARY);
                let x = self.argument(argument);
                self.push(op, &[x], Value::Null, f(self.vars[x]));
            }
            3 => self.binary(),
            4 => self.with_attribute(),
            5 => self.along_an_axis(),
            6 => self.movement(),
            7 => self.product(),
            8 => self.layer(),
            _ => self.density(),
        }
    }

    fn binary(&mut self) {
        let (op, argument, f) = self.choose(&BINARY);
        let i = self.any();
        let x = if op == "pow" { self.positive(i) } else { i };
        let j = self.any();
        let (a, b) = (self.vars[x].shape(), self.vars[j].shape());
        let fits = a.rank().max(b.rank()) <= 3
            && a.dims().iter().rev().zip(b.dims().iter().rev()).all(|(&m, &n)| m == n || m == 1 || n == 1);
        let j = if fits { j } else { self.push("mean", &[j], Value::Null, self.vars[j].mean()) };
        let y = match argument {
            Argument::Any => j,
            Argument::Positive => self.positive(j),
            Argument::Generic => self.generic(j),
        };
        self.push(op, &[x, y], Value::Null, f(self.vars[x], self.vars[y]));
    }

    fn with_attribute(&mut self) {
        let c = self.random.random_range(0.3..2.0);
        let kind = self.below(6);
        let x = self.argument([Argument::Any, Argument::Positive, Argument::Generic][kind / 2]);
        let (at, n) = (self.vars[x], self.below(4) as i32);
        match kind {
            0 => self.push("scale", &[x], json!({"c": c}), at.scale(c)),
            1 => self.push("powi", &[x], json!({"n": n}), at.powi(n)),
            2 => self.push("powf", &[x], json!({"c": c}), at.powf(c)),
            3 => self.push("powi", &[x], json!({"n": -n}), at.powi(-n)),
            4 => self.push("leaky_relu", &[x], json!({"c": c}), at.leaky_relu(c)),
            _ => self.push("clamp", &[x], json!({"low": -c, "high": c / 2.0}), at.clamp(-c, c / 2.0)),
        };
    }

    fn along_an_axis(&mut self) {
        let (op, f) = self.choose(ALONG_AXIS);
        let i = self.any();
        let x = self.generic(i);
        let rank = self.vars[x].shape().rank();
        if rank > 0 {
            let axis = self.below(rank);
            self.push(op, &[x], json!({"axis": axis}), f(self.vars[x], axis));
        }
    }

    fn movement(&mut self) {
        let x = self.matrix();
        let (at, shape) = (self.vars[x], self.vars[x].shape());
        let (rows, cols) = (shape[0], shape[1]);
        let none = Value::Null;
        match self.below(9) {
            0 => self.push("transpose", &[x], none, at.transpose()),
            1 => {
                let start = self.below(cols);
                let end = start + 1 + self.below(cols - start);
                self.push("columns", &[x], json!({"start": start, "end": end}), at.columns(start..end))
            }
            2 => {
                let axis = self.below(2);
                let other = if axis == 0 { [self.size(), cols] } else { [rows, self.size()] };
                let y = self.linked(&other);
                let joined = Var::concatenate(&[at, self.vars[y], at], axis);
                self.push("concatenate", &[x, y, x], json!({"axis": axis}), joined)
            }
            3 => {
                let indices: Vec<usize> = (0..self.size()).map(|_| self.below(rows)).collect();
                self.push("gather", &[x], json!({"indices": indices}), at.gather(&indices))
            }
            4 => self.push("tril", &[x], none, at.tril()),
            5 => {
                let shape = [self.size(), rows, cols];
                self.push("broadcast_to", &[x], json!({"shape": shape}), at.broadcast_to(shape))
            }
            6 => {
                let n = self.size();
                let square = self.linked(&[n, n]);
                self.push("diagonal", &[square], none, self.vars[square].diagonal())
            }
            7 => {
                let shape = [self.size()];
                let vector = self.linked(&shape);
                self.push("diagonal_matrix", &[vector], none, self.vars[vector].diagonal_matrix())
            }
            _ => {
                let y = self.linked(&[rows, cols]);
                let values = self.numbers(&[rows, cols]);
                let mask = self.constant(&values, &[rows, cols]);
                self.push("select", &[mask, x, y], none, self.vars[mask].select(at, self.vars[y]))
            }
        };
    }

    fn product(&mut self) {
        let (m, k, n, stack) = (self.size(), self.size(), self.size(), self.below(3));
        let shape = |rows, cols| if stack == 0 { vec![rows, cols] } else { vec![stack, rows, cols] };
        let (shapes, op) = match self.below(5) {
            0 => ([shape(m, k), shape(k, n)], "matmul"),
            1 => ([shape(m, k), shape(n, k)], "matmul_t"),
            2 => ([shape(k, m), shape(k, n)], "t_matmul"),
            3 => {
                let a = self.covariance(n);
                let l = self.vars[a].cholesky().expect("it is far from singular");
                self.push("cholesky", &[a], Value::Null, l);
                return;
            }
            _ => {
                let (name, system) = self.choose(&SYSTEMS);
                let l = self.factor(n);
                let b = self.linked(&if name.starts_with('X') { [m, n] } else { [n, m] });
                let x = self.vars[l].solve_triangular(self.vars[b], system);
                self.push("solve_triangular", &[l, b], json!({"system": name}), x);
                return;
            }
        };
        let (a, b) = (self.linked(&shapes[0]), self.linked(&shapes[1]));
        let (x, y) = (self.vars[a], self.vars[b]);
        let product = match op {
            "matmul" => x.matmul(y),
            "matmul_t" => x.matmul_t(y),
            _ => x.t_matmul(y),
        };
        self.push(op, &[a, b], Value::Null, product);
    }

    fn layer(&mut self) {
        let (name, phi) = self.choose(&ACTIVATIONS);
        let (batch, into, out, stride) = (self.size(), self.size(), self.size(), self.size());
        let kernel = [self.size(), self.size()];
        // A transposed convolution with more padding could have nothing left.
        let convolution = Convolution { stride, padding: self.below(2).min(kernel[0].min(kernel[1]) - 1) };
        let b = self.linked(&[out]);
        let attributes = json!({"phi": name, "stride": stride, "padding": convolution.padding});
        match self.below(4) {
            0 => {
                let (x, w) = (self.linked(&[batch, into]), self.linked(&[into, out]));
                let y = self.vars[x].dense(self.vars[w], self.vars[b], phi);
                self.push("dense", &[x, w, b], json!({"phi": name}), y)
            }
            1 => {
                let x = self.linked(&[batch, into, 3, 4]);
                let w = self.linked(&[out, into, kernel[0], kernel[1]]);
                let y = self.vars[x].conv2d(self.vars[w], self.vars[b], convolution, phi);
                self.push("conv2d", &[x, w, b], attributes, y)
            }
            2 => {
                let x = self.linked(&[batch, into, 3, 2]);
                let w = self.linked(&[into, out, kernel[0], kernel[1]]);
                let (mut attributes, q) = (attributes, self.below(stride));
                attributes["output_padding"] = json!(q);
                let (w_at, b_at) = (self.vars[w], self.vars[b]);
                let y = self.vars[x].conv_transpose2d(w_at, b_at, convolution, q, phi);
                self.push("conv_transpose2d", &[x, w, b], attributes, y)
            }
            _ => {
                let x = self.linked(&[batch, out, into]);
                let y = self.vars[x].upsample_nearest(stride);
                self.push("upsample_nearest", &[x], json!({"factor": stride}), y)
            }
        };
    }

    fn density(&mut self) {
        let (rows, n, none) = (self.size(), self.size(), Value::Null);
        let x = self.linked(&[rows, n]);
        let heads: [&[usize]; 4] = [&[], &[1], &[rows], &[2, rows]];
        let leading = self.choose(&heads);
        let wide = |width: usize| [leading, &[width]].concat();
        match self.below(8) {
            0 => {
                let logits = self.linked(&wide(n));
                let y = self.vars[x].bernoulli_log_prob(self.vars[logits]);
                self.push("bernoulli_log_prob", &[x, logits], none, y)
            }
            1 => {
                let sigmas = if self.below(2) == 0 { n } else { 1 };
                let (mu, log_sigma) = (self.linked(&wide(n)), self.linked(&wide(sigmas)));
                let y = self.vars[x].normal_log_prob(self.vars[mu], self.vars[log_sigma]);
                self.push("normal_log_prob", &[x, mu, log_sigma], none, y)
            }
            2 => {
                let packed = self.linked(&wide(2 * n));
                let y = self.vars[x].diag_normal_log_prob(self.vars[packed]);
                self.push("diag_normal_log_prob", &[x, packed], none, y)
            }
            3 => {
                let packed = self.linked(&wide(2 * n));
                let y = self.vars[packed].diag_normal_sample(self.vars[x]);
                self.push("diag_normal_sample", &[packed, x], none, y)
            }
            4 => {
                let (q, p) = (self.linked(&wide(2 * n)), self.linked(&[rows, 2 * n]));
                let y = self.vars[q].diag_normal_kl(self.vars[p]);
                self.push("diag_normal_kl", &[q, p], none, y)
            }
            5 => {
                let q = self.linked(&wide(2 * n));
                let y = self.vars[q].diag_normal_kl_to_standard();
                self.push("diag_normal_kl_to_standard", &[q], none, y)
            }
            6 => {
                let q = self.linked(&wide(2 * n));
                self.push("bound_log_sigma", &[q], json!({"bound": 1.7}), self.vars[q].bound_log_sigma(1.7))
            }
            _ => {
                let k = self.covariance(rows);
                let y =
                    self.vars[x].multivariate_normal_log_prob(self.vars[k]).expect("it is far from singular");
                self.push("multivariate_normal_log_prob", &[x, k], none, y)
            }
        };
    }

    /// The graph with its values and adjoints.
    fn finish(mut self) -> Value {
        let weights = |(k, x): (usize, &V<'t>)| (0..x.size()).map(|i| ((k + i) as f64).cos()).collect();
        let weights: Vec<Vec<f64>> = self.vars.iter().enumerate().map(weights).collect();
        let known = |node: &Value| node["op"] != "constant" && node["op"] != "reshape";
        let cotangents: Vec<_> = self.vars.iter().copied().zip(weights.iter().map(|w| &w[..])).collect();
        let gradients = self.tape.backward_from(&cotangents);
        for (node, &x) in self.nodes.iter_mut().zip(&self.vars) {
            node["shape"] = json!(x.shape().dims());
            node["value"] = json!(x.to_vec());
            node["adjoint"] = known(node).then(|| gradients.wrt(x).to_vec()).into();
        }
        json!({"nodes": self.nodes})
    }
}

/// The operations of the catalogue.
fn operations() -> BTreeSet<&'static str> {
    struct Names(BTreeSet<&'static str>);
    impl Visitor for Names {
        fn visit<O: Operation>(&mut self) {
            self.0.insert(O::On::<f64>::cases()[0].op.name());
        }
    }
    let mut names = Names(BTreeSet::new());
    catalogue(&mut names);
    names.0
}

fn main() -> std::io::Result<()> {
    let mut numbers =
        std::env::args().skip(1).map(|number| number.parse().expect("COUNT and SEED are numbers"));
    let (count, seed): (u64, u64) = (numbers.next().unwrap_or(100), numbers.next().unwrap_or(0));
    let (mut out, mut left) = (BufWriter::new(std::io::stdout().lock()), operations());
    for number in 0..count {
        let tape = Tape::new();
        let mut graph = Graph::new(&tape, seed << 32 | number);
        for _ in 0..2 {
            let shape: Vec<usize> = (0..graph.below(3)).map(|_| graph.size()).collect();
            graph.parameter(&shape);
        }
        for _ in 0..1 + graph.below(12) {
            graph.step();
        }
        for node in &graph.nodes {
            let op = node["op"].as_str().expect("a name");
            left.remove(op.strip_suffix("_axis").unwrap_or(op));
        }
        writeln!(out, "{}", graph.finish())?;
    }
    if !left.is_empty() {
        eprintln!("operations that did not occur: {left:?}");
    }
    out.flush()
}
