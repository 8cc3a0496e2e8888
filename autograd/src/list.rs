//! The nodes of a tape and the left-hand buffer.

use std::ops::Range;
use std::sync::Arc;

use crate::{Inputs, Op, Real, Shape};

/// What the tape has recorded.
#[derive(Default)]
pub(crate) struct List<F> {
    pub(crate) nodes: Vec<Node<F>>,
    /// The inputs of all nodes, one after the other.
    pub(crate) edges: Vec<u32>,
    /// The left-hand buffer. Its length only grows: the first `used` numbers are values.
    pub(crate) values: Vec<F>,
    pub(crate) used: usize,
    /// Vectors outside; `None` once the tape has let go of one.
    pub(crate) shared: Vec<Option<Arc<Vec<F>>>>,
    pub(crate) adjoints: usize,
    /// Room for the shapes of the inputs of the node that is being recorded.
    pub(crate) shapes: Vec<Shape>,
}

/// One entry of the list.
pub(crate) struct Node<F> {
    pub(crate) kind: Kind<F>,
    pub(crate) shape: Shape,
    pub(crate) inputs: Range<usize>,
    pub(crate) value: Place,
    /// The numbers behind the value that the backward pass wants.
    pub(crate) aux: usize,
    /// Where the adjoint begins, if a parameter reaches this node.
    pub(crate) adjoint: Option<usize>,
}

pub(crate) enum Kind<F> {
    Constant,
    Parameter,
    /// A range of its input: the same value and the same adjoint.
    View,
    Op(Box<dyn Op<F>>),
}

/// Where a value begins: on the tape, or in a shared vector.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Tape(usize),
    Shared(usize, usize),
}

impl Place {
    #[inline]
    pub(crate) fn slice<'a, F>(
        &self,
        tape: &'a [F],
        shared: &'a [Option<Arc<Vec<F>>>],
        len: usize,
    ) -> &'a [F] {
        let (from, start) = match *self {
            Place::Tape(start) => (tape, start),
            Place::Shared(vector, start) => match &shared[vector] {
                Some(vector) => (&vector[..], start),
                None => unreachable!("no variable refers to what the tape has let go"),
            },
        };
        &from[start..start + len]
    }

    #[inline]
    pub(crate) fn shifted(self, by: usize) -> Self {
        match self {
            Place::Tape(start) => Place::Tape(start + by),
            Place::Shared(vector, start) => Place::Shared(vector, start + by),
        }
    }
}

impl<F: Real> List<F> {
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.edges.clear();
        self.shared.clear();
        (self.used, self.adjoints) = (0, 0);
    }

    #[inline]
    pub(crate) fn inputs(&self, node: &Node<F>) -> Inputs<'_, F> {
        let edges = &self.edges[node.inputs.clone()];
        Inputs { nodes: &self.nodes, edges, values: &self.values, shared: &self.shared }
    }

    /// What an operation wrote: y and aux.
    #[inline]
    pub(crate) fn output(&self, node: &Node<F>) -> (&[F], &[F]) {
        let Place::Tape(start) = node.value else { unreachable!("an operation's value lies on the tape") };
        let size = node.shape.size();
        self.values[start..start + size + node.aux].split_at(size)
    }

    #[inline]
    pub(crate) fn value(&self, node: &Node<F>) -> &[F] {
        node.value.slice(&self.values, &self.shared, node.shape.size())
    }

    /// Takes room for `len` values.
    #[inline]
    pub(crate) fn reserve(&mut self, len: usize) -> Range<usize> {
        let range = self.used..self.used + len;
        self.used = range.end;
        if self.values.len() < range.end {
            self.values.resize(range.end.next_power_of_two(), F::ZERO);
        }
        range
    }

    #[inline]
    pub(crate) fn reserve_adjoint(&mut self, len: usize) -> usize {
        self.adjoints += len;
        self.adjoints - len
    }

    #[inline]
    pub(crate) fn leaf(&mut self, shape: Shape, value: Place, differentiable: bool) -> u32 {
        let adjoint = differentiable.then(|| self.reserve_adjoint(shape.size()));
        let kind = if differentiable { Kind::Parameter } else { Kind::Constant };
        self.push(Node { kind, shape, inputs: 0..0, value, aux: 0, adjoint })
    }

    #[inline]
    pub(crate) fn push(&mut self, node: Node<F>) -> u32 {
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }
}
