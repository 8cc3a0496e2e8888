//! Recording operations in the order in which they are computed, and going through them backwards.

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;

use super::adjoints::Adjoints;
use super::nodes::{Kind, Node, Nodes, Place};
use crate::{Gradient, Gradients, InputAdjoints, Inputs, Op, Real, Shape, Var};

/// A tape records a computation and runs the forward-backward algorithm (lecture 000, "Forward-Backward algorithm").
///
/// ```text
/// values    [ x ......| xW+b ......| tanh ......| … | loss ]      forward fills it left to right
/// adjoints  [           …                             1    ]      backward fills it right to left
/// ```
///
/// It is the Wengert list of the computation. A node is computed when it is recorded, so that the order of the list is a
/// topological order; [`backward`](Self::backward) visits the nodes in the opposite order and lets each add to the adjoints
/// of its inputs. Parameters and data that are shared ([`Arc`]) stay where they are. [`clear`](Self::clear) rewinds the
/// tape and keeps its memory; it takes `&mut self`, so that no [`Var`] can outlive its value.
#[derive(Default)]
pub struct Tape<F: Real> {
    pub(crate) nodes: RefCell<Nodes<F>>,
    /// Buffers of adjoints that are not in use.
    pub(crate) spare: RefCell<Vec<Adjoints<F>>>,
}

impl<F: Real> Tape<F> {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rewinds: forgets all nodes, releases what was shared, and keeps the memory.
    pub fn clear(&mut self) {
        self.nodes.get_mut().clear();
    }

