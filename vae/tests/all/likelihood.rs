//! A linear decoder with Gaussian noise has an exact likelihood and an exact posterior: what the estimates must meet.

use std::f64::consts::PI;
use std::sync::Arc;

use autograd::Tape;
use nn::data::Matrix;
use nn::train::{Fit, Noise, Rule, Schedule, Trainer};
use vae::{Likelihood, Vae, VaeConfig, VaeObjective};

pub(crate) const D: usize = 4;
pub(crate) const L: usize = 2;

/// x = z W + b + noise. The rows of W are orthogonal, so that the posterior's covariance is diagonal.
const W: [[f64; D]; L] = [[1.0, 0.5, -0.5, 0.5], [0.5, -1.0, 0.5, 0.5]];
const B: [f64; D] = [0.3, -0.2, 0.1, 0.0];
pub(crate) const SIGMA: f64 = 0.8;

pub(crate) fn linear(likelihood: Likelihood, latent: usize) -> Vae {
    Vae::new(&VaeConfig { likelihood, ..VaeConfig::new(D, &[], latent) }).unwrap()
}

/// log σ before it is bounded.
fn unbounded(log_sigma: f64) -> f64 {
    8.0 * (log_sigma / 8.0).atanh()
}

/// The model's θ with an encoder z|x ~ N((x − b) A, diag e^2s).
pub(crate) fn theta(vae: &Vae, a: [[f64; L]; D], s: [f64; L]) -> Arc<Vec<f64>> {
    let mut theta = vec![0.0; vae.layout().size()];
    for slot in vae.layout().slots() {
        let out = &mut theta[slot.range()];
        match slot.name() {
            "encoder.0.weight" => {
                out.chunks_exact_mut(2 * L).zip(a).for_each(|(row, a)| row[..L].copy_from_slice(&a));
            }
            "encoder.0.bias" => {
                for j in 0..L {
                    out[j] = -(0..D).map(|i| B[i] * a[i][j]).sum::<f64>();
                    out[L + j] = unbounded(s[j]);
                }
            }
            "decoder.0.weight" => {
                let heads = out.len() / L;
                out.chunks_exact_mut(heads).zip(W).for_each(|(row, w)| row[..D].copy_from_slice(&w));
            }
            "decoder.0.bias" => {
                out[D..].fill(unbounded(SIGMA.ln()));
                out[..D].copy_from_slice(&B);
            }
            "log_sigma" => out[0] = unbounded(SIGMA.ln()),
            other => panic!("slot {other}"),
        }
    }
    Arc::new(theta)
}

/// Posterior precision 1 + ‖wⱼ‖²/σ² of each latent variable.
fn precision() -> [f64; L] {
    W.map(|w| 1.0 + w.iter().map(|w| w * w).sum::<f64>() / SIGMA.powi(2))
}

/// The exact posterior: A = Wᵀ/σ² over the precision, σ² = 1/precision.
fn exact_encoder() -> ([[f64; L]; D], [f64; L]) {
    let a = std::array::from_fn(|i| std::array::from_fn(|j| W[j][i] / SIGMA.powi(2) / precision()[j]));
    (a, precision().map(|p| -0.5 * p.ln()))
}

/// An encoder that is off: too broad, and shrunk towards 0.
pub(crate) fn rough_encoder() -> ([[f64; L]; D], [f64; L]) {
    let (a, s) = exact_encoder();
    (a.map(|row| row.map(|a| 0.8 * a)), s.map(|s| s + 0.3))
}

pub(crate) fn data(rows: usize) -> Matrix<f64> {
    let mut noise = vec![0.0; rows * D];
    Noise::new(8, 0).normal(0, D, &mut noise);
    Matrix::new(rows, D, noise)
}

/// log N(x; b, WᵀW + σ²I), by a dense Cholesky factorisation.
pub(crate) fn exact(x: &[f64]) -> f64 {
    let mut c = [[0.0; D]; D];
    for i in 0..D {
        for j in 0..D {
            c[i][j] = W.iter().map(|w| w[i] * w[j]).sum::<f64>() + if i == j { SIGMA * SIGMA } else { 0.0 };
        }
    }
    let (mut factor, mut solution) = ([[0.0; D]; D], [0.0; D]);
    for i in 0..D {
        for j in 0..=i {
            let rest = c[i][j] - (0..j).map(|k| factor[i][k] * factor[j][k]).sum::<f64>();
            factor[i][j] = if i == j { rest.sqrt() } else { rest / factor[j][j] };
        }
        let known: f64 = (0..i).map(|k| factor[i][k] * solution[k]).sum();
        solution[i] = (x[i] - B[i] - known) / factor[i][i];
    }
    (0..D).map(|i| -0.5 * solution[i].powi(2) - factor[i][i].ln() - 0.5 * (2.0 * PI).ln()).sum()
}

