//! Bayesian linear regression, whose posterior and evidence are known: y ~ N(X w, s²), w ~ N(0, I).
//!
//! The log joint density is quadratic, so the expectation in the ELBO is a finite sum over ±√d eᵢ in place of normal noise:
//! these points have the same first and second moments.

use std::sync::Arc;

use approx::assert_relative_eq;
use autograd::{Tape, Var};
use bayes_nn::inference::{
    Descent, DivergenceEstimator, Estimator, Family, FreeEnergyObjective, FullNormal, LowRankNormal,
    MeanField, NormalPrior,
};
use nn::model::{Init, Layout};
use nn::train::{Optimizer, Rule};
use rand::{SeedableRng, rngs::StdRng};

const D: usize = 3;
const N: usize = 20;
const LN_2PI: f64 = 1.837_877_066_409_345_3;

/// The data, and what is known: precision and mean of the posterior, log evidence.
struct Regression {
    x: Vec<f64>,
    y: Vec<f64>,
    noise: f64,
    precision: [[f64; D]; D],
    mean: [f64; D],
    log_evidence: f64,
}

/// Solves A x = b and returns ln det A too, by elimination: A is positive definite.
fn solve<const K: usize>(mut a: [[f64; K]; K], mut b: [f64; K]) -> ([f64; K], f64) {
    let mut log_det = 0.0;
    for i in 0..K {
        log_det += a[i][i].ln();
        for j in i + 1..K {
            let factor = a[j][i] / a[i][i];
            let row = a[i];
            a[j].iter_mut().zip(row).for_each(|(a, pivot)| *a -= factor * pivot);
            b[j] -= factor * b[i];
        }
    }
    for i in (0..K).rev() {
        b[i] = (b[i] - (i + 1..K).map(|k| a[i][k] * b[k]).sum::<f64>()) / a[i][i];
    }
    (b, log_det)
}

impl Regression {
    fn new() -> Self {
        let noise = 0.5;
        let x: Vec<f64> =
            (0..N * D).map(|i| (2.3 * i as f64).sin() + 0.4 * (0.9 * (i / D) as f64).cos()).collect();
        let y: Vec<f64> =
            (0..N).map(|n| x[n * D] - 0.5 * x[n * D + 1] + 0.6 * (5.1 * n as f64).sin()).collect();
        let precision = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let sum: f64 = (0..N).map(|n| x[n * D + i] * x[n * D + j]).sum();
                sum / (noise * noise) + f64::from(i == j)
            })
        });
        let b = std::array::from_fn(|i| (0..N).map(|n| x[n * D + i] * y[n]).sum::<f64>() / (noise * noise));
        let (mean, _) = solve(precision, b);
        // log N(y; 0, X Xᵀ + s² I)
        let covariance = std::array::from_fn(|n| {
            std::array::from_fn(|m| {
                let dot: f64 = (0..D).map(|i| x[n * D + i] * x[m * D + i]).sum();
                dot + if n == m { noise * noise } else { 0.0 }
            })
        });
        let (solved, log_det) = solve::<N>(covariance, y.clone().try_into().unwrap());
        let quadratic: f64 = y.iter().zip(solved).map(|(a, b)| a * b).sum();
        let log_evidence = -0.5 * (quadratic + log_det + N as f64 * LN_2PI);
        Self { x, y, noise, precision, mean, log_evidence }
    }

    fn log_likelihood<'t>(&self, tape: &'t Tape<f64>, w: Var<'t, f64>) -> Var<'t, f64> {
        let (x, y) = (tape.constant(&self.x, [N, D]), tape.constant(&self.y, [N, 1]));
        let log_sigma = tape.constant(&[self.noise.ln()], []);
        y.reshape([N]).normal_log_prob(x.matmul(w.reshape([D, 1])).reshape([N]), log_sigma)
    }

    /// Σ = Λ⁻¹
    fn covariance(&self) -> [[f64; D]; D] {
        std::array::from_fn(|i| solve(self.precision, std::array::from_fn(|j| f64::from(i == j))).0)
    }
}

