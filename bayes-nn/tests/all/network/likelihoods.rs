//! Every likelihood: its gradient, its expectation, its answer where another route knows it; several outputs and the linear part.

use std::sync::Arc;

use autograd::Tape;
use autograd::check::{Sample, check};
use autograd::ops::TriangularSystem::{LX, LtX};
use bayes_nn::inference::conjugate::Gamma;
use bayes_nn::{
    BayesMlp, BayesMlpConfig, BayesMlpError, BayesMlpObjective, Likelihood, Sampling, WeightPrior,
};
use nn::data::Matrix;
use nn::model::density::one_hot;
use nn::stats::Estimate;
use nn::train::{Fit, Noise, Rule, Schedule, Trainer};

use super::{ALL, build, config, data, eta};

/// Three outputs and a linear part.
fn wide(likelihood: Likelihood) -> BayesMlp {
    let prior = WeightPrior::Normal { sigma: vec![0.8, 1.2, 0.5] };
    build(&BayesMlpConfig { outputs: 3, linear: true, ..config(likelihood, prior) })
}

/// Seven rows of three targets that the likelihood allows.
fn targets(likelihood: Likelihood) -> Matrix<f64> {
    let number = |i: usize| 2.0 * (1.3 * i as f64 + 0.2).sin();
    match likelihood {
        Likelihood::Categorical => {
            let mut y = vec![0.0; 21];
            one_hot(&[0, 2, 1, 1, 0, 2, 2], 3, &mut y);
            Matrix::new(7, 3, y)
        }
        of if of.is_of_counts() => Matrix::new(7, 3, (0..21).map(|i| number(i).abs().round()).collect()),
        _ => Matrix::new(7, 3, (0..21).map(number).collect()),
    }
}

#[test]
fn every_likelihood_has_the_gradient_of_its_value() {
    let (x, _) = data();
    for likelihood in ALL {
        let (model, y) = (wide(likelihood), targets(likelihood));
        let on = |tape: &Tape<f64>, m: &Matrix<f64>| tape.constant(&m.values, [m.rows, m.cols]).to_vec();
        let theta = [Sample::any([model.joint_dim()])];
        check("log joint", &theta, |tape, v| {
            let [x, y] = [&x, &y].map(|m| tape.constant(&on(tape, m), [m.rows, m.cols]));
            model.log_joint(v[0], x, y)
        })
        .unwrap();
        let eta = [Sample::uniform([model.layout().size()], -1.0..0.5)];
        for sampling in [Sampling::Weights { samples: 2 }, Sampling::Local { samples: 1 }] {
            check("ELBO", &eta, |tape, v| {
                let [x, y] = [&x, &y].map(|m| tape.constant(&on(tape, m), [m.rows, m.cols]));
                let (q, noise) = (model.posterior(v[0]), Noise::new(5, 1));
                model.log_likelihood(&q, x, y, sampling, noise) - model.kl(&q, noise)
            })
            .unwrap();
        }
    }
}

#[test]
fn log_likelihood_is_the_average_of_what_draws_say() {
    // E_q[log ℓ(Y|θ, u)] from the tape, and from predictions by draws of θ and u of each row's probability.
    let (x, _) = data();
    for likelihood in ALL {
        let (model, y) = (wide(likelihood), targets(likelihood));
        let mut numbers = eta(&model);
        let dim = model.dim();
        numbers[dim..2 * dim].fill(-2.0);
        let mut tape = Tape::new();
        let [weights, local] =
            [Sampling::Weights { samples: 1 }, Sampling::Local { samples: 1 }].map(|sampling| {
                let draw = |step| {
                    tape.clear();
                    let eta = tape.constant(&numbers, [numbers.len()]);
                    let [x, y] = [&x, &y].map(|m| tape.constant(&m.values, [m.rows, m.cols]));
                    let q = model.posterior(eta);
                    model.log_likelihood(&q, x, y, sampling, Noise::new(9, step)).item()
                };
                Estimate::of(&(0..3000).map(draw).collect::<Vec<_>>())
            });
        let draws = model.draws(&numbers, 3000, 1);
        let each: Vec<f64> = (0..3000)
            .map(|s| {
                let one = draws.select(&[s]);
                if likelihood == Likelihood::Categorical {
                    let log_p = model.predict_classes(&one, &x).log_probabilities();
                    return log_p.values.iter().zip(y.values.iter()).map(|(p, y)| p * y).sum();
                }
                let outputs = model.predict_outputs(&one, &x);
                let of = |d: usize| outputs[d].log_density(&y.columns(&[d]).values).iter().sum::<f64>();
                (0..3).map(of).sum()
            })
            .collect();
        let exact = Estimate::of(&each);
        for found in [weights, local] {
            let error = found.se.hypot(exact.se);
            assert!((found.mean - exact.mean).abs() < 5.0 * error, "{likelihood:?}: {found:?}, {exact:?}");
        }
    }
}

