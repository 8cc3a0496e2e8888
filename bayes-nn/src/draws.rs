//! Draws of a network's parameters.

use autograd::Real;
use nn::data::Matrix;
use nn::train::Noise;
use rayon::prelude::*;

use crate::BayesMlp;
use crate::model::WEIGHT_DRAW;

/// Draws of a network's parameters, from q or from any other sampler of the posterior.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws<F> {
    /// θ, one draw in each row: (draws, d).
    pub theta: Matrix<F>,
    /// What the likelihood does not know, drawn beside θ, (draws, E): log σ of each output for
    /// [`NormalLearned`](crate::Likelihood::NormalLearned); log σ of each output, then log(ν − 2) of each for
    /// [`Student`](crate::Likelihood::Student); log r of each output for
    /// [`NegativeBinomial`](crate::Likelihood::NegativeBinomial); nothing, E = 0, for others.
    pub unknowns: Matrix<f64>,
}

impl<F: Real> Draws<F> {
    /// The draws with these numbers, counted from 0.
    ///
    /// # Panics
    /// If there is no such draw.
    #[track_caller]
    pub fn select(&self, numbers: &[usize]) -> Self {
        Self { theta: self.theta.select(numbers), unknowns: self.unknowns.select(numbers) }
    }
}

impl BayesMlp {
    /// `count` draws from q_η, the modes taking turns. The same seed gives the same draws.
    ///
    /// # Panics
    /// If η is not as long as the layout, or there are more than 2²² draws.
    #[track_caller]
    pub fn draws<F: Real>(&self, eta: &[F], count: usize, seed: u64) -> Draws<F> {
        let (dim, found, expected) = (self.dim(), eta.len(), self.layout().size());
        assert!(found == expected, "draws: η: expected {expected} numbers, found {found}");
        assert!(count <= WEIGHT_DRAW, "draws: count: expected at most {WEIGHT_DRAW}, found {count}");
        let noise = Noise::evaluation(seed);
        let mut theta = vec![F::ZERO; count * dim];
        theta.par_chunks_mut(dim).enumerate().for_each(|(m, theta)| {
            noise.normal(WEIGHT_DRAW + m, dim, theta);
            let [mu, rho] = self.mu_and_rho(m % self.config().modes).map(|range| &eta[range]);
            for ((theta, &mu), &rho) in theta.iter_mut().zip(mu).zip(rho) {
                *theta = mu + rho.softplus() * *theta;
            }
        });
        let layer = self.likelihood_layer();
        let unknowns = Matrix::new(count, layer.unknowns(), layer.draws(eta, count, noise));
        Draws { theta: Matrix::new(count, dim, theta), unknowns }
    }

    /// Draws from rows of [`joint_dim`](Self::joint_dim) numbers, as [`Hmc`](crate::inference::Hmc) and other samplers of
    /// [`log_joint`](Self::log_joint) make them: θ, then what the likelihood does not know.
    ///
    /// # Panics
    /// If the rows have another length.
    #[track_caller]
    pub fn draws_from<F: Real>(&self, rows: &Matrix<f64>) -> Draws<F> {
        let (dim, expected, found) = (self.dim(), self.joint_dim(), rows.cols);
        assert!(found == expected, "draws_from: expected rows of {expected} numbers, found {found}");
        let each = || (0..rows.rows).map(|s| rows.row(s).split_at(dim));
        let theta = each().flat_map(|(theta, _)| theta).map(|&theta| F::from_f64(theta)).collect();
        let unknowns = each().flat_map(|(_, unknowns)| unknowns).copied().collect();
        Draws {
            theta: Matrix::new(rows.rows, dim, theta),
            unknowns: Matrix::new(rows.rows, expected - dim, unknowns),
        }
    }
}