/// ±√k eᵢ, (2k, k)
fn cubature(tape: &Tape<f64>, k: usize) -> Var<'_, f64> {
    tape.constant_with([2 * k, k], |out| {
        out.fill(0.0);
        for (i, row) in out.chunks_exact_mut(k).enumerate() {
            row[i / 2] = (k as f64).sqrt() * if i % 2 == 0 { 1.0 } else { -1.0 };
        }
    })
}

/// argmin F and −min F, exactly.
fn optimum<Q: Family>(q: &Q, layout: &Layout, divergence: DivergenceEstimator, rate: f64) -> (Vec<f64>, f64) {
    let data = Regression::new();
    let free_energy = FreeEnergyObjective::with_prior(
        q,
        |tape: &Tape<f64>, w| data.log_likelihood(tape, w),
        NormalPrior::new(0.0, 1.0),
        Estimator { divergence, ..Estimator::default() },
    );
    let mut eta = Arc::new(layout.init(&mut StdRng::seed_from_u64(0)));
    let (mut tape, mut optimizer) = (Tape::new(), Optimizer::<f64>::new(Rule::ADAM, eta.len()));
    let mut elbo = f64::NAN;
    for step in 0..4000 {
        let (f, gradient) = tape.value_and_grad(&eta, |tape, eta| {
            free_energy.elbo(eta, cubature(tape, q.noise_dim())).value().neg()
        });
        elbo = -f;
        let rate = rate * 0.5 * (1.0 + (step as f64 * std::f64::consts::PI / 4000.0).cos());
        let theta: &mut Vec<f64> = Arc::make_mut(&mut eta);
        optimizer.step(rate, theta, &gradient);
    }
    (eta.to_vec(), elbo)
}

#[test]
fn mean_field_has_the_posterior_mean_and_variances_of_one_over_the_precisions() {
    let data = Regression::new();
    for divergence in [DivergenceEstimator::ClosedForm, DivergenceEstimator::MonteCarlo] {
        let mut layout = Layout::new();
        let q = MeanField::new(&mut layout, "q", D, Init::Constant(0.0), 0.5);
        let (eta, elbo) = optimum(&q, &layout, divergence, 0.05);
        let tape = Tape::new();
        let eta = tape.constant(&eta, [eta.len()]);
        let (mean, variance) = (q.mean(eta).to_vec(), q.variance(eta).to_vec());
        // log evidence − ELBO = KL(q ‖ posterior) = ½ (Σ ln Λᵢᵢ − ln det Λ) there
        let (_, log_det) = solve(data.precision, [0.0; D]);
        let gap = 0.5 * ((0..D).map(|i| data.precision[i][i].ln()).sum::<f64>() - log_det);
        for i in 0..D {
            assert_relative_eq!(mean[i], data.mean[i], epsilon = 1e-7);
            assert_relative_eq!(variance[i], 1.0 / data.precision[i][i], max_relative = 1e-7);
            assert!(variance[i] < 0.99 * data.covariance()[i][i], "nothing is correlated");
        }
        assert_relative_eq!(elbo, data.log_evidence - gap, max_relative = 1e-9);
        assert!(gap > 0.01, "{gap}");
    }
}

#[test]
fn mean_field_is_learned_from_noise() {
    let data = Regression::new();
    let mut layout = Layout::new();
    let q = MeanField::new(&mut layout, "q", D, Init::Constant(0.0), 0.5);
    let free_energy = FreeEnergyObjective::with_prior(
        &q,
        |tape: &Tape<f64>, w| data.log_likelihood(tape, w),
        NormalPrior::new(0.0, 1.0),
        Estimator {
            samples: 64,
            antithetic: true,
            divergence: DivergenceEstimator::Path,
            ..Estimator::default()
        },
    );
    let eta = layout.init(&mut StdRng::seed_from_u64(0));
    let eta = free_energy.minimise(&layout, eta, Descent { steps: 2000, rate: 0.02, seed: 1 }).unwrap();
    let tape = Tape::new();
    let eta = tape.constant(&eta, [eta.len()]);
    for (i, (mean, variance)) in q.mean(eta).to_vec().into_iter().zip(q.variance(eta).to_vec()).enumerate() {
        assert_relative_eq!(mean, data.mean[i], epsilon = 1e-5);
        assert_relative_eq!(variance, 1.0 / data.precision[i][i], max_relative = 0.01);
    }
}

