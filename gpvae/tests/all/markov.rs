//! Long series: the smoother against the dense formula, its gradient, and the model's bound, windows and predictions.

use std::sync::Arc;

use autograd::check::{Sample, check, check_theta};
use autograd::{Tape, Var};
use gpvae::data::Moments;
use gpvae::prior::{Markov, MarkovPosterior, Matern, Timeline};
use gpvae::{MarkovConfig, MarkovElbo, MarkovObjective, MarkovVae, Windows};
use nn::data::Matrix;
use nn::model::{Layout, Model};
use nn::train::{Batch, Fit, Noise, Objective, Parts, Rule, Trainer};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const KERNELS: [Matern; 3] = [Matern::Half, Matern::ThreeHalves, Matern::FiveHalves];
const LENGTHS: [f64; 2] = [0.7, 2.5];
/// Irregular, one of them twice; rows 0 to 7 are a series, and 8 to 11 another one.
const TIMES: [f64; 12] = [0.0, 0.1, 0.8, 0.8, 1.0, 2.5, 2.6, 5.0, -3.0, 0.0, 0.4, 7.0];
/// Not observed are one row within a series and one at its end.
const UNSEEN: [usize; 2] = [4, 11];

fn timeline() -> Timeline {
    let gap = |i: usize| if i == 0 || i == 8 { f64::INFINITY } else { TIMES[i] - TIMES[i - 1] };
    Timeline::new((0..12).map(gap).collect(), (0..12).map(|i| !UNSEEN.contains(&i)).collect())
}

fn covariance(kernel: Matern, distance: f64, length: f64) -> f64 {
    let scaled = |c: f64| c.sqrt() * distance / length;
    match kernel {
        Matern::Half => (-scaled(1.0)).exp(),
        Matern::ThreeHalves => (1.0 + scaled(3.0)) * (-scaled(3.0)).exp(),
        Matern::FiveHalves => {
            let tau = scaled(5.0);
            (1.0 + tau + tau * tau / 3.0) * (-tau).exp()
        }
    }
}

/// Solves A x = b for the columns of b by elimination, and gives ln det A, for A that is positive definite.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<Vec<f64>>) -> (Vec<Vec<f64>>, f64) {
    let mut log_det = 0.0;
    for j in 0..a.len() {
        let (pivot, right) = (a[j].clone(), b[j].clone());
        log_det += pivot[j].ln();
        for i in (0..a.len()).filter(|&i| i != j) {
            let factor = a[i][j] / pivot[j];
            a[i].iter_mut().zip(&pivot).for_each(|(x, y)| *x -= factor * y);
            b[i].iter_mut().zip(&right).for_each(|(x, y)| *x -= factor * y);
        }
    }
    let x = b.iter().enumerate().map(|(i, row)| row.iter().map(|x| x / a[i][i]).collect()).collect();
    (x, log_det)
}

fn markov(kernel: Matern) -> (Markov, Vec<f64>) {
    let mut layout = Layout::new();
    let prior = Markov::new(&mut layout, kernel, &LENGTHS);
    let theta = layout.init(&mut StdRng::seed_from_u64(0));
    (prior, theta)
}

fn mu() -> Vec<f64> {
    (0..24).map(|i| (1.9 * i as f64).sin()).collect()
}

fn variance() -> Vec<f64> {
    (0..24).map(|i| (0.8 * (0.7 * i as f64).cos() - 1.0).exp()).collect()
}

