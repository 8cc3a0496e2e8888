//! Gaussian models with linear factors: probabilistic PCA and factor analysis.

use autograd::numerics::HALF_LN_2PI;
use autograd::ops::TriangularSystem::{LX, LtX, XL, XLt};
use autograd::{Tape, Var};
use nn::data::Matrix;

use super::{LinearError, Pca};

/// ln 2π
pub(super) const LN_2PI: f64 = 2.0 * HALF_LN_2PI;

/// A linear model with Gaussian factors (lecture 001, "Factor analysis generalizes Oja and is closer to a VAE"):
///
/// x = W z + μ + ε,   z ~ N(0, I),   ε ~ N(0, Ψ),   Ψ diagonal
///
/// The marginal distribution is x ~ N(μ, C) with C = W W′ + Ψ. A VAE with a linear decoder is this model, and its bound cannot
/// be above this log-likelihood. C is never formed: with M = I + W′Ψ⁻¹W, (L, L),
///
/// C⁻¹ = Ψ⁻¹ − Ψ⁻¹ W M⁻¹ W′Ψ⁻¹,   ln |C| = ln |Ψ| + ln |M|,   z | x ~ N(M⁻¹ W′Ψ⁻¹ (x − μ), M⁻¹)
#[derive(Clone, Debug, PartialEq)]
pub struct FactorModel {
    /// μ (D)
    pub mean: Vec<f64>,
    /// W′ (L, D): a row for each factor.
    pub loadings: Matrix<f64>,
    /// The diagonal of Ψ (D), the variances of the noise.
    pub noise: Vec<f64>,
}

/// p(z|x) for rows of data.
#[derive(Clone, Debug, PartialEq)]
pub struct FactorPosterior {
    /// The mean for each row, (N, L).
    pub means: Matrix<f64>,
    /// The covariance, which is the same for all rows, (L, L).
    pub covariance: Matrix<f64>,
}

impl FactorModel {
    /// Probabilistic PCA, Ψ = σ² I: the maximum of the likelihood of the rows of x (N, D) with L = `factors`, in closed
    /// form (Tipping & Bishop 1999, equations 7 and 8). With the eigenvalues λ and eigenvectors P of the covariance,
    ///
    /// σ² = (λ_{L+1} + … + λ_D) / (D − L),   W = P (Λ − σ² I)^½
    ///
    /// # Errors
    /// Those of [`Pca::fit`], and [`LinearError::NoNoise`] if the other directions have no variance.
    pub fn probabilistic_pca(x: &Matrix<f64>, factors: usize) -> Result<Self, LinearError> {
        Self::of_components(&Pca::fit(x, factors)?, factors)
    }

    /// Probabilistic PCA with L = `factors`, as [`probabilistic_pca`](Self::probabilistic_pca) would fit it, from principal
    /// components of the same rows, of which it takes the first L: one fit of [`Pca`] serves models of several sizes.
    ///
    /// # Errors
    /// [`LinearError::Components`] if there are not so many components, and [`LinearError::NoNoise`] if the other directions
    /// have no variance.
    pub fn of_components(pca: &Pca, factors: usize) -> Result<Self, LinearError> {
        let (d, m) = (pca.mean.len(), pca.variances.len());
        if factors == 0 || factors > m {
            return Err(LinearError::Components { components: factors, dimensions: m });
        }
        let lambda = &pca.variances[..factors];
        let rest = pca.total_variance - lambda.iter().sum::<f64>();
        if factors == d || rest <= 1e-12 * pca.total_variance {
            return Err(LinearError::NoNoise { components: factors });
        }
        let sigma2 = rest / (d - factors) as f64;
        let scaled = pca.components.values.chunks_exact(d).zip(lambda).flat_map(|(p, lambda)| {
            let scale = (lambda - sigma2).max(0.0).sqrt();
            p.iter().map(move |p| scale * p)
        });
        let loadings = Matrix::new(factors, d, scaled.collect());
        Ok(Self { mean: pca.mean.clone(), loadings, noise: vec![sigma2; d] })
    }

    /// log p(x) of every row of x (N, D), in nats: N numbers.
    ///
    /// # Errors
    /// [`LinearError::NotPositiveDefinite`] if a variance of the noise is not positive.
    ///
    /// # Panics
    /// If the rows are not D long.
    #[track_caller]
    pub fn log_prob(&self, x: &Matrix<f64>) -> Result<Vec<f64>, LinearError> {
        let tape = Tape::new();
        let Terms { scaled, l, log_det } = self.terms(&tape)?;
        let centred = self.centred(&tape, x);
        let psi = tape.constant(&self.noise, [self.mean.len()]);
        let explained = l.solve_triangular(centred.matmul_t(scaled), XLt).square().sum_axis(1);
        let distance = (centred.square() / psi).sum_axis(1) - explained;
        Ok(((distance + (self.mean.len() as f64 * LN_2PI + log_det)) * -0.5).to_vec())
    }

    /// log p(x) in nats, averaged over the rows of x (N, D).
    ///
    /// # Errors
    /// As [`log_prob`](Self::log_prob).
    ///
    /// # Panics
    /// If the rows are not D long.
    #[track_caller]
    pub fn log_likelihood(&self, x: &Matrix<f64>) -> Result<f64, LinearError> {
        Ok(self.log_prob(x)?.iter().sum::<f64>() / x.rows as f64)
    }

