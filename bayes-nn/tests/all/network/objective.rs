//! The objective and its gradient.

use autograd::check::check_theta;
use autograd::{Tape, Var};
use bayes_nn::{
    BayesMlp, BayesMlpConfig, BayesMlpError, BayesMlpObjective, Draws, Likelihood, Sampling, WeightPrior,
};
use nn::data::Matrix;
use nn::model::Nonlinearity;
use nn::train::{Batch, Fit, Noise, Objective, Parts, Rule, Trainer};

use super::{LIKELIHOODS, build, config, data, eta, priors};

/// Loss and parts on these rows.
fn loss(
    objective: &BayesMlpObjective<'_, f64>,
    eta: &[f64],
    rows: std::ops::Range<usize>,
    noise: Noise,
) -> (f64, [f64; 3]) {
    let (tape, rows) = (Tape::new(), rows.collect::<Vec<_>>());
    let batch = Batch { rows: &rows, noise, epoch: None };
    let (loss, parts) = record(objective, tape.constant(eta, [eta.len()]), &batch);
    (loss.item(), parts)
}

/// The loss on the tape of η, and its parts.
fn record<'t>(
    objective: &BayesMlpObjective<'_, f64>,
    eta: Var<'t, f64>,
    batch: &Batch<'_>,
) -> (Var<'t, f64>, [f64; 3]) {
    let mut sums = [0.0; 3];
    (objective.loss(eta, batch, &mut Parts::new(objective.parts(), &mut sums)).unwrap(), sums)
}

#[test]
fn the_gradient_is_right_for_every_likelihood_prior_and_way_of_sampling() {
    let (x, y) = data();
    for likelihood in LIKELIHOODS {
        for prior in priors() {
            for (modes, samples) in [(1, 1), (1, 3), (2, 2)] {
                for sampling in [Sampling::Weights { samples }, Sampling::Local { samples }] {
                    let model = build(&BayesMlpConfig { modes, ..config(likelihood, prior.clone()) });
                    let objective =
                        BayesMlpObjective { sampling, n: 50, ..BayesMlpObjective::new(&model, &x, &y) };
                    let name = format!("{likelihood:?} {prior:?} {sampling:?} {modes}");
                    check_theta(&name, &eta(&model), 3, |_, eta| {
                        let batch = Batch { rows: &[0, 2, 3, 6], noise: Noise::new(4, 5), epoch: None };
                        record(&objective, eta, &batch).0
                    })
                    .unwrap();
                }
            }
        }
    }
}

#[test]
fn the_gradient_is_right_for_every_activation_and_depth() {
    use Nonlinearity::{Elu, Identity, LeakyRelu, Relu, Sigmoid, Softplus, Tanh};
    let (x, y) = data();
    for phi in [Identity, Relu, LeakyRelu(0.1), Elu, Tanh, Sigmoid, Softplus] {
        for hidden in [&[][..], &[3], &[4, 2]] {
            for sampling in [Sampling::Weights { samples: 1 }, Sampling::Local { samples: 1 }] {
                let basis = config(LIKELIHOODS[0], WeightPrior::Normal { sigma: vec![1.0] });
                let model = build(&BayesMlpConfig { phi, hidden: hidden.to_vec(), ..basis });
                let objective = BayesMlpObjective { sampling, ..BayesMlpObjective::new(&model, &x, &y) };
                check_theta(&format!("{phi:?} {hidden:?} {sampling:?}"), &eta(&model), 3, |_, eta| {
                    let batch = Batch { rows: &[1, 4, 5], noise: Noise::new(4, 6), epoch: None };
                    record(&objective, eta, &batch).0
                })
                .unwrap();
            }
        }
    }
}