/// Mean, variance and evidence of each column by the matrix of the kernel over the rows of both series.
#[test]
fn the_smoother_gives_what_the_dense_formula_does() {
    for kernel in KERNELS {
        let (prior, theta) = markov(kernel);
        let tape = Tape::new();
        let theta = tape.constant(&theta, [2]);
        let (m, r) = (tape.constant(&mu(), [12, 2]), tape.constant(&variance(), [12, 2]));
        let q = prior.observed(theta, Arc::new(timeline()), m, r);
        let [mean, variance_of, evidence] = [q.mean, q.variance, q.log_evidence].map(|x| x.to_vec());
        let seen: Vec<usize> = (0..12).filter(|i| !UNSEEN.contains(i)).collect();
        let mut total = 0.0;
        for (l, &length) in LENGTHS.iter().enumerate() {
            let k = |a: usize, b: usize| match (a < 8) == (b < 8) {
                true => covariance(kernel, (TIMES[a] - TIMES[b]).abs(), length),
                false => 0.0,
            };
            let noise = |a, b| if a == b { variance()[2 * a + l] } else { 0.0 };
            let gram = seen.iter().map(|&a| seen.iter().map(|&b| k(a, b) + noise(a, b)).collect()).collect();
            // Columns: μ, and the covariances with all rows.
            let right = |&a: &usize| [mu()[2 * a + l]].into_iter().chain((0..12).map(|b| k(a, b))).collect();
            let (solved, log_det) = solve(gram, seen.iter().map(right).collect());
            let over = |f: &dyn Fn(usize, usize) -> f64| {
                seen.iter().enumerate().map(|(row, &a)| f(row, a)).sum::<f64>()
            };
            let squares = over(&|row, a| mu()[2 * a + l] * solved[row][0]);
            total -= 0.5 * (squares + log_det + 10.0 * std::f64::consts::TAU.ln());
            for b in 0..12 {
                let expected = over(&|row, a| k(a, b) * solved[row][0]);
                let found = mean[2 * b + l];
                assert!((expected - found).abs() < 1e-9, "{kernel:?}, mean {b}: {expected}, {found}");
                let expected = 1.0 - over(&|row, a| k(a, b) * solved[row][1 + b]);
                let found = variance_of[2 * b + l];
                assert!((expected - found).abs() < 1e-9, "{kernel:?}, variance {b}: {expected}, {found}");
            }
        }
        let found: f64 = evidence.iter().sum();
        assert!((total - found).abs() < 1e-9, "{kernel:?}, evidence: {total} and {found}");
        assert!(UNSEEN.iter().all(|&row| evidence[2 * row..][..2] == [0.0; 2]));
    }
}

#[test]
fn the_gradient_of_the_smoother() {
    let rows = Sample::uniform([12, 2], -1.0..0.5);
    let inputs = [Sample::uniform([2], -0.5..0.5), Sample::any([12, 2]), rows];
    for kernel in KERNELS {
        let (prior, _) = markov(kernel);
        for part in 0..4 {
            check("markov_smoother", &inputs, |_, x| {
                let q = prior.observed(x[0], Arc::new(timeline()), x[1], x[2].exp());
                [q.mean, q.variance, q.log_evidence, q.divergence][part]
            })
            .unwrap_or_else(|error| panic!("{kernel:?}, part {part}: {error}"));
        }
    }
}

/// The divergence of a row, of the process whose state is f alone: by the matrices of the kernel, with q(f_t | f_t−1) = N(m_t + a
/// (f_t−1 − m_t−1), s) and p(f_t | f_t−1) = N(b f_t−1, 1 − b²).
#[test]
fn a_row_adds_the_divergence_of_its_step() {
    let (time, seen, length) =
        ([0.0_f64, 0.1, 0.8, 1.0, 2.5, 2.6], [true, true, false, true, true, false], LENGTHS[0]);
    let k = |a: usize, b: usize| covariance(Matern::Half, (time[a] - time[b]).abs(), length);
    let r = |row: usize| variance()[2 * row];
    let known: Vec<usize> = (0..6).filter(|&row| seen[row]).collect();
    let gram =
        known.iter().map(|&a| known.iter().map(|&b| k(a, b) + if a == b { r(a) } else { 0.0 }).collect());
    let right = known.iter().map(|&a| [mu()[2 * a]].into_iter().chain((0..6).map(|b| k(a, b))).collect());
    let (solved, _) = solve(gram.collect(), right.collect());
    let over = |f: &dyn Fn(usize, usize) -> f64| known.iter().enumerate().map(|(i, &a)| f(i, a)).sum::<f64>();
    let mean = |row: usize| over(&|i, a| k(a, row) * solved[i][0]);
    let v = |row: usize, other: usize| k(row, other) - over(&|i, a| k(a, row) * solved[i][1 + other]);
    let divergence = |ratio: f64, square: f64| 0.5 * (ratio - 1.0 - ratio.ln() + square);

    let (prior, theta) = markov(Matern::Half);
    let tape = Tape::new();
    let gaps = (0..6).map(|row| if row == 0 { f64::INFINITY } else { time[row] - time[row - 1] }).collect();
    let timeline = Arc::new(Timeline::new(gaps, seen.to_vec()));
    let [m, noise] = [mu(), variance()].map(|x| tape.constant(&x[..12], [6, 2]));
    let found = prior.observed(tape.constant(&theta, [2]), timeline, m, noise).divergence.to_vec();
    for row in 0..6 {
        let expected = if row == 0 {
            divergence(v(0, 0), mean(0).powi(2))
        } else {
            let before = row - 1;
            let (a, b) = (v(row, before) / v(before, before), k(row, before));
            let (s, noise) = (v(row, row) - a * v(row, before), 1.0 - b * b);
            let square = (mean(row) - b * mean(before)).powi(2) + (a - b).powi(2) * v(before, before);
            divergence(s / noise, square / noise)
        };
        assert!((expected - found[2 * row]).abs() < 1e-9, "row {row}: {expected} and {}", found[2 * row]);
    }
}

