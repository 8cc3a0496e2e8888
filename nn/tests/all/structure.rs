//! Graphs, maps and curves: the statistics of many variables, points and functions.

use autograd::Tape;
use autograd::check::{Sample, check};
use nn::data::Matrix;
use nn::stats::{
    Curve, FunctionalPca, Smoothing, StructureError, Tsne, graphical_lasso, k_means, neighbour_affinities,
    tsne_divergence,
};
use nn::train::Noise;

/// The covariance of n draws of d numbers, each of which also has a share of the one before.
fn covariance(n: usize, d: usize, seed: u64) -> Matrix<f64> {
    let mut x = vec![0.0; n * d];
    Noise::new(seed, 0).normal(0, d, &mut x);
    x.chunks_exact_mut(d).for_each(|row| (1..d).for_each(|j| row[j] += 0.7 * row[j - 1]));
    let of = |i: usize, j: usize| x.chunks_exact(d).map(|row| row[i] * row[j]).sum::<f64>() / n as f64;
    Matrix::new(d, d, (0..d * d).map(|k| of(k / d, k % d)).collect())
}

/// A⁻¹ by a factor on the tape, which the graphical lasso does not use.
fn inverse(a: &Matrix<f64>) -> Vec<f64> {
    use autograd::ops::TriangularSystem::LX;
    let (tape, d) = (Tape::new(), a.rows);
    let l = tape.constant(&a.values, [d, d]).cholesky().unwrap();
    let root = l.solve_triangular(tape.constant(&vec![1.0; d], [d]).diagonal_matrix(), LX);
    root.t_matmul(root).to_vec()
}

#[test]
fn the_graphical_lasso_fulfils_its_optimality_conditions() {
    // With 8 draws of 12 numbers S has no inverse.
    for (n, d, lambda) in [(200, 6, 0.05), (200, 6, 0.3), (8, 12, 0.2)] {
        let s = covariance(n, d, 1);
        let found = graphical_lasso(&s, lambda).unwrap();
        let w = inverse(&found.precision);
        let (mut edges, mut zeros) = (0, 0);
        for i in 0..d {
            for j in 0..d {
                let (theta, gap) = (found.precision.row(i)[j], w[i * d + j] - s.row(i)[j]);
                assert_eq!(theta, found.precision.row(j)[i]);
                assert!((w[i * d + j] - found.covariance.row(i)[j]).abs() < 1e-7);
                if i == j {
                    assert!(gap.abs() < 1e-7, "{gap}");
                } else if theta == 0.0 {
                    zeros += 1;
                    assert!(gap.abs() < lambda + 1e-7, "{gap}");
                } else {
                    edges += 1;
                    assert!((gap - lambda * theta.signum()).abs() < 1e-7, "{gap}");
                }
            }
        }
        assert!(edges > 0 && zeros > 0, "{n} {d} {lambda}: {edges} {zeros}");
        assert_eq!(found.edges().len(), edges / 2);
    }
}

