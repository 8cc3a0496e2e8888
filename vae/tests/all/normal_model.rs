//! A normal distribution that is fitted by EM to data with gaps.

use nn::data::Matrix;
use vae::linear::{Em, LinearError, NormalFit, NormalModel};

use crate::linear::{close, data, dense_log_likelihood, moments, normal};

/// x with about a share of its numbers missing; those of the first column if it is large are missing more often.
fn holed(x: &Matrix<f64>, share: f64) -> Matrix<f64> {
    let lots = normal(x.rows, x.cols, 77);
    let (mean, _) = moments(x);
    let cell = |c: usize| {
        let (i, j) = (c / x.cols, c % x.cols);
        let limit = if x.row(i)[0] > mean[0] && j > 0 { -0.2 } else { -0.9 };
        if lots.values[c] < limit + share { f64::NAN } else { x.values[c] }
    };
    Matrix::new(x.rows, x.cols, (0..x.values.len()).map(cell).collect())
}

const EXACT: Em = Em { rounds: 100_000, tolerance: 1e-15 };

#[test]
fn a_normal_distribution_of_complete_data_has_their_moments_in_one_round() {
    let x = data(60, 5);
    let (mean, s) = moments(&x);
    let NormalFit { model, history } = NormalModel::fit(&x, 0.0, Em::default()).unwrap();
    close(&model.mean, &mean, 1e-12);
    close(&model.covariance.values, &s.values, 1e-12);
    assert_eq!(history.len(), 3, "the start, the maximum, and no gain: {history:?}");
    let dense = dense_log_likelihood(&x, &mean, &s);
    assert!((history[2] - dense).abs() < 1e-10 && (model.log_likelihood(&x).unwrap() - dense).abs() < 1e-10);
    // κ rows of the variables' variances, without covariances.
    let prior = NormalModel::fit(&x, 30.0, Em::default()).unwrap().model;
    let cell = |c: usize| s.values[c] * if c.is_multiple_of(6) { 1.0 } else { 60.0 / 90.0 };
    close(&prior.covariance.values, &(0..25).map(cell).collect::<Vec<_>>(), 1e-12);
}

#[test]
fn conditional_means_are_ridge_regressions() {
    let (x, kappa) = (data(40, 3), 7.0);
    let (mean, s) = moments(&x);
    let model = NormalModel::fit(&x, kappa, Em::default()).unwrap().model;
    // (X′X + κ V) b = X′y of two centred columns, by Cramer's rule.
    let (n, gram) = (40.0, |i: usize, j: usize| 40.0 * s.row(i)[j]);
    let penalised = |i: usize| gram(i, i) + kappa * gram(i, i) / n;
    let determinant = penalised(0) * penalised(1) - gram(0, 1).powi(2);
    let b = [
        (penalised(1) * gram(0, 2) - gram(0, 1) * gram(1, 2)) / determinant,
        (penalised(0) * gram(1, 2) - gram(0, 1) * gram(0, 2)) / determinant,
    ];
    let mut gaps = x.values.to_vec();
    gaps.iter_mut().skip(2).step_by(3).for_each(|y| *y = f64::NAN);
    let filled = model.impute(&Matrix::new(40, 3, gaps)).unwrap();
    for i in 0..40 {
        let row = x.row(i);
        let wanted = mean[2] + b[0] * (row[0] - mean[0]) + b[1] * (row[1] - mean[1]);
        assert!((filled.row(i)[2] - wanted).abs() < 1e-10, "{}, not {wanted}", filled.row(i)[2]);
        assert_eq!(filled.row(i)[..2], row[..2]);
    }
    // What nothing is known of has its mean.
    close(model.impute(&Matrix::new(1, 3, vec![f64::NAN; 3])).unwrap().row(0), &mean, 1e-12);
}