/// What some rows add must be bounded whatever other rows, which do not count, observe: training would go there.
#[test]
fn no_row_has_a_negative_divergence() {
    let mut rng = StdRng::seed_from_u64(0);
    for trial in 0..200 {
        let kernel = KERNELS[trial % 3];
        let mut layout = Layout::new();
        let prior = Markov::new(&mut layout, kernel, &[10.0_f64.powf(rng.random_range(-1.0..2.0))]);
        let theta = layout.init::<f64>(&mut rng);
        let gaps = (0..60).map(|_| 10.0_f64.powf(rng.random_range(-3.0..0.0))).collect();
        let seen = (0..60).map(|_| rng.random_bool(0.8)).collect();
        let mut draw = |from: f64, to: f64| (0..60).map(|_| rng.random_range(from..to)).collect::<Vec<_>>();
        let size = [1.0, 30.0, 3000.0][trial / 3 % 3];
        let (mu, r) =
            (draw(-size, size), draw(-6.0, 1.0).iter().map(|x| 10.0_f64.powf(*x)).collect::<Vec<_>>());
        let tape = Tape::new();
        let [mu, r] = [mu, r].map(|x| tape.constant(&x, [60, 1]));
        let q = prior.observed(tape.constant(&theta, [1]), Arc::new(Timeline::new(gaps, seen)), mu, r);
        let each = q.divergence.to_vec();
        let all: f64 = each.iter().sum();
        assert!(each.iter().all(|d| *d > -1e-9 * all.max(1.0)), "{kernel:?}, trial {trial}: {each:?}");
    }
}

