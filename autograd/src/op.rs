//! What an operation is: a shape rule, a value, and the rule that sends adjoints back.

use std::ops::Index;
use std::sync::Arc;

use crate::adjoints::Ranges;
use crate::gradcheck::Case;
use crate::list::Node;
use crate::{Mat, MatMut, Real, Shape};

/// An operation y = f(x₀, x₁, …), declared once: name, shape rule, value, adjoint, and the cases on which the adjoint is
/// checked.
///
/// The crate's own operations are of this trait and nothing else; implement it to record one of your own with
/// [`Tape::record`](crate::Tape::record). Operations without attributes take no memory when they are boxed.
pub trait Op<F: Real>: Send + 'static {
    /// The name in drawings and messages.
    fn name(&self) -> &'static str;

    /// The shape of y, or why the inputs do not fit (the message is put behind the operation's name and the shapes).
    fn shape(&self, x: &[Shape]) -> Result<Shape, String>;

    /// How many numbers the forward pass keeps for the backward pass, beside y.
    fn aux(&self, x: &[Shape]) -> usize {
        let _ = x;
        0
    }

    /// y ← f(x). Every element of `y` and of `aux` must be written: both come with old contents.
    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], aux: &mut [F]);

    /// Adds to each input's adjoint: x̄ᵢ += (∂y/∂xᵢ)ᵀ ȳ.
    fn backward(&self, x: &Inputs<'_, F>, y: &[F], aux: &[F], dy: &[F], grads: &mut Grads<'_, F>);

    /// How many floating-point operations y takes, or, with `Some(i)`, what is added to the i-th input's adjoint: what
    /// [`Tape::profile`](crate::Tape::profile) reports. One for each element of the largest array, unless an operation
    /// says otherwise.
    fn flops(&self, x: &[Shape], to: Option<usize>) -> f64 {
        let _ = to;
        let result = self.shape(x).map_or(0, |y| y.size());
        x.iter().map(Shape::size).fold(result, usize::max) as f64
    }

    /// Inputs on which [`gradcheck`](crate::gradcheck) compares `backward` with differences of `forward`.
    fn cases() -> Vec<Case<Self>>
    where
        Self: Sized;
}

/// The inputs of an operation: `x[i]` is the i-th one's values.
#[derive(Clone, Copy)]
pub struct Inputs<'a, F> {
    pub(crate) nodes: &'a [Node<F>],
    pub(crate) edges: &'a [u32],
    pub(crate) values: &'a [F],
    pub(crate) shared: &'a [Option<Arc<Vec<F>>>],
}

impl<'a, F: Real> Inputs<'a, F> {
    /// How many inputs there are.
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

    /// The i-th input as a matrix; it must have two axes.
    #[inline]
    pub fn matrix(&self, i: usize) -> Mat<'a, F> {
        Mat::new(self.get(i), self.shape(i)[0], self.shape(i)[1])
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

/// The adjoints of an operation's inputs, to be added to one input at a time (two inputs may be the same).
pub struct Grads<'a, F> {
    pub(crate) x: Inputs<'a, F>,
    pub(crate) adjoints: &'a mut [F],
    pub(crate) written: &'a mut Ranges,
    pub(crate) scratch: &'a mut Vec<F>,
}

impl<F: Real> Grads<'_, F> {
    /// Whether a parameter reaches the i-th input.
    #[inline]
    pub fn wants(&self, i: usize) -> bool {
        self.x.node(i).adjoint.is_some()
    }

    /// The adjoint of the i-th input; `None` if no parameter reaches it.
    #[inline]
    pub fn get(&mut self, i: usize) -> Option<Adjoint<'_, F>> {
        let node = self.x.node(i);
        let start = node.adjoint?;
        let range = start..start + node.shape.size();
        let adjoints = &mut *self.adjoints;
        let fresh = self.written.write(range.clone(), |gap| adjoints[gap].fill(F::ZERO));
        Some(Adjoint { sum: &mut adjoints[range], fresh })
    }

    /// A buffer of `n` numbers with any contents, for intermediate results; hand it to [`put_buffer`](Self::put_buffer)
    /// afterwards and the next backward pass will not allocate it again.
    #[inline]
    pub fn take_buffer(&mut self, n: usize) -> Vec<F> {
        let mut buffer = std::mem::take(self.scratch);
        if buffer.len() < n {
            buffer.resize(n, F::ZERO);
        }
        buffer
    }

    /// Gives a buffer back.
    #[inline]
    pub fn put_buffer(&mut self, buffer: Vec<F>) {
        *self.scratch = buffer;
    }
}

/// The adjoint of one input, to be added to.
///
/// The first addition to an adjoint writes (`fresh`), so that nothing needs to be zeroed beforehand.
#[derive(Debug)]
#[must_use = "an adjoint that was asked for counts as written"]
pub struct Adjoint<'a, F> {
    pub(crate) sum: &'a mut [F],
    pub(crate) fresh: bool,
}

impl<'a, F: Real> Adjoint<'a, F> {
    /// x̄ᵢ += termᵢ for every element.
    ///
    /// # Panics
    /// If there are fewer terms than elements.
    pub fn add(self, terms: impl IntoIterator<Item = F>) {
        let mut terms = terms.into_iter();
        for sum in self.sum {
            let term = terms.next().expect("a term for every element of the adjoint");
            *sum = if self.fresh { term } else { *sum + term };
        }
    }

    /// The i-th of `count` equal parts.
    #[inline]
    pub fn part(&mut self, i: usize, count: usize) -> Adjoint<'_, F> {
        let size = if count == 1 { self.sum.len() } else { self.sum.len() / count };
        Adjoint { sum: &mut self.sum[i * size..][..size], fresh: self.fresh }
    }

    /// X̄ += α A B, X̄ taken as a matrix of the product's size.
    #[inline]
    pub fn add_product(self, alpha: F, a: Mat<'_, F>, b: Mat<'_, F>) {
        let beta = if self.fresh { F::ZERO } else { F::ONE };
        F::gemm(alpha, a, b, beta, MatMut::new(self.sum, a.rows(), b.cols()));
    }

    /// The adjoint itself, for rules that add to some of its elements, or several times to one.
    #[inline]
    pub fn sum(self) -> &'a mut [F] {
        if self.fresh {
            self.sum.fill(F::ZERO);
        }
        self.sum
    }
}
