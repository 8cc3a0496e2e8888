//! Statistics against their definitions.

use std::collections::HashSet;

use nn::data::Matrix;
use nn::stats::{
    Eigen, Estimate, ImportanceWeights, StatsError, adjusted_rand_index, area_under_roc, fill_by_neighbours,
    k_means, largest_reliable_k, leading_eigen, orthonormal_rows, pareto_shape, symmetric_eigen,
};
use nn::train::Noise;
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Three round clouds of different sizes.
fn clouds() -> (Matrix<f64>, Vec<usize>) {
    let labels: Vec<usize> = (0..300).map(|i| [0, 0, 0, 1, 1, 2][i % 6]).collect();
    let mut points = vec![0.0; 600];
    Noise::new(2, 0).normal(0, 2, &mut points);
    for (point, label) in points.chunks_exact_mut(2).zip(&labels) {
        let centre = [[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]][*label];
        point.iter_mut().zip(centre).for_each(|(x, c)| *x += c);
    }
    (Matrix::new(300, 2, points), labels)
}

#[test]
fn k_means_finds_separate_clouds_and_the_index_sees_it() {
    let (points, labels) = clouds();
    let found = k_means(&points, 3, 4, 0);
    assert!(adjusted_rand_index(&found, &labels) > 0.99);
    assert_eq!(found, k_means(&points, 3, 4, 0));
    let single = k_means(&points, 1, 1, 0);
    assert!(single.iter().all(|&label| label == 0));
    assert_eq!(adjusted_rand_index(&single, &labels), 0.0);
    assert_eq!(k_means(&points, 300, 1, 0).iter().collect::<HashSet<_>>().len(), 300);
}

#[test]
fn the_adjusted_rand_index_is_one_for_renamed_parts_and_known_in_between() {
    assert_eq!(adjusted_rand_index(&[0, 0, 1, 1], &[5, 5, 2, 2]), 1.0);
    // Contingency (2, 0), (1, 1), (0, 2): 2 pairs in both, 3 and 6 in each, of 15.
    let index = adjusted_rand_index(&[0, 0, 1, 1, 2, 2], &[0, 0, 0, 1, 1, 1]);
    let expected = 3.0 * 6.0 / 15.0;
    assert!((index - (2.0 - expected) / (4.5 - expected)).abs() < 1e-12, "{index}");
    // Random partitions agree by chance alone.
    let (_, labels) = clouds();
    let random: Vec<usize> = (0..300).map(|i: usize| i * i * 7919 / 13 % 3).collect();
    assert!(adjusted_rand_index(&random, &labels).abs() < 0.05);
}

#[test]
fn the_area_under_the_roc_curve_is_the_share_of_pairs_in_order() {
    let (low, high) = ([1.0, 2.0, f64::NEG_INFINITY], [3.0, f64::INFINITY]);
    assert_eq!([area_under_roc(&low, &high), area_under_roc(&high, &low)], [1.0, 0.0]);
    assert_eq!(area_under_roc(&[0.0, -0.0, 2.0, 2.0], &[0.0, 2.0]), 0.5);
    let score = |i: usize| ((i * i) as f64 * 0.7).sin().mul_add(4.0, 0.5).round();
    let (usual, anomalous): (Vec<f64>, Vec<f64>) =
        ((0..40).map(score).collect(), (40..63).map(score).collect());
    let pair = |u: f64, a: f64| if a > u { 1.0 } else { f64::from(u8::from(a == u)) / 2.0 };
    let pairs: f64 = usual.iter().flat_map(|&u| anomalous.iter().map(move |&a| pair(u, a))).sum();
    assert_eq!(area_under_roc(&usual, &anomalous), pairs / (40.0 * 23.0));
}

#[test]
#[should_panic(expected = "a score is NaN")]
fn a_score_that_is_not_a_number_panics() {
    area_under_roc(&[1.0], &[f64::NAN]);
}

/// Σ λᵢ vᵢ vᵢᵀ with these eigenvalues and orthonormal vectors drawn from noise.
fn with_spectrum(values: &[f64]) -> (Matrix<f64>, Matrix<f64>) {
    let d = values.len();
    let mut noise = vec![0.0; d * d];
    Noise::new(4, 0).normal(0, d, &mut noise);
    let vectors = orthonormal_rows(&Matrix::new(d, d, noise)).unwrap();
    let entry = |i: usize, j: usize| (0..d).map(|k| values[k] * vectors.row(k)[i] * vectors.row(k)[j]).sum();
    (Matrix::new(d, d, (0..d * d).map(|at| entry(at / d, at % d)).collect()), vectors)
}

