//! Gaussian models with linear factors: probabilistic PCA and factor analysis.

use autograd::{Tape, Var};
use nn::data::Matrix;

use super::{LinearError, Moments, algebra};

const LN_2PI: f64 = 1.837_877_066_409_345_3;

/// x = W z + μ + ε,   z ~ N(0, I),   ε ~ N(0, Ψ),   Ψ diagonal (lecture 001, "Factor analysis generalizes Oja and is
/// closer to a VAE"), so that x ~ N(μ, C) with C = W W′ + Ψ.
///
/// A VAE with a linear decoder is this model, and no bound of it can be above its log-likelihood. C is never formed: with
/// M = I + W′Ψ⁻¹W (L, L),
///
/// C⁻¹ = Ψ⁻¹ − Ψ⁻¹ W M⁻¹ W′Ψ⁻¹,   ln |C| = ln |Ψ| + ln |M|,   z | x ~ N(M⁻¹ W′Ψ⁻¹ (x − μ), M⁻¹)
#[derive(Clone, Debug, PartialEq)]
pub struct FactorModel {
    /// μ (D)
    pub mean: Vec<f64>,
    /// W′ (L, D): a row for each factor.
    pub loadings: Matrix<f64>,
    /// The diagonal of Ψ (D), the noise's variances.
    pub noise: Vec<f64>,
}

/// When EM ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Em {
    /// After so many rounds,
    pub rounds: usize,
    /// or when one gains less than this, in nats per datum.
    pub tolerance: f64,
}

impl Default for Em {
    /// 10,000 rounds, 1e-10 nats.
    fn default() -> Self {
        Self { rounds: 10_000, tolerance: 1e-10 }
    }
}

/// The noise of a variable is at least this share of its variance: a factor that explains a variable entirely would make
/// the likelihood infinite (a Heywood case).
const LEAST_NOISE: f64 = 1e-6;

impl FactorModel {
    /// Probabilistic PCA, Ψ = σ² I: the maximum of the likelihood of the rows of x (N, D) with L = `factors`, in closed
    /// form (Tipping & Bishop 1999, equations 7 and 8). With the eigenvalues λ and eigenvectors P of the covariance,
    ///
    /// σ² = (λ_{L+1} + … + λ_D) / (D − L),   W = P (Λ − σ² I)^½
    ///
    /// # Errors
    /// As [`Pca::fit`](super::Pca::fit), and [`LinearError::NoNoise`] if the other directions have no variance.
    pub fn probabilistic_pca(x: &Matrix<f64>, factors: usize) -> Result<Self, LinearError> {
        Self::ppca_of(Moments::of(x, factors)?, factors)
    }

    fn ppca_of(moments: Moments, factors: usize) -> Result<Self, LinearError> {
        let (d, total) = (moments.mean.len(), moments.total());
        let (lambda, p) = algebra::leading(&moments.covariance, factors)?;
        let rest = total - lambda.iter().sum::<f64>();
        if factors == d || rest <= 1e-12 * total {
            return Err(LinearError::NoNoise { components: factors });
        }
        let sigma2 = rest / (d - factors) as f64;
        let scaled = p.values.chunks_exact(d).zip(&lambda).flat_map(|(p, lambda)| {
            let scale = (lambda - sigma2).max(0.0).sqrt();
            p.iter().map(move |p| scale * p)
        });
        let loadings = Matrix::new(factors, d, scaled.collect());
        Ok(Self { mean: moments.mean, loadings, noise: vec![sigma2; d] })
    }

