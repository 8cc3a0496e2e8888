//! No-U-Turn trajectories on posteriors that are known exactly or by quadrature.

use autograd::{Tape, Var};
use bayes_nn::inference::{Hmc, HmcRun};

use super::hmc::{agrees, funnel};

/// Starts of four chains, wide apart.
fn starts(d: usize) -> Vec<Vec<f64>> {
    (0..4).map(|c| (0..d).map(|i| 1.5 * (1.3 * (i + 7 * c) as f64).sin()).collect()).collect()
}

#[test]
fn a_normal_distribution_with_strong_correlations() {
    // x₁ ~ N(0, 1), and every further one is 0.95 times the one before plus noise: variances 1, correlations 0.95^|i − j|.
    let run = Hmc::default()
        .sample(
            |_, x| {
                let innovations = x.view(1, [9]) - x.view(0, [9]) * 0.95;
                x.view(0, [1]).square().sum() * -0.5
                    - innovations.square().sum() * (0.5 / (1.0 - 0.95 * 0.95))
            },
            &starts(10),
            1,
        )
        .unwrap();
    agrees(&run, &[0.0; 10], &[1.0; 10]);
    let product = run.chains.map(|x| vec![x[0] * x[1], x[0] * x[9]]);
    for (i, expected) in [0.95_f64, 0.95_f64.powi(9)].into_iter().enumerate() {
        let (found, se) = (product.mean()[i], product.standard_error()[i]);
        assert!((found - expected).abs() < 4.0 * se && se < 0.05, "{found} ± {se} instead of {expected}");
    }
    assert!(run.chains.tail_ess().iter().all(|ess| *ess > 400.0), "{:?}", run.chains.tail_ess());
}

/// The effects of coaching in eight schools, and their standard errors (Rubin 1981).
const EFFECTS: [f64; 8] = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0];
const ERRORS: [f64; 8] = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0];

/// E and Var of μ, ln τ and θ₁ for yⱼ ~ N(θⱼ, σⱼ²), θⱼ ~ N(μ, τ²), μ ~ N(0, 5²), τ ~ half-Cauchy(5), by quadrature over μ and
/// ln τ: given these, the schools are independent, and θ₁ is normal.
fn eight_schools() -> ([f64; 3], [f64; 3]) {
    let (mut total, mut first, mut second) = (0.0, [0.0; 3], [0.0; 3]);
    for i in 0..500 {
        let mu = -25.0 + 0.12 * f64::from(i);
        for j in 0..500 {
            let log_tau = -13.0 + 0.04 * f64::from(j);
            let tau2 = (2.0 * log_tau).exp();
            let mut log_p = -mu * mu / 50.0 - (tau2 / 25.0).ln_1p() + log_tau;
            for (y, error) in EFFECTS.iter().zip(ERRORS) {
                let variance = error * error + tau2;
                log_p -= 0.5 * (y - mu).powi(2) / variance + 0.5 * variance.ln();
            }
            let precision = 1.0 / (ERRORS[0] * ERRORS[0]) + 1.0 / tau2;
            let theta = (EFFECTS[0] / (ERRORS[0] * ERRORS[0]) + mu / tau2) / precision;
            let weight = log_p.exp();
            total += weight;
            for (k, (mean, variance)) in
                [(mu, 0.0), (log_tau, 0.0), (theta, 1.0 / precision)].into_iter().enumerate()
            {
                first[k] += weight * mean;
                second[k] += weight * (mean * mean + variance);
            }
        }
    }
    let mean = first.map(|sum| sum / total);
    (mean, std::array::from_fn(|k| second[k] / total - mean[k] * mean[k]))
}

/// log p(Y, μ, ln τ, θ) without constants, for θ = `schools`, whose density is `log_schools`.
fn log_schools<'t>(tape: &'t Tape<f64>, x: Var<'t, f64>, schools: Var<'t, f64>) -> Var<'t, f64> {
    let (mu, log_tau) = (x.view(0, []), x.view(1, []));
    let misses = (tape.constant(&EFFECTS, [8]) - schools) / tape.constant(&ERRORS, [8]);
    let half_cauchy = ((log_tau * 2.0).exp() / 25.0).ln_1p().neg() + log_tau;
    (mu / 5.0).square() * -0.5 + half_cauchy - misses.square().sum() * 0.5
}

