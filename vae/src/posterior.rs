//! The posterior q(z|x), a normal distribution.

use autograd::{Real, Shape, Var};
use nn::model::density::DiagNormal;
use serde::{Deserialize, Serialize};

use crate::bounds::prior;

/// log σ of every normal distribution that a network computes is bounded smoothly to ±8: σ is between 3e-4 and 3000, so that 1/σ is
/// computed as it stands, without the care that smaller σ would need.
pub(crate) const LOG_SIGMA_BOUND: f64 = 8.0;

/// The covariance of q(z|x). The parameters λ of a posterior are a row of numbers: the encoder computes it, or each datum has
/// its own ([`LocalPosteriors`](crate::LocalPosteriors)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covariance {
    /// N(μ, diag σ²): rows (μ, log σ) (lecture 001, "Factorized Gaussian Posterior").
    #[default]
    Diagonal,
    /// N(μ, A Aᵀ) with the Cholesky factor A, whose diagonal is σ: rows (μ, log σ, the entries Aᵢⱼ below the diagonal row after
    /// row) (lecture 001, "Full Gaussian posterior").
    Full,
}

impl Covariance {
    /// The number of parameters λ of a posterior over z of `latent` dimensions.
    pub fn parameters(self, latent: usize) -> usize {
        match self {
            Self::Diagonal => 2 * latent,
            Self::Full => 2 * latent + latent * latent.saturating_sub(1) / 2,
        }
    }

    /// q(z|x) for rows λ (…, parameters) as a network computes them: log σ is bounded smoothly to ±8.
    ///
    /// # Panics
    /// If the rows have another length.
    #[track_caller]
    #[inline(never)]
    pub fn at<'t, F: Real>(self, latent: usize, lambda: Var<'t, F>) -> Posterior<'t, F> {
        let (shape, count) = (lambda.shape(), self.parameters(latent));
        assert!(shape.last() == count, "Covariance: expected rows of {count} parameters, found {shape}");
        let bound =
            |packed: Var<'t, F>| DiagNormal { packed: packed.bound_log_sigma(F::from_f64(LOG_SIGMA_BOUND)) };
        if count == 2 * latent {
            return Posterior { diagonal: bound(lambda), lower: None };
        }
        let below = count - 2 * latent;
        // A product with zeros and ones puts each number to its place in the matrix.
        let places = lambda.tape().constant_with([below, latent * latent], |out| {
            out.fill(F::ZERO);
            let cells = (0..latent).flat_map(|i| (0..i).map(move |j| i * latent + j));
            out.chunks_exact_mut(latent * latent).zip(cells).for_each(|(row, cell)| row[cell] = F::ONE);
        });
        let rows = lambda.columns(2 * latent..count).reshape([shape.size() / count, below]);
        let lower = rows.matmul(places).reshape(matrices(shape, latent));
        Posterior { diagonal: bound(lambda.columns(0..2 * latent)), lower: Some(lower) }
    }
}

/// (…, n) to (…, latent, latent)
#[track_caller]
fn matrices(rows: Shape, latent: usize) -> Shape {
    let leading = &rows.dims()[..rows.rank().saturating_sub(1)];
    Shape::new(&[leading, &[latent, latent]].concat())
}

/// q(z|x) for every datum: z = μ + A ε with ε ~ N(0, I), so that q is N(μ, A Aᵀ).
///
/// A is the Cholesky factor of the covariance: lower triangular, with σ on its diagonal. L is the dimension of z, here and
/// everywhere in the crate.
#[derive(Clone, Copy, Debug)]
pub struct Posterior<'t, F: Real> {
    /// N(μ, diag σ²), rows (…, 2L).
    pub diagonal: DiagNormal<'t, F>,
    /// The part of A below its diagonal, (…, L, L) with zeros elsewhere; none with [`Covariance::Diagonal`].
    pub lower: Option<Var<'t, F>>,
}

