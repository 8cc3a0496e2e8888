//! Simulation-based calibration (Talts et al. 2018, "Validating Bayesian inference algorithms with simulation-based calibration"):
//! what infers is right on average over its own model.
//!
//! θ comes from the prior, data from θ, and draws from what claims to be the posterior given the data. The rank of θ among the draws
//! is then uniform, for every function of θ and the data. Each method is also run with a fault that these tests must find.

use autograd::{Real, Tape, Var};
use bayes_nn::inference::conjugate::{Ascent, Gamma, LinearModel};
use bayes_nn::inference::{
    Descent, DivergenceEstimator, Estimator, Family, FreeEnergyObjective, FullNormal, Hmc, Trajectories,
};
use gpvae::kernel::{Constant, Kernel, SquaredExponential};
use gpvae::prior::{Dense, Inducing, LatentPrior, LowRank};
use nn::data::Matrix;
use nn::model::{Init, Layout};
use nn::train::Noise;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use crate::alone;

/// How often θ and data are drawn: some 500 would miss a noise level that is wrong by 10 %.
const REPLICATES: usize = 4000;
/// The number of draws from each posterior. A rank is then one of 100 numbers.
const DRAWS: usize = 99;
const BINS: usize = 20;
/// The probability that any of the tests below fails on methods that are right.
const LEVEL: f64 = 0.01;
/// How many χ² tests are expected to pass: those of seven methods, each of three quantities.
const TESTS: f64 = 21.0;

const ROWS: usize = 12;
/// The standard deviation of the noise.
const NOISE: f64 = 0.5;

type Weights = [f64; 2];

/// Linear regression y ~ N(X w, s²), w ~ N(0, I) with two correlated inputs.
struct Replicate {
    weights: Weights,
    y: Vec<f64>,
    seed: u64,
}

fn input(n: usize) -> [f64; 2] {
    let a = (1.7 * n as f64).sin();
    [a, 0.6 * a + 0.8 * (2.9 * n as f64).cos()]
}

fn squares(w: &[f64], y: &[f64]) -> f64 {
    y.iter().enumerate().map(|(n, y)| (y - input(n)[0] * w[0] - input(n)[1] * w[1]).powi(2)).sum()
}

impl Replicate {
    fn new(seed: u64) -> Self {
        let mut xi = [0.0; 2 + ROWS];
        Noise::new(seed, 0).normal(0, 1, &mut xi);
        let w = [xi[0], xi[1]];
        let y = (0..ROWS).map(|n| input(n)[0] * w[0] + input(n)[1] * w[1] + NOISE * xi[2 + n]).collect();
        Self { weights: w, y, seed }
    }

    /// The ranks of w₁, w₂ and ‖y − X w‖² of the true w among those of the draws.
    fn ranks(&self, draws: &[Weights]) -> [usize; 3] {
        let quantities = |w: &Weights| [w[0], w[1], squares(w, &self.y)];
        let truth = quantities(&self.weights);
        let drawn: Vec<_> = draws.iter().map(quantities).collect();
        [0, 1, 2].map(|k| drawn.iter().filter(|of| of[k] < truth[k]).count())
    }

    /// log p(y, w) for the noise level s = `noise`, without constants.
    fn log_joint<'t>(&self, tape: &'t Tape<f64>, w: Var<'t, f64>, noise: f64) -> Var<'t, f64> {
        let x = tape.constant_with([ROWS, 2], |out| {
            out.chunks_mut(2).enumerate().for_each(|(n, x)| x.copy_from_slice(&input(n)));
        });
        let misses = tape.constant(&self.y, [ROWS, 1]) - x.matmul(w.reshape([2, 1]));
        misses.square().sum() * (-0.5 / (noise * noise)) - w.square().sum() * 0.5
    }
}

/// The exact posterior N(m, Λ⁻¹) for the noise level s.
struct Exact {
    mean: Weights,
    precision: [[f64; 2]; 2],
}

