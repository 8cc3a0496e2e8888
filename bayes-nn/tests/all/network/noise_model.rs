//! Noise that is learned from rows held out.

use bayes_nn::{NoiseModel, Predictive, Scores};
use nn::data::Matrix;
use nn::train::Noise;

/// What three draws, which differ by 0.02, predict of y = f + σ(f) ε with σ = e^(f/20 − 2) for f from −5 to 5, in other units; every
/// fiftieth observation is wild.
fn rows(count: usize, seed: u64, wild: f64) -> (Predictive, Vec<f64>) {
    let mut xi = vec![0.0; count];
    Noise::new(seed, 0).normal(0, 1, &mut xi);
    let f: Vec<f64> = (0..count).map(|i| 10.0 * i as f64 / count as f64 - 5.0).collect();
    let sigma = |f: f64| (0.2 * f - 2.0).exp();
    let y = (0..count).map(|i| {
        let wild = if i % 50 == 7 { wild } else { 0.0 };
        100.0 + 7.0 * (f[i] + sigma(f[i]) * xi[i] + wild)
    });
    let draws = [-0.02, 0.0, 0.02].iter().flat_map(|shift| f.iter().map(move |f| 100.0 + 7.0 * (f + shift)));
    let draws = Matrix::new(3, count, draws.collect());
    (Predictive::normal(draws.clone(), draws.map(|_| 50.0)), y.collect())
}

#[test]
fn noise_that_grows_with_the_prediction_is_found_in_any_units() {
    let model = NoiseModel::fit(&[rows(300, 1, 0.0), rows(500, 2, 0.0)]).unwrap();
    let (p, y) = rows(400, 3, 0.0);
    let found = model.apply(&p, 1);
    for i in [20, 200, 380] {
        let exact = 7.0 * (0.2 * (10.0 * i as f64 / 400.0 - 5.0) - 2.0).exp();
        let sd = found.aleatoric_sd()[i];
        assert!((sd / exact - 1.0).abs() < 0.15, "{i}: {sd} for {exact}");
    }
    assert_eq!(found.mean(), p.mean());
    let coverage = Scores::of(&found, &y).coverage(0.9);
    assert!((coverage - 0.9).abs() < 0.04, "{coverage}");
}

#[test]
fn wild_rows_make_heavy_tails_and_not_wide_ones() {
    let [tame, wild] = [0.0, 20.0].map(|wild| NoiseModel::fit(&[rows(500, 4, wild)]).unwrap());
    let (p, y) = rows(500, 5, 20.0);
    let [tame, wild] = [tame, wild].map(|model| model.apply(&p, 1));
    let score = |p: &Predictive| p.log_density(&y).iter().sum::<f64>() / 500.0;
    assert!(score(&wild) > score(&tame) + 0.05, "{} {}", score(&wild), score(&tame));
    let width = |p: &Predictive| p.quantile(0.75)[250] - p.quantile(0.25)[250];
    assert!((0.6..1.5).contains(&(width(&wild) / width(&tame))), "{} {}", width(&wild), width(&tame));
}
