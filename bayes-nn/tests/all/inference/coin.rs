//! The coin of lecture 004: 10 heads in 14 throws. The posterior is Beta(k + a, n − k + b).

use autograd::{Tape, Var};
use bayes_nn::inference::{
    Descent, DivergenceEstimator, Estimator, Family, FreeEnergyObjective, GradientEstimator, MeanField,
    Support, Transform,
};
use nn::model::{Init, Layout};
use rand::{SeedableRng, rngs::StdRng};

/// E_q(p) and the ELBO, for a density that is Beta(a, b) up to a constant.
fn advi(a: f64, b: f64, gradient: GradientEstimator) -> (f64, f64) {
    let mut transform = Transform::new();
    transform.slot("p", [1], Support::UNIT);
    let mut layout = Layout::new();
    let q = MeanField::new(&mut layout, "q", 1, Init::Constant(0.0), 1.0);
    let free_energy = FreeEnergyObjective::new(
        &q,
        |_: &Tape<f64>, zeta| {
            transform.log_joint(zeta, |p| (p.ln() * (a - 1.0) + p.neg().ln_1p() * (b - 1.0)).sum())
        },
        Estimator { samples: 64, antithetic: true, divergence: DivergenceEstimator::Path, gradient },
    );
    let eta = layout.init(&mut StdRng::seed_from_u64(0));
    let eta = free_energy.minimise(&layout, eta, Descent { steps: 2000, rate: 0.03, seed: 0 }).unwrap();
    let tape = Tape::new();
    let var: Var<'_, f64> = tape.constant(&eta, [2]);
    let xi: Vec<f64> = (-600..=600).map(|i| f64::from(i) * 0.01).collect();
    let zeta = q.sample_with(var, tape.constant(&xi, [xi.len(), 1])).to_vec();
    let weights = || xi.iter().map(|xi| (-0.5 * xi * xi).exp());
    let mean = zeta.iter().zip(weights()).map(|(&zeta, w)| w * transform.values(&[zeta])[0]).sum::<f64>();
    (mean / weights().sum::<f64>(), free_energy.estimate_elbo(&eta, 500, 1).mean)
}

/// ln B(a, b) of whole numbers.
fn log_beta(a: u32, b: u32) -> f64 {
    let log_factorial = |n: u32| (1..=n).map(|k| f64::from(k).ln()).sum::<f64>();
    log_factorial(a - 1) + log_factorial(b - 1) - log_factorial(a + b - 1)
}

#[test]
fn the_mean_is_that_of_the_beta_posterior_within_one_percent_and_the_elbo_its_constant() {
    let gradients = [GradientEstimator::Reparameterised, GradientEstimator::Score { control_variate: true }];
    for (a, b) in [(11, 5), (20, 14)] {
        for gradient in gradients {
            let (mean, elbo) = advi(f64::from(a), f64::from(b), gradient);
            let exact = f64::from(a) / f64::from(a + b);
            assert!((mean / exact - 1.0).abs() < 0.01, "Beta({a}, {b}), {gradient:?}: {mean}");
            let gap = log_beta(a, b) - elbo;
            assert!((0.0..0.01).contains(&gap), "Beta({a}, {b}), {gradient:?}: {gap}");
        }
    }
}