impl Exact {
    fn new(y: &[f64], noise: f64) -> Self {
        let sum = |f: &dyn Fn(usize) -> f64| (0..ROWS).map(f).sum::<f64>() / (noise * noise);
        let of = |i: usize, j: usize| sum(&|n| input(n)[i] * input(n)[j]) + f64::from(u8::from(i == j));
        let precision = [[of(0, 0), of(0, 1)], [of(0, 1), of(1, 1)]];
        let moment = [0, 1].map(|i| sum(&|n| input(n)[i] * y[n]));
        let [[a, b], [_, c]] = precision;
        let det = a * c - b * b;
        Self {
            mean: [(c * moment[0] - b * moment[1]) / det, (a * moment[1] - b * moment[0]) / det],
            precision,
        }
    }

    fn draws(&self, seed: u64) -> Vec<Weights> {
        let [[a, b], [_, c]] = self.precision;
        let det = a * c - b * b;
        normal(self.mean, [[c / det, -b / det], [-b / det, a / det]], seed)
    }

    /// Λ (m − w), the gradient of log p.
    fn gradient(&self, w: Weights) -> Weights {
        let d = [self.mean[0] - w[0], self.mean[1] - w[1]];
        self.precision.map(|row| row[0] * d[0] + row[1] * d[1])
    }
}

/// Draws of N(m, S).
fn normal(mean: Weights, covariance: [[f64; 2]; 2], seed: u64) -> Vec<Weights> {
    let mut xi = [0.0; 2 * DRAWS];
    Noise::new(seed, 1).normal(0, 2, &mut xi);
    let [[a, b], [_, c]] = covariance;
    let l = [a.sqrt(), b / a.sqrt(), (c - b * b / a).sqrt()];
    xi.chunks(2).map(|xi| [mean[0] + l[0] * xi[0], mean[1] + l[1] * xi[0] + l[2] * xi[1]]).collect()
}

/// The smallest p-value of χ² tests that the ranks of each quantity are uniform.
fn p_value(first_seed: u64, infer: impl Fn(&Replicate) -> Vec<Weights> + Sync) -> f64 {
    p_value_of(REPLICATES, |i| {
        let replicate = Replicate::new(first_seed + i);
        let draws = infer(&replicate);
        assert_eq!(draws.len(), DRAWS);
        replicate.ranks(&draws)
    })
}

/// The same for the ranks of three quantities in so many replicates, each a function of its number.
fn p_value_of(replicates: usize, ranks: impl Fn(u64) -> [usize; 3] + Sync + Send) -> f64 {
    let ranks: Vec<_> = (0..replicates as u64).into_par_iter().map(ranks).collect();
    let p = |k: usize| {
        let mut counts = [0.0; BINS];
        ranks.iter().for_each(|ranks| counts[ranks[k] * BINS / (DRAWS + 1)] += 1.0);
        let expected = replicates as f64 / BINS as f64;
        upper_tail(counts.iter().map(|n| (n - expected).powi(2) / expected).sum())
    };
    (0..3).map(p).fold(1.0, f64::min)
}

/// P(χ² > x) with BINS − 1 degrees of freedom, by the cube root that is nearly normal (Wilson & Hilferty 1931).
fn upper_tail(x: f64) -> f64 {
    let k = (BINS - 1) as f64;
    let z = ((x / k).cbrt() - 1.0 + 2.0 / (9.0 * k)) / (2.0 / (9.0 * k)).sqrt();
    0.5 * (1.0 - Real::erf(z * std::f64::consts::FRAC_1_SQRT_2))
}

#[track_caller]
fn calibrated(method: &str, p: f64) {
    eprintln!("{method}: p = {p:.1e}");
    assert!(p > LEVEL / TESTS, "{method}: the ranks are not uniform, p = {p:e}");
}

#[track_caller]
fn found(fault: &str, p: f64) {
    eprintln!("{fault}: p = {p:.1e}");
    assert!(p < LEVEL / TESTS, "{fault} is not found, p = {p:e}");
}