#[test]
fn series_and_what_is_not_observed_leave_others_alone() {
    let (prior, theta) = markov(Matern::ThreeHalves);
    let tape = Tape::new();
    let theta = tape.constant(&theta, [2]);
    let of = |mu: &[f64]| {
        let (m, r) = (tape.constant(mu, [12, 2]), tape.constant(&variance(), [12, 2]));
        prior.observed(theta, Arc::new(timeline()), m, r).mean.to_vec()
    };
    let before = of(&mu());
    let mut other = mu();
    other[16..].iter_mut().for_each(|x| *x += 1.0);
    UNSEEN.iter().for_each(|row| other[2 * row] = f64::NAN);
    let after = of(&other);
    assert_eq!(before[..16], after[..16]);
    assert_ne!(before[16..], after[16..]);
    // A row without an observation is the same as none, for all others.
    let keep: Vec<usize> = (0..12).filter(|row| !UNSEEN.contains(row)).collect();
    let gap = |i: usize| match keep[i] {
        0 | 8 => f64::INFINITY,
        row => TIMES[row] - TIMES[keep[i - 1]],
    };
    let timeline = Timeline::new((0..10).map(gap).collect(), vec![true; 10]);
    let pick = |x: Vec<f64>| keep.iter().flat_map(|&row| [x[2 * row], x[2 * row + 1]]).collect::<Vec<_>>();
    let (m, r) = (tape.constant(&pick(mu()), [10, 2]), tape.constant(&pick(variance()), [10, 2]));
    let without = prior.observed(theta, Arc::new(timeline), m, r).mean.to_vec();
    assert!(without.iter().zip(pick(before)).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn tiny_and_huge_gaps_are_sound_in_single_precision() {
    let gaps = [f64::INFINITY, 1e-12, 0.0, 1e-6, 1.0, 1e-9, 1e12, 1e300, 1e-300, 0.5];
    for kernel in KERNELS {
        let (prior, theta) = markov(kernel);
        let timeline = Arc::new(Timeline::new(gaps.to_vec(), vec![true; 10]));
        let run = |mu: &[f64], r: f64| {
            let (wide, single) = (Tape::new(), Tape::new());
            let expected = prior.observed(
                wide.constant(&theta, [2]),
                timeline.clone(),
                wide.constant(mu, [10, 2]),
                wide.constant(&[r; 20], [10, 2]),
            );
            let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
            let theta = single.parameter(&narrow(&theta), [2]);
            let mu = single.parameter(&narrow(mu), [10, 2]);
            let r = single.parameter(&[r as f32; 20], [10, 2]);
            let MarkovPosterior { mean, variance, log_evidence, divergence } =
                prior.observed(theta, timeline.clone(), mu, r);
            for (a, b) in [(expected.mean, mean), (expected.variance, variance)] {
                for (a, b) in a.to_vec().into_iter().zip(b.to_vec()) {
                    assert!((a - f64::from(b)).abs() < 1e-5 * a.abs().max(1.0), "{kernel:?}: {a} and {b}");
                }
            }
            assert!(variance.to_vec().iter().all(|v| *v > 0.0 && *v <= 1.0));
            // A divergence is not negative, whatever rounding does.
            assert!(divergence.sum().item() > 0.0, "{kernel:?}: {}", divergence.sum().item());
            let sum = mean.sum() + variance.sum() + log_evidence.sum() + divergence.sum();
            let gradients = single.backward(sum);
            for input in [theta, mu, r] {
                assert!(gradients.wrt(input).iter().all(|x| x.is_finite()), "{kernel:?}");
            }
        };
        run(&mu()[..20], 0.3);
        run(&[0.5; 20], 1e-6);
        run(&[1e6; 20], 1e-6);
    }
}

const CHANNELS: usize = 3;

fn model(kernel: Matern) -> MarkovVae {
    let lengths = LENGTHS.to_vec();
    MarkovVae::new(&MarkovConfig { channels: CHANNELS, hidden: vec![6], kernel, lengths }).unwrap()
}

/// Two series at irregular times, three channels that follow one movement, with gaps.
fn recorded(rows: usize) -> (Moments, Matrix<f64>) {
    let series = (0..2 * rows).map(|i| i / rows).collect();
    let time = (0..2 * rows).map(|i| (i % rows) as f64 * 0.3 + 0.1 * (2.3 * i as f64).sin()).collect();
    let moments = Moments::new(series, time).unwrap();
    let cell = |(i, j): (usize, usize)| {
        let movement = (moments.time()[i] + 2.0 * (i / rows) as f64).sin();
        let seen = (i + j) % 4 != 0 && i % 7 != 3;
        if seen { movement * (j as f64 - 0.6) } else { f64::NAN }
    };
    let cells = (0..2 * rows).flat_map(|i| (0..CHANNELS).map(move |j| (i, j))).map(cell).collect();
    let values = Matrix::new(2 * rows, CHANNELS, cells);
    (moments, values)
}

fn theta_of(model: &MarkovVae) -> Arc<Vec<f64>> {
    Arc::new(model.layout().init(&mut StdRng::seed_from_u64(3)))
}

/// ½ (tr K⁻¹V + mᵀK⁻¹m − n + ln det K − ln det V) with V = K − K (K + R)⁻¹ K and m = K (K + R)⁻¹ μ.
fn dense_kl(time: &[f64], mu: &[f64], r: &[f64], length: f64) -> f64 {
    let n = time.len();
    let k = |a: usize, b: usize| covariance(Matern::ThreeHalves, (time[a] - time[b]).abs(), length);
    let matrix = |f: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
        (0..n).map(|a| (0..n).map(|b| f(a, b)).collect()).collect()
    };
    let with_noise = matrix(&|a, b| k(a, b) + if a == b { r[a] } else { 0.0 });
    let right = |a: usize| [mu[a]].into_iter().chain((0..n).map(|b| k(a, b))).collect();
    let (solved, _) = solve(with_noise, (0..n).map(right).collect());
    let sum = |f: &dyn Fn(usize) -> f64| (0..n).map(f).sum::<f64>();
    let m: Vec<f64> = (0..n).map(|a| sum(&|b| k(a, b) * solved[b][0])).collect();
    let v = matrix(&|a, b| k(a, b) - sum(&|c| k(a, c) * solved[c][1 + b]));
    let right = (0..n).map(|a| [vec![m[a]], v[a].clone()].concat()).collect();
    let (prior, log_det_k) = solve(matrix(&k), right);
    let (_, log_det_v) = solve(v, vec![vec![]; n]);
    0.5 * (sum(&|a| prior[a][1 + a] + m[a] * prior[a][0]) - n as f64 + log_det_k - log_det_v)
}

/// The terms of all rows of two series, of 9 rows each.
fn bound<'t>(model: &MarkovVae, theta: Var<'t, f64>) -> MarkovElbo<'t, f64> {
    let (moments, values) = recorded(9);
    let all: Vec<usize> = (0..18).collect();
    let gap = |i: usize| {
        if i.is_multiple_of(9) { f64::INFINITY } else { moments.time()[i] - moments.time()[i - 1] }
    };
    let seen = all.iter().map(|&row| values.row(row).iter().any(|y| !y.is_nan())).collect();
    let timeline = Timeline::new((0..18).map(gap).collect(), seen);
    let eps: Vec<f64> = (0..36).map(|i| (1.1 * i as f64).sin()).collect();
    let eps = theta.tape().constant(&eps, [18, 2]);
    model.elbo(theta, &values.values, Arc::new(timeline), &all, eps)
}

