//! log p(Y, θ) of a network, and draws that other samplers make from it.

use approx::assert_relative_eq;
use autograd::check::{Sample, check};
use autograd::{Real, Tape, Var};
use bayes_nn::inference::{Hmc, Laplace};
use bayes_nn::{BayesMlp, BayesMlpConfig, Likelihood, WeightPrior};
use nn::data::Matrix;
use nn::model::Nonlinearity;

use super::build;

fn log_normal(x: f64, mu: f64, sigma: f64) -> f64 {
    -0.5 * ((x - mu) / sigma).powi(2) - sigma.ln() - 0.5 * std::f64::consts::TAU.ln()
}

const X: [f64; 4] = [0.5, -1.0, 2.0, 0.1];
const Y: [f64; 4] = [0.3, -0.2, 1.0, 0.4];

fn config(likelihood: Likelihood, prior: WeightPrior) -> BayesMlpConfig {
    BayesMlpConfig { likelihood, prior, phi: Nonlinearity::Tanh, ..BayesMlpConfig::new(1, &[2]) }
}

#[test]
fn log_joint_is_the_formula_for_every_likelihood_and_prior() {
    let log_prior = |prior: &WeightPrior, theta: &[f64]| -> f64 {
        let of = |(i, &t): (usize, &f64)| match prior {
            // Four numbers of the first layer, three of the second.
            WeightPrior::Normal { sigma: s } => log_normal(t, 0.0, if i < 4 { s[0] } else { s[s.len() - 1] }),
            WeightPrior::Mixture { share, first, second } => (share * log_normal(t, 0.0, *first).exp()
                + (1.0 - share) * log_normal(t, 0.0, *second).exp())
            .ln(),
            WeightPrior::Learned => unreachable!(),
        };
        theta.iter().enumerate().map(of).sum()
    };
    let priors = [
        WeightPrior::Normal { sigma: vec![0.8] },
        WeightPrior::Normal { sigma: vec![0.8, 1.7] },
        WeightPrior::Mixture { share: 0.3, first: 2.0, second: 0.1 },
    ];
    for prior in priors {
        for likelihood in [Likelihood::Normal { sigma: 0.3 }, Likelihood::NORMAL_LEARNED] {
            let model = build(&config(likelihood, prior.clone()));
            let theta: Vec<f64> = (0..model.joint_dim()).map(|i| (1.3 * i as f64).sin()).collect();
            let (weights, log_sigma) = theta.split_at(model.dim());
            let sigma = log_sigma.first().map_or(0.3, |log_sigma| log_sigma.exp());
            let f = |x: f64| {
                let hidden = [0, 1].map(|j| (weights[j] * x + weights[2 + j]).tanh());
                hidden[0] * weights[4] + hidden[1] * weights[5] + weights[6]
            };
            let log_likelihood: f64 = X.iter().zip(Y).map(|(&x, y)| log_normal(y, f(x), sigma)).sum();
            let of_sigma = log_sigma.first().map_or(0.0, |&log_sigma| log_normal(log_sigma, -2.0, 2.0));
            let expected = log_likelihood + log_prior(&prior, weights) + of_sigma;

            let tape = Tape::new();
            let found = model.log_joint(
                tape.constant(&theta, [theta.len()]),
                tape.constant(&X, [4, 1]),
                tape.constant(&Y, [4, 1]),
            );
            assert_relative_eq!(found.item(), expected, max_relative = 1e-12);
        }
    }
}

#[test]
fn log_joint_has_the_gradient_of_its_value() {
    for likelihood in [Likelihood::Normal { sigma: 0.3 }, Likelihood::NORMAL_LEARNED, Likelihood::NormalHead]
    {
        let model = build(&config(likelihood, WeightPrior::Normal { sigma: vec![0.8, 1.7] }));
        let inputs = [Sample::any([model.joint_dim()]), Sample::any([4, 1]), Sample::any([4, 1])];
        check("log joint", &inputs, |_, v| model.log_joint(v[0], v[1], v[2])).unwrap();
    }
}

#[test]
#[should_panic(expected = "log_joint: expected a prior that is a density, found WeightPrior::Learned")]
fn a_prior_whose_scales_are_learned_has_no_density() {
    let model = build(&config(Likelihood::NORMAL_LEARNED, WeightPrior::Learned));
    let tape = Tape::<f64>::new();
    let x = tape.constant(&X, [4, 1]);
    let _ = model.log_joint(tape.constant(&vec![0.1; model.joint_dim()], [model.joint_dim()]), x, x);
}

#[test]
fn draws_of_other_samplers_predict_like_those_of_q() {
    let model = build(&config(Likelihood::NORMAL_LEARNED, WeightPrior::Normal { sigma: vec![1.0] }));
    let hmc = Hmc { warmup: 200, draws: 100, ..Hmc::default() };
    let starts = vec![vec![0.1; model.joint_dim()]; 2];
    let run = hmc.sample(|_, theta| on_data(&model, theta), &starts, 1).unwrap();
    let draws = model.draws_from::<f64>(&run.chains.thinned(50));
    assert_eq!((draws.theta.rows, draws.unknowns.rows, draws.unknowns.cols), (50, 50, 1));
    let p = model.predict(&draws, &Matrix::new(2, 1, vec![0.5, 9.0]));
    assert!(p.epistemic()[1] > p.epistemic()[0]);
    let aleatoric = draws.unknowns.values.iter().map(|s| (2.0 * s).exp()).sum::<f64>() / 50.0;
    assert_relative_eq!(p.aleatoric()[0], aleatoric, max_relative = 1e-12);
}

/// log p(Y, θ) of the four rows.
fn on_data<'t, F: Real>(model: &BayesMlp, theta: Var<'t, F>) -> Var<'t, F> {
    let [x, y] = [X, Y].map(|values| theta.tape().constant(&values.map(F::from_f64), [4, 1]));
    model.log_joint(theta, x, y)
}

#[test]
fn a_network_has_a_laplace_approximation() {
    let model = build(&config(Likelihood::Normal { sigma: 0.3 }, WeightPrior::Normal { sigma: vec![1.0] }));
    let start: Vec<f64> = (0..model.dim()).map(|i| 0.4 * (2.1 * i as f64).cos()).collect();
    let q = Laplace::fit(|_, theta| on_data(&model, theta), start, 200).unwrap();
    assert!(q.log_evidence().is_finite());
    let draws = model.draws_from::<f64>(&q.draws(10, 1));
    let p = model.predict(&draws, &Matrix::new(1, 1, vec![0.5]));
    assert!(p.sigma.values.iter().all(|&sigma| sigma == 0.3));
}