fn by_hmc(replicate: &Replicate, trajectories: Trajectories, noise: f64) -> Vec<Weights> {
    // A warm-up that is long enough to find the scales, and draws that are nearly independent.
    let thinning = 3;
    let hmc = Hmc { warmup: 150, draws: thinning * DRAWS, trajectories, ..Hmc::default() };
    let run =
        hmc.sample(|tape, w| replicate.log_joint(tape, w, noise), &[vec![0.0; 2]], replicate.seed).unwrap();
    let draws = &run.chains.draws[0];
    (0..DRAWS).map(|s| draws.row(thinning * s)).map(|w| [w[0], w[1]]).collect()
}

#[test]
fn hamiltonian_monte_carlo_is_calibrated() {
    let _alone = alone();
    for (kind, trajectories) in [("fixed paths", Trajectories::OfPath), ("No-U-Turn", Trajectories::NoUTurn)]
    {
        calibrated(kind, p_value(0, |replicate| by_hmc(replicate, trajectories, NOISE)));
    }
    let loud = |replicate: &Replicate| by_hmc(replicate, Trajectories::NoUTurn, 1.1 * NOISE);
    found("HMC with noise 10 % too loud", p_value(100_000, loud));
}

/// Hamiltonian Monte Carlo by its formulas. With `refreshed` false it has the fault that a momentum is drawn once and kept.
fn textbook(replicate: &Replicate, refreshed: bool) -> Vec<Weights> {
    let posterior = Exact::new(&replicate.y, NOISE);
    let mut rng = StdRng::seed_from_u64(replicate.seed);
    let mut xi = vec![0.0; 2 * 4 * DRAWS];
    Noise::new(replicate.seed, 2).normal(0, 2, &mut xi);
    let energy = |w: Weights, p: Weights| {
        let g = posterior.gradient(w);
        0.5 * (0..2).map(|i| p[i] * p[i] + (posterior.mean[i] - w[i]) * g[i]).sum::<f64>()
    };
    let (mut w, mut p, step) = ([0.0; 2], [xi[0], xi[1]], 0.1);
    let mut draws = Vec::new();
    for (iteration, xi) in xi.chunks(2).enumerate() {
        if refreshed {
            p = [xi[0], xi[1]];
        }
        let (mut v, mut q) = (w, p);
        for _ in 0..rng.random_range(2..9) {
            let g = posterior.gradient(v);
            (0..2).for_each(|i| q[i] += 0.5 * step * g[i]);
            (0..2).for_each(|i| v[i] += step * q[i]);
            let g = posterior.gradient(v);
            (0..2).for_each(|i| q[i] += 0.5 * step * g[i]);
        }
        if rng.random::<f64>().ln() < energy(w, p) - energy(v, q) {
            (w, p) = (v, q);
        } else {
            p = p.map(|p| -p);
        }
        if iteration >= DRAWS && (iteration - DRAWS).is_multiple_of(3) {
            draws.push(w);
        }
    }
    draws
}

#[test]
fn a_momentum_that_is_not_refreshed_is_found() {
    let _alone = alone();
    calibrated("textbook HMC", p_value(200_000, |replicate| textbook(replicate, true)));
    // Power: in every one of 22 runs, so above 0.9 with a confidence of 1 − 0.9²² = 0.9.
    for run in 0..22 {
        let first_seed = 300_000 + run * REPLICATES as u64;
        found("momentum not refreshed", p_value(first_seed, |replicate| textbook(replicate, false)));
    }
}

#[test]
fn a_noise_level_that_is_wrong_by_a_tenth_is_found() {
    let _alone = alone();
    // Exact draws: what no method can be better than. The power is that of every method that is right but for the noise.
    for (fault, factor) in [("noise 10 % too loud", 1.1), ("noise 10 % too quiet", 0.9)] {
        for run in 0..22 {
            let first_seed = 500_000 + run * REPLICATES as u64;
            let draws = |r: &Replicate| Exact::new(&r.y, factor * NOISE).draws(r.seed);
            found(fault, p_value(first_seed, draws));
        }
    }
}