#[test]
fn what_is_unknown_diverges_from_its_prior_by_the_formula() {
    // KL(N(m, v²) ‖ N(μ, s²)) = log s/v + (v² + (m − μ)²)/2s² − ½ of each, beside that of the weights.
    for likelihood in ALL {
        let model = wide(likelihood);
        let known = wide(Likelihood::Normal { sigma: 1.0 });
        let mut numbers = eta(&model);
        let dim = model.dim();
        let kl = |model: &BayesMlp, numbers: &[f64]| {
            let tape = Tape::new();
            let eta = tape.constant(numbers, [numbers.len()]);
            model.kl(&model.posterior(eta), Noise::new(0, 0)).item()
        };
        let priors: &[[f64; 2]] = match likelihood {
            Likelihood::NormalLearned { .. } => &[[-2.0, 2.0]],
            Likelihood::Student { .. } => &[[-2.0, 2.0], [2.0, 1.5]],
            Likelihood::NegativeBinomial { .. } => &[[1.0, 2.0]],
            _ => &[],
        };
        assert_eq!(numbers.len(), 2 * dim + 6 * priors.len());
        let mut expected = 0.0;
        for (i, [mean, sd]) in priors.iter().enumerate() {
            for d in 0..3 {
                let (m, v) = (0.3 * d as f64 - 1.0, 0.2 + 0.1 * d as f64);
                numbers[2 * dim + 6 * i + d] = m;
                numbers[2 * dim + 6 * i + 3 + d] = v.exp_m1().ln();
                expected += (sd / v).ln() + (v * v + (m - mean).powi(2)) / (2.0 * sd * sd) - 0.5;
            }
        }
        if likelihood == Likelihood::NormalHead {
            continue; // it has further weights
        }
        let found = kl(&model, &numbers) - kl(&known, &numbers[..2 * dim]);
        assert!((found - expected).abs() < 1e-9, "{likelihood:?}: {found} for {expected}");
    }
}

/// η after training on these rows by the full batch.
fn trained(model: &BayesMlp, x: &Matrix<f64>, y: &Matrix<f64>, epochs: usize) -> Vec<f64> {
    let sampling = Sampling::Weights { samples: 8 };
    let mut objective = BayesMlpObjective { sampling, ..BayesMlpObjective::new(model, x, y) };
    let mut trainer = Trainer::new(model.layout(), eta(model), Rule::ADAM, 1);
    let schedule = Schedule::Cosine { epochs };
    let fit = Fit { epochs, batch_size: x.rows, rate: 0.02, schedule, ..Fit::default() };
    trainer.fit(&mut objective, None, &fit, &mut ()).unwrap();
    trainer.theta().to_vec()
}

