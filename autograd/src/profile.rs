//! Where the time of a forward and a backward pass goes.

use std::fmt;
use std::time::{Duration, Instant};

use crate::list::{Kind, Node, Place};
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
    /// How many nodes it is.
    pub calls: usize,
    /// The time of their forward passes.
    pub forward: Duration,
    /// The time of their backward passes.
    pub backward: Duration,
    /// What both passes read and wrote, in bytes, each array once a pass: forward the inputs, the value and what is kept
    /// beside it; backward all these, the value's adjoint and the inputs'.
    pub bytes: usize,
    /// The floating-point operations of both passes, by [`Op::flops`](crate::Op::flops).
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
    /// Recording takes no times: both passes are run again, each once to warm up and once by the clock, forward on a copy
    /// of the values, backward into adjoints of their own. Nothing on the tape changes. Reading the clock takes some 30 ns:
    /// what takes less is better judged by a loop over many steps. What was recorded on a θ that
    /// [`value_and_grad`](Tape::value_and_grad) has let go is left out.
    ///
    /// # Panics
    /// If `loss` is not a scalar, or lies on another tape.
    #[track_caller]
    pub fn profile(&self, loss: Var<'_, F>) -> Profile {
        assert!(std::ptr::eq(self, loss.tape()), "profile: the loss lies on another tape");
        assert!(loss.size() == 1, "profile: {}: the loss must be a scalar", loss.shape());
        let list = self.list.borrow();
        let nodes = &list.nodes[..=loss.index()];
        let is_gone = |node: &Node<F>| {
            let mut inputs = list.edges[node.inputs.clone()].iter().map(|&i| list.nodes[i as usize].value);
            inputs.any(|value| matches!(value, Place::Shared(vector, _) if list.shared[vector].is_none()))
        };
        let (mut values, mut times) = (list.values[..list.used].to_vec(), Vec::new());
        for _warm_up_and_measurement in 0..2 {
            times = vec![(Duration::ZERO, None); nodes.len()];
            for (node, (forward, _)) in nodes.iter().zip(&mut times) {
                let (Kind::Op(op), Place::Tape(start), false) = (&node.kind, node.value, is_gone(node))
                else {
                    continue;
                };
                let (read, write) = values.split_at_mut(start);
                let (y, aux) = write[..node.shape.size() + node.aux].split_at_mut(node.shape.size());
                let clock = Instant::now();
                op.forward(&Inputs { values: read, ..list.inputs(node) }, y, aux);
                *forward = clock.elapsed();
            }
            let mut clock = Instant::now();
            let adjoints = self.replay(&[(loss, &[F::ONE])], |node| {
                times[node].1 = Some(clock.elapsed());
                clock = Instant::now();
            });
            self.spare.borrow_mut().push(adjoints);
        }
        let mut rows: Vec<ProfileRow> = Vec::new();
        for (node, (forward, backward)) in nodes.iter().zip(times) {
            let (Kind::Op(op), false) = (&node.kind, is_gone(node)) else { continue };
            let inputs: Vec<_> =
                list.edges[node.inputs.clone()].iter().map(|&i| &list.nodes[i as usize]).collect();
            let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape).collect();
            let read = shapes.iter().map(Shape::size).sum::<usize>() + node.aux;
            let (mut numbers, mut flops) = (read + node.shape.size(), op.flops(&shapes, None));
            if backward.is_some() {
                numbers += read + 2 * node.shape.size();
                for (i, input) in inputs.iter().enumerate().filter(|(_, input)| input.adjoint.is_some()) {
                    numbers += input.shape.size();
                    flops += op.flops(&shapes, Some(i));
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
}