fn by_full_normal(replicate: &Replicate, noise: f64) -> Vec<Weights> {
    let mut layout = Layout::new();
    let q = FullNormal::new(&mut layout, "q", 2, Init::Constant(0.0), 0.3);
    // Where q is the posterior, this gradient has no noise.
    let divergence = DivergenceEstimator::Path;
    let estimator = Estimator { samples: 2, divergence, antithetic: true, ..Estimator::default() };
    let free_energy =
        FreeEnergyObjective::new(&q, |tape: &Tape<f64>, w| replicate.log_joint(tape, w, noise), estimator);
    let eta = layout.init(&mut StdRng::seed_from_u64(0));
    let descent = Descent { steps: 300, rate: 0.05, seed: replicate.seed };
    let eta = free_energy.minimise(&layout, eta, descent).unwrap();
    let tape = Tape::new();
    let xi = tape.constant_with([DRAWS, 2], |out| Noise::new(replicate.seed, 1).normal(0, 2, out));
    q.sample_with(tape.constant(&eta, [eta.len()]), xi).to_vec().chunks(2).map(|w| [w[0], w[1]]).collect()
}

#[test]
fn a_normal_distribution_by_variational_inference_is_calibrated() {
    let _alone = alone();
    calibrated("variational inference", p_value(700_000, |replicate| by_full_normal(replicate, NOISE)));
    let loud = |replicate: &Replicate| by_full_normal(replicate, 1.1 * NOISE);
    found("variational inference with noise 10 % too loud", p_value(800_000, loud));
}

/// q(w) by coordinate ascent, for a precision that the prior knows to 10⁻³: otherwise q, a product, is too certain.
fn by_coordinate_ascent(replicate: &Replicate, noise: f64) -> Vec<Weights> {
    let shape = 1e6;
    let precision = Gamma { shape, rate: shape * noise * noise };
    let x = Matrix::new(ROWS, 2, (0..ROWS).flat_map(input).collect());
    let q = LinearModel { sigma: 1.0, precision }.fit(&x, &replicate.y, Ascent::default()).unwrap();
    let s = [0, 1].map(|i| [q.covariance.row(i)[0], q.covariance.row(i)[1]]);
    normal([q.mean[0], q.mean[1]], s, replicate.seed)
}

#[test]
fn coordinate_ascent_is_calibrated() {
    let _alone = alone();
    calibrated("coordinate ascent", p_value(900_000, |replicate| by_coordinate_ascent(replicate, NOISE)));
    let loud = |replicate: &Replicate| by_coordinate_ascent(replicate, 1.1 * NOISE);
    found("coordinate ascent with noise 10 % too loud", p_value(950_000, loud));
}

/// f ~ GP(0, β exp(−(t − t')²/2ℓ²)) at times of which some have latents z = f + η, η ~ N(0, α), by formulas of its own.
struct Process {
    seen: Vec<f64>,
    new: [f64; 2],
    latents: Vec<f64>,
    /// f at the new times, and z at the first of them.
    truth: [f64; 3],
}

const SEEN: usize = 8;
const BETA: f64 = 1.3;
const LENGTH: f64 = 1.8;

