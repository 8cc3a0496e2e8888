//! The free energy and its estimators.

use autograd::check::check_theta;
use autograd::{Real, Tape, Var};
use bayes_nn::inference::{
    Descent, DivergenceEstimator, Estimator, FreeEnergyObjective, GradientEstimator, LogDensity, MeanField,
    NormalPrior,
};
use nn::model::{Init, Layout};
use nn::train::{Noise, Place, StepError, TrainError};
use rand::{SeedableRng, rngs::StdRng};

const DIM: usize = 3;
const DIVERGENCES: [DivergenceEstimator; 3] =
    [DivergenceEstimator::ClosedForm, DivergenceEstimator::MonteCarlo, DivergenceEstimator::Path];

/// Some log-likelihood: not Gaussian, its coordinates coupled.
fn log_likelihood<'t>(_: &'t Tape<f64>, theta: Var<'t, f64>) -> Var<'t, f64> {
    let (a, b, c) = (theta.view(0, []), theta.view(1, []), theta.view(2, []));
    (a * b).sin() - (a + b * c - 1.0).square() * 0.5 - c.softplus()
}

fn prior() -> NormalPrior {
    NormalPrior::of_each(vec![0.2, 0.0, -0.5], vec![1.0, 0.7, 1.5])
}

fn log_joint<'t>(tape: &'t Tape<f64>, theta: Var<'t, f64>) -> Var<'t, f64> {
    log_likelihood(tape, theta) + prior().on(tape).log_prob(theta)
}

fn mean_field_in(layout: &mut Layout) -> MeanField {
    MeanField::new(layout, "q", DIM, Init::Values(vec![0.3, -0.2, 0.8]), 0.6)
}

fn mean_field() -> (MeanField, Vec<f64>) {
    let mut layout = Layout::new();
    let q = mean_field_in(&mut layout);
    (q, layout.init(&mut StdRng::seed_from_u64(0)))
}

/// The mean of a gradient's elements over `n` independent draws, and their standard errors.
fn gradient_of<P: LogDensity<f64>>(
    free_energy: &FreeEnergyObjective<'_, MeanField, P>,
    eta: &[f64],
    n: u64,
) -> Vec<(f64, f64)> {
    let (mut tape, eta) = (Tape::new(), eta.to_vec().into());
    let mut sums = vec![(0.0, 0.0); 2 * DIM];
    for step in 0..n {
        let (_, gradient) = tape.value_and_grad(&eta, |tape, eta| {
            free_energy.elbo(eta, free_energy.noise(tape, Noise::new(7, step))).value().neg()
        });
        for (sum, g) in sums.iter_mut().zip(&*gradient) {
            *sum = (sum.0 + g, sum.1 + g * g);
        }
    }
    let n = n as f64;
    sums.into_iter().map(|(sum, squares)| (sum / n, ((squares / n - (sum / n).powi(2)) / n).sqrt())).collect()
}

fn close(a: &[(f64, f64)], b: &[(f64, f64)], what: &str) {
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let error = (a.1 * a.1 + b.1 * b.1).sqrt() + 1e-12;
        assert!((a.0 - b.0).abs() < 4.5 * error, "{what}, element {i}: {a:?} against {b:?}");
    }
}

fn estimators() -> Vec<Estimator> {
    let gradients = [
        GradientEstimator::Reparameterised,
        GradientEstimator::Score { control_variate: false },
        GradientEstimator::Score { control_variate: true },
    ];
    let mut all = Vec::new();
    for divergence in DIVERGENCES {
        for gradient in gradients {
            for antithetic in [false, true] {
                all.push(Estimator { samples: 4, antithetic, divergence, gradient });
            }
        }
    }
    all
}