    /// Factor analysis: a maximum of the likelihood of the rows of x (N, D) with L = `factors`, by EM (Rubin & Thayer
    /// 1982), and the log-likelihood before every round and at the end, in nats per datum. It never falls. With the
    /// covariance S of the rows and β = M⁻¹ W′Ψ⁻¹,
    ///
    /// E(z z′) = M⁻¹ + β S β′,   W ← S β′ E(z z′)⁻¹,   Ψ ← diag(S − W β S)
    ///
    /// where no noise falls below 1e-6 of its variable's variance. All of it happens in units of the variables' standard
    /// deviations, so that the model does not depend on theirs.
    ///
    /// # Errors
    /// As [`probabilistic_pca`](Self::probabilistic_pca), where EM begins, and [`LinearError::ConstantColumn`];
    /// [`LinearError::Fell`] or [`LinearError::NotPositiveDefinite`] if the data are so badly scaled that rounding prevails.
    pub fn factor_analysis(x: &Matrix<f64>, factors: usize, em: Em) -> Result<(Self, Vec<f64>), LinearError> {
        let moments = Moments::of(x, factors)?;
        let variances: Vec<f64> = moments.variances().collect();
        let constant = variances.iter().zip(&moments.mean).position(|(v, mean)| *v <= 1e-28 * mean * mean);
        if let Some(column) = constant {
            return Err(LinearError::ConstantColumn { column });
        }
        let d = variances.len();
        let sd: Vec<f64> = variances.iter().map(|v| v.sqrt()).collect();
        let cells = moments.covariance.values.iter().enumerate();
        let s = Matrix::new(d, d, cells.map(|(c, s)| s / (sd[c / d] * sd[c % d])).collect());
        let mut model = Self::ppca_of(Moments { mean: moments.mean, covariance: s.clone() }, factors)?;
        for (j, noise) in model.noise.iter_mut().enumerate() {
            let explained: f64 = model.loadings.values.iter().skip(j).step_by(d).map(|w| w * w).sum();
            *noise = (1.0 - explained).max(0.05);
        }
        let log_det_sd: f64 = sd.iter().map(|sd| sd.ln()).sum();

        let mut tape = Tape::new();
        let mut history: Vec<f64> = Vec::new();
        loop {
            tape.clear();
            let s = tape.shared_constant(&s.values, [d, d]);
            let Terms { scaled, l, log_det } = model.terms(&tape)?;
            let weighted = scaled.matmul(s); // W′Ψ⁻¹ S
            // tr C⁻¹S = tr Ψ⁻¹S − tr M⁻¹ W′Ψ⁻¹ S Ψ⁻¹W
            let inner = l.solve_triangular_right_t(l.solve_triangular(weighted.matmul_t(scaled)));
            let trace = model.noise.iter().map(|psi| 1.0 / psi).sum::<f64>() - inner.diagonal().sum().item();
            let now = -0.5 * (d as f64 * LN_2PI + log_det + trace) - log_det_sd;
            let last = history.last().copied().unwrap_or(f64::NEG_INFINITY);
            if now < last - 1e-10 * (1.0 + last.abs()) || now.is_nan() {
                return Err(LinearError::Fell { round: history.len(), from: last, to: now });
            }
            history.push(now);
            if history.len() > em.rounds || now - last < em.tolerance {
                return Ok((model.in_units(&sd), history));
            }
            let within = |b: Var<'_, f64>| l.solve_triangular_t(l.solve_triangular(b)).to_vec(); // M⁻¹ b
            let beta_s = tape.constant(&within(weighted), [factors, d]);
            let beta = tape.constant(&within(scaled), [factors, d]);
            let identity = tape.constant(&vec![1.0; factors], [factors]).diagonal_matrix();
            let m_inverse = tape.constant(&within(identity), [factors, factors]);
            let r = (m_inverse + beta_s.matmul_t(beta)).cholesky()?;
            let w = r.solve_triangular_t(r.solve_triangular(beta_s));
            let explained = (w * beta_s).sum_axis(0).to_vec();
            for (noise, explained) in model.noise.iter_mut().zip(&explained) {
                *noise = (1.0 - explained).max(LEAST_NOISE);
            }
            model.loadings = Matrix::new(factors, d, w.to_vec());
        }
    }

    /// The model of variables that were measured in units of `sd`.
    fn in_units(self, sd: &[f64]) -> Self {
        let loadings = self.loadings.values.chunks_exact(sd.len()).flat_map(|w| w.iter().zip(sd));
        let loadings = loadings.map(|(w, sd)| w * sd).collect();
        Self {
            loadings: Matrix::new(self.loadings.rows, sd.len(), loadings),
            noise: self.noise.iter().zip(sd).map(|(psi, sd)| psi * sd * sd).collect(),
            ..self
        }
    }

