//! A layer of neurons.

use crate::gradcheck::{Case, Sample};
use crate::ops::{Elu, Identity, LeakyRelu, Relu, Sigmoid, Softplus, Tanh};
use crate::{Activation, Grads, Inputs, Mat, MatMut, Op, Real, Shape, Var};

/// A layer of neurons with activation φ, for a batch of inputs (lecture 000, "About neural networks"):
///
/// Y = φ(X W + b),   X (batch, in), W (in, out), b (out)
///
/// With Ā = Ȳ ⊙ φ'(A), φ' taken from Y:   X̄ += Ā Wᵀ,   W̄ += Xᵀ Ā,   b̄ += Σ_rows Ā
#[derive(Clone, Copy, Debug)]
pub struct Dense<A>(pub A);

impl<F: Real, A: Activation<F>> Op<F> for Dense<A> {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x, w, b] = x else { return Err("takes input, weights and biases".into()) };
        if x.rank() != 2 || w.rank() != 2 || b.rank() != 1 {
            return Err("input and weights must be matrices, the biases a vector".into());
        }
        if x[1] != w[0] {
            return Err(format!("inner sizes {} and {} differ", x[1], w[0]));
        }
        if w[1] != b[0] {
            return Err(format!("{} columns of weights and {} biases", w[1], b[0]));
        }
        Ok([x[0], w[1]].into())
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let (input, w) = (x.matrix(0), x.matrix(1));
        F::gemm(F::ONE, input, w, F::ZERO, MatMut::new(y, input.rows(), w.cols()));
        activate(&self.0, &x[2], y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let (input, w) = (x.matrix(0), x.matrix(1));
        let mut buffer = grads.take_buffer(y.len());
        let da = &mut buffer[..y.len()];
        slope(&self.0, y, dy, da);
        if let Some(db) = grads.get(2) {
            column_sums(da, db.sum());
        }
        let da = Mat::new(da, input.rows(), w.cols());
        if let Some(dw) = grads.get(1) {
            dw.add_product(F::ONE, input.t(), da);
        }
        if let Some(dx) = grads.get(0) {
            dx.add_product(F::ONE, da, w.t());
        }
        grads.put_buffer(buffer);
    }

    /// 2 · batch · in · out, and batch · out for the biases' adjoint
    fn flops(&self, x: &[Shape], to: Option<usize>) -> f64 {
        (x[0][0] * x[2].size() * if to == Some(2) { 1 } else { 2 * x[0][1] }) as f64
    }

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
    /// Ā ← Ȳ ⊙ φ'(A)
    fn slope<F: Real, A: Activation<F>>(phi: &A, y: &[F], dy: &[F], da: &mut [F]) {
        for ((da, &y), &dy) in da.iter_mut().zip(y).zip(dy) {
            *da = phi.slope(y) * dy;
        }
    }
}

kernel! {
    /// sums += Σ_rows Ā
    fn column_sums<F: Real>(da: &[F], sums: &mut [F]) {
        for row in da.chunks_exact(sums.len().max(1)) {
            for (sum, &da) in sums.iter_mut().zip(row) {
                *sum += da;
            }
        }
    }
}

/// The activation of a layer, chosen at run time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Nonlinearity {
    /// φ(a) = a
    #[default]
    Identity,
    /// [`Relu`]
    Relu,
    /// [`LeakyRelu`] with this slope below 0
    LeakyRelu(f64),
    /// [`Elu`]
    Elu,
    /// [`Tanh`]
    Tanh,
    /// [`Sigmoid`]
    Sigmoid,
    /// [`Softplus`]
    Softplus,
}

impl<F: Real> Var<'_, F> {
    /// A layer of neurons, φ(X W + b), as one operation: see [`Dense`].
    ///
    /// # Panics
    /// If `self` (batch, in), `w` (in, out) and `b` (out) do not fit.
    #[track_caller]
    pub fn dense(self, w: Self, b: Self, phi: Nonlinearity) -> Self {
        let (tape, x) = (self.tape(), &[self, w, b]);
        match phi {
            Nonlinearity::Identity => tape.apply(Dense(Identity), x),
            Nonlinearity::Relu => tape.apply(Dense(Relu), x),
            Nonlinearity::LeakyRelu(c) => {
                assert!(c >= 0.0, "dense: leaky_relu: c >= 0 is needed");
                tape.apply(Dense(LeakyRelu(F::from_f64(c))), x)
            }
            Nonlinearity::Elu => tape.apply(Dense(Elu), x),
            Nonlinearity::Tanh => tape.apply(Dense(Tanh), x),
            Nonlinearity::Sigmoid => tape.apply(Dense(Sigmoid), x),
            Nonlinearity::Softplus => tape.apply(Dense(Softplus), x),
        }
    }
}