    /// A constant, copied onto the tape. It has no adjoint.
    ///
    /// # Panics
    /// If the values do not fill the shape.
    #[track_caller]
    pub fn constant(&self, values: &[F], shape: impl Into<Shape>) -> Var<'_, F> {
        self.copied(values, shape.into(), Kind::Constant)
    }

    /// A parameter, copied onto the tape. It has an adjoint.
    ///
    /// # Panics
    /// If the values do not fill the shape.
    #[track_caller]
    pub fn parameter(&self, values: &[F], shape: impl Into<Shape>) -> Var<'_, F> {
        self.copied(values, shape.into(), Kind::Parameter)
    }

    /// A constant that `fill` writes directly onto the tape. The buffer comes with old contents, and `fill` must not use
    /// the same tape.
    #[track_caller]
    pub fn constant_with(&self, shape: impl Into<Shape>, fill: impl FnOnce(&mut [F])) -> Var<'_, F> {
        let (shape, mut nodes) = (shape.into(), self.nodes.borrow_mut());
        let range = nodes.reserve(shape.size());
        fill(&mut nodes.values[range.clone()]);
        Var::new(self, nodes.push_leaf(Kind::Constant, shape, Place::Tape(range.start)))
    }

    /// A constant that stays where it is. The tape holds a reference to it until it is rewound.
    ///
    /// # Panics
    /// If the values do not fill the shape.
    #[track_caller]
    pub fn shared_constant(&self, values: &Arc<Vec<F>>, shape: impl Into<Shape>) -> Var<'_, F> {
        self.shared(values, shape.into(), Kind::Constant)
    }

    /// A parameter that stays where it is. The tape holds a reference to it until it is rewound.
    ///
    /// # Panics
    /// If the values do not fill the shape.
    #[track_caller]
    pub fn shared_parameter(&self, values: &Arc<Vec<F>>, shape: impl Into<Shape>) -> Var<'_, F> {
        self.shared(values, shape.into(), Kind::Parameter)
    }

    #[track_caller]
    fn copied(&self, values: &[F], shape: Shape, kind: Kind<F>) -> Var<'_, F> {
        check_size(values.len(), shape);
        let mut nodes = self.nodes.borrow_mut();
        let range = nodes.reserve(values.len());
        nodes.values[range.clone()].copy_from_slice(values);
        Var::new(self, nodes.push_leaf(kind, shape, Place::Tape(range.start)))
    }

    #[track_caller]
    fn shared(&self, values: &Arc<Vec<F>>, shape: Shape, kind: Kind<F>) -> Var<'_, F> {
        check_size(values.len(), shape);
        let mut nodes = self.nodes.borrow_mut();
        nodes.shared.push(Arc::clone(values));
        let place = Place::Shared { vector: nodes.shared.len() - 1, start: 0 };
        Var::new(self, nodes.push_leaf(kind, shape, place))
    }

    /// Computes y = op(inputs) and records it.
    ///
    /// # Panics
    /// If the operation's shape rule refuses the inputs, or an input lies on another tape.
    #[track_caller]
    pub fn record<O: Op<F>>(&self, op: O, inputs: &[Var<'_, F>]) -> Var<'_, F> {
        self.record_boxed(boxed(op), inputs)
    }

    #[inline(never)]
    #[track_caller]
    fn record_boxed(&self, op: Box<dyn Op<F>>, inputs: &[Var<'_, F>]) -> Var<'_, F> {
        let nodes = &mut *self.nodes.borrow_mut();
        // The shape rule
        nodes.shapes.clear();
        for x in inputs {
            assert!(
                std::ptr::eq(self, x.tape()),
                "{}: expected inputs on this tape, found one of another tape",
                op.name()
            );
            nodes.shapes.push(nodes.list[x.index()].shape);
        }
        let shape = match op.shape(&nodes.shapes) {
            Ok(shape) => shape,
            Err(why) => panic!("{}: {}: {why}", op.name(), join(&nodes.shapes)),
        };
        let (size, aux) = (shape.size(), op.aux(&nodes.shapes));
        let first_edge = nodes.edges.len();
        nodes.edges.extend(inputs.iter().map(|x| x.index() as u32));

        // The value: y and aux lie behind all that was computed before.
        let range = nodes.reserve(size + aux);
        let (before, from) = nodes.values.split_at_mut(range.start);
        let (list, edges, shared) = (&nodes.list, &nodes.edges[first_edge..], &nodes.shared);
        let x = Inputs { nodes: list, edges, values: before, shared, scratch: &nodes.scratch };
        let (y, kept) = from[..size + aux].split_at_mut(size);
        op.forward(&x, y, kept);

        // An adjoint, if an input has one
        let depends = inputs.iter().any(|x| nodes.list[x.index()].adjoint.is_some());
        let adjoint = depends.then(|| nodes.reserve_adjoint(size));
        let inputs = first_edge..nodes.edges.len();
        let value = Place::Tape(range.start);
        Var::new(self, nodes.push(Node { kind: Kind::Op(op), shape, inputs, value, aux, adjoint }))
    }

    /// The elements of `x` from `start` on, as an array of `shape`: the same memory, for value and adjoint alike.
    #[track_caller]
    pub(crate) fn view(&self, x: Var<'_, F>, start: usize, shape: Shape) -> Var<'_, F> {
        let nodes = &mut *self.nodes.borrow_mut();
        let node = &nodes.list[x.index()];
        let (size, length) = (node.shape.size(), shape.size());
        let fits = start.checked_add(length).is_some_and(|end| end <= size);
        assert!(
            fits,
            "view: {}: expected at most {size} elements, found {length} from {start} on",
            node.shape
        );
        let (value, adjoint) = (node.value.shifted(start), node.adjoint.map(|at| at + start));
        nodes.edges.push(x.index() as u32);
        let inputs = nodes.edges.len() - 1..nodes.edges.len();
        Var::new(self, nodes.push(Node { kind: Kind::View, shape, inputs, value, aux: 0, adjoint }))
    }

    /// The gradient of a scalar with respect to every value on the tape.
    ///
    /// # Panics
    /// If `loss` has not exactly one element, or lies on another tape.
    #[track_caller]
    pub fn backward(&self, loss: Var<'_, F>) -> Gradients<'_, F> {
        assert!(loss.size() == 1, "backward: {}: expected a scalar loss", loss.shape());
        self.backward_from(&[(loss, &[F::ONE])])
    }

    /// The vector-Jacobian product: the gradient of Σₖ ⟨cotangentₖ, varₖ⟩ with respect to every value on the tape.
    ///
    /// # Panics
    /// If a cotangent's size is not its variable's, or a variable lies on another tape.
    #[track_caller]
    pub fn backward_from(&self, cotangents: &[(Var<'_, F>, &[F])]) -> Gradients<'_, F> {
        Gradients { tape: self, adjoints: self.run_backward(cotangents) }
    }

    #[inline(never)]
    #[track_caller]
    fn run_backward(&self, cotangents: &[(Var<'_, F>, &[F])]) -> Adjoints<F> {
        let nodes = self.nodes.borrow();
        let mut adjoints = self.begin_backward(&nodes, cotangents);
        // From the last node to the first: when a node's turn comes, all that depends on it has added to its adjoint.
        for node in nodes.list.iter().rev() {
            nodes.step_back(node, &mut adjoints);
        }
        adjoints.finish();
        adjoints
    }

    /// A buffer in which all adjoints are 0 but for the cotangents.
    #[track_caller]
    pub(crate) fn begin_backward(&self, nodes: &Nodes<F>, cotangents: &[(Var<'_, F>, &[F])]) -> Adjoints<F> {
        let mut adjoints = self.spare.borrow_mut().pop().unwrap_or_default();
        adjoints.reset(nodes.adjoint_size);
        for &(var, cotangent) in cotangents {
            assert!(
                std::ptr::eq(self, var.tape()),
                "backward: expected a variable of this tape, found one of another tape"
            );
            let node = &nodes.list[var.index()];
            check_size(cotangent.len(), node.shape);
            if let Some(range) = node.adjoint_range() {
                let mut sums = adjoints.sums();
                let sum = sums.get(range).iter_mut();
                sum.zip(cotangent).for_each(|(sum, &cotangent)| *sum += cotangent);
            }
        }
        adjoints
    }

    /// One step of gradient-based learning: rewinds, records `f(θ)`, and returns its value and its gradient in θ.
    ///
    /// θ is not copied. Afterwards the tape is empty and no longer refers to θ: an optimiser may take it mutably
    /// ([`Arc::get_mut`]) while the gradient is in use.
    ///
    /// # Panics
    /// If `f` does not return a scalar of this tape.
    #[track_caller]
    pub fn value_and_grad(
        &mut self,
        theta: &Arc<Vec<F>>,
        f: impl for<'t> FnOnce(&'t Self, Var<'t, F>) -> Var<'t, F>,
    ) -> (F, Gradient<'_, F>) {
        match self.try_value_and_grad(theta, |tape, theta| Ok::<_, Infallible>(f(tape, theta))) {
            Ok(result) => result,
        }
    }

    /// [`value_and_grad`](Self::value_and_grad) for an `f` that can fail, as a Cholesky factorisation can.
    ///
    /// # Errors
    /// The error of `f`; the tape is then empty.
    ///
    /// # Panics
    /// If `f` does not return a scalar of this tape.
    #[track_caller]
    pub fn try_value_and_grad<E>(
        &mut self,
        theta: &Arc<Vec<F>>,
        f: impl for<'t> FnOnce(&'t Self, Var<'t, F>) -> Result<Var<'t, F>, E>,
    ) -> Result<(F, Gradient<'_, F>), E> {
        self.clear();
        let result = match f(self, self.shared_parameter(theta, [theta.len()])) {
            Ok(loss) => {
                assert!(loss.size() == 1, "value_and_grad: {}: expected a scalar loss", loss.shape());
                Ok((loss.item(), self.run_backward(&[(loss, &[F::ONE])])))
            }
            Err(error) => Err(error),
        };
        self.clear();
        // θ was recorded first: its adjoint begins at 0.
        let (value, adjoints) = result?;
        Ok((value, Gradient { tape: self, adjoints, len: theta.len() }))
    }
}

impl<F: Real> Nodes<F> {
    /// One step of the backward pass: the node sends its adjoint to its inputs.
    #[inline]
    pub(crate) fn step_back(&self, node: &Node<F>, adjoints: &mut Adjoints<F>) {
        // Leaves and views have no rule: a view's adjoint is a range of the adjoint of what it shows.
        let (Kind::Op(op), Some(range)) = (&node.kind, node.adjoint_range()) else { return };
        // ȳ, and the adjoints of all that was computed before y. Nothing was added to ȳ: the loss does not depend on y.
        let Some((dy, sums)) = adjoints.split_at(range) else { return };
        let (x, (y, aux)) = (self.inputs(node), self.output(node));
        // x̄ᵢ += (∂y/∂xᵢ)ᵀ ȳ for every input
        op.backward(&x, y, aux, dy, &mut InputAdjoints { x, sums });
    }
}

/// An operation with its type forgotten, which compiles it. Not inlined, so that the code that [`instances`](crate::check::instances)
/// has of the operations of this crate is taken for those, whoever records them.
#[inline(never)]
fn boxed<F: Real>(op: impl Op<F>) -> Box<dyn Op<F>> {
    Box::new(op)
}

#[track_caller]
fn check_size(len: usize, shape: Shape) {
    assert!(len == shape.size(), "shape {shape}: expected {} values, found {len}", shape.size());
}

/// `[128, 784] x [400, 20]`
fn join(shapes: &[Shape]) -> String {
    shapes.iter().map(Shape::to_string).collect::<Vec<_>>().join(" x ")
}
