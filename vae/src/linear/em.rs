//! Factor analysis by expectation–maximisation.

use autograd::ops::TriangularSystem::{LX, LtX, XLt};
use autograd::{Tape, Var};
use nn::data::Matrix;

use super::factor::{LN_2PI, Terms};
use super::moments::Moments;
use super::{FactorModel, LinearError, NormalModel, Pca};

/// When EM ends: after `rounds`, or earlier if a round gains less than `tolerance`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Em {
    /// The largest number of rounds.
    pub rounds: usize,
    /// In nats per datum.
    pub tolerance: f64,
}

impl Default for Em {
    /// 10,000 rounds, 1e-10 nats.
    fn default() -> Self {
        Self { rounds: 10_000, tolerance: 1e-10 }
    }
}

/// A model that EM has fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct EmFit {
    /// The model.
    pub model: FactorModel,
    /// The log-likelihood before every round and at the end, in nats per datum.
    pub history: Vec<f64>,
}

/// The smallest share of its variance that the noise of a variable may have. A factor that explains a variable entirely
/// would make the likelihood infinite (a Heywood case).
const LEAST_NOISE: f64 = 1e-6;

impl FactorModel {
    /// Factor analysis: a maximum of the likelihood of the rows of x (N, D) with L = `factors`, by EM (Rubin & Thayer 1982),
    /// in which the likelihood never falls. With the covariance S of the rows and β = M⁻¹ W′Ψ⁻¹,
    ///
    /// E(z z′) = M⁻¹ + β S β′,   W ← S β′ E(z z′)⁻¹,   Ψ ← diag(S − W β S)
    ///
    /// The variance of a variable's noise never falls below 1e-6 of the variable's variance. All computations are in units of
    /// the variables' standard deviations, so that the fit does not depend on the units of the data.
    ///
    /// # Errors
    /// Those of [`probabilistic_pca`](Self::probabilistic_pca), with which EM begins, and [`LinearError::ConstantColumn`];
    /// [`LinearError::Fell`] or [`LinearError::NotPositiveDefinite`] if the data are scaled so badly that rounding errors
    /// dominate.
    pub fn factor_analysis(x: &Matrix<f64>, factors: usize, em: Em) -> Result<EmFit, LinearError> {
        Self::of_moments(Moments::of(x, factors)?, factors, em)
    }

    /// The factor analysis of L = `factors` that is nearest to a normal distribution N(μ, Σ): with the smallest divergence
    /// KL(N(μ, Σ) ‖ N(μ, W W′ + Ψ)), by the EM of [`factor_analysis`](Self::factor_analysis) with Σ in the place of S. The distribution may
    /// have been fitted to rows with gaps.
    ///
    /// # Errors
    /// As [`factor_analysis`](Self::factor_analysis).
    pub fn nearest_to(normal: &NormalModel, factors: usize, em: Em) -> Result<EmFit, LinearError> {
        let (mean, covariance) = (normal.mean.clone(), normal.covariance.clone());
        if !(1..=mean.len()).contains(&factors) {
            return Err(LinearError::Components { components: factors, dimensions: mean.len() });
        }
        Self::of_moments(Moments { mean, covariance }, factors, em)
    }