#[test]
fn a_poisson_rate_has_nearly_its_conjugate_posterior() {
    // Without inputs that vary, f = b + w · 0 = log λ. Under a wide prior the posterior of λ is nearly Gamma(Σ y, N), that of the
    // prior p(λ) ∝ 1/λ, and log λ is nearly normal.
    let counts = [3.0, 5.0, 2.0, 4.0, 6.0, 1.0, 3.0, 7.0];
    let (x, y) = (Matrix::new(8, 1, vec![0.0; 8]), Matrix::new(8, 1, counts.to_vec()));
    let prior = WeightPrior::Normal { sigma: vec![100.0] };
    let model =
        build(&BayesMlpConfig { likelihood: Likelihood::Poisson, prior, ..BayesMlpConfig::new(1, &[]) });
    let numbers = trained(&model, &x, &y, 1500);
    let p = model.predict(&model.draws(&numbers, 20_000, 2), &x.select(&[0]));
    let exact = Gamma { shape: counts.iter().sum(), rate: 8.0 };
    let (mean, sd) = (exact.shape / exact.rate, exact.shape.sqrt() / exact.rate);
    assert!((p.mean()[0] / mean - 1.0).abs() < 0.02, "{} for {mean}", p.mean()[0]);
    assert!((p.epistemic_sd()[0] / sd - 1.0).abs() < 0.06, "{} for {sd}", p.epistemic_sd()[0]);
}

#[test]
fn few_wild_rows_do_not_bend_a_student_regression() {
    // y = 2 x − 1 + 0.1 ε, and every tenth row is 8 too high.
    let mut noise = vec![0.0; 200];
    Noise::new(3, 0).normal(0, 1, &mut noise);
    let x: Vec<f64> = (0..100).map(|i| f64::from(i) / 25.0 - 2.0).collect();
    let wild = |i: usize| if i % 10 == 3 { 8.0 } else { 0.0 };
    let y = (0..100).map(|i| 2.0 * x[i] - 1.0 + 0.1 * noise[i] + wild(i)).collect();
    let (x, y) = (Matrix::new(100, 1, x), Matrix::new(100, 1, y));
    let [student, normal] = [Likelihood::STUDENT, Likelihood::NORMAL_LEARNED].map(|likelihood| {
        let prior = WeightPrior::Normal { sigma: vec![10.0] };
        let model = build(&BayesMlpConfig { likelihood, prior, ..BayesMlpConfig::new(1, &[]) });
        let numbers = trained(&model, &x, &y, 3000);
        let p = model.predict(&model.draws(&numbers, 400, 2), &Matrix::new(1, 1, vec![1.0]));
        (p.mean()[0], p.log_density(&[1.05])[0])
    });
    assert!((student.0 - 1.0).abs() < 0.05 && (normal.0 - 1.0).abs() > 0.5, "{student:?}, {normal:?}");
    assert!(student.1 > normal.1 + 2.0, "{student:?}, {normal:?}");
}

#[test]
fn the_linear_part_is_x_w_and_alone_it_is_the_ridge_regression() {
    let (x, _) = data();
    let model = wide(Likelihood::NORMAL_LEARNED);
    let theta: Vec<f64> = (0..model.dim()).map(|i| (0.7 * i as f64).cos()).collect();
    let tape = Tape::new();
    let (theta, x_on) = (tape.constant(&theta, [model.dim()]), tape.constant(&x.values, [7, 3]));
    let w = theta.view(model.dim() - 9, [3, 3]);
    let difference = model.apply(theta, x_on) - model.mlp().apply(theta, x_on) - x_on.matmul(w);
    assert!(difference.abs().max().item() < 1e-12);

    // A network whose weights a narrow prior holds at 0 leaves Λ m = Xᵀy/σ², Λ = XᵀX/σ² + I/s².
    let (sigma, s) = (0.5, 0.7);
    let y = Matrix::new(7, 1, (0..7).map(|i| x.row(i)[0] - 0.5 * x.row(i)[2] + 0.1 * i as f64).collect());
    let prior = WeightPrior::Normal { sigma: vec![1e-3, 1e-3, s] };
    let config = BayesMlpConfig { linear: true, ..config(Likelihood::Normal { sigma }, prior) };
    let model = build(&BayesMlpConfig { initial_sigma: 1e-3, ..config });
    let numbers = trained(&model, &x, &y, 3000);
    let tape = Tape::new();
    let (x_on, y_on) = (tape.constant(&x.values, [7, 3]), tape.constant(&y.values, [7, 1]));
    let identity = tape.constant(&[1.0; 3], [3]).diagonal_matrix();
    let precision = x_on.t_matmul(x_on) / (sigma * sigma) + identity / (s * s);
    let l = precision.cholesky().unwrap();
    let exact = l.solve_triangular(l.solve_triangular(x_on.t_matmul(y_on) / (sigma * sigma), LX), LtX);
    let precisions = precision.diagonal().to_vec();
    for (i, exact) in exact.to_vec().into_iter().enumerate() {
        let place = model.dim() - 3 + i;
        let (m, sd) = (numbers[place], numbers[model.dim() + place].exp().ln_1p());
        assert!((m - exact).abs() < 0.03, "{i}: {m} for {exact}");
        assert!((sd * precisions[i].sqrt() - 1.0).abs() < 0.1, "{i}: {sd}");
    }
}