#[test]
fn all_estimators_have_the_same_mean_gradient_and_the_same_mean_value() {
    let (q, eta) = mean_field();
    let plain = Estimator { samples: 64, antithetic: true, ..Estimator::default() };
    let yardstick = FreeEnergyObjective::new(&q, log_joint, plain);
    let gradient = gradient_of(&yardstick, &eta, 8_000);
    assert!(gradient.iter().all(|(g, se)| g.abs() > 20.0 * se), "a slope that is nearly zero proves nothing");
    let elbo = yardstick.estimate_elbo(&eta, 8_000, 3);
    for estimator in estimators() {
        let joint = FreeEnergyObjective::new(&q, log_joint, estimator);
        let split = FreeEnergyObjective::with_prior(&q, log_likelihood, prior(), estimator);
        close(&gradient_of(&joint, &eta, 8_000), &gradient, &format!("{estimator:?}"));
        close(&gradient_of(&split, &eta, 8_000), &gradient, &format!("{estimator:?} with a prior"));
        for estimate in [joint.estimate_elbo(&eta, 8_000, 4), split.estimate_elbo(&eta, 8_000, 4)] {
            let error = estimate.se.hypot(elbo.se);
            assert!((estimate.mean - elbo.mean).abs() < 4.5 * error, "{estimator:?}: {estimate:?}, {elbo:?}");
        }
    }
}

#[test]
fn the_control_variate_and_the_reparameterisation_have_less_variance() {
    let (q, eta) = mean_field();
    let noise = |gradient| {
        let estimator = Estimator { samples: 4, gradient, ..Estimator::default() };
        let gradient = gradient_of(&FreeEnergyObjective::new(&q, log_joint, estimator), &eta, 5_000);
        gradient.iter().map(|(_, se)| se * se).sum::<f64>()
    };
    let score = noise(GradientEstimator::Score { control_variate: false });
    let control = noise(GradientEstimator::Score { control_variate: true });
    let reparameterised = noise(GradientEstimator::Reparameterised);
    assert!(control < 0.7 * score, "{control} against {score}");
    assert!(reparameterised < 0.5 * control, "{reparameterised} against {control}");
}

#[test]
fn reparameterised_elbos_have_the_gradient_of_their_value() {
    let (q, eta) = mean_field();
    for divergence in [DivergenceEstimator::ClosedForm, DivergenceEstimator::MonteCarlo] {
        for antithetic in [false, true] {
            let estimator = Estimator { samples: 4, antithetic, divergence, ..Estimator::default() };
            let joint = FreeEnergyObjective::new(&q, log_joint, estimator);
            let split = FreeEnergyObjective::with_prior(&q, log_likelihood, prior(), estimator);
            let noise = Noise::new(1, 2);
            check_theta("F", &eta, 8, |tape, eta| joint.elbo(eta, joint.noise(tape, noise)).value()).unwrap();
            check_theta("F", &eta, 8, |tape, eta| split.elbo(eta, split.noise(tape, noise)).value()).unwrap();
        }
    }
}

/// F = KL(q ‖ π) − E_q[log ℓ] = E_q[log q − log π − log ℓ]: at the very same samples, the Monte-Carlo forms agree.
#[test]
fn a_prior_of_its_own_or_within_the_density_gives_the_same_value() {
    let (q, eta) = mean_field();
    let estimator =
        Estimator { samples: 5, divergence: DivergenceEstimator::MonteCarlo, ..Estimator::default() };
    let joint = FreeEnergyObjective::new(&q, log_joint, estimator).estimate_elbo(&eta, 10, 1);
    let split =
        FreeEnergyObjective::with_prior(&q, log_likelihood, prior(), estimator).estimate_elbo(&eta, 10, 1);
    assert!((joint.mean - split.mean).abs() < 1e-12, "{joint:?}, {split:?}");
}

#[test]
fn the_second_half_of_antithetic_noise_is_the_first_with_the_opposite_sign() {
    let (q, _) = mean_field();
    let estimator = Estimator { samples: 6, antithetic: true, ..Estimator::default() };
    let free_energy = FreeEnergyObjective::new(&q, log_joint, estimator);
    let tape = Tape::new();
    let xi: Vec<f64> = free_energy.noise(&tape, Noise::new(0, 0)).to_vec();
    for i in 0..9 {
        assert_eq!(xi[i], -xi[i + 9]);
    }
    assert_eq!(xi, free_energy.noise(&tape, Noise::new(0, 0)).to_vec());
    assert_ne!(xi, free_energy.noise(&tape, Noise::new(0, 1)).to_vec());
    assert_ne!(xi, free_energy.noise(&tape, Noise::new(1, 0)).to_vec());
}