fn exact_average(x: &Matrix<f64>) -> f64 {
    (0..x.rows).map(|i| exact(x.row(i))).sum::<f64>() / x.rows as f64
}

/// The bound of each row from this many samples.
fn elbo(vae: &Vae, theta: &Arc<Vec<f64>>, x: &Matrix<f64>, samples: usize) -> Vec<f64> {
    let tape = Tape::new();
    let mut eps = vec![0.0; samples * x.rows * L];
    Noise::new(9, 0).normal(0, L, &mut eps);
    let theta = tape.shared_constant(theta, [theta.len()]);
    let x_on_tape = tape.constant(&x.values, [x.rows, D]);
    vae.elbo(theta, x_on_tape, tape.constant(&eps, [samples, x.rows, L])).value().to_vec()
}

const GAUSSIAN: [Likelihood; 3] =
    [Likelihood::Normal { sigma: SIGMA }, Likelihood::NormalLearned { start: 1.0 }, Likelihood::NormalHead];

#[test]
fn with_the_exact_posterior_every_weight_is_the_likelihood_and_the_bound_is_tight() {
    for likelihood in GAUSSIAN {
        let vae = linear(likelihood.clone(), L);
        let ((a, s), x) = (exact_encoder(), data(20));
        let theta = theta(&vae, a, s);
        for (row, bound) in elbo(&vae, &theta, &x, 20_000).into_iter().enumerate() {
            // The reconstruction term of a draw has a standard deviation below 2.
            assert!((bound - exact(x.row(row))).abs() < 5.0 * 2.0 / 20_000_f64.sqrt(), "{likelihood:?}");
        }
        for samples in [2, 100] {
            let estimate = vae.k_sample_bound(&theta, &x, samples, 0);
            assert!((estimate.mean - exact_average(&x)).abs() < 1e-12, "{likelihood:?}: {estimate:?}");
            assert!(estimate.se < 1e-7);
        }
    }
}

#[test]
fn with_another_posterior_the_estimate_meets_the_likelihood_and_the_bound_stays_below() {
    for likelihood in GAUSSIAN {
        let vae = linear(likelihood.clone(), L);
        let ((a, s), x) = (rough_encoder(), data(20));
        let theta = theta(&vae, a, s);
        let estimate = vae.k_sample_bound(&theta, &x, 20_000, 0);
        let error = (estimate.mean - exact_average(&x)).abs();
        assert!(
            error < 5.0 * estimate.se && estimate.se < 0.01,
            "{likelihood:?}: {estimate:?} off by {error}"
        );
        let bounds = elbo(&vae, &theta, &x, 2000);
        for (row, bound) in bounds.iter().enumerate() {
            assert!(*bound < exact(x.row(row)), "{likelihood:?}: row {row}");
        }
        // KL(q ‖ posterior) is the gap: at least the part that is due to the spread.
        let gap = exact_average(&x) - bounds.iter().sum::<f64>() / x.rows as f64;
        let spread = L as f64 * 0.5 * (0.6_f64.exp() - 1.0 - 0.6);
        assert!(gap > spread - 0.05, "{likelihood:?}: {gap}");
    }
}

#[test]
fn the_estimate_is_the_logarithm_of_the_mean_weight_whatever_the_chunks_and_threads() {
    let vae = linear(Likelihood::NormalHead, L);
    let ((a, s), x) = (rough_encoder(), data(37));
    let theta = theta(&vae, a, s);
    for samples in [1, 64, 150] {
        let tape = Tape::new();
        let eps = tape.constant_with([samples, 37, L], |out| {
            for (sample, out) in out.chunks_exact_mut(37 * L).enumerate() {
                Noise::evaluation(6).normal(sample, L, out);
            }
        });
        let x_on_tape = tape.constant(&x.values, [37, D]);
        let log_weights = vae.log_weight(tape.shared_constant(&theta, [theta.len()]), x_on_tape, eps);
        let mean = (log_weights.logsumexp_axis(0) - (samples as f64).ln()).mean().item();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| vae.k_sample_bound(&theta, &x, samples, 6))
        };
        let one = on(1);
        assert!((one.mean - mean).abs() < 1e-12, "{one:?}, not {mean}");
        for threads in [2, 16] {
            let other = on(threads);
            assert_eq!((one.mean.to_bits(), one.se.to_bits()), (other.mean.to_bits(), other.se.to_bits()));
        }
    }
}