/// Σ = L Lᵀ.
fn covariance(l: &[f64]) -> Vec<f64> {
    (0..D * D).map(|k| (0..D).map(|r| l[k / D * D + r] * l[k % D * D + r]).sum()).collect()
}

#[test]
fn full_covariance_is_the_posterior_and_its_elbo_the_evidence() {
    let data = Regression::new();
    for divergence in [DivergenceEstimator::ClosedForm, DivergenceEstimator::MonteCarlo] {
        let mut layout = Layout::new();
        let q = FullNormal::new(&mut layout, "q", D, Init::Constant(0.0), 0.5);
        let (eta, elbo) = optimum(&q, &layout, divergence, 0.05);
        let tape = Tape::new();
        let eta = tape.constant(&eta, [eta.len()]);
        let sigma = covariance(&q.factor(eta).to_vec());
        for (i, mean) in q.mean(eta).to_vec().into_iter().enumerate() {
            assert_relative_eq!(mean, data.mean[i], epsilon = 1e-7);
        }
        for (sigma, exact) in sigma.into_iter().zip(data.covariance().into_iter().flatten()) {
            assert_relative_eq!(sigma, exact, epsilon = 1e-7);
        }
        assert_relative_eq!(elbo, data.log_evidence, max_relative = 1e-9);
    }
}

/// Σ = λ I + (Σ − λ I) with its smallest eigenvalue λ: the second term is of rank 2.
#[test]
fn two_directions_and_a_diagonal_are_enough_for_three_dimensions() {
    let data = Regression::new();
    let mut layout = Layout::new();
    let q = LowRankNormal::new(&mut layout, "q", [D, 2], Init::Constant(0.0), 0.2);
    let (_, elbo) = optimum(&q, &layout, DivergenceEstimator::ClosedForm, 0.02);
    assert_relative_eq!(elbo, data.log_evidence, max_relative = 1e-9);
}

#[test]
fn full_covariance_is_learned_from_noise_to_a_thousandth() {
    let data = Regression::new();
    let mut layout = Layout::new();
    let q = FullNormal::new(&mut layout, "q", D, Init::Constant(0.0), 0.5);
    let free_energy = FreeEnergyObjective::with_prior(
        &q,
        |tape: &Tape<f64>, w| data.log_likelihood(tape, w),
        NormalPrior::new(0.0, 1.0),
        Estimator { samples: 8, divergence: DivergenceEstimator::Path, ..Estimator::default() },
    );
    let eta = layout.init(&mut StdRng::seed_from_u64(0));
    let eta = free_energy.minimise(&layout, eta, Descent { steps: 3000, rate: 0.03, seed: 1 }).unwrap();
    let elbo = free_energy.estimate_elbo(&eta, 100, 2);
    assert!((elbo.mean - data.log_evidence).abs() < 1e-3, "{elbo:?}, {}", data.log_evidence);
    let tape = Tape::new();
    let eta = tape.constant(&eta, [eta.len()]);
    let sigma = covariance(&q.factor(eta).to_vec());
    for (i, mean) in q.mean(eta).to_vec().into_iter().enumerate() {
        assert_relative_eq!(mean, data.mean[i], epsilon = 1e-3 * data.covariance()[i][i].sqrt());
    }
    for (k, (sigma, exact)) in sigma.into_iter().zip(data.covariance().into_iter().flatten()).enumerate() {
        let scale = (data.covariance()[k / D][k / D] * data.covariance()[k % D][k % D]).sqrt();
        assert_relative_eq!(sigma, exact, epsilon = 1e-3 * scale);
    }
}
