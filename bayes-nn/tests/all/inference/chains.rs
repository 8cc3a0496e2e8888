//! What chains say of themselves.

use approx::assert_relative_eq;
use bayes_nn::inference::Chains;
use nn::data::Matrix;
use nn::train::Noise;

fn normal(seed: u64, n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n];
    Noise::new(seed, 1).normal(0, 1, &mut out);
    out
}

/// xₜ = φ xₜ₋₁ + √(1 − φ²) ε
fn autoregressive(phi: f64, seed: u64, n: usize) -> Matrix<f64> {
    let noise = normal(seed, n);
    let mut x = noise[0];
    let next = |e: &f64| {
        x = phi * x + (1.0 - phi * phi).sqrt() * e;
        x
    };
    Matrix::new(n, 1, noise.iter().map(next).collect())
}

fn chains(phi: f64, n: usize) -> Chains {
    Chains { draws: (0..4).map(|c| autoregressive(phi, c, n)).collect() }
}

#[test]
fn the_effective_sample_size_is_that_of_an_autoregressive_process() {
    // ESS of the mean: N (1 − φ)/(1 + φ), beyond N for a negative φ.
    for phi in [0.9, 0.5, 0.0, -0.5] {
        let (found, expected) = (chains(phi, 20_000).ess()[0], 80_000.0 * (1.0 - phi) / (1.0 + phi));
        assert!((found / expected - 1.0).abs() < 0.1, "φ = {phi}: {found} instead of {expected}");
    }
}

#[test]
fn chains_that_agree_have_an_r_hat_of_one_and_others_not() {
    let mut chains = chains(0.3, 1000);
    assert!((chains.r_hat()[0] - 1.0).abs() < 0.01);
    chains.draws[2] = chains.draws[2].map(|x| x + 1.0);
    assert!(chains.r_hat()[0] > 1.05, "{:?}", chains.r_hat());
    assert!(chains.ess()[0] < 100.0);

    // One chain that drifts disagrees with itself.
    let drift =
        Matrix::new(1000, 1, normal(9, 1000).iter().enumerate().map(|(i, x)| x + i as f64 / 250.0).collect());
    assert!(Chains { draws: vec![drift] }.r_hat()[0] > 1.2);
}

/// P(x₀ ≤ z, xₖ ≤ z) − P(x ≤ z)² of an autoregressive process, where x₀ and xₖ have the correlation ρ:
///
/// ∫₀^ρ exp(−z²/(1 + r)) / (2π √(1 − r²)) dr
fn covariance_of_tails(z: f64, rho: f64) -> f64 {
    let (steps, n) = (2000, 2000.0);
    let at = |i: usize| (i as f64 + 0.5) / n * rho;
    let density = |r: f64| (-z * z / (1.0 + r)).exp() / (std::f64::consts::TAU * (1.0 - r * r).sqrt());
    (0..steps).map(|i| density(at(i))).sum::<f64>() * rho / n
}

#[test]
fn bulk_and_tail_effective_sizes_are_those_of_an_autoregressive_process() {
    for phi in [0.9_f64, 0.5, 0.0] {
        let chains = chains(phi, 20_000);
        let expected = 80_000.0 * (1.0 - phi) / (1.0 + phi);
        assert!((chains.bulk_ess()[0] / expected - 1.0).abs() < 0.1, "φ = {phi}: {:?}", chains.bulk_ess());
        // 1 + 2 Σ of the correlations of [x ≤ −1.645]
        let of_lag = |lag: i32| covariance_of_tails(1.644_854, phi.powi(lag)) / (0.05 * 0.95);
        let tau = 1.0 + 2.0 * (1..200).map(of_lag).sum::<f64>();
        let expected = 80_000.0 / tau;
        assert!((chains.tail_ess()[0] / expected - 1.0).abs() < 0.12, "φ = {phi}: {:?}", chains.tail_ess());
    }
}

