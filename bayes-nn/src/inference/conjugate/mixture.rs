//! A mixture of normal distributions.

use autograd::Real;
use nn::data::Matrix;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use super::{Ascent, ConjugateError, Gamma, LN_2PI, check_rows};

/// A mixture of K normal distributions (Bishop 2006, section 10.2), with independent coordinates in every component:
///
/// xₙ ~ Σₖ πₖ N(μₖ, diag τₖ⁻¹),   π ~ Dirichlet(α₀),   μₖᵢ ~ N(m₀ᵢ, 1/(β₀ τₖᵢ)),   τₖᵢ ~ Gamma(a₀, b₀)
#[derive(Clone, Debug, PartialEq)]
pub struct MixtureModel {
    /// K, the number of components. Components that the data do not need keep their prior.
    pub components: usize,
    /// α₀ of the Dirichlet prior of π. Below 1, components that are not needed lose their rows.
    pub concentration: f64,
    /// m₀, the prior mean of every μₖ, (d).
    pub mean: Vec<f64>,
    /// β₀, the number of observations that the prior mean counts for.
    pub beta: f64,
    /// Gamma(a₀, b₀), the prior of every precision τₖᵢ.
    pub precision: Gamma,
}

/// What q says of the k-th component: q(μₖ, τₖ) = Πᵢ N(μₖᵢ; mₖᵢ, 1/(βₖ τₖᵢ)) Gamma(τₖᵢ; aₖ, bₖᵢ), and its number αₖ in
/// q(π) = Dirichlet(α).
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// αₖ.
    pub concentration: f64,
    /// mₖ, (d).
    pub mean: Vec<f64>,
    /// βₖ.
    pub beta: f64,
    /// The distributions of τₖ₁ … τₖ_d.
    pub precision: Vec<Gamma>,
}

/// The approximate posterior q(z) q(π) Πₖ q(μₖ, τₖ) of a [`MixtureModel`], where zₙ is the component of row n.
#[derive(Clone, Debug, PartialEq)]
pub struct MixturePosterior {
    /// The K components.
    pub components: Vec<Component>,
    /// q(zₙ = k), (N, K).
    pub responsibilities: Matrix<f64>,
    /// The ELBO after every round, in nats: below log p(x).
    pub elbo: Vec<f64>,
}

impl MixturePosterior {
    /// E(π), the expected shares of the components, (K).
    pub fn weights(&self) -> Vec<f64> {
        let total: f64 = self.components.iter().map(|k| k.concentration).sum();
        self.components.iter().map(|k| k.concentration / total).collect()
    }
}

impl MixtureModel {
    /// Fits q to x (N, d). The components begin at rows that lie far from each other (Arthur & Vassilvitskii 2007), which the
    /// seed chooses. The ELBO has several maxima, so it pays to compare several seeds.
    ///
    /// # Errors
    /// If there are no rows, or a number is not finite or too large.
    ///
    /// # Panics
    /// If x has not as many columns as the prior mean has numbers, there are no components, α₀, β₀, a₀ or b₀ is not positive,
    /// or m₀ is not finite.
    #[track_caller]
    pub fn fit(
        &self,
        x: &Matrix<f64>,
        ascent: Ascent,
        seed: u64,
    ) -> Result<MixturePosterior, ConjugateError> {
        let Self { components, concentration, ref mean, beta, precision } = *self;
        precision.check("mixture model");
        let positive = concentration > 0.0 && beta > 0.0;
        assert!(positive, "mixture model: expected α₀, β₀ > 0, found α₀ = {concentration}, β₀ = {beta}");
        assert!(mean.iter().all(|m| m.is_finite()), "mixture model: expected a finite m₀, found {mean:?}");
        assert!(components > 0, "mixture model: components: expected at least 1, found 0");
        let d = mean.len();
        assert!(d > 0, "mixture model: m₀: expected at least one number, found none");
        assert!(x.cols == d, "mixture model: x: expected rows of {d} numbers as in m₀, found {}", x.cols);
        check_rows(&x.values, d)?;

        let mut r = nearest(x, &self.centres(x, &mut StdRng::seed_from_u64(seed)));
        let mut q = Vec::new();
        let elbo = ascent.climb(x.rows, || {
            q = (0..components).map(|k| self.component(x, &r, k)).collect();
            let log_normalisers = self.assign(x, &q, &mut r);
            Ok(log_normalisers - self.kl(&q))
        })?;
        let responsibilities = Matrix::new(x.rows, components, r);
        Ok(MixturePosterior { components: q, responsibilities, elbo })
    }

