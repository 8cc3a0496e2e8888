//! A layer of neurons as one operation.

use super::layer::{self, Layer, slope};
use crate::check::{Case, Checked, Example, Sample};
use crate::numerics::{Mat, MatMut, add_matrix};
use crate::ops::{Activation, Nonlinearity};
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

/// A layer of neurons with activation φ, for a batch of inputs (lecture 000, "About neural networks"):
///
/// Y = φ(X W + b),   X (batch, in), W (in, out), b (out)
///
/// It is the composition of `matmul`, `add` and φ.
///
/// With Ā = Ȳ ⊙ φ'(A), φ' taken from Y:   X̄ += Ā Wᵀ,   W̄ += Xᵀ Ā,   b̄ += Σ_rows Ā
#[derive(Clone, Copy, Debug)]
pub struct Dense<A>(pub A);

impl<F: Real, A: Activation<F>> Op<F> for Dense<A> {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x, w, b] = x else {
            return Err(format!("expected input, weights and biases, found {} inputs", x.len()));
        };
        if x.rank() != 2 || w.rank() != 2 || b.rank() != 1 {
            return Err("expected input and weights to be matrices, the biases a vector".into());
        }
        if x[1] != w[0] {
            return Err(format!("expected equal inner sizes, found {} and {}", x[1], w[0]));
        }
        if w[1] != b[0] {
            return Err(format!("expected a bias for each of {} columns of weights, found {}", w[1], b[0]));
        }
        Ok([x[0], w[1]].into())
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("φ", A::NAME.to_owned())]
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let (input, w) = (x.matrix(0), x.matrix(1));
        F::gemm(F::ONE, input, w, F::ZERO, MatMut::new(y, input.rows(), w.cols()));
        activate(&self.0, &x[2], y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let (input, w) = (x.matrix(0), x.matrix(1));
        x.with_scratch(y.len(), |da| {
            slope(&self.0, y, dy, da);
            if let Some(db) = dx.get(2) {
                column_sums(da, db);
            }
            let da = Mat::new(da, input.rows(), w.cols());
            dx.add_product(1, F::ONE, input.t(), da);
            dx.add_product(0, F::ONE, da, w.t());
        });
    }
}

impl<F: Real, A: Activation<F> + Example> Checked<F> for Dense<A> {
    fn cases() -> Vec<Case<Self>> {
        let case = |(batch, inputs, outputs)| {
            let shapes =
                [Sample::any([batch, inputs]), Sample::any([inputs, outputs]), Sample::any([outputs])];
            Case::new(Dense(A::example()), shapes)
        };
        [(3, 4, 5), (1, 4, 5), (3, 4, 1), (3, 1, 5), (1, 1, 1)].into_iter().map(case).collect()
    }
}

kernel! {
    /// Y ← φ(Y + b)
    fn activate<F: Real, A: Activation<F>>(phi: &A, b: &[F], y: &mut [F]) {
        for row in y.chunks_exact_mut(b.len().max(1)) {
            for (y, &b) in row.iter_mut().zip(b) {
                *y = phi.f(*y + b);
            }
        }
    }
}

kernel! {
    /// sums += Σ_rows Ā
    fn column_sums<F: Real>(da: &[F], sums: &mut [F]) {
        add_matrix(da, sums);
    }
}

/// A layer whose activation is yet to be chosen.
struct DenseLayer;

impl Layer for DenseLayer {
    type With<A> = Dense<A>;

    fn with<A>(self, phi: A) -> Dense<A> {
        Dense(phi)
    }
}

impl<F: Real> Var<'_, F> {
    /// A layer of neurons, φ(X W + b), as one operation: see [`Dense`].
    ///
    /// # Panics
    /// If X = `self` (batch, in), `w` (in, out) and `b` (out) do not fit, or φ is a leaky ReLU with a negative slope.
    #[track_caller]
    pub fn dense(self, w: Self, b: Self, phi: Nonlinearity) -> Self {
        layer::record(DenseLayer, phi, &[self, w, b])
    }
}