#[test]
fn the_standard_error_shrinks_with_the_samples_and_covers_the_truth_as_often_as_it_should() {
    let vae = linear(Likelihood::Normal { sigma: SIGMA }, L);
    let ((a, s), x) = (rough_encoder(), data(3));
    let theta = theta(&vae, a, s);
    let se = |samples| vae.k_sample_bound(&theta, &x, samples, 0).se;
    let ratio = se(400) / se(40_000);
    assert!((7.0..14.0).contains(&ratio), "{ratio}");

    let (truth, repeats) = (exact_average(&x), 500);
    let scores: Vec<f64> = (0..repeats)
        .map(|seed| {
            let estimate = vae.k_sample_bound(&theta, &x, 400, seed);
            ((estimate.mean - truth) / estimate.se).abs()
        })
        .collect();
    for (width, nominal) in [(1.0, 0.683), (2.0, 0.954)] {
        let covered = scores.iter().filter(|score| **score < width).count() as f64 / repeats as f64;
        let tolerance = 5.0 * (nominal * (1.0 - nominal) / repeats as f64).sqrt();
        assert!((covered - nominal).abs() < tolerance, "within {width} se: {covered}");
    }
}

/// The exact means, and standard deviations of e^log_spread times the exact ones.
fn off_by(log_spread: f64) -> ([[f64; L]; D], [f64; L]) {
    let (a, s) = exact_encoder();
    (a, s.map(|s| s + log_spread))
}

#[test]
fn a_good_posterior_has_a_small_k_hat_and_the_bound_is_the_truth() {
    let (vae, x) = (linear(Likelihood::Normal { sigma: SIGMA }, L), data(40));
    let of = |(a, s), samples| vae.k_sample_bound(&theta(&vae, a, s), &x, samples, 0);
    let exact_q = vae.k_sample_bound_of_rows(&theta(&vae, off_by(0.0).0, off_by(0.0).1), &x, 100, 0);
    for row in &exact_q {
        assert!(row.is_reliable() && row.rise.abs() < 1e-12, "{row:?}");
        assert!((row.effective_samples - 100.0).abs() < 1e-6, "{row:?}");
    }
    let bound = of(off_by(0.3), 1000);
    assert_eq!((bound.is_converged(), bound.warning(), bound.unreliable), (true, None, 0.0), "{bound:?}");
    assert!((bound.mean - exact_average(&x)).abs() < 5.0 * bound.se && bound.se < 0.005, "{bound:?}");
    assert!((300.0..1000.0).contains(&bound.effective_samples) && bound.rise < 2e-3, "{bound:?}");
}

#[test]
fn a_posterior_that_is_too_narrow_is_flagged_and_its_bound_is_below_the_truth() {
    let (vae, x) = (linear(Likelihood::Normal { sigma: SIGMA }, L), data(200));
    // The weights have 1/k moments, with k = 1 − σ_q² / σ² = 0.95.
    let (a, s) = off_by(-1.5);
    let (theta, truth) = (theta(&vae, a, s), exact_average(&x));
    let mut last = f64::INFINITY;
    for samples in [100, 1000, 10_000] {
        let bound = vae.k_sample_bound(&theta, &x, samples, 0);
        let missing = truth - bound.mean;
        // What is missing is many standard errors, and more than half of it is not told by the rise.
        assert!(missing > 5.0 * bound.se && missing > 0.1, "{bound:?}, {missing} missing");
        assert!(missing > bound.rise && bound.rise > 0.02, "{bound:?}, {missing} missing");
        assert!(bound.unreliable > 0.5 && !bound.is_converged(), "{bound:?}");
        let warning = bound.warning().unwrap();
        let told =
            format!("K = {samples} draws has not converged: log p(x) is above it by {:.3}", bound.rise);
        assert!(warning.contains(&told), "{warning}");
        assert!(missing < last, "{samples}: {missing} missing, {last} with fewer draws");
        last = missing;
    }
}