#[test]
fn eight_schools_by_their_standardised_effects() {
    let run = Hmc { acceptance: 0.9, ..Hmc::default() }
        .sample(
            |tape, x| {
                // θ = μ + τ η with η ~ N(0, I)
                let (mu, tau, eta) = (x.view(0, []), x.view(1, []).exp(), x.view(2, [8]));
                log_schools(tape, x, eta * tau + mu) - eta.square().sum() * 0.5
            },
            &starts(10),
            1,
        )
        .unwrap();
    let quantities = run.chains.map(|x| vec![x[0], x[1], x[0] + x[1].exp() * x[2]]);
    let (mean, variance) = eight_schools();
    agrees(&HmcRun { chains: quantities, reports: run.reports }, &mean, &variance);
}

#[test]
fn eight_schools_by_their_effects_are_a_funnel_and_the_run_says_so() {
    let run = Hmc::default()
        .sample(
            |tape, x| {
                let (mu, log_tau, theta) = (x.view(0, []), x.view(1, []), x.view(2, [8]));
                let scaled = (theta - mu) / log_tau.exp();
                log_schools(tape, x, theta) - scaled.square().sum() * 0.5 - log_tau * 8.0
            },
            &starts(10),
            1,
        )
        .unwrap();
    let ess = run.chains.bulk_ess()[1];
    assert!(run.divergent() > 0 && ess < 400.0, "{} divergent, {ess}", run.divergent());
    // What is not in the neck is right all the same.
    let (mean, variance) = eight_schools();
    assert!((run.chains.mean()[0] - mean[0]).abs() < 0.3 * variance[0].sqrt(), "{:?}", run.chains.mean());
}

#[test]
fn a_funnel_is_reported() {
    let run = Hmc::default().sample(funnel, &starts(10), 1).unwrap();
    let ess = run.chains.bulk_ess()[0];
    assert!(run.divergent() > 0 && ess < 400.0, "{} divergent, {ess}", run.divergent());
}

#[test]
fn a_regression_with_few_data_has_its_student_distributions() {
    // y = a + b x + σ ε with p(a, b, ln σ) constant: (b − b̂)/s_b ~ t₆, and 6 s²/σ² ~ χ²₆.
    let x: Vec<f64> = (0..8).map(|i| f64::from(i) - 3.5).collect();
    let y = [1.2, 0.3, 2.9, 1.8, 3.1, 4.9, 3.2, 5.6];
    let squares: f64 = x.iter().map(|x| x * x).sum();
    let slope = x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / squares;
    let mean = y.iter().sum::<f64>() / 8.0;
    let rest: f64 = x.iter().zip(y).map(|(x, y)| (y - mean - slope * x).powi(2)).sum();
    let scale = (rest / 6.0 / squares).sqrt();

    let run = Hmc::default()
        .sample(
            |tape, theta| {
                let (a, b, log_sigma) = (theta.view(0, []), theta.view(1, []), theta.view(2, []));
                tape.constant(&y, [8]).normal_log_prob(tape.constant(&x, [8]) * b + a, log_sigma).sum()
            },
            &starts(3),
            1,
        )
        .unwrap();
    let share = |t: f64| f64::from(t.abs() > 1.943_180_3) / 0.1; // t₆ at 95 %
    let far = |t: f64| f64::from(t > 3.707_428) / 0.005; // t₆ at 99.5 %
    let quantities = run.chains.map(|theta| {
        let t = (theta[1] - slope) / scale;
        let chi2 = rest * (-2.0 * theta[2]).exp();
        vec![t / 1.5_f64.sqrt(), share(t), far(t), chi2 / 6.0, f64::from(chi2 < 1.635_383) / 0.05]
    });
    for (i, expected) in [0.0, 1.0, 1.0, 1.0, 1.0].into_iter().enumerate() {
        let (found, se) = (quantities.mean()[i], quantities.standard_error()[i]);
        assert!((found - expected).abs() < 4.0 * se && se < 0.4, "{i}: {found} ± {se} instead of {expected}");
    }
    assert!(run.chains.r_hat().iter().all(|r| *r < 1.01) && run.cut() == 0);
}
