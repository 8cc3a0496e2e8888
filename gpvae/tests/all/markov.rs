//! Long series: the smoother against the dense formula, and its gradient.

use std::sync::Arc;

use autograd::Tape;
use autograd::check::{Sample, check};
use gpvae::prior::{Markov, MarkovPosterior, Matern, Timeline};
use nn::model::Layout;
use rand::{SeedableRng, rngs::StdRng};

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
        for part in 0..3 {
            check("markov_smoother", &inputs, |_, x| {
                let q = prior.observed(x[0], Arc::new(timeline()), x[1], x[2].exp());
                [q.mean, q.variance, q.log_evidence][part]
            })
            .unwrap_or_else(|error| panic!("{kernel:?}, part {part}: {error}"));
        }
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
            let MarkovPosterior { mean, variance, log_evidence } =
                prior.observed(theta, timeline.clone(), mu, r);
            for (a, b) in [(expected.mean, mean), (expected.variance, variance)] {
                for (a, b) in a.to_vec().into_iter().zip(b.to_vec()) {
                    assert!((a - f64::from(b)).abs() < 1e-5, "{kernel:?}: {a} and {b}");
                }
            }
            assert!(variance.to_vec().iter().all(|v| *v > 0.0 && *v <= 1.0));
            let gradients = single.backward(mean.sum() + variance.sum() + log_evidence.sum());
            for input in [theta, mu, r] {
                assert!(gradients.wrt(input).iter().all(|x| x.is_finite()), "{kernel:?}");
            }
        };
        run(&mu()[..20], 0.3);
        run(&[0.5; 20], 1e-6);
    }
}