#[test]
fn the_gradient_of_the_bound() {
    for kernel in KERNELS {
        let model = model(kernel);
        check_theta("bound", &theta_of(&model), 4, |_, theta| {
            let MarkovElbo { log_likelihood, kl } = bound(&model, theta);
            log_likelihood.sum() - kl.sum()
        })
        .unwrap_or_else(|error| panic!("{kernel:?}: {error}"));
    }
}

#[test]
fn the_divergence_of_the_bound_is_that_of_two_normals() {
    let (moments, values) = recorded(9);
    let model = model(Matern::ThreeHalves);
    let theta = theta_of(&model);
    let codes = model.codes(&theta, &moments, &values);
    let mut expected = 0.0;
    for rows in codes.moments.each() {
        for (l, length) in LENGTHS.into_iter().enumerate() {
            let of =
                |column: usize| rows.clone().map(|row| codes.packed.row(row)[column]).collect::<Vec<_>>();
            expected += dense_kl(&codes.moments.time()[rows.clone()], &of(l), &of(2 + l), length);
        }
    }
    let tape = Tape::new();
    let elbo = bound(&model, tape.constant(&theta, [theta.len()]));
    let found: f64 = elbo.kl.to_vec().iter().sum();
    assert!((expected - found).abs() < 1e-8, "expected {expected}, found {found}");
    assert!(elbo.log_likelihood.to_vec()[3] == 0.0, "a row in which nothing is seen has a likelihood");
}

fn loss(model: &MarkovVae, data: &(Moments, Matrix<f64>), windows: Windows) -> f64 {
    let values = data.1.map(|y| y as f32);
    let objective = MarkovObjective::new(model, &data.0, &values, windows);
    let tape = Tape::new();
    let theta: Vec<f32> = model.layout().init(&mut StdRng::seed_from_u64(3));
    let theta = tape.constant(&theta, [theta.len()]);
    let rows: Vec<usize> = (0..objective.rows()).collect();
    let batch = Batch { rows: &rows, noise: Noise::new(0, 0), epoch: None };
    let mut sums = [0.0; 3];
    let parts = &mut Parts::new(objective.parts(), &mut sums);
    objective.loss(theta, &batch, parts).unwrap();
    // The likelihood has noise, which depends on how series are cut.
    sums[2]
}

#[test]
fn windows_with_overlaps_add_up_to_the_whole() {
    let (model, data) = (model(Matern::ThreeHalves), recorded(40));
    let whole = loss(&model, &data, Windows { rows: 40, overlap: 0 });
    let error = |overlap| (loss(&model, &data, Windows { rows: 8, overlap }) / whole - 1.0).abs();
    let errors = [0, 2, 40].map(error);
    assert!(errors[0] > 0.01 && errors[1] < 0.5 * errors[0] && errors[2] < 1e-5, "{errors:?}");
}