#[test]
fn the_graphical_lasso_of_two_variables_and_without_a_penalty_is_known() {
    let s = covariance(100, 5, 2);
    let plain = graphical_lasso(&s, 0.0).unwrap();
    assert!(plain.precision.values.iter().zip(inverse(&s)).all(|(a, b)| (a - b).abs() < 1e-8));
    // −½ D ln 2π − ½ ln det S − ½ tr(S S⁻¹)
    let tape = Tape::new();
    let log_det = tape.constant(&s.values, [5, 5]).cholesky().unwrap().log_det_from_factor().item();
    let wanted = -2.5 * std::f64::consts::TAU.ln() - 0.5 * log_det - 2.5;
    assert!((plain.log_likelihood(&s) - wanted).abs() < 1e-9);

    for (a, lambda, w) in [(0.8, 0.3, 0.5), (-0.8, 0.3, -0.5), (0.2, 0.3, 0.0), (0.3, 0.3, 0.0)] {
        let found = graphical_lasso(&Matrix::new(2, 2, vec![2.0, a, a, 1.0]), lambda).unwrap();
        let det = 2.0 - w * w;
        let wanted = [1.0 / det, -w / det, -w / det, 2.0 / det];
        assert!(found.precision.values.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        let partial = found.partial_correlations();
        assert!((partial.row(0)[1] - w / 2.0_f64.sqrt()).abs() < 1e-12);
    }
}

/// Variables whose covariances stay at or below λ in groups are solved for group by group (Witten, Friedman & Simon 2011; Mazumder &
/// Hastie 2012).
#[test]
fn the_graphical_lasso_falls_apart_where_covariances_between_blocks_are_small() {
    let [a, b] = [covariance(60, 3, 3), covariance(60, 2, 4)];
    let lambda = 0.15;
    let of = |i: usize, j: usize| match (i < 3, j < 3) {
        (true, true) => a.row(i)[j],
        (false, false) => b.row(i - 3)[j - 3],
        _ => lambda * if (i + j).is_multiple_of(2) { 1.0 } else { -0.9 },
    };
    let whole = Matrix::new(5, 5, (0..25).map(|k| of(k / 5, k % 5)).collect());
    let whole = graphical_lasso(&whole, lambda).unwrap().precision;
    for (block, from) in [(a, 0), (b, 3)] {
        let alone = graphical_lasso(&block, lambda).unwrap().precision;
        for i in 0..block.rows {
            for j in 0..5 {
                let inside = (from..from + block.rows).contains(&j);
                let wanted = if inside { alone.row(i)[j - from] } else { 0.0 };
                assert!((whole.row(from + i)[j] - wanted).abs() < 1e-9, "{i} {j}");
            }
        }
    }
}

#[test]
fn a_covariance_that_is_none_is_refused() {
    let zero = Matrix::new(2, 2, vec![1.0, 0.0, 0.0, 0.0]);
    assert_eq!(graphical_lasso(&zero, 0.1), Err(StructureError::NotPositive { row: 1 }));
    let singular = Matrix::new(2, 2, vec![1.0, 1.0, 1.0, 1.0]);
    assert!(matches!(graphical_lasso(&singular, 0.0), Err(StructureError::NotPositive { .. })));
    assert!(graphical_lasso(&singular, 0.1).is_ok());
}

/// Three clouds of 20 points in five dimensions.
fn clouds() -> (Matrix<f64>, Vec<usize>) {
    let mut x = vec![0.0; 300];
    Noise::new(5, 0).normal(0, 5, &mut x);
    x.chunks_exact_mut(5).enumerate().for_each(|(i, row)| row[i % 3] += 10.0);
    (Matrix::new(60, 5, x), (0..60).map(|i| i % 3).collect())
}

#[test]
fn affinities_have_the_perplexity_that_was_asked_for() {
    // On a circle all points are alike, so that each p_·|i is N times its row of P.
    let n = 24;
    let angle = |i: usize| std::f64::consts::TAU * i as f64 / n as f64;
    let circle = Matrix::new(n, 2, (0..n).flat_map(|i| [angle(i).cos(), angle(i).sin()]).collect());
    for perplexity in [2.0, 5.0, 20.0] {
        let p = neighbour_affinities(&circle, perplexity);
        for i in 0..n {
            let row = p.row(i).iter().map(|p| p * n as f64).filter(|p| *p > 0.0);
            let entropy: f64 = row.map(|p| -p * p.ln()).sum();
            assert!((entropy.exp() - perplexity).abs() < 1e-6, "{perplexity}: {}", entropy.exp());
            assert_eq!(p.row(i)[i], 0.0);
        }
        assert!((p.values.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn the_gradient_of_a_map_is_that_of_equation_5() {
    let n = 7;
    let p = neighbour_affinities(&clouds().0.select(&[0, 1, 2, 3, 4, 5, 6]), 3.0);
    let mut y = vec![0.0; 2 * n];
    Noise::new(6, 0).normal(0, 2, &mut y);
    let tape = Tape::new();
    let (map, affinities) = (tape.parameter(&y, [n, 2]), tape.constant(&p.values, [n, n]));
    let gradients = tape.backward(tsne_divergence(map, affinities));
    let gradient = gradients.wrt(map);
    let near = |i: usize, j: usize| {
        1.0 / (1.0 + (y[2 * i] - y[2 * j]).powi(2) + (y[2 * i + 1] - y[2 * j + 1]).powi(2))
    };
    let pairs = || (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|(i, j)| i != j);
    let total: f64 = pairs().map(|(i, j)| near(i, j)).sum();
    for i in 0..n {
        for axis in 0..2 {
            let term = |j: usize| {
                (p.row(i)[j] - near(i, j) / total) * near(i, j) * (y[2 * i + axis] - y[2 * j + axis])
            };
            let wanted = 4.0 * (0..n).map(term).sum::<f64>();
            assert!((gradient[2 * i + axis] - wanted).abs() < 1e-12);
        }
    }
    let inputs = [Sample::any([n, 2])];
    check("t-SNE", &inputs, |tape, x| tsne_divergence(x[0], tape.constant(&p.values, [n, n]))).unwrap();
}

#[test]
fn clusters_stay_apart_on_the_map() {
    let (x, labels) = clouds();
    let tsne = Tsne { perplexity: 10.0, ..Tsne::default() };
    let map = tsne.map(&x);
    assert_eq!(map, tsne.map(&x));
    assert_eq!(nn::stats::adjusted_rand_index(&k_means(&map, 3, 5, 0), &labels), 1.0);
    // It is lower than that of the points of another map, in which two clusters are exchanged in part.
    let p = neighbour_affinities(&x, 10.0);
    let loss = |map: &Matrix<f64>| {
        let tape = Tape::new();
        tsne_divergence(tape.constant(&map.values, [60, 2]), tape.constant(&p.values, [60, 60])).item()
    };
    let moved: Vec<usize> = (0..60).map(|i| if i < 30 { (i + 1) % 30 } else { i }).collect();
    assert!(loss(&map) + 0.1 < loss(&map.select(&moved)));
}

/// Curves 1 + t + ξ₁ φ₁(t) + ξ₂ φ₂(t) on [0, 1] with two cosines, of variances 1 and ¼, at random times, with noise of variance 0.01.
fn curves(n: usize, per_curve: usize, seed: u64) -> (Vec<Curve>, Vec<[f64; 2]>) {
    let mut numbers = vec![0.0; n * (2 + 2 * per_curve)];
    Noise::new(seed, 0).normal(0, 2 + 2 * per_curve, &mut numbers);
    let of = |row: &[f64]| {
        let scores = [row[0], 0.5 * row[1]];
        let times: Vec<f64> = row[2..2 + per_curve].iter().map(|u| 1.0 / (1.0 + (-1.6 * u).exp())).collect();
        let value = |(&t, e): (&f64, &f64)| truth(t, scores) + 0.1 * e;
        let values = times.iter().zip(&row[2 + per_curve..]).map(value).collect();
        (Curve { times, values }, scores)
    };
    numbers.chunks_exact(2 + 2 * per_curve).map(of).unzip()
}

fn truth(t: f64, scores: [f64; 2]) -> f64 {
    1.0 + t + functions(t).iter().zip(scores).map(|(phi, xi)| phi * xi).sum::<f64>()
}

fn functions(t: f64) -> [f64; 2] {
    [1.0, 2.0].map(|k| 2.0_f64.sqrt() * (std::f64::consts::PI * k * t).cos())
}

#[test]
fn functional_components_are_those_of_the_process() {
    let (curves, scores) = curves(300, 6, 7);
    let smoothing = Smoothing { points: 31, bandwidth: 0.06, components: 2 };
    let fpca = FunctionalPca::fit(&curves, &smoothing).unwrap();
    assert!((fpca.variances[0] - 1.0).abs() < 0.25, "{:?}", fpca.variances);
    assert!((fpca.variances[1] - 0.25).abs() < 0.1, "{:?}", fpca.variances);
    assert!(fpca.noise > 0.003 && fpca.noise < 0.05, "{}", fpca.noise);
    let step = fpca.grid[1] - fpca.grid[0];
    for k in 0..2 {
        let along = fpca.grid.iter().zip(fpca.functions.row(k)).map(|(&t, phi)| functions(t)[k] * phi);
        assert!((along.sum::<f64>() * step).abs() > 0.95, "{k}");
    }
    // Of the variance of whole curves, 1.25, six values explain more than 95 %. With the true components intervals hold what they promise.
    let mean = fpca.grid.iter().map(|&t| 1.0 + t).collect();
    let rows = (0..2).flat_map(|k| fpca.grid.iter().map(move |&t| functions(t)[k])).collect();
    let oracle = FunctionalPca {
        mean,
        functions: Matrix::new(2, fpca.grid.len(), rows),
        variances: vec![1.0, 0.25],
        noise: 0.01,
        ..fpca.clone()
    };
    let (mut error, mut inside, n) = (0.0, 0.0, (300 * fpca.grid.len()) as f64);
    for (curve, scores) in curves.iter().zip(&scores) {
        let [found, known] = [&fpca, &oracle].map(|fpca| fpca.predict(curve, &fpca.grid));
        for (g, &t) in fpca.grid.iter().enumerate() {
            let truth = truth(t, *scores);
            error += (found.mean[g] - truth).powi(2) / n;
            let within = (known.mean[g] - truth).abs() < 1.96 * known.variance[g].sqrt();
            inside += f64::from(u8::from(within)) / n;
        }
    }
    assert!(error < 0.05 * 1.25 && (inside - 0.95).abs() < 0.02, "{error} {inside}");
    // Without observations a prediction is the mean, with the variance of the process.
    let nothing = fpca.predict(&Curve::default(), &[fpca.grid[3]]);
    assert!((nothing.mean[0] - fpca.mean[3]).abs() < 1e-12);
    let prior: f64 = (0..2).map(|k| fpca.variances[k] * fpca.functions.row(k)[3].powi(2)).sum();
    assert!((nothing.variance[0] - prior).abs() < 1e-9);
}

#[test]
fn scores_are_the_conditional_expectation_written_out() {
    let (curves, _) = curves(40, 5, 8);
    let smoothing = Smoothing { points: 21, bandwidth: 0.1, components: 2 };
    let fpca = FunctionalPca::fit(&curves, &smoothing).unwrap();
    // Λ Φᵀ (Φ Λ Φᵀ + σ² I)⁻¹ (y − μ) at times of the grid.
    let at = [2, 9, 17];
    let values = vec![0.5, 1.9, 1.0];
    let curve = Curve { times: at.map(|g| fpca.grid[g]).to_vec(), values: values.clone() };
    let phi = |i: usize, k: usize| fpca.functions.row(k)[at[i]];
    let entry = |i: usize, j: usize| {
        let low: f64 = (0..2).map(|k| fpca.variances[k] * phi(i, k) * phi(j, k)).sum();
        if i == j { low + fpca.noise } else { low }
    };
    let inverse = inverse(&Matrix::new(3, 3, (0..9).map(|ij| entry(ij / 3, ij % 3)).collect()));
    let solved = |i: usize| (0..3).map(|j| inverse[3 * i + j] * (values[j] - fpca.mean[at[j]])).sum::<f64>();
    for (k, score) in fpca.scores(&curve).into_iter().enumerate() {
        let wanted = fpca.variances[k] * (0..3).map(|i| phi(i, k) * solved(i)).sum::<f64>();
        assert!((score - wanted).abs() < 1e-9, "{score} {wanted}");
    }
    let rest: f64 = (0..3).map(|i| (values[i] - fpca.mean[at[i]]) * solved(i)).sum();
    let tape = Tape::new();
    let sigma: Vec<f64> = (0..9).map(|ij| entry(ij / 3, ij % 3)).collect();
    let log_det = tape.constant(&sigma, [3, 3]).cholesky().unwrap().log_det_from_factor().item();
    let wanted = -0.5 * (rest + log_det + 3.0 * std::f64::consts::TAU.ln());
    assert!((fpca.log_likelihood(&curve) - wanted).abs() < 1e-9);
    // The noise is the likeliest.
    let of = |factor: f64| {
        let other = FunctionalPca { noise: factor * fpca.noise, ..fpca.clone() };
        curves.iter().map(|curve| other.log_likelihood(curve)).sum::<f64>()
    };
    assert!(of(1.0) > of(1.1) && of(1.0) > of(0.9));
}

#[test]
fn too_few_curves_are_refused() {
    let smoothing = Smoothing { points: 5, bandwidth: 0.5, components: 1 };
    let single = Curve { times: vec![0.0], values: vec![1.0] };
    let error = FunctionalPca::fit(std::slice::from_ref(&single), &smoothing).unwrap_err();
    assert_eq!(error, StructureError::FewCurves { curves: 1, pairs: 0 });
    let other = Curve { times: vec![1.0], values: vec![2.0] };
    let error = FunctionalPca::fit(&[single, other], &smoothing).unwrap_err();
    assert!(error.to_string().contains("2 curves, of which 0 have two values"), "{error}");
}
