//! The linear baseline against closed forms.

use approx::assert_relative_eq;
use autograd::Real;
use bayes_nn::{LinearBaseline, Scores};
use nn::data::Matrix;
use nn::train::Noise;

/// Inputs with mean 0 and standard deviations near 1, and y = 2 + x₀ − ½ x₁ + ½ ε.
fn data(rows: usize, cols: usize, seed: u64) -> (Matrix<f64>, Vec<f64>) {
    let mut xi = vec![0.0; rows * (cols + 1)];
    Noise::new(seed, 0).normal(0, 1, &mut xi);
    let (x, noise) = xi.split_at(rows * cols);
    let y = x.chunks(cols).zip(noise).map(|(x, e)| 2.0 + x[0] - 0.5 * x[1] + 0.5 * e).collect();
    (Matrix::new(rows, cols, x.to_vec()), y)
}

/// The log-density of a Student distribution.
fn student(y: f64, centre: f64, scale: f64, nu: f64) -> f64 {
    let t = (y - centre) / scale;
    ((nu + 1.0) / 2.0).lgamma()
        - (nu / 2.0).lgamma()
        - 0.5 * (nu * std::f64::consts::PI).ln()
        - scale.ln()
        - (nu + 1.0) / 2.0 * (t * t / nu).ln_1p()
}

#[test]
fn its_predictive_distribution_is_a_student_distribution() {
    let (x, y) = data(12, 2, 1);
    let fitted = LinearBaseline::fit(&x, &y).unwrap();
    let n = x.rows as f64;
    let average = |of: &dyn Fn(usize) -> f64| (0..x.rows).map(of).sum::<f64>() / n;
    let centre = [0, 1].map(|j| average(&|i| x.row(i)[j]));
    let product = |j: usize, k: usize| {
        n * average(&|i| (x.row(i)[j] - centre[j]) * (x.row(i)[k] - centre[k]))
            + f64::from(u8::from(j == k)) / fitted.variance
    };
    let (a, b, c) = (product(0, 0), product(0, 1), product(1, 1));
    let to = [0.7, -1.4];
    let [p, q] = [to[0] - centre[0], to[1] - centre[1]];
    let leverage = 1.0 / n + (c * p * p - 2.0 * b * p * q + a * q * q) / (a * c - b * b);
    let mean = average(&|i| y[i]) + fitted.weights[0] * p + fitted.weights[1] * q;
    let scale = (fitted.squares / (n - 1.0) * (1.0 + leverage)).sqrt();

    let predictive = fitted.predict(&Matrix::new(1, 2, to.to_vec()), 40_000, 3);
    assert!((predictive.mean()[0] - mean).abs() < 0.02 * scale);
    for y in [mean, mean + 1.5 * scale, mean - 3.0 * scale] {
        let (found, exact) = (predictive.log_density(&[y])[0], student(y, mean, scale, n - 1.0));
        assert!((found - exact).abs() < 0.02, "{found} instead of {exact}");
    }
}

#[test]
fn it_maximises_the_evidence() {
    // For one input, with x and y centred:
    // log p(y|v) = −½ log(1 + v ‖x‖²) − ½ (N − 1) log(‖y‖² − v (xᵀy)²/(1 + v ‖x‖²)) + const
    let (x, y) = data(30, 2, 2);
    let x = x.columns(&[0]);
    let fitted = LinearBaseline::fit(&x, &y).unwrap();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / 30.0;
    let (x_mean, y_mean) = (mean(&x.values), mean(&y));
    let sum = |f: &dyn Fn(f64, f64) -> f64| {
        x.values.iter().zip(&y).map(|(x, y)| f(x - x_mean, y - y_mean)).sum::<f64>()
    };
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    let evidence = |v: f64| -0.5 * (v * xx).ln_1p() - 14.5 * (yy - v * xy * xy / (1.0 + v * xx)).ln();
    assert_relative_eq!(fitted.log_evidence, evidence(fitted.variance), max_relative = 1e-10);
    let others = (-24..=24).map(|k| evidence(10_f64.powf(f64::from(k) / 4.0)));
    assert!(others.fold(f64::NEG_INFINITY, f64::max) <= fitted.log_evidence + 1e-9);
}

#[test]
fn it_is_calibrated_and_inputs_may_depend_on_each_other() {
    let (x, y) = data(400, 3, 4);
    // The fourth input is the third again, the fifth does not vary.
    let wide: Vec<f64> = (0..400).flat_map(|i| [x.row(i), &[x.row(i)[2], 7.0]].concat()).collect();
    let wide = Matrix::new(400, 5, wide);
    let (train, test): (Vec<usize>, Vec<usize>) = ((0..100).collect(), (100..400).collect());
    let fitted = LinearBaseline::fit(&wide.select(&train), &y[..100]).unwrap();
    let scores = Scores::of(&fitted.predict(&wide.select(&test), 400, 1), &y[100..]);
    assert!((scores.rmse - 0.5).abs() < 0.05, "{}", scores.rmse);
    assert!((scores.coverage(0.9) - 0.9).abs() < 0.06, "{}", scores.coverage(0.9));
}

#[test]
#[should_panic(expected = "linear baseline: expected 3 targets, found 2")]
fn a_target_for_every_row_is_expected() {
    let _ = LinearBaseline::fit(&Matrix::new(3, 1, vec![0.0; 3]), &[1.0, 2.0]);
}

#[test]
fn its_evidence_is_the_integral_over_the_noise() {
    // y ~ N(0, σ² (I + v XXᵀ) + ȳ² 11ᵀ) for five rows of two inputs, with the determinant and the inverse by elimination.
    let (x, y) = data(5, 2, 5);
    let y: Vec<f64> = y.iter().map(|y| y - 1.7).collect();
    let (mean, sd, y_mean) = (-0.5, 0.8, y.iter().sum::<f64>() / 5.0);
    let v = LinearBaseline::fit(&x, &y).unwrap().variance;
    let centre = [0, 1].map(|j| (0..5).map(|i| x.row(i)[j]).sum::<f64>() / 5.0);
    let log_normal = |u: f64| {
        let mut rows: Vec<Vec<f64>> = (0..5)
            .map(|i| {
                let entry = |j: usize| {
                    let product = |k: usize| (x.row(i)[k] - centre[k]) * (x.row(j)[k] - centre[k]);
                    let own = f64::from(u8::from(i == j));
                    (2.0 * u).exp() * (own + v * (product(0) + product(1))) + y_mean * y_mean
                };
                (0..5).map(entry).chain([y[i]]).collect()
            })
            .collect();
        let mut log_density = -2.5 * (2.0 * std::f64::consts::PI).ln();
        for k in 0..5 {
            let pivot = rows[k].clone();
            // What row k says beyond those before it: its conditional variance and residual.
            log_density -= 0.5 * (pivot[k].ln() + pivot[5].powi(2) / pivot[k]);
            for row in &mut rows[k + 1..] {
                let factor = row[k] / pivot[k];
                row.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
            }
        }
        log_density
    };
    let prior = |u: f64| (-0.5 * ((u - mean) / sd).powi(2)).exp() / sd / (2.0 * std::f64::consts::PI).sqrt();
    let step = 0.01;
    let evidence =
        (-800..800).map(|i| step * f64::from(i)).map(|u| prior(u) * log_normal(u).exp()).sum::<f64>();
    let found = LinearBaseline::learned_log_evidence(&x, &y, mean, sd).unwrap();
    assert_relative_eq!(found, (step * evidence).ln(), max_relative = 1e-6);
}
