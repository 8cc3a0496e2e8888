//! What chains say of themselves.

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

#[test]
fn numbers_that_do_not_vary_have_no_r_hat_and_no_sample_size() {
    let chains = Chains { draws: vec![Matrix::new(10, 1, vec![2.0; 10]); 2] };
    assert!(chains.r_hat()[0].is_nan() && chains.ess()[0].is_nan());
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