#[test]
fn predictions_know_rows_by_their_series_and_time_alone() {
    let (moments, values) = recorded(9);
    let model = model(Matern::FiveHalves);
    let theta = theta_of(&model);
    let codes = model.codes(&theta, &moments, &values);
    assert_eq!(codes.moments.len(), 15, "rows in which nothing is seen are left out");
    let all = model.latents(&theta, &codes, &moments);
    // A row that was not seen, as a row of the table or on its own, one far off, and a series that was never seen.
    let at = Moments::new(vec![0, 1, 1, 2], vec![moments.time()[3], 2.0, 1e9, 0.0]).unwrap();
    let new = model.latents(&theta, &codes, &at);
    for l in 0..2 {
        assert!((new.mean.row(0)[l] - all.mean.row(3)[l]).abs() < 1e-12);
        assert!((new.variance.row(0)[l] - all.variance.row(3)[l]).abs() < 1e-12);
        for row in [2, 3] {
            assert_eq!((new.mean.row(row)[l], new.variance.row(row)[l]), (0.0, 1.0));
        }
        assert!(new.variance.row(1)[l] < 1.0);
    }
    let drawn = model.decode_draws(&theta, &new, 10, 0);
    let alone = model.latents(&theta, &codes, &at.select(&[1]));
    let alone = model.decode_draws(&theta, &alone, 10, 0);
    // The last digits depend on how many rows are computed together.
    assert!(drawn.mean.row(1).iter().zip(alone.mean.row(0)).all(|(a, b)| (a - b).abs() < 1e-12));
    assert!(drawn.variance.row(2).iter().zip(drawn.variance.row(1)).all(|(far, near)| far > near));
    assert!(drawn.variance.values.iter().all(|v| *v > 0.25 - 1e-12), "σ² is in it");
}

#[test]
fn the_model_is_kept_in_a_file_and_says_what_is_wrong() {
    let model = model(Matern::Half);
    let theta = theta_of(&model);
    let file = model.to_file(&theta);
    let (again, same) = MarkovVae::from_file::<f64>(&file).unwrap();
    assert_eq!((again.config(), &same), (model.config(), &theta));
    let wrong = MarkovConfig { lengths: vec![0.0], ..model.config().clone() };
    assert!(MarkovVae::new(&wrong).unwrap_err().to_string().starts_with("expected channels, hidden layers"));
    for (series, time) in
        [(vec![1, 0], vec![0.0, 1.0]), (vec![0, 0], vec![1.0, 0.0]), (vec![0, 0], vec![0.0, f64::NAN])]
    {
        assert!(Moments::new(series, time).unwrap_err().to_string().starts_with("row 1, series 0 at "));
    }
}

#[test]
fn training_fills_gaps_better_than_the_mean() {
    let (moments, values) = recorded(100);
    let values = values.map(|y| y as f32);
    // What is hidden for a while, in the first series.
    let hidden = 40..45;
    let mut seen = values.values.to_vec();
    seen[hidden.start * CHANNELS..hidden.end * CHANNELS].fill(f32::NAN);
    let seen = Matrix::new(200, CHANNELS, seen);
    let model = model(Matern::FiveHalves);
    let theta = model.layout().init::<f32>(&mut StdRng::seed_from_u64(0));
    let mut trainer = Trainer::new(model.layout(), theta, Rule::ADAM, 0);
    let mut objective = MarkovObjective::new(&model, &moments, &seen, Windows { rows: 25, overlap: 5 });
    let fit = Fit { epochs: 150, batch_size: 4, rate: 1e-2, ..Fit::default() };
    trainer.fit(&mut objective, None, &fit, &mut ()).unwrap();
    let theta = trainer.theta();
    let codes = model.codes(theta, &moments, &seen);
    let filled = model.decode_draws(theta, &model.latents(theta, &codes, &moments), 20, 0);
    let cells = hidden.start * CHANNELS..hidden.end * CHANNELS;
    let cells: Vec<usize> = cells.filter(|&cell| !values.values[cell].is_nan()).collect();
    let square = |of: &dyn Fn(usize) -> f64| {
        cells.iter().map(|&cell| (of(cell) - f64::from(values.values[cell])).powi(2)).sum::<f64>()
    };
    let [error, of_mean] = [square(&|cell| filled.mean.values[cell]), square(&|_| 0.0)];
    assert!(error < 0.3 * of_mean, "{error} and {of_mean}");
}
