//! Training where the optimum is known.

use bayes_nn::{BayesMlp, BayesMlpConfig, BayesMlpObjective, Likelihood, Sampling, WeightPrior};
use nn::data::Matrix;
use nn::stats::Estimate;
use nn::train::{Fit, Noise, Rule, Schedule, Trainer};

use super::{build, eta};

/// η after this many steps on all rows.
fn train(model: &BayesMlp, mut objective: BayesMlpObjective<'_, f64>, epochs: usize) -> Vec<f64> {
    let mut trainer = Trainer::new(model.layout(), eta(model), Rule::ADAM, 1);
    let (batch_size, schedule) = (objective.x.rows, Schedule::Cosine { epochs });
    let fit = Fit { epochs, batch_size, rate: 0.02, schedule, ..Fit::default() };
    trainer.fit(&mut objective, None, &fit, &mut ()).unwrap();
    trainer.theta().to_vec()
}

/// Rows whose inputs are correlated.
fn rows(n: usize) -> (Matrix<f64>, Matrix<f64>) {
    let mut noise = vec![0.0; 3 * n];
    Noise::new(7, 0).normal(0, 3, &mut noise);
    let x = noise.chunks(3).flat_map(|z| [z[0], 0.8 * z[0] + 0.6 * z[1]]).collect();
    let y =
        noise.chunks(3).map(|z| 0.7 * z[0] - 0.4 * (0.8 * z[0] + 0.6 * z[1]) + 0.2 + 0.5 * z[2]).collect();
    (Matrix::new(n, 2, x), Matrix::new(n, 1, y))
}

/// Λ = XᵀX/σ² + I/s² with a column of ones behind X, and Λ⁻¹ Xᵀy/σ² by Gauss' elimination.
fn exact(x: &Matrix<f64>, y: &Matrix<f64>, sigma: f64, s: f64) -> (Vec<f64>, Vec<f64>) {
    let mut a = [[0.0; 4]; 3];
    for (i, y) in y.values.iter().enumerate() {
        let row = [x.row(i)[0], x.row(i)[1], 1.0];
        for j in 0..3 {
            (0..3).for_each(|k| a[j][k] += row[j] * row[k] / (sigma * sigma));
            a[j][3] += row[j] * y / (sigma * sigma);
        }
    }
    (0..3).for_each(|j| a[j][j] += 1.0 / (s * s));
    let precisions = (0..3).map(|j| a[j][j]).collect();
    for j in 0..3 {
        for i in (0..3).filter(|&i| i != j) {
            let factor = a[i][j] / a[j][j];
            (0..4).for_each(|k| a[i][k] -= factor * a[j][k]);
        }
    }
    (precisions, (0..3).map(|j| a[j][3] / a[j][j]).collect())
}

#[test]
fn a_network_without_hidden_layers_finds_the_mean_field_optimum_of_linear_regression() {
    let ((x, y), sigma, s) = (rows(60), 0.5, 0.9);
    let (precisions, mean) = exact(&x, &y, sigma, s);
    for sampling in [Sampling::Weights { samples: 4 }, Sampling::Local { samples: 4 }] {
        let likelihood = Likelihood::Normal { sigma };
        let config = BayesMlpConfig {
            likelihood,
            prior: WeightPrior::Normal { sigma: vec![s] },
            ..BayesMlpConfig::new(2, &[])
        };
        let model = build(&config);
        let objective = BayesMlpObjective { sampling, ..BayesMlpObjective::new(&model, &x, &y) };
        let eta = train(&model, objective, 4000);
        for i in 0..3 {
            let (mu, sd) = (eta[i], eta[3 + i].exp().ln_1p());
            let expected = precisions[i].sqrt().recip();
            assert!((mu - mean[i]).abs() < 0.05 * expected, "{sampling:?}: mean {i}: {mu}, not {}", mean[i]);
            assert!((sd / expected - 1.0).abs() < 0.02, "{sampling:?}: deviation {i}: {sd}, not {expected}");
        }
    }
}

#[test]
fn the_noise_level_is_learned() {
    let (x, y) = rows(400);
    let model =
        build(&BayesMlpConfig { likelihood: Likelihood::NORMAL_LEARNED, ..BayesMlpConfig::new(2, &[]) });
    let eta = train(&model, BayesMlpObjective::new(&model, &x, &y), 3000);
    let draws = model.draws(&eta, 2000, 1);
    let Estimate { mean, se } = Estimate::of(&draws.unknowns.values);
    let deviation = se * (2000.0_f64).sqrt();
    // log σ has an asymptotic posterior deviation of 1/√(2n).
    assert!((deviation / (800.0_f64).sqrt().recip() - 1.0).abs() < 0.1, "{deviation}");
    assert!((mean - 0.5_f64.ln()).abs() < 3.0 * deviation, "{mean} ± {deviation}");
}

#[test]
fn the_weights_of_a_constant_input_keep_their_prior() {
    let (x, y) = rows(60);
    let x = Matrix::new(60, 2, x.values.chunks(2).flat_map(|x| [x[0], 0.0]).collect());
    let model = build(&BayesMlpConfig {
        prior: WeightPrior::Normal { sigma: vec![0.7] },
        ..BayesMlpConfig::new(2, &[3])
    });
    let eta = train(&model, BayesMlpObjective::new(&model, &x, &y), 3000);
    for i in 3..6 {
        let (mu, sd) = (eta[i], eta[model.dim() + i].exp().ln_1p());
        assert!(mu.abs() < 1e-3 && (sd - 0.7).abs() < 1e-3, "{mu} ± {sd}");
    }
}