#[test]
fn the_rise_is_the_bound_above_the_mean_of_the_bounds_of_its_halves() {
    let (vae, x) = (linear(Likelihood::Normal { sigma: SIGMA }, L), data(2));
    let (a, s) = rough_encoder();
    let theta = theta(&vae, a, s);
    for samples in [2, 7, 150] {
        let tape = Tape::new();
        let eps = tape.constant_with([samples, 2, L], |out| {
            for (sample, out) in out.chunks_exact_mut(2 * L).enumerate() {
                Noise::evaluation(5).normal(sample, L, out);
            }
        });
        let x_on_tape = tape.constant(&x.values, [2, D]);
        let log_weights =
            vae.log_weight(tape.shared_constant(&theta, [theta.len()]), x_on_tape, eps).to_vec();
        for (row, bound) in vae.k_sample_bound_of_rows(&theta, &x, samples, 5).iter().enumerate() {
            let weights: Vec<f64> = log_weights.iter().skip(row).step_by(2).map(|w| w.exp()).collect();
            let mean = |w: &[f64]| (w.iter().sum::<f64>() / w.len() as f64).ln();
            let (first, second) = weights.split_at(samples / 2);
            let n = samples as f64;
            let halves = (first.len() as f64 * mean(first) + second.len() as f64 * mean(second)) / n;
            assert!((bound.rise - (mean(&weights) - halves)).abs() < 1e-12, "{samples}: {bound:?}");
            let squares: f64 = weights.iter().map(|w| w * w).sum();
            let size = weights.iter().sum::<f64>().powi(2) / squares;
            assert!((bound.effective_samples - size).abs() < 1e-9, "{samples}: {bound:?}, not {size}");
        }
    }
    assert!(vae.k_sample_bound(&theta, &x, 1, 5).rise.is_nan());
}

#[test]
fn draws_do_not_repeat_when_there_are_many() {
    let vae = linear(Likelihood::Normal { sigma: SIGMA }, L);
    let ((a, s), x) = (rough_encoder(), data(1));
    let theta = theta(&vae, a, s);
    // Were the second half a copy of the first, the estimate would be the same but for rounding.
    let [half, whole] = [1 << 16, 1 << 17].map(|samples| vae.k_sample_bound(&theta, &x, samples, 0).mean);
    assert!((half - whole).abs() > 1e-8, "{half} and {whole}");
}

#[test]
fn a_linear_model_learns_probabilistic_pca() {
    // ± along the axes: the covariance is diagonal, with these eigenvalues.
    let eigenvalues = [4.0_f64, 1.0, 0.8, 0.6];
    let n = 2 * D;
    let mut x = vec![0.0_f32; n * D];
    for (i, eigenvalue) in eigenvalues.iter().enumerate() {
        let length = (eigenvalue * n as f64 / 2.0).sqrt() as f32;
        (x[2 * i * D + i], x[(2 * i + 1) * D + i]) = (length, -length);
    }
    let rest = eigenvalues[1..].iter().sum::<f64>() / (D - 1) as f64;
    // Tipping & Bishop 1999, eq. 8 at its maximum
    let best = -0.5 * (D as f64 * ((2.0 * PI).ln() + 1.0) + eigenvalues[0].ln() + (D - 1) as f64 * rest.ln());

    let vae = linear(Likelihood::NormalLearned { start: 1.0 }, 1);
    let data = Matrix::new(n, D, x);
    let mut images = VaeObjective { samples: 8, ..VaeObjective::new(&vae, &data) };
    let theta: Vec<f32> = (0..vae.layout().size()).map(|i| 0.3 * (i as f32).cos()).collect();
    let mut trainer = Trainer::new(vae.layout(), theta, Rule::ADAM, 0);
    let fit = Fit {
        epochs: 3000,
        batch_size: n,
        rate: 0.02,
        schedule: Schedule::Cosine { epochs: 3000 },
        ..Fit::default()
    };
    trainer.fit(&mut images, None, &fit, &mut ()).unwrap();
    let bound = trainer.evaluate(&mut VaeObjective { samples: 4000, ..images }).unwrap().part("elbo");
    assert!((bound - best).abs() < 0.02, "ELBO {bound}, log-likelihood of probabilistic PCA {best}");
}
