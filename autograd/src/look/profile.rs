//! Where the time of a forward and a backward pass goes.

use std::fmt;
use std::time::{Duration, Instant};

use crate::tape::nodes::{Kind, Nodes, Place};
use crate::{Inputs, Real, Shape, Tape, Var};

/// What one forward and one backward pass cost, by operation: see [`Tape::profile`]. It prints as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// One row for each name of an operation, the longest time first.
    pub rows: Vec<ProfileRow>,
}

/// What the calls of one operation cost together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProfileRow {
    /// The operation's name.
    pub operation: &'static str,
    /// The number of its nodes.
    pub calls: usize,
    /// The time of their forward passes.
    pub forward: Duration,
    /// The time of their backward passes.
    pub backward: Duration,
    /// What both passes read and wrote, in bytes, each array once a pass: forward the inputs, the value and what is kept
    /// beside it; backward all these, the value's adjoint and the inputs'.
    pub bytes: usize,
    /// The floating-point operations of both passes, by [`flops`].
    pub flops: f64,
}

impl ProfileRow {
    /// The time of both passes.
    pub fn time(&self) -> Duration {
        self.forward + self.backward
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.forward += other.forward;
        self.backward += other.backward;
        self.bytes += other.bytes;
        self.flops += other.flops;
    }
}

impl Profile {
    /// The sum of all rows.
    pub fn total(&self) -> ProfileRow {
        let mut total = ProfileRow { operation: "total", ..ProfileRow::default() };
        self.rows.iter().for_each(|row| total.add(row));
        total
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["calls", "forward us", "backward us", "share", "MB", "MFLOP", "GFLOP/s"];
        let total = self.total();
        let width = self.rows.iter().map(|row| row.operation.len()).fold(9, usize::max);
        let [calls, forward, backward, share, mb, mflop, rate] = head;
        writeln!(
            f,
            "{:width$} {calls:>6} {forward:>11} {backward:>11} {share:>7} {mb:>9} {mflop:>9} {rate:>8}",
            "operation"
        )?;
        for row in self.rows.iter().chain([&total]) {
            let us = |time: Duration| time.as_secs_f64() * 1e6;
            let share = 100.0 * us(row.time()) / us(total.time()).max(1e-9);
            let (mb, mflop) = (row.bytes as f64 / 1e6, row.flops / 1e6);
            let rate = 1e-9 * row.flops / row.time().as_secs_f64().max(1e-9);
            writeln!(
                f,
                "{:width$} {:>6} {:>11.1} {:>11.1} {share:>5.1} % {mb:>9.3} {mflop:>9.3} {rate:>8.2}",
                row.operation,
                row.calls,
                us(row.forward),
                us(row.backward),
            )?;
        }
        Ok(())
    }
}

