//! Predictive distributions and their scores.

use std::sync::Arc;

use autograd::Tape;
use bayes_nn::{BayesMlpConfig, Draws, Likelihood, Predictive, Scores, WeightPrior};
use nn::data::Matrix;
use nn::stats::Estimate;

use super::{LIKELIHOODS, build, config, data, eta};

/// Two rows, three draws.
fn predictive() -> Predictive {
    Predictive::normal(
        Matrix::new(3, 2, vec![0.0, 5.0, 1.0, 5.5, -2.0, 4.0]),
        Matrix::new(3, 2, vec![1.0, 0.5, 0.3, 2.0, 1.5, 1.0]),
    )
}

fn density(p: &Predictive, row: usize, y: f64) -> f64 {
    let normal =
        |f: f64, s: f64| (-0.5 * ((y - f) / s).powi(2)).exp() / s / (2.0 * std::f64::consts::PI).sqrt();
    (0..p.f.rows).map(|s| normal(p.f.row(s)[row], p.sigma.row(s)[row])).sum::<f64>() / p.f.rows as f64
}

/// ∫ g over −30 … 30 by the midpoint rule.
fn integral(g: impl Fn(f64) -> f64) -> f64 {
    let step = 1e-3;
    (0..60_000).map(|i| g(-30.0 + (i as f64 + 0.5) * step)).sum::<f64>() * step
}

#[test]
fn moments_density_distribution_quantiles_and_crps_are_those_of_the_mixture() {
    let p = predictive();
    let y = [0.4, 6.0];
    for row in 0..2 {
        let mean = integral(|t| t * density(&p, row, t));
        assert!((p.mean()[row] - mean).abs() < 1e-6);
        let variance = integral(|t| (t - mean).powi(2) * density(&p, row, t));
        assert!((p.variance()[row] - variance).abs() < 1e-6);
        assert!((p.epistemic()[row] + p.aleatoric()[row] - p.variance()[row]).abs() < 1e-12);
        assert!((p.log_density(&y)[row] - density(&p, row, y[row]).ln()).abs() < 1e-12);
        let below = |t: f64| p.cdf(&[t, t])[row];
        let cdf = integral(|t| if t <= y[row] { density(&p, row, t) } else { 0.0 });
        assert!((below(y[row]) - cdf).abs() < 1e-3);
        for probability in [1e-6, 0.025, 0.3, 0.5, 0.9, 1.0 - 1e-6] {
            assert!((below(p.quantile(probability)[row]) - probability).abs() < 1e-7);
        }
        let step = |t: f64| if y[row] <= t { 1.0 } else { 0.0 };
        let crps = (0..6000)
            .map(|i| -30.0 + (i as f64 + 0.5) * 0.01)
            .map(|t| (below(t) - step(t)).powi(2))
            .sum::<f64>()
            * 0.01;
        assert!((p.crps(&y)[row] - crps).abs() < 1e-3, "{} {crps}", p.crps(&y)[row]);
    }
}

#[test]
fn a_single_draw_is_a_normal() {
    let p = Predictive::normal(Matrix::new(1, 1, vec![2.0]), Matrix::new(1, 1, vec![3.0]));
    assert!((p.quantile(0.975)[0] - (2.0 + 3.0 * 1.959_963_984_540_054)).abs() < 1e-6);
    assert_eq!((p.mean(), p.epistemic(), p.aleatoric()), (vec![2.0], vec![0.0], vec![9.0]));
    // CRPS(N(0, 1), 0) = (√2 − 1)/√π
    let known = (2.0_f64.sqrt() - 1.0) / std::f64::consts::PI.sqrt();
    assert!((p.crps(&[2.0])[0] - 3.0 * known).abs() < 1e-12);
}

#[test]
fn quantiles_of_large_numbers_are_exact_to_their_spacing() {
    // A time in seconds since 1970.
    let p = Predictive::normal(Matrix::new(1, 1, vec![1.7e9]), Matrix::new(1, 1, vec![0.3]));
    assert!((p.quantile(0.5)[0] - 1.7e9).abs() < 1e-6);
}

#[test]
fn densities_far_out_do_not_underflow() {
    let p = predictive();
    let log_density = p.log_density(&[1e4, -1e4]);
    let far = |y: f64, f: f64, s: f64| {
        -0.5 * ((y - f) / s).powi(2) - s.ln() - 0.918_938_533_204_672_7 - 3.0_f64.ln()
    };
    assert!((log_density[0] / far(1e4, -2.0, 1.5) - 1.0).abs() < 1e-9);
    assert!((log_density[1] / far(-1e4, 5.5, 2.0) - 1.0).abs() < 1e-9);
}

