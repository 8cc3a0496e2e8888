//! Densities that say that a θ is impossible, by −∞ or by an error.

use autograd::forward::Dual;
use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};
use bayes_nn::inference::{
    Descent, Estimator, FreeEnergyObjective, Hmc, Laplace, LaplaceError, MeanField, Trajectories, fallible,
};
use nn::model::{Init, Layout};
use rand::{SeedableRng, rngs::StdRng};

const Y: [f64; 6] = [0.8, 0.9, -1.1, -0.4, 0.3, 1.2];

/// log p(ρ, Y) of three pairs with variances 1 and the correlation ρ, uniform in (−1, 1). Beyond, there is no Cholesky factor.
fn correlation<'t, F: Real>(tape: &'t Tape<F>, rho: Var<'t, F>) -> Result<Var<'t, F>, NotPositiveDefinite> {
    let constant = |values: &[f64], shape: &[usize]| {
        tape.constant(&values.iter().map(|&x| F::from_f64(x)).collect::<Vec<_>>(), shape)
    };
    let k = constant(&[1.0, 0.0, 0.0, 1.0], &[2, 2])
        + rho.reshape([1, 1]) * constant(&[0.0, 1.0, 1.0, 0.0], &[2, 2]);
    // A column for each pair.
    let z = constant(&[0, 2, 4, 1, 3, 5].map(|i| Y[i]), &[2, 3]);
    Ok(z.multivariate_normal_log_prob(k)?.sum())
}

/// E ρ and E ρ² by quadrature.
fn moments() -> [f64; 2] {
    let weight = |rho: f64| {
        let quadratic: f64 = Y
            .chunks(2)
            .map(|y| (y[0] * y[0] - 2.0 * rho * y[0] * y[1] + y[1] * y[1]) / (1.0 - rho * rho))
            .sum();
        (-0.5 * quadratic).exp() / (1.0 - rho * rho).powf(1.5)
    };
    let grid: Vec<f64> = (0..20_000).map(|i| (f64::from(i) + 0.5) / 10_000.0 - 1.0).collect();
    let total: f64 = grid.iter().map(|&rho| weight(rho)).sum();
    [1, 2].map(|k| grid.iter().map(|&rho| rho.powi(k) * weight(rho)).sum::<f64>() / total)
}

#[test]
fn monte_carlo_rejects_it_and_counts_it() {
    for trajectories in [Trajectories::OfPath, Trajectories::NoUTurn] {
        let hmc = Hmc { draws: 4000, trajectories, ..Hmc::default() };
        let run = hmc.sample(fallible(correlation), &[vec![0.0], vec![0.5], vec![-0.5]], 1).unwrap();
        assert!(run.impossible() > 0 && run.divergent() >= run.impossible(), "{:?}", run.reports);
        let powers = run.chains.map(|rho| vec![rho[0], rho[0] * rho[0]]);
        for (k, expected) in moments().into_iter().enumerate() {
            let (found, se) = (powers.mean()[k], powers.standard_error()[k]);
            assert!((found - expected).abs() < 4.0 * se && se < 0.02, "{found} ± {se} instead of {expected}");
        }
    }
}

#[test]
fn a_trajectory_never_ends_where_the_density_is_zero() {
    // The half-normal distribution, by −∞ for θ < 0.
    let run =
        Hmc::default()
            .sample(
                fallible(|_, theta| {
                    if theta.to_vec()[0] < 0.0 { Err("negative") } else { Ok(theta.square().sum() * -0.5) }
                }),
                &[vec![1.0], vec![0.1]],
                2,
            )
            .unwrap();
    assert!(run.impossible() > 100 && run.chains.draws.iter().all(|d| d.values.iter().all(|t| *t >= 0.0)));
    let (mean, se) = (run.chains.mean()[0], run.chains.standard_error()[0]);
    let expected = std::f64::consts::FRAC_2_PI.sqrt();
    assert!((mean - expected).abs() < 4.0 * se && se < 0.05, "{mean} ± {se} instead of {expected}");
}

#[test]
fn variational_inference_says_where() {
    let mut layout = Layout::new();
    let q = MeanField::new(&mut layout, "q", 1, Init::Constant(0.0), 2.0);
    let free_energy = FreeEnergyObjective::new(&q, fallible(correlation::<f64>), Estimator::default());
    let eta = layout.init(&mut StdRng::seed_from_u64(0));
    let error = free_energy.minimise(&layout, eta, Descent { steps: 50, rate: 0.01, seed: 1 }).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("epoch ") && text.contains("multivariate_normal") && text.contains("NaN"),
        "{text}"
    );
}

#[test]
fn laplace_steps_around_it_and_says_where_it_begins_in_it() {
    let q = Laplace::fit(fallible(correlation), vec![0.95], 100).unwrap();
    assert!(q.mode[0].abs() < 1.0);
    let error = Laplace::fit(fallible(correlation::<Dual<f64>>), vec![1.5], 100).unwrap_err();
    assert!(matches!(error, LaplaceError::NotFinite(_)), "{error}");
    assert!(error.to_string().contains("multivariate_normal"), "{error}");
}
