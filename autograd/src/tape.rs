//! The Wengert list: operations in the order in which they were computed, and their replay backwards.

use std::cell::RefCell;
use std::sync::Arc;

use crate::adjoints::Adjoints;
use crate::list::{Kind, List, Node, Place};
use crate::ops::Catalogued;
use crate::{Gradients, Grads, Inputs, Op, Real, Shape, Var};

/// A tape records a computation and runs the forward-backward algorithm (lecture 000, "Forward-Backward algorithm").
///
/// ```text
/// values    [ x ......| xW+b ......| tanh ......| … | loss ]      forward fills it left to right
/// adjoints  [           …                             1    ]      backward fills it right to left
/// ```
///
/// The order of the list is a topological order. A node is computed when it is recorded; [`backward`](Self::backward)
/// visits the nodes in the opposite order and lets each add to the adjoints of its inputs. Parameters and data that are
/// shared ([`Arc`]) stay where they are. [`clear`](Self::clear) rewinds the tape and keeps its memory; it wants
/// `&mut self`, so that no [`Var`] can outlive its value.
#[derive(Default)]
pub struct Tape<F: Real> {
    pub(crate) list: RefCell<List<F>>,
    /// Adjoint buffers that are not in use.
    pub(crate) spare: RefCell<Vec<Adjoints<F>>>,
    /// The adjoints of the last `value_and_grad`.
    pub(crate) kept: Option<Adjoints<F>>,
}

impl<F: Real> Tape<F> {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rewinds: forgets all nodes and lets go of what was shared, and keeps the buffers.
    pub fn clear(&mut self) {
        self.list.get_mut().clear();
        self.spare.get_mut().extend(self.kept.take());
    }