/// The numbers are these eigenvalues, and the rows orthonormal vectors v with S v = λ v.
fn assert_eigen(s: &Matrix<f64>, Eigen { values, vectors }: &Eigen, expected: &[f64]) {
    assert_eq!((values.len(), vectors.rows, vectors.cols), (expected.len(), expected.len(), s.cols));
    for (i, (found, expected)) in values.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 1e-11, "{values:?}");
        let v = vectors.row(i);
        for j in 0..s.rows {
            let image: f64 = s.row(j).iter().zip(v).map(|(s, v)| s * v).sum();
            assert!(
                (image - expected * v[j]).abs() < 1e-10,
                "row {i}: {image} instead of {}",
                expected * v[j]
            );
        }
        for other in 0..=i {
            let dot: f64 = vectors.row(other).iter().zip(v).map(|(a, b)| a * b).sum();
            assert!((dot - f64::from(u8::from(i == other))).abs() < 1e-12, "rows {other} and {i}: {dot}");
        }
    }
}

#[test]
fn eigenvectors_are_those_of_the_construction() {
    let spectrum: Vec<f64> = (0..40).map(|i| 5.0 * 0.8_f64.powi(i)).collect();
    let (s, _) = with_spectrum(&spectrum);
    assert_eigen(&s, &symmetric_eigen(&s), &spectrum);
    for m in [0, 1, 5, 40] {
        assert_eigen(&s, &leading_eigen(&s, m).unwrap(), &spectrum[..m]);
    }
    // Negative eigenvalues, the smallest last.
    let (s, _) = with_spectrum(&[3.0, 1.0, -2.0]);
    assert_eigen(&s, &symmetric_eigen(&s), &[3.0, 1.0, -2.0]);
}

#[test]
fn a_matrix_of_low_rank_has_as_many_eigenvectors_as_asked_for() {
    let mut spectrum = vec![0.0; 50];
    spectrum[..3].copy_from_slice(&[4.0, 2.0, 1.0]);
    let (s, _) = with_spectrum(&spectrum);
    assert_eigen(&s, &leading_eigen(&s, 10).unwrap(), &spectrum[..10]);
    let zero = Matrix::new(4, 4, vec![0.0; 16]);
    assert_eigen(&zero, &leading_eigen(&zero, 2).unwrap(), &[0.0; 2]);
}

#[test]
fn a_basis_spans_the_rows_and_dependent_rows_are_refused() {
    let a = Matrix::new(2, 3, vec![3.0, 0.0, 4.0, 1.0, 1.0, 1.0]);
    let q = orthonormal_rows(&a).unwrap();
    for i in 0..2 {
        // Each row is the sum of its projections.
        let along: Vec<f64> =
            (0..2).map(|k| q.row(k).iter().zip(a.row(i)).map(|(q, a)| q * a).sum()).collect();
        for j in 0..3 {
            let sum = along[0] * q.row(0)[j] + along[1] * q.row(1)[j];
            assert!((sum - a.row(i)[j]).abs() < 1e-14);
        }
    }
    let dependent = Matrix::new(3, 3, vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 2.0, -1.0, 2.0]);
    assert_eq!(orthonormal_rows(&dependent), Err(StatsError::Dependent { row: 2 }));
}

#[test]
#[should_panic(expected = "symmetric_eigen: expected a square matrix, found [2, 3]")]
fn a_matrix_that_is_not_square_has_no_eigenvectors() {
    symmetric_eigen(&Matrix::new(2, 3, vec![0.0; 6]));
}

#[test]
fn the_error_over_random_splits_is_that_of_new_rows() {
    // Rows are N(0, 1), the prediction is the mean of the rows to train on, the score the squared error on the others.
    let (rows, train, splits, sets) = (50, 40, 20, 400);
    let estimate = |set: u64| {
        let mut y = vec![0.0; rows];
        Noise::new(set, 0).normal(0, 1, &mut y);
        let score = |seed: u64| {
            let [fit, rest] = nn::data::split(rows, [train, rows - train], seed);
            let mean = fit.iter().map(|&i| y[i]).sum::<f64>() / train as f64;
            rest.iter().map(|&i| (y[i] - mean).powi(2)).sum::<f64>() / rest.len() as f64
        };
        let scores: Vec<f64> = (0..splits).map(|split| score(1000 * set + split)).collect();
        (Estimate::of(&scores).se, Estimate::over_splits(&scores, train, rows - train))
    };
    let all: Vec<_> = (0..sets).map(estimate).collect();
    let spread = Estimate::of(&all.iter().map(|(_, corrected)| corrected.mean).collect::<Vec<_>>()).se
        * (sets as f64).sqrt();
    let average = |of: &dyn Fn(&(f64, Estimate)) -> f64| all.iter().map(of).sum::<f64>() / sets as f64;
    let (plain, corrected) = (average(&|(se, _)| *se), average(&|(_, corrected)| corrected.se));
    assert!(plain < 0.6 * spread, "{plain} against {spread}");
    assert!((corrected / spread - 1.0).abs() < 0.3, "{corrected} against {spread}");
}