/// Skewed and correlated numbers of four short chains, the last of which is three times too wide.
fn skewed() -> Chains {
    let chain = |c: usize| {
        let mut x = 0.0;
        let draws = (0..50).map(|i| {
            x = 0.6 * x + ((((i * 7919 + c * 104_729) % 1009) as f64 + 0.5) / 1009.0 - 0.5);
            if c < 3 { x * x * x } else { 3.0 * (x * x * x) }
        });
        Matrix::new(50, 1, draws.collect())
    };
    Chains { draws: (0..4).map(chain).collect() }
}

#[test]
fn diagnostics_are_those_of_an_independent_implementation() {
    // ArviZ 0.19.0: rhat(method="rank"), and ess with the methods "bulk", "tail" and "mean".
    let chains = skewed();
    assert_relative_eq!(chains.r_hat()[0], 1.0095286655659448, max_relative = 1e-9);
    assert_relative_eq!(chains.bulk_ess()[0], 100.83083219043696, max_relative = 1e-9);
    assert_relative_eq!(chains.tail_ess()[0], 106.60742626741224, max_relative = 1e-9);
    assert_relative_eq!(chains.ess()[0], 173.00151687678365, max_relative = 1e-9);
}

#[test]
fn a_chain_that_is_three_times_too_wide_is_found() {
    let mut chains = chains(0.3, 1000);
    chains.draws[1] = chains.draws[1].map(|x| 3.0 * x);
    assert!(chains.r_hat()[0] > 1.1, "{:?}", chains.r_hat());
    // Chains that differ in where they are still disagree, and draws without a variance do not.
    let cauchy = |c: u64| {
        Matrix::new(1000, 1, {
            let (a, b) = (normal(10 + c, 1000), normal(20 + c, 1000));
            a.iter().zip(b).map(|(a, b)| a / b).collect()
        })
    };
    let heavy = Chains { draws: (0..4).map(cauchy).collect() };
    assert!((heavy.r_hat()[0] - 1.0).abs() < 0.01, "{:?}", heavy.r_hat());
    assert!((heavy.bulk_ess()[0] / 4000.0 - 1.0).abs() < 0.15, "{:?}", heavy.bulk_ess());
}

#[test]
fn numbers_that_are_not_numbers_have_no_diagnostics() {
    let mut chains = chains(0.0, 100);
    chains.draws[0] = chains.draws[0].map(|x| if x > 2.0 { f64::NAN } else { x });
    let all = [chains.r_hat(), chains.bulk_ess(), chains.tail_ess(), chains.ess()];
    assert!(
        chains.draws[0].values.iter().any(|x| x.is_nan()) && all.iter().all(|of| of[0].is_nan()),
        "{all:?}"
    );
}

#[test]
fn numbers_that_do_not_vary_have_no_r_hat_and_no_sample_size() {
    let chains = Chains { draws: vec![Matrix::new(10, 1, vec![2.0; 10]); 2] };
    assert!(chains.r_hat()[0].is_nan() && chains.ess()[0].is_nan());
    assert!(chains.bulk_ess()[0].is_nan() && chains.tail_ess()[0].is_nan());
    assert_eq!((chains.mean(), chains.variance()), (vec![2.0], vec![0.0]));
}

#[test]
fn mean_variance_and_error_are_the_formulas() {
    let chains = chains(0.0, 5000);
    assert!(chains.mean()[0].abs() < 5.0 * chains.standard_error()[0]);
    assert!((chains.variance()[0] - 1.0).abs() < 0.05);
    assert!((chains.standard_error()[0] - 20_000.0_f64.sqrt().recip()).abs() < 5e-4);
}

#[test]
fn draws_are_thinned_evenly_and_mapped_one_by_one() {
    let chain = |from: f64| Matrix::new(4, 1, (0..4).map(|i| from + f64::from(i)).collect());
    let chains = Chains { draws: vec![chain(0.0), chain(10.0)] };
    assert_eq!(chains.thinned(4).values[..], [0.0, 2.0, 10.0, 12.0]);
    assert_eq!(chains.thinned(100).rows, 8);
    let mapped = chains.map(|x| vec![x[0], -x[0]]);
    assert_eq!((mapped.draws[1].cols, mapped.draws[1].row(2)), (2, &[12.0, -12.0][..]));
}