    /// The best q(πₖ, μₖ, τₖ) for given responsibilities r:
    ///
    /// α = α₀ + N,   β = β₀ + N,   m = (β₀ m₀ + N x̄)/β,   a = a₀ + N/2,   b = b₀ + ½ (S + β₀ N (x̄ − m₀)²/β)
    ///
    /// N is the sum of the weights rₙₖ, x̄ and S are the mean and the scatter of the rows with these weights.
    fn component(&self, x: &Matrix<f64>, r: &[f64], k: usize) -> Component {
        let weights = || r.iter().skip(k).step_by(self.components);
        let count: f64 = weights().sum();
        let beta = self.beta + count;
        let (mut mean, mut precision) = (Vec::new(), Vec::new());
        for (i, m0) in self.mean.iter().enumerate() {
            let column = || weights().zip(x.values.iter().skip(i).step_by(x.cols));
            let average = column().map(|(r, x)| r * x).sum::<f64>() / count.max(f64::MIN_POSITIVE);
            let scatter: f64 = column().map(|(r, x)| r * (x - average).powi(2)).sum();
            let pull = self.beta * count * (average - m0).powi(2) / beta;
            mean.push((self.beta * m0 + count * average) / beta);
            precision.push(Gamma {
                shape: self.precision.shape + count / 2.0,
                rate: self.precision.rate + (scatter + pull) / 2.0,
            });
        }
        Component { concentration: self.concentration + count, mean, beta, precision }
    }

    /// Sets r to the best q(z) for given components, rₙₖ ∝ ρₙₖ, and returns Σₙ ln Σₖ ρₙₖ:
    ///
    /// ln ρₙₖ = E[ln πₖ] + ½ Σᵢ (E[ln τₖᵢ] − ln 2π − 1/βₖ − E[τₖᵢ] (xₙᵢ − mₖᵢ)²)
    fn assign(&self, x: &Matrix<f64>, q: &[Component], r: &mut [f64]) -> f64 {
        let total = q.iter().map(|k| k.concentration).sum::<f64>().digamma();
        let constants: Vec<f64> = q
            .iter()
            .map(|k| {
                let log_pi = k.concentration.digamma() - total;
                let each = k.precision.iter().map(|tau| tau.mean_ln() - LN_2PI - 1.0 / k.beta);
                log_pi + 0.5 * each.sum::<f64>()
            })
            .collect();
        let mut sum = 0.0;
        for (n, r) in r.chunks_exact_mut(q.len()).enumerate() {
            for ((r, k), constant) in r.iter_mut().zip(q).zip(&constants) {
                let terms = x.row(n).iter().zip(&k.mean).zip(&k.precision);
                *r = constant - 0.5 * terms.map(|((x, m), tau)| tau.mean() * (x - m).powi(2)).sum::<f64>();
            }
            let largest = r.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = r.iter().map(|r| (r - largest).exp()).sum();
            let log_total = largest + total.ln();
            r.iter_mut().for_each(|r| *r = (*r - log_total).exp());
            sum += log_total;
        }
        sum
    }

    /// KL(q(π) Πₖ q(μₖ, τₖ) ‖ prior) in nats.
    fn kl(&self, q: &[Component]) -> f64 {
        let (alpha, beta) = (self.concentration, self.beta);
        let total: f64 = q.iter().map(|k| k.concentration).sum();
        let mut kl = total.lgamma() - (alpha * q.len() as f64).lgamma();
        for k in q {
            let a = k.concentration;
            kl += alpha.lgamma() - a.lgamma() + (a - alpha) * (a.digamma() - total.digamma());
            for ((m, tau), m0) in k.mean.iter().zip(&k.precision).zip(&self.mean) {
                let shift = beta * tau.mean() * (m - m0).powi(2);
                kl += tau.kl(self.precision) + 0.5 * ((k.beta / beta).ln() + beta / k.beta - 1.0 + shift);
            }
        }
        kl
    }

    /// K rows of x. The first is chosen at random, each further one with a probability in proportion to its squared distance
    /// from the nearest row chosen before.
    fn centres(&self, x: &Matrix<f64>, rng: &mut impl Rng) -> Matrix<f64> {
        let mut chosen = vec![rng.random_range(0..x.rows)];
        while chosen.len() < self.components {
            let far =
                |n: usize| chosen.iter().map(|&c| distance(x.row(n), x.row(c))).fold(f64::MAX, f64::min);
            let distances: Vec<f64> = (0..x.rows).map(far).collect();
            let mut left = rng.random::<f64>() * distances.iter().sum::<f64>();
            let next = distances.iter().position(|d| {
                left -= d;
                left < 0.0
            });
            chosen.push(next.unwrap_or(0));
        }
        x.select(&chosen)
    }
}

/// Responsibilities that give every row wholly to its nearest centre, (N, K).
fn nearest(x: &Matrix<f64>, centres: &Matrix<f64>) -> Vec<f64> {
    let mut r = vec![0.0; x.rows * centres.rows];
    for (n, r) in r.chunks_exact_mut(centres.rows).enumerate() {
        let at = |k: usize| distance(x.row(n), centres.row(k));
        let best = (1..r.len()).fold(0, |best, k| if at(k) < at(best) { k } else { best });
        r[best] = 1.0;
    }
    r
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}