impl<'t, F: Real> Posterior<'t, F> {
    /// E_q(z) = μ, (…, L).
    pub fn mean(self) -> Var<'t, F> {
        self.diagonal.mu()
    }

    /// The density of each zᵢ by itself, N(μᵢ, σᵢ² + Σⱼ Aᵢⱼ²) with j < i.
    #[track_caller]
    #[inline(never)]
    pub fn marginals(self) -> DiagNormal<'t, F> {
        let Some(lower) = self.lower else { return self.diagonal };
        let last = lower.shape().rank() - 1;
        let two = F::from_f64(2.0);
        let variance = (self.diagonal.log_sigma() * two).exp() + lower.square().sum_axis(last);
        DiagNormal { packed: Var::concatenate(&[self.mean(), variance.ln() / two], last - 1) }
    }

    /// z = μ + A ε for standard normal noise ε (…, L). Further leading axes of ε are several samples of each row.
    #[track_caller]
    #[inline(never)]
    pub fn sample_with(self, eps: Var<'t, F>) -> Var<'t, F> {
        let z = self.diagonal.sample_with(eps);
        match self.lower {
            Some(lower) => z + times(lower, eps),
            None => z,
        }
    }

    /// log q(z|x) at z = μ + A ε, by the Jacobian of that map: Σᵢ log N(εᵢ; 0, 1) − log σᵢ, ε (…, L) to (…).
    #[track_caller]
    pub fn log_prob_of_noise(self, eps: Var<'t, F>) -> Var<'t, F> {
        let log_sigma = self.diagonal.log_sigma();
        prior(eps.tape()).log_prob(eps) - log_sigma.sum_axis(log_sigma.shape().rank() - 1)
    }

    /// The same density, whose parameters are constants: no gradient reaches what computed them.
    pub(crate) fn stop_gradient(self) -> Self {
        let packed = self.diagonal.packed.stop_gradient();
        Self { diagonal: DiagNormal { packed }, lower: self.lower.map(Var::stop_gradient) }
    }

    /// log q(z|x) at any z, (…, L) to (…).
    #[track_caller]
    #[inline(never)]
    pub fn log_prob(self, z: Var<'t, F>) -> Var<'t, F> {
        match self.lower {
            Some(_) => self.log_prob_of_noise(self.noise_of(z)),
            None => self.diagonal.log_prob(z),
        }
    }

    /// ε = A⁻¹ (z − μ), the noise of which z is made, (…, L).
    #[track_caller]
    #[inline(never)]
    pub fn noise_of(self, z: Var<'t, F>) -> Var<'t, F> {
        let (difference, scale) = (z - self.mean(), self.diagonal.log_sigma().neg().exp());
        let Some(lower) = self.lower else { return difference * scale };
        let latent = self.diagonal.dim();
        // By forward substitution: each εᵢ needs those before it.
        let mut eps: Vec<Var<'t, F>> = Vec::with_capacity(latent);
        for i in 0..latent {
            let mut rest = difference.columns(i..i + 1);
            for (j, &known) in eps.iter().enumerate() {
                rest = rest - entry(lower, i, j) * known;
            }
            eps.push(rest * scale.columns(i..i + 1));
        }
        Var::concatenate(&eps, difference.shape().rank() - 1)
    }

    /// KL(q ‖ N(0, I)) = Σᵢ ½ (μᵢ² + σᵢ² + Σⱼ Aᵢⱼ² − 1) − log σᵢ with j < i, (…).
    #[track_caller]
    #[inline(never)]
    pub fn kl_to_standard(self) -> Var<'t, F> {
        let diagonal = self.diagonal.kl_to_standard();
        let Some(lower) = self.lower else { return diagonal };
        let rank = lower.shape().rank();
        diagonal + lower.square().sum_axis(rank - 1).sum_axis(rank - 2) * F::from_f64(0.5)
    }
}

/// The product of matrices (…, L, L) and vectors (…, L); either may have fewer leading axes.
#[track_caller]
fn times<'t, F: Real>(lower: Var<'t, F>, eps: Var<'t, F>) -> Var<'t, F> {
    let shape = eps.shape();
    let leading = &shape.dims()[..shape.rank() - 1];
    let product = lower * eps.reshape(Shape::new(&[leading, &[1, shape.last()]].concat()));
    product.sum_axis(product.shape().rank() - 1)
}

/// The entry (i, j) of every matrix in a stack, (…, L, L) to (…, 1).
#[track_caller]
fn entry<F: Real>(stack: Var<'_, F>, i: usize, j: usize) -> Var<'_, F> {
    let shape = stack.shape();
    let (latent, leading) = (shape.last(), &shape.dims()[..shape.rank() - 2]);
    let rows = stack.reshape(Shape::new(&[leading, &[latent * latent]].concat()));
    rows.columns(i * latent + j..i * latent + j + 1)
}