#[test]
fn em_finds_the_closed_form_of_data_that_lack_the_ends_of_one_column() {
    // y is known for the first rows only (Anderson 1957): its regression on x from these rows, the rest from all x.
    let (all, known) = (data(80, 2), 50);
    let mut gaps = all.values.to_vec();
    gaps.iter_mut().skip(2 * known + 1).step_by(2).for_each(|y| *y = f64::NAN);
    let model = NormalModel::fit(&Matrix::new(80, 2, gaps), 0.0, EXACT).unwrap().model;
    let ((mean, s), (head_mean, head)) = (moments(&all), moments(&all.split_at_row(known).0));
    let slope = head.row(0)[1] / head.row(0)[0];
    let mean_y = head_mean[1] + slope * (mean[0] - head_mean[0]);
    let variance_y = head.row(1)[1] - slope * head.row(0)[1] + slope * slope * s.row(0)[0];
    close(&model.mean, &[mean[0], mean_y], 1e-6);
    let covariance = slope * s.row(0)[0];
    close(&model.covariance.values, &[s.row(0)[0], covariance, covariance, variance_y], 1e-6);
}

#[test]
fn em_never_lowers_the_likelihood_of_data_with_gaps_and_ends_where_it_is_largest() {
    let x = holed(&data(90, 4), 0.3);
    let gaps = x.values.iter().filter(|x| x.is_nan()).count();
    assert!((60..160).contains(&gaps), "{gaps}");
    for kappa in [0.0, 5.0] {
        let NormalFit { model, history } = NormalModel::fit(&x, kappa, EXACT).unwrap();
        assert!(history.windows(2).all(|pair| pair[1] >= pair[0] - 1e-12) && history.len() > 10);
        if kappa > 0.0 {
            continue;
        }
        let at = |model: &NormalModel| model.log_likelihood(&x).unwrap();
        let best = at(&model);
        assert!((best - history[history.len() - 1]).abs() < 1e-10);
        for place in 0..4 {
            for step in [-1e-3, 1e-3] {
                let mut other = model.clone();
                other.mean[place] += step;
                assert!(at(&other) < best, "mean {place}");
                let mut other = model.clone();
                let mut covariance = other.covariance.values.to_vec();
                [place * 4, place].iter().for_each(|c| covariance[*c] += step);
                other.covariance = Matrix::new(4, 4, covariance);
                assert!(at(&other) < best, "covariance {place}");
            }
        }
    }
}

#[test]
fn a_normal_distribution_of_impossible_data_is_refused_and_a_prior_allows_more() {
    let fit = |rows: &[[f64; 2]], kappa| {
        let x = Matrix::new(rows.len(), 2, rows.concat());
        NormalModel::fit(&x, kappa, Em::default()).map(|fit| fit.model.covariance.values.to_vec())
    };
    let nan = f64::NAN;
    assert_eq!(fit(&[[1.0, 2.0]], 1.0), Err(LinearError::TooFewRows { rows: 1, needed: 2 }));
    assert_eq!(fit(&[[1.0, nan], [2.0, nan]], 1.0), Err(LinearError::EmptyColumn { column: 1 }));
    assert_eq!(fit(&[[1.0, 5.0], [2.0, 5.0]], 0.0), Err(LinearError::ConstantColumn { column: 1 }));
    let infinite = fit(&[[1.0, 5.0], [f64::INFINITY, 5.0]], 0.0);
    let value = f64::INFINITY;
    assert_eq!(infinite, Err(LinearError::NotFinite { row: 1, column: 0, value }));
    assert!(matches!(fit(&[[1.0, 1.0], [2.0, 2.0]], 0.0), Err(LinearError::NotPositiveDefinite(_))));
    // Two rows and κ = 1: (2 · ¼ + ¼) / 3, and for the constant (0 + 1) / 3.
    close(&fit(&[[1.0, 5.0], [2.0, 5.0]], 1.0).unwrap(), &[0.25, 0.0, 0.0, 1.0 / 3.0], 1e-12);
}