    /// log p(x) of every row, in nats, (N, D) to N numbers.
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
        let explained = l.solve_triangular_right_t(centred.matmul_t(scaled)).square().sum_axis(1);
        let distance = (centred.square() / psi).sum_axis(1) - explained;
        Ok(((distance + (self.mean.len() as f64 * LN_2PI + log_det)) * -0.5).to_vec())
    }

    /// log p(x), averaged over the rows.
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

    /// p(z|x): the mean for every row of x, (N, L), and the covariance, the same for all, (L, L).
    ///
    /// # Errors
    /// As [`log_prob`](Self::log_prob).
    ///
    /// # Panics
    /// If the rows are not D long.
    #[track_caller]
    pub fn posterior(&self, x: &Matrix<f64>) -> Result<(Matrix<f64>, Matrix<f64>), LinearError> {
        let (tape, factors) = (Tape::new(), self.loadings.rows);
        let Terms { scaled, l, .. } = self.terms(&tape)?;
        let centred = self.centred(&tape, x);
        let means = l.solve_triangular_right(l.solve_triangular_right_t(centred.matmul_t(scaled)));
        let identity = tape.constant(&vec![1.0; factors], [factors]).diagonal_matrix();
        let covariance = l.solve_triangular_t(l.solve_triangular(identity));
        Ok((Matrix::new(x.rows, factors, means.to_vec()), Matrix::new(factors, factors, covariance.to_vec())))
    }

    /// E[x_missing | x_observed] = μ + W E[z | x_observed] in the place of what is missing (NaN), in closed form, (N, D) to
    /// (N, D): some of the variables follow the factor model that has their entries of μ, W and Ψ.
    ///
    /// # Errors
    /// As [`log_prob`](Self::log_prob).
    ///
    /// # Panics
    /// If the rows are not D long.
    #[track_caller]
    pub fn impute(&self, x: &Matrix<f64>) -> Result<Matrix<f64>, LinearError> {
        let (factors, d) = (self.loadings.rows, self.mean.len());
        assert!(x.cols == d, "FactorModel: [{}, {}]: rows of {d} numbers are wanted", x.rows, x.cols);
        let mut filled = Vec::with_capacity(x.values.len());
        for row in x.values.chunks_exact(d) {
            let seen: Vec<usize> = (0..d).filter(|&j| !row[j].is_nan()).collect();
            let of_seen = |numbers: &[f64]| seen.iter().map(|&j| numbers[j]).collect::<Vec<_>>();
            let z = if seen.is_empty() {
                Matrix::new(1, factors, vec![0.0; factors])
            } else {
                let (mean, noise) = (of_seen(&self.mean), of_seen(&self.noise));
                let marginal = Self { mean, loadings: self.loadings.columns(&seen), noise };
                marginal.posterior(&Matrix::new(1, seen.len(), of_seen(row)))?.0
            };
            let expected = self.decode(&z);
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
    pub fn decode(&self, z: &Matrix<f64>) -> Matrix<f64> {
        let (factors, d) = (self.loadings.rows, self.mean.len());
        assert!(
            z.cols == factors,
            "FactorModel: [{}, {}]: rows of {factors} numbers are wanted",
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
        assert!(x.cols == d, "FactorModel: [{}, {}]: rows of {d} numbers are wanted", x.rows, x.cols);
        tape.shared_constant(&x.values, [x.rows, d]) - tape.constant(&self.mean, [d])
    }

    fn terms<'t>(&self, tape: &'t Tape<f64>) -> Result<Terms<'t>, LinearError> {
        let (factors, d) = (self.loadings.rows, self.mean.len());
        let w = tape.shared_constant(&self.loadings.values, [factors, d]);
        let scaled = w / tape.constant(&self.noise, [d]);
        let identity = tape.constant(&vec![1.0; factors], [factors]).diagonal_matrix();
        let l = (scaled.matmul_t(w) + identity).cholesky()?;
        let log_det = self.noise.iter().map(|psi| psi.ln()).sum::<f64>() + l.log_det_from_factor().item();
        Ok(Terms { scaled, l, log_det })
    }
}

/// W′Ψ⁻¹ (L, D), the Cholesky factor of M (L, L), and ln |C|.
struct Terms<'t> {
    scaled: Var<'t, f64>,
    l: Var<'t, f64>,
    log_det: f64,
}