    fn of_moments(moments: Moments, factors: usize, em: Em) -> Result<EmFit, LinearError> {
        let variances: Vec<f64> = moments.variances().collect();
        let constant = variances.iter().zip(&moments.mean).position(|(v, mean)| *v <= 1e-28 * mean * mean);
        if let Some(column) = constant {
            return Err(LinearError::ConstantColumn { column });
        }
        let d = variances.len();
        let sd: Vec<f64> = variances.iter().map(|v| v.sqrt()).collect();
        let cells = moments.covariance.values.iter().enumerate();
        let s = Matrix::new(d, d, cells.map(|(c, s)| s / (sd[c / d] * sd[c % d])).collect());
        let standardised = Moments { mean: moments.mean, covariance: s.clone() };
        let mut model = Self::of_components(&Pca::of_moments(standardised, factors)?, factors)?;
        for (j, noise) in model.noise.iter_mut().enumerate() {
            let explained: f64 = model.loadings.values.iter().skip(j).step_by(d).map(|w| w * w).sum();
            *noise = (1.0 - explained).max(0.05);
        }
        let log_det_sd: f64 = sd.iter().map(|sd| sd.ln()).sum();

        let mut tape = Tape::new();
        let mut history: Vec<f64> = Vec::new();
        loop {
            tape.clear();
            let terms = model.terms(&tape)?;
            let round = Round::new(terms, tape.shared_constant(&s.values, [d, d]));
            let now = round.log_likelihood(&model.noise) - log_det_sd;
            let last = history.last().copied().unwrap_or(f64::NEG_INFINITY);
            if now < last - 1e-10 * (1.0 + last.abs()) || now.is_nan() {
                return Err(LinearError::Fell { round: history.len(), from: last, to: now });
            }
            history.push(now);
            if history.len() > em.rounds || now - last < em.tolerance {
                return Ok(EmFit { model: model.in_units(&sd), history });
            }
            round.maximise(&mut model)?;
        }
    }

    /// This model of variables in units of their standard deviations, as a model of the variables themselves.
    fn in_units(self, sd: &[f64]) -> Self {
        let loadings = self.loadings.values.chunks_exact(sd.len()).flat_map(|w| w.iter().zip(sd));
        let loadings = loadings.map(|(w, sd)| w * sd).collect();
        Self {
            loadings: Matrix::new(self.loadings.rows, sd.len(), loadings),
            noise: self.noise.iter().zip(sd).map(|(psi, sd)| psi * sd * sd).collect(),
            ..self
        }
    }
}

/// A round of EM, for variables of variance 1.
struct Round<'t> {
    terms: Terms<'t>,
    /// W′Ψ⁻¹ S, (L, D)
    weighted: Var<'t, f64>,
}

impl<'t> Round<'t> {
    fn new(terms: Terms<'t>, s: Var<'t, f64>) -> Self {
        let weighted = terms.scaled.matmul(s);
        Self { terms, weighted }
    }

    /// −½ (D ln 2π + ln |C| + tr C⁻¹S),   tr C⁻¹S = tr Ψ⁻¹S − tr M⁻¹ W′Ψ⁻¹ S Ψ⁻¹W
    fn log_likelihood(&self, noise: &[f64]) -> f64 {
        let Terms { scaled, l, log_det } = self.terms;
        let inner = l.solve_triangular(l.solve_triangular(self.weighted.matmul_t(scaled), LX), XLt);
        let trace = noise.iter().map(|psi| 1.0 / psi).sum::<f64>() - inner.diagonal().sum().item();
        -0.5 * (noise.len() as f64 * LN_2PI + log_det + trace)
    }

    /// W ← S β′ E(z z′)⁻¹,   Ψ ← diag(S − W β S)
    fn maximise(&self, model: &mut FactorModel) -> Result<(), LinearError> {
        let Terms { scaled, l, .. } = self.terms;
        let (tape, [factors, d]) = (l.tape(), [model.loadings.rows, model.loadings.cols]);
        let within = |b: Var<'_, f64>| l.solve_triangular(l.solve_triangular(b, LX), LtX).to_vec(); // M⁻¹ b
        let beta_s = tape.constant(&within(self.weighted), [factors, d]);
        let beta = tape.constant(&within(scaled), [factors, d]);
        let identity = tape.constant(&vec![1.0; factors], [factors]).diagonal_matrix();
        let m_inverse = tape.constant(&within(identity), [factors, factors]);
        let r = (m_inverse + beta_s.matmul_t(beta)).cholesky()?;
        let w = r.solve_triangular(r.solve_triangular(beta_s, LX), LtX);
        let explained = (w * beta_s).sum_axis(0).to_vec();
        for (noise, explained) in model.noise.iter_mut().zip(&explained) {
            *noise = (1.0 - explained).max(LEAST_NOISE);
        }
        model.loadings = Matrix::new(factors, d, w.to_vec());
        Ok(())
    }
}