/// n draws of a generalised Pareto distribution of this shape and scale, in no order.
fn pareto(n: usize, shape: f64, scale: f64, seed: u64) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let draw = |_| scale * ((1.0 - rng.random::<f64>()).powf(-shape) - 1.0) / shape;
    (0..n).map(draw).collect()
}

#[test]
fn the_shape_of_a_pareto_distribution_is_found_whatever_its_scale() {
    for shape in [-0.4, 0.2, 0.7, 1.3] {
        let mean = |scale: f64| {
            let of_seed = |seed| {
                let mut sample = pareto(500, shape, scale, seed);
                sample.sort_by(f64::total_cmp);
                pareto_shape(&sample)
            };
            (0..100).map(of_seed).sum::<f64>() / 100.0
        };
        // The maximum-likelihood estimate has a standard deviation of (1 + k) / √n.
        let (found, tolerance) = (mean(3.0), 5.0 * (1.0 + shape.abs()) / 50_000_f64.sqrt() + 0.005);
        assert!((found - shape).abs() < tolerance, "{found}, not {shape}");
        assert!((mean(3e-200) - found).abs() < 1e-9 && (mean(3e200) - found).abs() < 1e-9);
    }
}

#[test]
fn the_k_hat_of_weights_is_that_of_their_tail_and_does_not_depend_on_order_or_scale() {
    for (shape, reliable) in [(0.2, true), (1.3, false)] {
        let draws = 4000;
        let values = pareto(draws, shape, 1.0, 1);
        let of = |values: &[f64], log_scale: f64| {
            let mut weights = ImportanceWeights::new(values.len());
            values.iter().for_each(|w| weights.add(w.ln() + log_scale));
            weights
        };
        let weights = of(&values, 0.0);
        // The tail beyond the threshold is again a Pareto distribution, of the same shape.
        let k = weights.pareto_k();
        assert!((k - shape).abs() < 0.25, "{k}, not {shape}");
        assert_eq!(k <= largest_reliable_k(draws), reliable);
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let tail = (3.0 * (draws as f64).sqrt()).ceil() as usize;
        let threshold = sorted[draws - tail - 1];
        let above: Vec<f64> = sorted[draws - tail..].iter().map(|w| w - threshold).collect();
        let direct = (tail as f64 * pareto_shape(&above) + 5.0) / (tail as f64 + 10.0);
        assert!((k - direct).abs() < 1e-9, "{k}, not {direct}");
        for other in [of(&sorted, 0.0), of(&values, -3e4), of(&values, 3e4)] {
            assert!((other.pareto_k() - k).abs() < 1e-7);
            assert!((other.effective_size() / weights.effective_size() - 1.0).abs() < 1e-7);
        }
    }
}

#[test]
fn weights_that_are_equal_are_the_best_and_a_few_that_are_not_0_are_no_tail() {
    let mut weights = ImportanceWeights::new(100);
    (0..100).for_each(|_| weights.add(-7.0));
    assert_eq!((weights.pareto_k(), weights.effective_size()), (f64::NEG_INFINITY, 100.0));
    assert!((weights.log_mean().mean + 7.0).abs() < 1e-12 && weights.log_mean().se == 0.0);
    let mut weights = ImportanceWeights::new(100);
    (0..100).for_each(|i| weights.add(if i < 4 { f64::from(i) } else { f64::NEG_INFINITY }));
    assert_eq!(weights.pareto_k(), f64::INFINITY);
    let mut weights = ImportanceWeights::new(20);
    (0..20).for_each(|i| weights.add(f64::from(i)));
    assert_eq!(weights.pareto_k(), f64::INFINITY);
    for (draws, most) in [(100, 0.5), (1000, 2.0 / 3.0), (1 << 24, 0.7)] {
        assert!((largest_reliable_k(draws) - most).abs() < 1e-12);
    }
}

#[test]
fn neighbours_fill_gaps_by_what_they_have_in_common_with_a_row() {
    let nan = f64::NAN;
    let x = Matrix::new(
        5,
        3,
        [[0.0, 0.0, 1.0], [nan, 0.1, nan], [5.0, 5.0, 9.0], [0.2, nan, 2.0], [nan, nan, nan]].concat(),
    );
    let [one, two, many] = fill_by_neighbours(&x, &[1, 2, 9]).try_into().unwrap();
    // Row 2 has only its second number, in which the first row is nearest; row 4 is nearest to the first by both numbers.
    assert_eq!(one.row(1), [0.0, 0.1, 1.0]);
    assert_eq!(one.row(3), [0.2, 0.0, 2.0]);
    assert_eq!(two.row(1), [2.5, 0.1, 5.0]);
    assert!((many.row(1)[2] - 4.0).abs() < 1e-12);
    // Nothing is known of the last one: the mean of all that have the number.
    assert!((many.row(4)[2] - 4.0).abs() < 1e-12);
    assert_eq!(fill_by_neighbours(&Matrix::new(2, 1, vec![nan, nan]), &[1])[0].row(0), [0.0]);
}