#[test]
fn shards_of_a_minibatch_add_up_to_it_and_share_the_draw_of_theta() {
    let (x, y) = data();
    for prior in priors() {
        for sampling in [Sampling::Weights { samples: 2 }, Sampling::Local { samples: 2 }] {
            for likelihood in LIKELIHOODS {
                let model = build(&BayesMlpConfig { modes: 2, ..config(likelihood, prior.clone()) });
                let objective = BayesMlpObjective { sampling, ..BayesMlpObjective::new(&model, &x, &y) };
                let (eta, noise) = (eta(&model), Noise::new(1, 2));
                let (whole, parts) = loss(&objective, &eta, 0..7, noise);
                let (a, b) =
                    (loss(&objective, &eta, 0..3, noise), loss(&objective, &eta, 3..7, noise.skip(3)));
                assert!((a.0 + b.0 - whole).abs() < 1e-10 * whole.abs(), "{sampling:?}: {a:?} {b:?} {whole}");
                for ((a, b), part) in a.1.iter().zip(b.1).zip(parts) {
                    assert!((a + b - part).abs() < 1e-10 * part.abs());
                }
                assert!((parts[1] - parts[2] - parts[0]).abs() < 1e-12 && (whole + parts[0]).abs() < 1e-10);
            }
        }
    }
}

#[test]
fn a_minibatch_counts_for_all_rows_against_the_divergence() {
    // KL(q ‖ π) + (N/b) (−log ℓ) by hand, for the rows of a minibatch
    let (x, y) = data();
    let model = build(&config(LIKELIHOODS[1], priors()[0].clone()));
    let eta = eta(&model);
    let objective = |n| BayesMlpObjective { n, ..BayesMlpObjective::new(&model, &x, &y) };
    let noise = Noise::new(1, 2);
    let (few, parts) = loss(&objective(10), &eta, 0..4, noise);
    let (many, _) = loss(&objective(1000), &eta, 0..4, noise);
    let kl = parts[2] * 10.0 / 4.0;
    let free_energy = |loss: f64, n: f64| loss * n / 4.0; // F = N · loss per row
    assert!((free_energy(few, 10.0) - (kl - 10.0 / 4.0 * parts[1])).abs() < 1e-9);
    assert!((free_energy(many, 1000.0) - (kl - 1000.0 / 4.0 * parts[1])).abs() < 1e-7);
}

#[test]
fn a_configuration_that_makes_no_model_is_an_error_that_says_why() {
    let basis = || config(LIKELIHOODS[0], WeightPrior::Normal { sigma: vec![1.0] });
    let mixture = |share, first| WeightPrior::Mixture { share, first, second: 1.0 };
    let positive = |what, value| BayesMlpError::NotPositive { what, value };
    let cases = [
        (BayesMlpConfig { hidden: vec![0], ..basis() }, BayesMlpError::Width { widths: vec![3, 0] }),
        (BayesMlpConfig { modes: 0, ..basis() }, BayesMlpError::NoModes),
        (BayesMlpConfig { initial_sigma: 0.0, ..basis() }, positive("initial σ", 0.0)),
        (
            BayesMlpConfig { prior: WeightPrior::Normal { sigma: vec![1.0; 3] }, ..basis() },
            BayesMlpError::Scales { layers: 2, found: 3 },
        ),
        (
            BayesMlpConfig { prior: WeightPrior::Normal { sigma: vec![-1.0] }, ..basis() },
            positive("scale of the weights' prior", -1.0),
        ),
        (BayesMlpConfig { prior: mixture(1.0, 1.0), ..basis() }, BayesMlpError::Share { found: 1.0 }),
        (
            BayesMlpConfig { prior: mixture(0.5, 0.0), ..basis() },
            positive("first scale of the weights' prior", 0.0),
        ),
        (
            BayesMlpConfig { likelihood: Likelihood::Normal { sigma: -0.5 }, ..basis() },
            positive("σ of the likelihood", -0.5),
        ),
    ];
    for (wrong, expected) in cases {
        assert_eq!(BayesMlp::new(&wrong), Err(expected));
    }
    let nan = BayesMlpConfig { likelihood: Likelihood::Normal { sigma: f64::NAN }, ..basis() };
    let message = BayesMlp::new(&nan).unwrap_err().to_string();
    assert_eq!(message, "σ of the likelihood: expected a finite number greater than 0, found NaN");
    let nan = Likelihood::NormalLearned { mean: f64::NAN, sd: 1.0 };
    let message = BayesMlp::new(&BayesMlpConfig { likelihood: nan, ..basis() }).unwrap_err().to_string();
    assert_eq!(message, "prior mean of log σ: expected a finite number, found NaN");
}

