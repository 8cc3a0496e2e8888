//! The objective as a whole.

use autograd::Tape;
use autograd::gradcheck::check_theta;
use bayes_nn::{BayesMlp, Likelihood, MlpConfig, Prior, Regression, Sampling};
use nn::Nonlinearity;
use nn::noise::Noise;
use nn::train::{Batch, Objective};

use crate::{LIKELIHOODS, config, data, eta, priors};

/// Loss and parts on these rows.
fn loss(
    objective: &Regression<'_, f64>,
    eta: &[f64],
    rows: std::ops::Range<usize>,
    noise: Noise,
) -> (f64, [f64; 3]) {
    let (tape, rows, mut parts) = (Tape::new(), rows.collect::<Vec<_>>(), [0.0; 3]);
    let batch = Batch { rows: &rows, noise, epoch: None };
    (objective.loss(tape.constant(eta, [eta.len()]), &batch, &mut parts).item(), parts)
}

#[test]
fn the_gradient_is_right_for_every_likelihood_prior_and_way_of_sampling() {
    let (x, y) = data();
    for likelihood in LIKELIHOODS {
        for prior in priors() {
            for sampling in [Sampling::Weights, Sampling::Local] {
                for (modes, samples) in [(1, 1), (1, 3), (2, 2)] {
                    let model = BayesMlp::new(&MlpConfig { modes, ..config(likelihood, prior.clone()) });
                    let objective =
                        Regression { sampling, samples, n: 50, ..Regression::new(&model, &x, &y) };
                    let name = format!("{likelihood:?} {prior:?} {sampling:?} {modes} {samples}");
                    check_theta(&name, &eta(&model), 3, |_, eta| {
                        let batch = Batch { rows: &[0, 2, 3, 6], noise: Noise::new(4, 5), epoch: None };
                        objective.loss(eta, &batch, &mut [0.0; 3])
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
            for sampling in [Sampling::Weights, Sampling::Local] {
                let basis = config(LIKELIHOODS[0], Prior::Normal(vec![1.0]));
                let model = BayesMlp::new(&MlpConfig { phi, hidden: hidden.to_vec(), ..basis });
                let objective = Regression { sampling, ..Regression::new(&model, &x, &y) };
                check_theta(&format!("{phi:?} {hidden:?} {sampling:?}"), &eta(&model), 3, |_, eta| {
                    let batch = Batch { rows: &[1, 4, 5], noise: Noise::new(4, 6), epoch: None };
                    objective.loss(eta, &batch, &mut [0.0; 3])
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
        for sampling in [Sampling::Weights, Sampling::Local] {
            for likelihood in LIKELIHOODS {
                let model = BayesMlp::new(&MlpConfig { modes: 2, ..config(likelihood, prior.clone()) });
                let objective = Regression { sampling, samples: 2, ..Regression::new(&model, &x, &y) };
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
    let model = BayesMlp::new(&config(LIKELIHOODS[1], priors()[0].clone()));
    let eta = eta(&model);
    let objective = |n| Regression { n, ..Regression::new(&model, &x, &y) };
    let noise = Noise::new(1, 2);
    let (few, parts) = loss(&objective(10), &eta, 0..4, noise);
    let (many, _) = loss(&objective(1000), &eta, 0..4, noise);
    let kl = parts[2] * 10.0 / 4.0;
    let free_energy = |loss: f64, n: f64| loss * n / 4.0; // F = N · loss per row
    assert!((free_energy(few, 10.0) - (kl - 10.0 / 4.0 * parts[1])).abs() < 1e-9);
    assert!((free_energy(many, 1000.0) - (kl - 1000.0 / 4.0 * parts[1])).abs() < 1e-7);
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
    let basis = || config(LIKELIHOODS[0], Prior::Normal(vec![1.0]));
    let mixture = Prior::Mixture { share: 1.0, first: 1.0, second: 1.0 };
    let likelihood = Likelihood::Normal { sigma: f64::NAN };
    for wrong in [
        MlpConfig { hidden: vec![0], ..basis() },
        MlpConfig { modes: 0, ..basis() },
        MlpConfig { initial_sigma: 0.0, ..basis() },
        MlpConfig { prior: Prior::Normal(vec![1.0; 3]), ..basis() },
        MlpConfig { prior: Prior::Normal(vec![-1.0]), ..basis() },
        MlpConfig { prior: mixture, ..basis() },
        MlpConfig { likelihood, ..basis() },
    ] {
        assert!(refused(|| BayesMlp::new(&wrong)), "{wrong:?}");
    }
    let (model, (x, y)) = (BayesMlp::new(&basis()), data());
    assert!(refused(|| Regression::new(&model, &x, &y.select(&[0, 1])).n));
    assert!(refused(|| Regression::new(&model, &x.columns(&[0]), &y).n));
    assert!(refused(|| model.draws(&[0.0], 1, 1)));
    let draws = model.draws(&eta(&model), 2, 1);
    assert!(refused(|| model.predict(&draws.select(&[]), &x)));
    assert!(refused(|| model.predict(&draws, &x).log_density(&[0.0])));
}

#[test]
fn an_epoch_may_be_shorter_than_a_pass() {
    let (x, y) = data();
    let model = BayesMlp::new(&config(LIKELIHOODS[0], Prior::Normal(vec![1.0])));
    let (eta, noise) = (eta(&model), Noise::new(3, 0));
    let whole = Regression { sampling: Sampling::Weights, ..Regression::new(&model, &x, &y) };
    let windows = Regression { window: 3, ..whole };
    let loss = |objective: &Regression<'_, f64>, rows: &[usize], epoch| {
        let tape = Tape::new();
        let batch = Batch { rows, noise, epoch: Some(epoch) };
        objective.loss(tape.constant(&eta, [eta.len()]), &batch, &mut [0.0; 3]).item()
    };
    assert_eq!(x.rows, 7);
    for (epoch, rows) in [(0, [0, 1, 2]), (1, [3, 4, 5]), (2, [6, 0, 1]), (3, [2, 3, 4])] {
        assert_eq!(loss(&windows, &[0, 1, 2], epoch), loss(&whole, &rows, 0), "epoch {epoch}");
        assert_eq!(loss(&whole, &rows, epoch), loss(&whole, &rows, 0), "epoch {epoch}");
    }
}
