//! What an operation is: a shape rule, a value, and the rule that sends adjoints back.

use std::cell::RefCell;
use std::ops::Index;
use std::sync::Arc;

use super::adjoints::Sums;
use super::nodes::Node;
use crate::numerics::{Mat, MatMut};
use crate::{Real, Shape};

/// An operation y = f(x₀, x₁, …): its shape rule, its value and its adjoint.
///
/// The operations of this crate implement this trait and use nothing else. Implement it to record an operation of your
/// own with [`Tape::record`](crate::Tape::record), and [`Checked`](crate::check::Checked) to check its adjoint. A type without
/// fields takes no memory on the tape.
pub trait Op<F: Real>: Send + 'static {
    /// The name in drawings and messages.
    fn name(&self) -> &'static str;

    /// The shape of y, or why the inputs do not fit (the message is put behind the operation's name and the shapes).
    fn shape(&self, x: &[Shape]) -> Result<Shape, String>;

    /// What y depends on beside the inputs, by name, to be read in a [`Trace`](crate::look::Trace): nothing, unless an
    /// operation says otherwise.
    fn attributes(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// How many numbers the forward pass keeps for the backward pass, beside y.
    fn aux(&self, x: &[Shape]) -> usize {
        let _ = x;
        0
    }

    /// y ← f(x). Must write every element of `y` and of `aux`: both come with old contents.
    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], aux: &mut [F]);

    /// Adds to each input's adjoint: x̄ᵢ += (∂y/∂xᵢ)ᵀ ȳ, where `dx` gives access to the x̄ᵢ and `dy` is ȳ.
    fn backward(&self, x: &Inputs<'_, F>, y: &[F], aux: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>);
}

/// The inputs of an operation: `x[i]` is the i-th input's values.
#[derive(Clone, Copy)]
pub struct Inputs<'a, F> {
    pub(crate) nodes: &'a [Node<F>],
    pub(crate) edges: &'a [u32],
    pub(crate) values: &'a [F],
    pub(crate) shared: &'a [Arc<Vec<F>>],
    pub(crate) scratch: &'a RefCell<Vec<F>>,
}

impl<'a, F: Real> Inputs<'a, F> {
    /// The number of inputs.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.edges.len()
    }

    /// The i-th input's shape.
    #[inline]
    pub fn shape(&self, i: usize) -> Shape {
        self.node(i).shape
    }

    /// The i-th input's values.
    #[inline]
    pub fn get(&self, i: usize) -> &'a [F] {
        self.node(i).value.slice(self.values, self.shared, self.node(i).shape.size())
    }

    /// The i-th input as a matrix.
    ///
    /// # Panics
    /// If it has not two axes.
    #[track_caller]
    #[inline]
    pub fn matrix(&self, i: usize) -> Mat<'a, F> {
        assert!(self.shape(i).rank() == 2, "matrix: expected two axes, found {}", self.shape(i));
        Mat::new(self.get(i), self.shape(i)[0], self.shape(i)[1])
    }

    /// Calls `f` with a buffer of `n` numbers for intermediate results. It comes with old contents, and its memory is used
    /// again by the next operation that asks. (A second buffer, asked for within `f`, is allocated anew.)
    #[inline]
    pub fn with_scratch<R>(&self, n: usize, f: impl FnOnce(&mut [F]) -> R) -> R {
        let mut buffer = self.scratch.take();
        if buffer.len() < n {
            buffer.resize(n, F::ZERO);
        }
        let result = f(&mut buffer[..n]);
        self.scratch.replace(buffer);
        result
    }

    #[inline]
    fn node(&self, i: usize) -> &'a Node<F> {
        &self.nodes[self.edges[i] as usize]
    }
}

impl<F: Real> Index<usize> for Inputs<'_, F> {
    type Output = [F];

    #[inline]
    fn index(&self, i: usize) -> &[F] {
        self.get(i)
    }
}

/// The adjoints x̄ᵢ of an operation's inputs, to be added to, one input at a time: two inputs may be the same array.
pub struct InputAdjoints<'a, F> {
    pub(crate) x: Inputs<'a, F>,
    pub(crate) sums: Sums<'a, F>,
}

impl<F: Real> InputAdjoints<'_, F> {
    /// The adjoint of the i-th input, to be added to; `None` if the input depends on no parameter.
    #[inline]
    pub fn get(&mut self, i: usize) -> Option<&mut [F]> {
        let range = self.x.node(i).adjoint_range()?;
        Some(self.sums.get(range))
    }

    /// The adjoint of the i-th input, and whether it is fresh: see [`Sums::claim`].
    #[inline]
    pub(crate) fn claim(&mut self, i: usize) -> Option<(&mut [F], bool)> {
        let range = self.x.node(i).adjoint_range()?;
        Some(self.sums.claim(range))
    }

    /// X̄ᵢ += α A B, where the i-th input is a matrix of the product's size; nothing if it depends on no parameter.
    ///
    /// # Panics
    /// If the product has another size.
    #[track_caller]
    #[inline]
    pub fn add_product(&mut self, i: usize, alpha: F, a: Mat<'_, F>, b: Mat<'_, F>) {
        self.add_products(i, 1, alpha, |_| (a, b));
    }

    /// X̄ᵢ += α A B, where the i-th input is a stack of `count` matrices and `factors(k)` are the k-th A and B; nothing if it
    /// depends on no parameter.
    ///
    /// # Panics
    /// If the products together have another size.
    #[track_caller]
    #[inline]
    pub fn add_products<'m>(
        &mut self,
        i: usize,
        count: usize,
        alpha: F,
        factors: impl Fn(usize) -> (Mat<'m, F>, Mat<'m, F>),
    ) {
        // A product can write instead of adding: weights need not be zeroed first.
        let Some((sum, fresh)) = self.claim(i) else { return };
        let beta = if fresh { F::ZERO } else { F::ONE };
        let size = sum.len() / count.max(1);
        assert!(
            size * count == sum.len(),
            "add_products: expected {} numbers of {count} products",
            sum.len()
        );
        for k in 0..count {
            let (a, b) = factors(k);
            let (rows, cols) = (a.rows(), b.cols());
            assert!(rows * cols == size, "add_products: expected {size} numbers, found {rows} x {cols}");
            F::gemm(alpha, a, b, beta, MatMut::new(&mut sum[k * size..][..size], rows, cols));
        }
    }
}