#[test]
fn the_bound_switches_off_a_network_that_a_line_does_not_need() {
    let mut xi = vec![0.0; 200 * 3];
    Noise::new(8, 0).normal(0, 3, &mut xi);
    let x = Matrix::new(200, 2, xi.chunks_exact(3).flat_map(|row| [row[0], row[1]]).collect());
    let y = Matrix::new(
        200,
        1,
        xi.chunks_exact(3).map(|row| 0.8 * row[0] - 0.3 * row[1] + 0.5 * row[2]).collect(),
    );
    let prior = WeightPrior::Learned;
    let model = build(&BayesMlpConfig { linear: true, prior, ..BayesMlpConfig::new(2, &[20]) });
    let numbers = Arc::new(trained(&model, &x, &y, 2000));
    let last = model.mlp().layers().last().unwrap();
    let weights = &numbers[last.weight().range()];
    let largest = weights.iter().fold(0.0, |largest: f64, w| largest.max(w.abs()));
    let line = &numbers[model.dim() - 2..model.dim()];
    assert!(largest < 0.02, "{largest}");
    assert!((line[0] - 0.8).abs() < 0.1 && (line[1] + 0.3).abs() < 0.1, "{line:?}");
}

#[test]
fn outputs_and_classes_that_make_no_model_are_errors_and_the_wrong_prediction_is_refused() {
    let usual = BayesMlpConfig::new(3, &[4]);
    let error = |config: &BayesMlpConfig| BayesMlp::new(config).unwrap_err();
    assert_eq!(error(&BayesMlpConfig { outputs: 0, ..usual.clone() }), BayesMlpError::NoOutputs);
    let single = BayesMlpConfig { likelihood: Likelihood::Categorical, ..usual.clone() };
    assert_eq!(error(&single), BayesMlpError::Classes { found: 1 });
    let scale = Likelihood::Student { mean: 0.0, sd: -1.0 };
    let message = error(&BayesMlpConfig { likelihood: scale, ..usual.clone() }).to_string();
    assert!(message.starts_with("prior standard deviation of log σ: expected"), "{message}");
    let dispersion = Likelihood::NegativeBinomial { mean: f64::INFINITY, sd: 1.0 };
    let message = error(&BayesMlpConfig { likelihood: dispersion, ..usual }).to_string();
    assert_eq!(message, "prior mean of log r: expected a finite number, found inf");

    let refused = |f: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err();
    let (x, _) = data();
    let [classes, numbers] = [Likelihood::Categorical, Likelihood::NORMAL_LEARNED].map(wide);
    let of_classes = classes.draws(&eta(&classes), 2, 1);
    let of_numbers = numbers.draws(&eta(&numbers), 2, 1);
    assert!(refused(&|| drop(classes.predict_outputs(&of_classes, &x))));
    assert!(refused(&|| drop(numbers.predict_classes(&of_numbers, &x))));
    assert!(refused(&|| drop(numbers.predict(&of_numbers, &x))));
    assert!(refused(&|| assert!(BayesMlpObjective::new(&numbers, &x, &x.columns(&[0])).n > 0)));
}