#[test]
fn single_precision_computes_the_same_elbo() {
    fn log_joint<'t, F: Real>(_: &'t Tape<F>, theta: Var<'t, F>) -> Var<'t, F> {
        theta.square().sum() * F::from_f64(-0.7)
    }
    let (q, eta) = mean_field();
    let narrow: Vec<f32> = eta.iter().map(|&eta| eta as f32).collect();
    let estimator = Estimator { samples: 8, ..Estimator::default() };
    let double = FreeEnergyObjective::new(&q, log_joint::<f64>, estimator).estimate_elbo(&eta, 50, 1);
    let single = FreeEnergyObjective::new(&q, log_joint::<f32>, estimator).estimate_elbo(&narrow, 50, 1);
    assert!((double.mean - single.mean).abs() < 1e-5, "{double:?}, {single:?}");
}

#[test]
fn a_density_that_stops_being_finite_is_named() {
    let mut layout = Layout::new();
    let q = mean_field_in(&mut layout);
    let eta = layout.init(&mut StdRng::seed_from_u64(0));
    let free_energy =
        FreeEnergyObjective::new(&q, |_: &Tape<f64>, theta| theta.ln().sum(), Estimator::default());
    match free_energy.minimise(&layout, eta, Descent { steps: 10, rate: 0.1, seed: 0 }).unwrap_err() {
        TrainError::Step { epoch: 1, source: StepError::NonFinite(Place::Tape(cause)), .. } => {
            assert!(cause.to_string().contains("ln"), "{cause}");
        }
        other => panic!("{other}"),
    }
}

#[test]
#[should_panic(expected = "free energy: log-density: expected a scalar, found an array of shape [3]")]
fn a_density_with_many_values_is_refused() {
    let (q, eta) = mean_field();
    FreeEnergyObjective::new(&q, |_: &Tape<f64>, theta| theta, Estimator::default())
        .estimate_elbo(&eta, 1, 0);
}

#[test]
#[should_panic(expected = "estimator: samples: expected an even number for antithetic pairs, found 3")]
fn an_odd_number_of_antithetic_samples_is_refused() {
    let estimator = Estimator { samples: 3, antithetic: true, ..Estimator::default() };
    FreeEnergyObjective::new(&mean_field().0, log_joint, estimator);
}

#[test]
#[should_panic(expected = "estimator: samples: expected an even number for antithetic pairs, found 3")]
fn as_many_samples_as_there_is_noise_must_suit_the_estimator() {
    let (q, eta) = mean_field();
    let estimator = Estimator { samples: 4, antithetic: true, ..Estimator::default() };
    let objective = FreeEnergyObjective::new(&q, log_joint, estimator);
    let tape = Tape::new();
    let _ = objective.elbo(tape.constant(&eta, [eta.len()]), tape.constant(&[0.5; 9], [3, 3]));
}

#[test]
#[should_panic(expected = "estimator: samples: expected at least 4 for a control variate, found 2")]
fn a_single_pair_has_no_control_variate() {
    let gradient = GradientEstimator::Score { control_variate: true };
    let estimator = Estimator { samples: 2, antithetic: true, gradient, ..Estimator::default() };
    FreeEnergyObjective::new(&mean_field().0, log_joint, estimator);
}

#[test]
#[should_panic(expected = "free energy: prior: expected 1 mean or one for each of 3 parameters, found 2")]
fn a_prior_of_another_length_is_refused() {
    let prior = NormalPrior::of_each(vec![0.0; 2], vec![1.0; 2]);
    FreeEnergyObjective::with_prior(&mean_field().0, log_likelihood, prior, Estimator::default());
}

#[test]
#[should_panic(
    expected = "prior: expected finite means and positive standard deviations, found [0.0], [-1.0]"
)]
fn a_prior_without_spread_is_refused() {
    NormalPrior::new(0.0, -1.0);
}

#[test]
fn the_descent_has_the_same_bits_on_any_number_of_threads() {
    let (mut layout, start) = (Layout::new(), mean_field().1);
    let q = mean_field_in(&mut layout);
    for estimator in estimators() {
        let free_energy = FreeEnergyObjective::new(&q, log_joint, estimator);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let descent = Descent { steps: 30, rate: 0.05, seed: 2 };
            pool.install(|| free_energy.minimise(&layout, start.clone(), descent).unwrap())
        };
        let one = on(1);
        assert!(one != start && one == on(2) && one == on(16), "{estimator:?}");
    }
}
