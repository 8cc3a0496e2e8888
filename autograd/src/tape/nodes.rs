//! The list of nodes, and the buffer of their values.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use crate::{Inputs, Op, Real, Shape};

/// What the tape has recorded.
#[derive(Default)]
pub(crate) struct Nodes<F> {
    pub(crate) list: Vec<Node<F>>,
    /// The inputs of all nodes, one after the other.
    pub(crate) edges: Vec<u32>,
    /// The buffer of values. Its length only grows: the first `used` numbers are values.
    pub(crate) values: Vec<F>,
    pub(crate) used: usize,
    /// Vectors that lie outside: θ and data.
    pub(crate) shared: Vec<Arc<Vec<F>>>,
    /// How many adjoints the nodes have together.
    pub(crate) adjoint_size: usize,
    /// Room for an operation's intermediate results.
    pub(crate) scratch: RefCell<Vec<F>>,
    /// Room for the shapes of the inputs of the node that is being recorded.
    pub(crate) shapes: Vec<Shape>,
}

/// One entry of the list.
pub(crate) struct Node<F> {
    pub(crate) kind: Kind<F>,
    pub(crate) shape: Shape,
    /// Which of the edges are its inputs.
    pub(crate) inputs: Range<usize>,
    pub(crate) value: Place,
    /// How many numbers behind the value are kept for the backward pass.
    pub(crate) aux: usize,
    /// Where the adjoint begins, if the node depends on a parameter.
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
    Shared { vector: usize, start: usize },
}

impl Place {
    #[inline]
    pub(crate) fn slice<'a, F>(&self, tape: &'a [F], shared: &'a [Arc<Vec<F>>], len: usize) -> &'a [F] {
        let (from, start) = match *self {
            Place::Tape(start) => (tape, start),
            Place::Shared { vector, start } => (&shared[vector][..], start),
        };
        &from[start..start + len]
    }

    #[inline]
    pub(crate) fn shifted(self, by: usize) -> Self {
        match self {
            Place::Tape(start) => Place::Tape(start + by),
            Place::Shared { vector, start } => Place::Shared { vector, start: start + by },
        }
    }
}

impl<F: Real> Node<F> {
    /// Where the adjoint lies, if the node depends on a parameter.
    #[inline]
    pub(crate) fn adjoint_range(&self) -> Option<Range<usize>> {
        let start = self.adjoint?;
        Some(start..start + self.shape.size())
    }
}

impl<F: Real> Nodes<F> {
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.edges.clear();
        self.shared.clear();
        (self.used, self.adjoint_size) = (0, 0);
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

    /// Adds a constant or a parameter.
    #[inline]
    pub(crate) fn push_leaf(&mut self, kind: Kind<F>, shape: Shape, value: Place) -> u32 {
        let adjoint = matches!(kind, Kind::Parameter).then(|| self.reserve_adjoint(shape.size()));
        self.push(Node { kind, shape, inputs: 0..0, value, aux: 0, adjoint })
    }

    /// Takes room for `len` adjoints.
    #[inline]
    pub(crate) fn reserve_adjoint(&mut self, len: usize) -> usize {
        self.adjoint_size += len;
        self.adjoint_size - len
    }

    #[inline]
    pub(crate) fn push(&mut self, node: Node<F>) -> u32 {
        self.list.push(node);
        (self.list.len() - 1) as u32
    }

    #[inline]
    pub(crate) fn value(&self, node: &Node<F>) -> &[F] {
        node.value.slice(&self.values, &self.shared, node.shape.size())
    }

    #[inline]
    pub(crate) fn inputs(&self, node: &Node<F>) -> Inputs<'_, F> {
        let edges = &self.edges[node.inputs.clone()];
        let (values, shared) = (&self.values, &self.shared);
        Inputs { nodes: &self.list, edges, values, shared, scratch: &self.scratch }
    }

    /// What an operation wrote: y and aux.
    #[inline]
    pub(crate) fn output(&self, node: &Node<F>) -> (&[F], &[F]) {
        let Place::Tape(start) = node.value else { unreachable!("an operation's value lies on the tape") };
        let size = node.shape.size();
        self.values[start..start + size + node.aux].split_at(size)
    }
}