impl Process {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let times: Vec<f64> = (0..SEEN + 2).map(|i| 0.5 * i as f64 + 0.4 * rng.random::<f64>()).collect();
        let mut xi = vec![0.0; 2 * times.len()];
        Noise::new(seed, 0).normal(0, 1, &mut xi);
        let (xi, eta) = xi.split_at(times.len());
        let k = |i: usize, j: usize| {
            let d = (times[i] - times[j]) / LENGTH;
            BETA * (-0.5 * d * d).exp() + if i == j { 1e-10 } else { 0.0 }
        };
        // f = L ξ with K = L Lᵀ
        let mut l = vec![vec![0.0; times.len()]; times.len()];
        for i in 0..times.len() {
            for j in 0..=i {
                let rest = k(i, j) - (0..j).map(|m| l[i][m] * l[j][m]).sum::<f64>();
                l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
            }
        }
        let f: Vec<f64> = l.iter().map(|row| row.iter().zip(xi).map(|(l, xi)| l * xi).sum()).collect();
        // One of the new times lies among those that are seen, the other behind them.
        let middle = SEEN / 2;
        let seen: Vec<usize> = (0..=SEEN).filter(|i| *i != middle).collect();
        Self {
            new: [times[middle], times[SEEN + 1]],
            latents: seen.iter().map(|&i| f[i] + NOISE * eta[i]).collect(),
            truth: [f[middle], f[SEEN + 1], f[middle] + NOISE * eta[middle]],
            seen: seen.into_iter().map(|i| times[i]).collect(),
        }
    }

    /// The ranks of the truth among draws from the posterior of a prior whose noise η has this standard deviation.
    fn ranks(&self, seed: u64, noise: f64, low_rank: bool) -> [usize; 3] {
        let mut layout = Layout::new();
        let kernel = Constant::new(&mut layout, "beta", BETA).times(SquaredExponential::new(
            &mut layout,
            "length",
            LENGTH,
        ));
        let alpha = noise * noise;
        let [mean, sd] = if low_rank {
            // Inducing points at all places: then the low-rank form is exact.
            let points: Vec<f64> = [&self.seen[..], &self.new].concat();
            let process = Inducing::new(&mut layout, kernel, &Matrix::new(points.len(), 1, points));
            let prior = LowRank::new(&mut layout, process.with_jitter(1e-9), alpha);
            self.posterior(&layout, &prior)
        } else {
            let prior = Dense::new(kernel).with_noise(&mut layout, alpha);
            self.posterior(&layout, &prior)
        };
        let quantities = [(mean[0], sd[0]), (mean[1], sd[1]), (mean[0], sd[0].hypot(noise))];
        let mut xi = [0.0; 3 * DRAWS];
        Noise::new(seed, 1).normal(0, 3, &mut xi);
        [0, 1, 2].map(|k| {
            let (mean, sd) = quantities[k];
            xi.iter().skip(k).step_by(3).filter(|xi| mean + sd * **xi < self.truth[k]).count()
        })
    }

    /// Means and standard deviations of f at the new times.
    fn posterior(&self, layout: &Layout, prior: &impl LatentPrior) -> [Vec<f64>; 2] {
        let tape = Tape::new();
        let theta: Vec<f64> = layout.init(&mut StdRng::seed_from_u64(0));
        let column = |values: &[f64]| tape.constant(values, [values.len(), 1]);
        let theta = tape.constant(&theta, [theta.len()]);
        let (x, z, at) = (column(&self.seen), column(&self.latents), column(&self.new));
        let posterior = prior.posterior(theta, x, z, at).unwrap();
        [posterior.mean.to_vec(), posterior.variance.sqrt().to_vec()]
    }
}

#[test]
fn the_posterior_of_a_gaussian_process_is_calibrated() {
    let _alone = alone();
    // They are cheap, and latents say less of their noise than residuals do.
    let replicates = 4 * REPLICATES;
    let p = |first_seed: u64, noise: f64, low_rank: bool| {
        p_value_of(replicates, |i| Process::new(first_seed + i).ranks(first_seed + i, noise, low_rank))
    };
    calibrated("Gaussian process", p(1_000_000, NOISE, false));
    calibrated("Gaussian process, low rank", p(1_020_000, NOISE, true));
    for run in 0..22 {
        found("Gaussian process with noise 10 % too loud", p(1_100_000 + 20_000 * run, 1.1 * NOISE, false));
    }
}