    /// A constant, copied onto the tape.
    #[track_caller]
    pub fn constant(&self, values: &[F], shape: impl Into<Shape>) -> Var<'_, F> {
        self.copied(values, shape.into(), false)
    }

    /// A parameter, copied onto the tape: something with an adjoint.
    #[track_caller]
    pub fn parameter(&self, values: &[F], shape: impl Into<Shape>) -> Var<'_, F> {
        self.copied(values, shape.into(), true)
    }

    /// A constant that `fill` writes directly onto the tape; the buffer comes with old contents. `fill` must not use
    /// the same tape.
    #[track_caller]
    pub fn constant_with(&self, shape: impl Into<Shape>, fill: impl FnOnce(&mut [F])) -> Var<'_, F> {
        let (shape, mut list) = (shape.into(), self.list.borrow_mut());
        let range = list.reserve(shape.size());
        fill(&mut list.values[range.clone()]);
        Var::new(self, list.leaf(shape, Place::Tape(range.start), false))
    }

    /// A constant that stays where it is.
    #[track_caller]
    pub fn shared_constant(&self, values: &Arc<Vec<F>>, shape: impl Into<Shape>) -> Var<'_, F> {
        self.shared(values, shape.into(), false)
    }

    /// A parameter that stays where it is. Until [`clear`](Self::clear) the tape holds a reference to it.
    #[track_caller]
    pub fn shared_parameter(&self, values: &Arc<Vec<F>>, shape: impl Into<Shape>) -> Var<'_, F> {
        self.shared(values, shape.into(), true)
    }

    #[track_caller]
    fn copied(&self, values: &[F], shape: Shape, differentiable: bool) -> Var<'_, F> {
        check_size(values.len(), shape);
        let mut list = self.list.borrow_mut();
        let range = list.reserve(values.len());
        list.values[range.clone()].copy_from_slice(values);
        Var::new(self, list.leaf(shape, Place::Tape(range.start), differentiable))
    }

    #[track_caller]
    fn shared(&self, values: &Arc<Vec<F>>, shape: Shape, differentiable: bool) -> Var<'_, F> {
        check_size(values.len(), shape);
        let mut list = self.list.borrow_mut();
        list.shared.push(Some(Arc::clone(values)));
        let place = Place::Shared(list.shared.len() - 1, 0);
        Var::new(self, list.leaf(shape, place, differentiable))
    }

    /// Computes y = op(inputs) and records it.
    ///
    /// # Panics
    /// If the operation's shape rule refuses the inputs, or an input lies on another tape.
    #[track_caller]
    pub fn record<O: Op<F>>(&self, op: O, inputs: &[Var<'_, F>]) -> Var<'_, F> {
        let list = &mut *self.list.borrow_mut();
        list.shapes.clear();
        for x in inputs {
            assert!(std::ptr::eq(self, x.tape()), "{}: the inputs lie on two tapes", op.name());
            list.shapes.push(list.nodes[x.index()].shape);
        }
        let shape = match op.shape(&list.shapes) {
            Ok(shape) => shape,
            Err(why) => panic!("{}: {}: {why}", op.name(), join(&list.shapes)),
        };
        let (size, aux) = (shape.size(), op.aux(&list.shapes));
        let edges = list.edges.len();
        list.edges.extend(inputs.iter().map(|x| x.index() as u32));
        let reached = inputs.iter().any(|x| list.nodes[x.index()].adjoint.is_some());

        let range = list.reserve(size + aux);
        let (read, write) = list.values.split_at_mut(range.start);
        let edge_list = &list.edges[edges..];
        let x = Inputs { nodes: &list.nodes, edges: edge_list, values: read, shared: &list.shared };
        let (y, kept) = write[..size + aux].split_at_mut(size);
        op.forward(&x, y, kept);

        let adjoint = reached.then(|| list.reserve_adjoint(size));
        let inputs = edges..list.edges.len();
        let kind = Kind::Op(Box::new(op));
        let id = list.push(Node { kind, shape, inputs, value: Place::Tape(range.start), aux, adjoint });
        Var::new(self, id)
    }

    /// [`record`](Self::record) for the crate's own operations: it takes only those whose gradient is in the catalogue.
    #[track_caller]
    pub(crate) fn apply<O: Op<F> + Catalogued<F>>(&self, op: O, inputs: &[Var<'_, F>]) -> Var<'_, F> {
        self.record(op, inputs)
    }

    /// The elements of `x` from `start` on, as an array of `shape`: the same memory, for value and adjoint alike.
    #[track_caller]
    pub(crate) fn view(&self, x: Var<'_, F>, start: usize, shape: Shape) -> Var<'_, F> {
        let list = &mut *self.list.borrow_mut();
        let node = &list.nodes[x.index()];
        let (size, length) = (node.shape.size(), shape.size());
        let fits = start.checked_add(length).is_some_and(|end| end <= size);
        assert!(fits, "view: {}: {length} elements from {start} on, of {size}", node.shape);
        let (value, adjoint) = (node.value.shifted(start), node.adjoint.map(|at| at + start));
        list.edges.push(x.index() as u32);
        let inputs = list.edges.len() - 1..list.edges.len();
        let id = list.push(Node { kind: Kind::View, shape, inputs, value, aux: 0, adjoint });
        Var::new(self, id)
    }

    /// The gradient of a scalar with respect to every node before it.
    ///
    /// # Panics
    /// If `loss` is not a scalar.
    #[track_caller]
    pub fn backward(&self, loss: Var<'_, F>) -> Gradients<'_, F> {
        assert!(loss.size() == 1, "backward: {}: the loss must be a scalar", loss.shape());
        self.backward_from(&[(loss, &[F::ONE])])
    }

    /// The vector-Jacobian product: the gradient of Σₖ ⟨adjointₖ, varₖ⟩ with respect to every node.
    ///
    /// # Panics
    /// If an adjoint's size is not its variable's.
    #[track_caller]
    pub fn backward_from(&self, seeds: &[(Var<'_, F>, &[F])]) -> Gradients<'_, F> {
        Gradients { tape: self, adjoints: self.replay(seeds, |_| ()) }
    }

    /// The backward pass, which tells `visited` of each operation that it has gone through.
    #[track_caller]
    pub(crate) fn replay(&self, seeds: &[(Var<'_, F>, &[F])], mut visited: impl FnMut(usize)) -> Adjoints<F> {
        let list = self.list.borrow();
        let mut adjoints = self.spare.borrow_mut().pop().unwrap_or_default();
        adjoints.reset(list.adjoints);

        for &(var, seed) in seeds {
            assert!(std::ptr::eq(self, var.tape()), "backward: a seed lies on another tape");
            check_size(seed.len(), list.nodes[var.index()].shape);
            if let Some(start) = list.nodes[var.index()].adjoint {
                let sum = adjoints.sum(start..start + seed.len());
                sum.iter_mut().zip(seed).for_each(|(sum, &seed)| *sum += seed);
            }
        }
        for (index, node) in list.nodes.iter().enumerate().rev() {
            let (Kind::Op(op), Some(start)) = (&node.kind, node.adjoint) else { continue };
            let size = node.shape.size();
            if !adjoints.written.touches(start..start + size) {
                continue;
            }
            adjoints.sum(start..start + size);
            let Adjoints { values: sums, written, scratch, .. } = &mut adjoints;
            let (before, after) = sums.split_at_mut(start);
            let (x, (y, aux)) = (list.inputs(node), list.output(node));
            op.backward(&x, y, aux, &after[..size], &mut Grads { x, adjoints: before, written, scratch });
            visited(index);
        }
        adjoints.sum(0..list.adjoints);
        adjoints
    }

    /// One step of gradient-based learning: rewinds, records `f(θ)`, and returns its value and gradient.
    ///
    /// θ is not copied, and afterwards the tape no longer refers to it: an optimiser may take it mutably
    /// ([`Arc::get_mut`]) while the gradient is borrowed.
    ///
    /// # Panics
    /// If `f` does not return a scalar of this tape.
    #[track_caller]
    pub fn value_and_grad(
        &mut self,
        theta: &Arc<Vec<F>>,
        f: impl for<'t> FnOnce(&'t Self, Var<'t, F>) -> Var<'t, F>,
    ) -> (F, &[F]) {
        self.clear();
        let loss = f(self, self.shared_parameter(theta, [theta.len()]));
        assert!(loss.size() == 1, "value_and_grad: {}: the loss must be a scalar", loss.shape());
        let (value, adjoints) = (loss.item(), self.replay(&[(loss, &[F::ONE])], |_| ()));
        self.list.get_mut().shared.fill(None);
        self.kept = Some(adjoints);
        (value, self.gradient())
    }

    /// The gradient that the last [`value_and_grad`](Self::value_and_grad) returned; empty after
    /// [`clear`](Self::clear).
    pub fn gradient(&self) -> &[F] {
        // θ came first: its adjoint begins at 0.
        let theta = self.list.borrow().nodes.first().map_or(0, |theta| theta.shape.size());
        self.kept.as_ref().map_or(&[], |adjoints| &adjoints.values[..theta])
    }
}

#[track_caller]
fn check_size(len: usize, shape: Shape) {
    assert!(len == shape.size(), "{len} values do not fill an array of shape {shape}");
}

/// `[128, 784] x [400, 20]`
fn join(shapes: &[Shape]) -> String {
    shapes.iter().map(Shape::to_string).collect::<Vec<_>>().join(" x ")
}