    /// p(z|x) for every row of x (N, D).
    ///
    /// # Errors
    /// As [`log_prob`](Self::log_prob).
    ///
    /// # Panics
    /// If the rows are not D long.
    #[track_caller]
    pub fn posterior(&self, x: &Matrix<f64>) -> Result<FactorPosterior, LinearError> {
        let (tape, factors) = (Tape::new(), self.loadings.rows);
        let Terms { scaled, l, .. } = self.terms(&tape)?;
        let centred = self.centred(&tape, x);
        let means = l.solve_triangular(l.solve_triangular(centred.matmul_t(scaled), XLt), XL);
        let identity = tape.constant(&vec![1.0; factors], [factors]).diagonal_matrix();
        let covariance = l.solve_triangular(l.solve_triangular(identity, LX), LtX);
        Ok(FactorPosterior {
            means: Matrix::new(x.rows, factors, means.to_vec()),
            covariance: Matrix::new(factors, factors, covariance.to_vec()),
        })
    }

    /// The rows of x (N, D), in which numbers that are missing (NaN) are replaced by their expectation in closed form,
    ///
    /// E[x_missing | x_observed] = μ + W E[z | x_observed]
    ///
    /// The observed variables follow the factor model that has their entries of μ, W and Ψ.
    ///
    /// # Errors
    /// As [`log_prob`](Self::log_prob).
    ///
    /// # Panics
    /// If the rows are not D long.
    #[track_caller]
    pub fn impute(&self, x: &Matrix<f64>) -> Result<Matrix<f64>, LinearError> {
        let (factors, d) = (self.loadings.rows, self.mean.len());
        assert!(x.cols == d, "FactorModel: expected rows of {d} numbers, found [{}, {}]", x.rows, x.cols);
        let mut filled = Vec::with_capacity(x.values.len());
        for row in x.values.chunks_exact(d) {
            let seen: Vec<usize> = (0..d).filter(|&j| !row[j].is_nan()).collect();
            let of_seen = |numbers: &[f64]| seen.iter().map(|&j| numbers[j]).collect::<Vec<_>>();
            let z = if seen.is_empty() {
                Matrix::new(1, factors, vec![0.0; factors])
            } else {
                let (mean, noise) = (of_seen(&self.mean), of_seen(&self.noise));
                let marginal = Self { mean, loadings: self.loadings.columns(&seen), noise };
                marginal.posterior(&Matrix::new(1, seen.len(), of_seen(row)))?.means
            };
            let expected = self.decode_rows(&z);
            filled
                .extend(row.iter().zip(expected.row(0)).map(|(&x, &mean)| if x.is_nan() { mean } else { x }));
        }
        Ok(Matrix::new(x.rows, d, filled))
    }

    /// E[x|z] = W z + μ for every row, (N, L) to (N, D).
    ///
    /// # Panics
    /// If the rows are not L long.
    #[track_caller]
    pub fn decode_rows(&self, z: &Matrix<f64>) -> Matrix<f64> {
        let (factors, d) = (self.loadings.rows, self.mean.len());
        assert!(
            z.cols == factors,
            "FactorModel: expected rows of {factors} numbers, found [{}, {}]",
            z.rows,
            z.cols
        );
        let tape = Tape::new();
        let w = tape.shared_constant(&self.loadings.values, [factors, d]);
        let x = tape.shared_constant(&z.values, [z.rows, factors]).matmul(w) + tape.constant(&self.mean, [d]);
        Matrix::new(z.rows, d, x.to_vec())
    }

    #[track_caller]
    fn centred<'t>(&self, tape: &'t Tape<f64>, x: &Matrix<f64>) -> Var<'t, f64> {
        let d = self.mean.len();
        assert!(x.cols == d, "FactorModel: expected rows of {d} numbers, found [{}, {}]", x.rows, x.cols);
        tape.shared_constant(&x.values, [x.rows, d]) - tape.constant(&self.mean, [d])
    }

    pub(super) fn terms<'t>(&self, tape: &'t Tape<f64>) -> Result<Terms<'t>, LinearError> {
        let (factors, d) = (self.loadings.rows, self.mean.len());
        let w = tape.shared_constant(&self.loadings.values, [factors, d]);
        let scaled = w / tape.constant(&self.noise, [d]);
        let identity = tape.constant(&vec![1.0; factors], [factors]).diagonal_matrix();
        let l = (scaled.matmul_t(w) + identity).cholesky()?;
        let log_det = self.noise.iter().map(|psi| psi.ln()).sum::<f64>() + l.log_det_from_factor().item();
        Ok(Terms { scaled, l, log_det })
    }
}

/// What likelihood and posterior have in common.
#[derive(Clone, Copy)]
pub(super) struct Terms<'t> {
    /// W′Ψ⁻¹, (L, D)
    pub(super) scaled: Var<'t, f64>,
    /// The Cholesky factor of M, (L, L)
    pub(super) l: Var<'t, f64>,
    /// ln |C|
    pub(super) log_det: f64,
}