impl<F: Real> Tape<F> {
    /// Time, memory traffic and floating-point operations of every operation up to `loss`, by operation.
    ///
    /// Recording takes no times. Both passes are run again, each once to warm up and once by the clock, forward on a copy
    /// of the values, backward into adjoints of their own. Nothing on the tape changes. Reading the clock takes some 30 ns:
    /// what takes less is better judged by a loop over many steps.
    ///
    /// # Panics
    /// If `loss` is not a scalar, or lies on another tape.
    #[track_caller]
    pub fn profile(&self, loss: Var<'_, F>) -> Profile {
        assert!(std::ptr::eq(self, loss.tape()), "profile: the loss lies on another tape");
        assert!(loss.size() == 1, "profile: {}: expected a scalar loss", loss.shape());
        let nodes = self.nodes.borrow();
        let list = &nodes.list[..=loss.index()];
        self.time(&nodes, loss);
        let times = self.time(&nodes, loss);
        let mut rows: Vec<ProfileRow> = Vec::new();
        for (node, (forward, backward)) in list.iter().zip(times) {
            let Kind::Op(op) = &node.kind else { continue };
            let inputs: Vec<_> =
                nodes.edges[node.inputs.clone()].iter().map(|&i| &nodes.list[i as usize]).collect();
            let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape).collect();
            let flops_of = |to| flops(op.name(), &shapes, node.shape, to);
            let read = shapes.iter().map(Shape::size).sum::<usize>() + node.aux;
            let (mut numbers, mut flops) = (read + node.shape.size(), flops_of(None));
            if backward.is_some() {
                numbers += read + 2 * node.shape.size();
                for (i, input) in inputs.iter().enumerate().filter(|(_, input)| input.adjoint.is_some()) {
                    numbers += input.shape.size();
                    flops += flops_of(Some(i));
                }
            }
            let backward = backward.unwrap_or_default();
            let bytes = numbers * size_of::<F>();
            let call = ProfileRow { operation: op.name(), calls: 1, forward, backward, bytes, flops };
            match rows.iter_mut().find(|row| row.operation == call.operation) {
                Some(row) => row.add(&call),
                None => rows.push(call),
            }
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.time()));
        Profile { rows }
    }

    /// Runs both passes and returns, for every node up to the loss, the times of its forward step and of its backward step,
    /// the latter only if the loss depends on the node.
    fn time(&self, nodes: &Nodes<F>, loss: Var<'_, F>) -> Vec<(Duration, Option<Duration>)> {
        let list = &nodes.list[..=loss.index()];
        let mut times = vec![(Duration::ZERO, None); list.len()];
        let mut values = nodes.values[..nodes.used].to_vec();
        for (node, (forward, _)) in list.iter().zip(&mut times) {
            let (Kind::Op(op), Place::Tape(start)) = (&node.kind, node.value) else { continue };
            let (before, from) = values.split_at_mut(start);
            let (y, aux) = from[..node.shape.size() + node.aux].split_at_mut(node.shape.size());
            let clock = Instant::now();
            op.forward(&Inputs { values: before, ..nodes.inputs(node) }, y, aux);
            *forward = clock.elapsed();
        }
        let mut adjoints = self.begin_backward(nodes, &[(loss, &[F::ONE])]);
        for (node, (_, backward)) in list.iter().zip(&mut times).rev() {
            let Some(range) = node.adjoint_range().filter(|_| matches!(node.kind, Kind::Op(_))) else {
                continue;
            };
            if adjoints.reach(range) {
                let clock = Instant::now();
                nodes.step_back(node, &mut adjoints);
                *backward = Some(clock.elapsed());
            }
        }
        self.spare.borrow_mut().push(adjoints);
        times
    }
}

/// The floating-point operations of one operation of this crate: of its value, or, if `to` is i, of what is added to the adjoint
/// of its i-th input. They are counted from the operation's name, the shapes of its inputs `x` and that of its result `y`: the
/// leading term of products, convolutions and linear algebra, and one for each element of the largest array for every other
/// operation, so for yours too.
///
/// | operation | value | adjoints |
/// | --- | --- | --- |
/// | product of m x k and k x n | 2 m k n | as many for each factor |
/// | dense layer | 2 · batch · in · out | as many for X and W, batch · out for b |
/// | convolution | 2 · windows · numbers in a window · features | as many for X and W, one for each element of Y for b |
/// | Cholesky factor of n x n | n³/3 | 2n³/3 |
/// | triangular solve, m right-hand sides | n² m | as many for each input |
/// | multivariate normal, m columns | n³/3 + 2n² m | n m for Z, 2n³/3 + n² m for K |
pub fn flops(operation: &str, x: &[Shape], y: Shape, to: Option<usize>) -> f64 {
    let size = |shape: Shape| shape.size() as f64;
    let cube = |shape: Shape| (shape[0] as f64).powi(3);
    match (operation, x, to) {
        ("dense" | "conv2d" | "conv_transpose2d", [_, _, _], Some(2)) => size(y),
        ("matmul" | "matmul_t" | "t_matmul", [a, _], _) | ("dense", [a, _, _], _) => {
            2.0 * size(*a) * y.last() as f64
        }
        // Each number of the smaller images is made of a window, in every channel.
        ("conv2d", [_, w, _], _) if y.rank() == 4 => 2.0 * size(y) / y[1].max(1) as f64 * size(*w),
        ("conv_transpose2d", [x, w, _], _) if x.rank() == 4 => 2.0 * size(*x) / x[1].max(1) as f64 * size(*w),
        ("cholesky", [a], None) if a.rank() == 2 => cube(*a) / 3.0,
        ("cholesky", [a], Some(_)) if a.rank() == 2 => 2.0 / 3.0 * cube(*a),
        ("solve_triangular", [l, b], _) if l.rank() == 2 => (l[0] * b.size()) as f64,
        ("multivariate_normal_log_prob", [z, k], None) if k.rank() == 2 => {
            cube(*k) / 3.0 + 2.0 * (k[0] * z.size()) as f64
        }
        ("multivariate_normal_log_prob", [z, _], Some(0)) => size(*z),
        ("multivariate_normal_log_prob", [z, k], _) if k.rank() == 2 => {
            2.0 / 3.0 * cube(*k) + (k[0] * z.size()) as f64
        }
        _ => x.iter().copied().map(size).fold(size(y), f64::max),
    }
}
