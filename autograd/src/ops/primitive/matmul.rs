//! Products of matrices.

use std::fmt::Debug;

use crate::check::{Case, Checked, Sample};
use crate::numerics::{Mat, MatMut};
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

/// Which factor of a product is transposed.
pub trait Factors: Copy + Debug + Send + 'static {
    /// The operation's name.
    const NAME: &'static str;
    /// Whether the left factor is Aᵀ.
    const LEFT_TRANSPOSED: bool;
    /// Whether the right factor is Bᵀ.
    const RIGHT_TRANSPOSED: bool;
}

/// One line a product: its type, its name, and whether the left and the right factor are transposed.
///
/// The line `AtB "t_matmul" true false;` with its doc comment becomes
///
/// ```text
/// pub struct AtB;
///
/// impl Factors for AtB {
///     const NAME: &'static str = "t_matmul";
///     const LEFT_TRANSPOSED: bool = true;
///     const RIGHT_TRANSPOSED: bool = false;
/// }
/// ```
macro_rules! factors {
    ($($(#[$meta:meta])* $name:ident $method:literal $left:literal $right:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Factors for $name {
            const NAME: &'static str = $method;
            const LEFT_TRANSPOSED: bool = $left;
            const RIGHT_TRANSPOSED: bool = $right;
        }
    )*};
}

factors! {
    /// A B
    AB "matmul" false false;
    /// A Bᵀ
    ABt "matmul_t" false true;
    /// Aᵀ B
    AtB "t_matmul" true false;
}

/// The product of two matrices, C = op(A) op(B), where op(A) is A or Aᵀ and op(B) is B or Bᵀ. Of two stacks of equally many
/// matrices, the products one by one.
///
/// With G = C̄ op(B)ᵀ and H = op(A)ᵀ C̄:   Ā += G where op(A) = A, Gᵀ where op(A) = Aᵀ;   B̄ += H where op(B) = B, Hᵀ where
/// op(B) = Bᵀ
#[derive(Clone, Copy, Debug)]
pub struct MatMul<P>(pub P);

impl<P: Factors> MatMul<P> {
    /// The factors op(A) and op(B) of the i-th product.
    #[inline]
    fn factors<'a, F: Real>(x: &Inputs<'a, F>, i: usize) -> (Mat<'a, F>, Mat<'a, F>) {
        let ((_, m, k), (_, l, n)) = (sizes(x.shape(0)), sizes(x.shape(1)));
        let (a, b) = (&x.get(0)[i * m * k..], &x.get(1)[i * l * n..]);
        (Mat::new(a, m, k).t_if(P::LEFT_TRANSPOSED), Mat::new(b, l, n).t_if(P::RIGHT_TRANSPOSED))
    }
}

/// How many matrices there are in a stack, and their rows and columns.
#[inline]
fn sizes(shape: Shape) -> (usize, usize, usize) {
    let &[ref count @ .., rows, cols] = shape.dims() else { unreachable!("a matrix has two axes") };
    (count.iter().product(), rows, cols)
}

impl<F: Real, P: Factors> Op<F> for MatMul<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [a, b] = x else { return Err(format!("expected two inputs, found {}", x.len())) };
        if a.rank() != b.rank() || !(2..=3).contains(&a.rank()) {
            return Err(format!(
                "expected two matrices or two stacks of them, found ranks {} and {}",
                a.rank(),
                b.rank()
            ));
        }
        let ((count, m, k), (others, l, n)) = (sizes(*a), sizes(*b));
        if count != others {
            return Err(format!("expected as many matrices in both stacks, found {count} and {others}"));
        }
        let (rows, inner) = if P::LEFT_TRANSPOSED { (k, m) } else { (m, k) };
        let (other, cols) = if P::RIGHT_TRANSPOSED { (n, l) } else { (l, n) };
        if inner != other {
            return Err(format!("expected equal inner sizes, found {inner} and {other}"));
        }
        Ok(a.with_axis(a.rank() - 2, rows).with_last(cols))
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        for i in 0..sizes(x.shape(0)).0 {
            let (a, b) = Self::factors(x, i);
            let (rows, cols) = (a.rows(), b.cols());
            F::gemm(F::ONE, a, b, F::ZERO, MatMut::new(&mut y[i * rows * cols..], rows, cols));
        }
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let count = sizes(x.shape(0)).0;
        let factors = |i: usize| {
            let (a, b) = Self::factors(x, i);
            let (rows, cols) = (a.rows(), b.cols());
            (a, b, Mat::new(&dy[i * rows * cols..], rows, cols))
        };
        dx.add_products(0, count, F::ONE, |i| {
            let (_, b, dc) = factors(i);
            if P::LEFT_TRANSPOSED { (b, dc.t()) } else { (dc, b.t()) }
        });
        dx.add_products(1, count, F::ONE, |i| {
            let (a, _, dc) = factors(i);
            if P::RIGHT_TRANSPOSED { (dc.t(), a) } else { (a.t(), dc) }
        });
    }
}

impl<F: Real> Checked<F> for MatMul<AB> {
    fn cases() -> Vec<Case<Self>> {
        cases(AB)
    }
}

impl<F: Real> Checked<F> for MatMul<ABt> {
    fn cases() -> Vec<Case<Self>> {
        cases(ABt)
    }
}

impl<F: Real> Checked<F> for MatMul<AtB> {
    fn cases() -> Vec<Case<Self>> {
        cases(AtB)
    }
}

fn cases<P: Factors>(factors: P) -> Vec<Case<MatMul<P>>> {
    // Every size 1 has a kernel of its own.
    let sizes = [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 5), (1, 4, 1), (3, 1, 1), (1, 1, 1)];
    let case = |(m, k, n)| {
        let a = if P::LEFT_TRANSPOSED { [k, m] } else { [m, k] };
        let b = if P::RIGHT_TRANSPOSED { [n, k] } else { [k, n] };
        Case::new(MatMul(factors), [Sample::any(a), Sample::any(b)])
    };
    let stacked = |stack| {
        let a = if P::LEFT_TRANSPOSED { [stack, 4, 2] } else { [stack, 2, 4] };
        let b = if P::RIGHT_TRANSPOSED { [stack, 3, 4] } else { [stack, 4, 3] };
        Case::new(MatMul(factors), [Sample::any(a), Sample::any(b)])
    };
    sizes.into_iter().map(case).chain([1, 3].map(stacked)).collect()
}

impl<F: Real> Var<'_, F> {
    /// The product A B of an (m, k) and a (k, n) matrix; or the products of two stacks of them, one by one.
    ///
    /// # Panics
    /// If the operands are neither matrices nor stacks of equally many, or the inner sizes differ.
    #[track_caller]
    pub fn matmul(self, other: Self) -> Self {
        self.tape().apply(MatMul(AB), &[self, other])
    }

    /// The product A Bᵀ of an (m, k) and an (n, k) matrix, or of stacks; nothing is copied.
    ///
    /// # Panics
    /// If the operands are neither matrices nor stacks of equally many, or the inner sizes differ.
    #[track_caller]
    pub fn matmul_t(self, other: Self) -> Self {
        self.tape().apply(MatMul(ABt), &[self, other])
    }

    /// The product Aᵀ B of a (k, m) and a (k, n) matrix, or of stacks; nothing is copied.
    ///
    /// # Panics
    /// If the operands are neither matrices nor stacks of equally many, or the inner sizes differ.
    #[track_caller]
    pub fn t_matmul(self, other: Self) -> Self {
        self.tape().apply(MatMul(AtB), &[self, other])
    }
}
