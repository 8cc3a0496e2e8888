//! Linear regression with unknown noise level.

use approx::assert_relative_eq;
use autograd::ops::TriangularSystem::{LX, LtX};
use autograd::{Real, Tape};
use bayes_nn::inference::conjugate::{Ascent, ConjugateError, Gamma, LinearModel};
use nn::data::Matrix;

use super::{LN_2PI, rises, wave};

const N: usize = 25;
const D: usize = 3;

fn data() -> (Matrix<f64>, Vec<f64>) {
    let x = Matrix::new(N, D, wave(N * D, 2.1));
    let y = (0..N).map(|n| 0.8 * x.row(n)[0] - 1.3 * x.row(n)[2] + 0.4 * (5.1 * n as f64).sin()).collect();
    (x, y)
}

/// log N(y; 0, s² X Xᵀ + I/τ), and the posterior mean of w.
fn exact(x: &Matrix<f64>, y: &[f64], s: f64, tau: f64) -> (f64, Vec<f64>) {
    let tape = Tape::new();
    let (n, d) = (x.rows, x.cols);
    let (x, y) = (tape.shared_constant(&x.values, [n, d]), tape.constant(y, [n, 1]));
    let noise = tape.constant(&vec![1.0 / tau; n], [n]).diagonal_matrix();
    let k = x.matmul_t(x) * (s * s) + noise;
    let l = k.cholesky().unwrap();
    let alpha = l.solve_triangular(l.solve_triangular(y, LX), LtX);
    let quadratic = (y * alpha).sum().item();
    let evidence = -0.5 * (quadratic + l.log_det_from_factor().item() + n as f64 * LN_2PI);
    (evidence, (x.t_matmul(alpha) * (s * s)).to_vec())
}

#[test]
fn with_known_noise_it_is_the_exact_posterior_and_evidence() {
    let (x, y) = data();
    let (s, tau, certain) = (1.4, 5.0, 1e8);
    let model = LinearModel { sigma: s, precision: Gamma { shape: certain * tau, rate: certain } };
    let q = model.fit(&x, &y, Ascent::default()).unwrap();
    let (evidence, mean) = exact(&x, &y, s, tau);
    assert_relative_eq!(q.elbo[q.elbo.len() - 1], evidence, epsilon = 1e-5);
    for (q, exact) in q.mean.iter().zip(mean) {
        assert_relative_eq!(*q, exact, epsilon = 1e-6);
    }
    // S⁻¹ = τ XᵀX + I/s²
    let tape = Tape::new();
    let xs = tape.shared_constant(&x.values, [N, D]);
    let identity = tape.constant(&[1.0; D], [D]).diagonal_matrix();
    let precision = xs.t_matmul(xs) * tau + identity / (s * s);
    let product = precision.matmul(tape.shared_constant(&q.covariance.values, [D, D]));
    for (a, b) in product.to_vec().into_iter().zip(identity.to_vec()) {
        assert_relative_eq!(a, b, epsilon = 1e-5);
    }
}

#[test]
fn with_unknown_noise_it_is_just_below_the_evidence_by_quadrature() {
    let (x, y) = data();
    let prior = Gamma { shape: 1.2, rate: 0.3 };
    let q = LinearModel { sigma: 1.4, precision: prior }.fit(&x, &y, Ascent::default()).unwrap();
    rises(&q.elbo);
    // ∫ p(y|τ) p(τ) dτ over ln τ
    let h = 0.01;
    let log_terms: Vec<(f64, f64)> = (-700..1000)
        .map(|i| {
            let tau = (f64::from(i) * h).exp();
            let log_prior = prior.shape * (prior.rate * tau).ln() - prior.shape.lgamma() - prior.rate * tau;
            (tau, exact(&x, &y, 1.4, tau).0 + log_prior + h.ln())
        })
        .collect();
    let largest = log_terms.iter().map(|t| t.1).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = log_terms.iter().map(|t| (t.1 - largest).exp()).sum();
    let evidence = largest + total.ln();
    let gap = evidence - q.elbo[q.elbo.len() - 1];
    assert!(gap > 0.0 && gap < 0.1, "{gap}");
    let tau = log_terms.iter().map(|t| t.0 * (t.1 - largest).exp()).sum::<f64>() / total;
    assert_relative_eq!(q.precision.mean(), tau, max_relative = 0.03);
}

#[test]
fn constant_columns_and_a_single_row_have_a_posterior() {
    let model = LinearModel { sigma: 1.0, precision: Gamma { shape: 1.0, rate: 1.0 } };
    let one = Matrix::new(1, 3, vec![1.0, 1.0, 1.0]);
    let q = model.fit(&one, &[2.0], Ascent::default()).unwrap();
    assert_relative_eq!(q.mean[0], q.mean[2], max_relative = 1e-12);
}

#[test]
fn the_elbo_does_not_fall_under_a_nearly_certain_prior() {
    let (x, y) = data();
    for power in 0..=12 {
        let certain = 10.0_f64.powi(power);
        let model = LinearModel { sigma: 1.4, precision: Gamma { shape: 5.0 * certain, rate: certain } };
        let q = model.fit(&x, &y, Ascent::default()).unwrap();
        if power >= 6 {
            assert_relative_eq!(q.precision.mean(), 5.0, max_relative = 1e-4);
        }
    }
}

#[test]
fn bad_data_are_named() {
    let model = LinearModel { sigma: 1.0, precision: Gamma { shape: 1.0, rate: 1.0 } };
    let (x, mut y) = data();
    assert_eq!(model.fit(&Matrix::new(0, 2, vec![]), &[], Ascent::default()), Err(ConjugateError::Empty));
    y[4] = f64::INFINITY;
    let error = model.fit(&x, &y, Ascent::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 4, column 0: expected a finite number, found inf; fill it in, or leave the row out"
    );
    let bad = x.map(|x| if x == x.abs() { x } else { f64::NAN });
    let error = model.fit(&bad, &y, Ascent::default()).unwrap_err();
    assert!(matches!(error, ConjugateError::NotFinite { .. }), "{error}");
    let error = model.fit(&x.map(|x| x * 1e200), &[1.0; N], Ascent::default()).unwrap_err();
    assert!(error.to_string().contains("standardise"), "{error}");
}

#[test]
#[should_panic(expected = "linear model: y: expected 25 targets, one for each row of X, found 24")]
fn another_number_of_targets_is_refused() {
    let (x, y) = data();
    let model = LinearModel { sigma: 1.0, precision: Gamma { shape: 1.0, rate: 1.0 } };
    let _ = model.fit(&x, &y[1..], Ascent::default());
}