#[test]
fn rescaling_changes_the_units_of_everything() {
    let (p, y) = (predictive(), [0.4, 6.0]);
    let (a, b) = (7.0, -3.0);
    let (q, z) = (p.rescaled(a, b), y.map(|y| a * y + b));
    for row in 0..2 {
        assert!((q.log_density(&z)[row] - (p.log_density(&y)[row] - a.ln())).abs() < 1e-12);
        assert!((q.mean()[row] - (a * p.mean()[row] + b)).abs() < 1e-12);
        assert!((q.variance()[row] / (a * a * p.variance()[row]) - 1.0).abs() < 1e-12);
        assert!((q.cdf(&z)[row] - p.cdf(&y)[row]).abs() < 1e-12);
        assert!((q.crps(&z)[row] / (a * p.crps(&y)[row]) - 1.0).abs() < 1e-9);
    }
}

#[test]
fn coverage_is_that_of_central_intervals() {
    let p = Predictive::normal(Matrix::new(1, 4, vec![0.0; 4]), Matrix::new(1, 4, vec![1.0; 4]));
    let scores = Scores::of(&p, &[0.1, -1.0, 2.0, -4.0]);
    // |z| < 0.674 holds for one, < 1.645 for two, < 1.96 for two, < 2.33 for three
    for (level, inside) in [(0.0, 0.0), (0.5, 0.25), (0.9, 0.5), (0.95, 0.5), (0.98, 0.75), (1.0, 1.0)] {
        assert_eq!(scores.coverage(level), inside, "{level}");
    }
    assert!((scores.rmse - (21.01_f64 / 4.0).sqrt()).abs() < 1e-12);
    let calibration = scores.calibration(10);
    assert_eq!((calibration.len(), calibration[0], calibration[10]), (11, (0.0, 0.0), (1.0, 1.0)));
    assert!(calibration.windows(2).all(|pair| pair[0].1 <= pair[1].1));
}

#[test]
fn a_drawn_theta_feeds_the_same_network() {
    let (x, _) = data();
    // More rows than are computed at a time
    let x = Matrix::new(
        700,
        3,
        x.values.iter().cycle().take(2100).enumerate().map(|(i, x)| x + i as f64 / 1e3).collect(),
    );
    for likelihood in LIKELIHOODS {
        let model = build(&BayesMlpConfig { modes: 2, ..config(likelihood, WeightPrior::Learned) });
        let draws = model.draws(&eta(&model), 6, 5);
        let predictive = model.predict(&draws, &x);
        for s in 0..6 {
            let tape = Tape::new();
            let x = tape.constant(&x.values, [700, 3]);
            let f = model.mlp().apply(tape.constant(draws.theta.row(s), [model.dim()]), x).to_vec();
            for i in [0, 255, 256, 699] {
                let (mean, sigma) = match likelihood {
                    Likelihood::NormalHead => (f[2 * i], (5.0 * (f[2 * i + 1] / 5.0).tanh()).exp()),
                    _ => (f[i], draws.unknowns.row(s).first().map_or(0.7, |log_sigma| log_sigma.exp())),
                };
                assert!((predictive.f.row(s)[i] - mean).abs() < 1e-12);
                assert!((predictive.sigma.row(s)[i] - sigma).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn draws_follow_q_its_modes_take_turns_and_a_seed_repeats_them() {
    let model = build(&BayesMlpConfig { modes: 2, ..config(LIKELIHOODS[1], WeightPrior::Learned) });
    let (numbers, dim, count) = (eta(&model), model.dim(), 20_000);
    let draws = model.draws(&numbers, count, 5);
    assert_eq!(draws, model.draws(&numbers, count, 5));
    assert_ne!(draws, model.draws(&numbers, count, 6));
    for k in 0..2 {
        let mode: Vec<usize> = (k..count).step_by(2).collect();
        let mode: Draws<f64> = draws.select(&mode);
        for i in [0, 3, dim - 1] {
            let values: Vec<f64> = (0..mode.theta.rows).map(|s| mode.theta.row(s)[i]).collect();
            let Estimate { mean, se } = Estimate::of(&values);
            let (mu, sigma) = (numbers[2 * k * dim + i], numbers[(2 * k + 1) * dim + i].exp().ln_1p());
            assert!((mean - mu).abs() < 5.0 * se, "mode {k}: {mean} ± {se}, not {mu}");
            assert!((se * (count as f64 / 2.0).sqrt() / sigma - 1.0).abs() < 0.05);
        }
        assert_eq!((mode.unknowns.rows, mode.unknowns.cols), (mode.theta.rows, 1));
    }
}

#[test]
fn predictions_are_the_same_on_any_number_of_threads() {
    let (x, _) = data();
    let model = build(&config(LIKELIHOODS[1], WeightPrior::Learned));
    let numbers = Arc::new(eta(&model));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| model.predict(&model.draws(&numbers, 50, 1), &x))
    };
    assert_eq!(on(1), on(2));
    assert_eq!(on(1), on(16));
}