/// Whether the call panics.
fn refused<T>(f: impl FnOnce() -> T) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        f();
    }))
    .is_err()
}

#[test]
fn misuse_is_refused_where_it_happens() {
    let model = build(&config(LIKELIHOODS[0], WeightPrior::Normal { sigma: vec![1.0] }));
    let (x, y) = data();
    assert!(refused(|| BayesMlpObjective::new(&model, &x, &y.select(&[0, 1])).n));
    assert!(refused(|| BayesMlpObjective::new(&model, &x.columns(&[0]), &y).n));
    assert!(refused(|| model.draws(&[0.0], 1, 1)));
    let draws = model.draws(&eta(&model), 2, 1);
    assert!(refused(|| model.predict(&draws.select(&[]), &x)));
    assert!(refused(
        || model.predict(&Draws { unknowns: Matrix::new(2, 1, vec![0.0; 2]), ..draws.clone() }, &x)
    ));
    assert!(refused(|| model.predict(&draws, &x).log_density(&[0.0])));
}

#[test]
fn an_epoch_may_be_shorter_than_a_pass() {
    let (x, y) = data();
    let model = build(&config(LIKELIHOODS[0], WeightPrior::Normal { sigma: vec![1.0] }));
    let (eta, noise) = (eta(&model), Noise::new(3, 0));
    let whole = BayesMlpObjective {
        sampling: Sampling::Weights { samples: 1 },
        ..BayesMlpObjective::new(&model, &x, &y)
    };
    let windows = BayesMlpObjective { window: 3, ..whole };
    let loss = |objective: &BayesMlpObjective<'_, f64>, rows: &[usize], epoch| {
        let tape = Tape::new();
        let batch = Batch { rows, noise, epoch: Some(epoch) };
        record(objective, tape.constant(&eta, [eta.len()]), &batch).0.item()
    };
    assert_eq!(x.rows, 7);
    for (epoch, rows) in [(0, [0, 1, 2]), (1, [3, 4, 5]), (2, [6, 0, 1]), (3, [2, 3, 4])] {
        assert_eq!(loss(&windows, &[0, 1, 2], epoch), loss(&whole, &rows, 0), "epoch {epoch}");
        assert_eq!(loss(&whole, &rows, epoch), loss(&whole, &rows, 0), "epoch {epoch}");
    }
}

#[test]
fn training_has_the_same_bits_on_any_number_of_threads() {
    let mut values = vec![0.0; 260 * 3];
    Noise::new(1, 0).normal(0, 3, &mut values);
    let y = values.chunks_exact(3).map(|x: &[f64]| (x[0] + x[1] * x[2]).sin()).collect();
    let (x, y) = (Matrix::new(260, 3, values), Matrix::new(260, 1, y));
    for prior in priors() {
        for sampling in [Sampling::Weights { samples: 3 }, Sampling::Local { samples: 2 }] {
            let hidden = BayesMlpConfig::new(3, &[400]);
            let model = build(&BayesMlpConfig { likelihood: LIKELIHOODS[1], prior: prior.clone(), ..hidden });
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let mut objective =
                        BayesMlpObjective { sampling, ..BayesMlpObjective::new(&model, &x, &y) };
                    let mut trainer = Trainer::new(model.layout(), eta(&model), Rule::ADAM, 0);
                    // Batches of several shards.
                    let fit = Fit { epochs: 3, batch_size: 130, rate: 1e-2, ..Fit::default() };
                    trainer.fit(&mut objective, None, &fit, &mut ()).unwrap();
                    trainer.theta().to_vec()
                })
            };
            let one = on(1);
            assert!(one != eta(&model) && one == on(2) && one == on(16), "{prior:?}, {sampling:?}");
        }
    }
}
