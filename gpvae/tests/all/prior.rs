//! The forms of the prior: against densities and posteriors written out, against each other, and their gradients.

use std::f64::consts::TAU;

use autograd::check::{Sample, check};
use autograd::ops::NotPositiveDefinite;
use autograd::{Tape, Var};
use gpvae::kernel::{Constant, Kernel, Linear, Periodic, SquaredExponential};
use gpvae::prior::{
    Dense, Features, Inducing, LatentPrior, LowRank, RowwisePrior, ViewObject, WeightPosterior, row_terms,
};
use nn::data::Matrix;
use nn::model::Layout;
use nn::model::density::DiagNormal;
use rand::{SeedableRng, rngs::StdRng};

const L: usize = 2;
const M: usize = 3;
const ALPHA: f64 = 0.4;

/// Rows (angle | 3 features): four objects under some of three views.
fn rows() -> Vec<f64> {
    let pairs = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 1), (2, 2), (3, 0), (3, 1)];
    pairs.iter().flat_map(|&(p, q)| row(p, angle(q))).collect()
}

fn angle(q: usize) -> f64 {
    [0.2, 1.5, 4.0][q]
}

fn row(p: usize, angle: f64) -> Vec<f64> {
    [angle].into_iter().chain((0..M).map(|m| (1.3 * p as f64 + 2.1 * m as f64).sin())).collect()
}

const N: usize = 9;

fn latents() -> Vec<f64> {
    (0..N * L).map(|i| (i as f64 * 0.77).cos() * 1.2).collect()
}

fn views() -> Matrix<f64> {
    Matrix::new(3, 1, (0..3).map(angle).collect())
}

/// β exp(−2 sin²(½ (w − w'))/ν²) xᵀx'
fn product(layout: &mut Layout) -> impl Kernel + use<> {
    rotation(layout).on(0..1).times(Linear.on(1..1 + M))
}

fn rotation(layout: &mut Layout) -> impl Kernel + use<> {
    Constant::new(layout, "beta", 0.8).times(Periodic::new(layout, "nu", 0.9))
}

fn dense(layout: &mut Layout) -> impl LatentPrior + use<> {
    let kernel = product(layout);
    Dense::new(kernel).with_noise(layout, ALPHA)
}

fn low_rank(layout: &mut Layout) -> LowRank<impl Features + use<>> {
    let view = rotation(layout);
    LowRank::new(layout, ViewObject::new(view, views(), M), ALPHA)
}

/// With as many inducing points as rows, all at one place each: K(S, S) of these has full rank with a little jitter.
fn inducing(layout: &mut Layout, points: &[f64], jitter: f64) -> LowRank<impl Features + use<>> {
    let kernel = rotation(layout).on(0..1).times(SquaredExponential::new(layout, "length", 1.1).on(1..1 + M));
    let points = Matrix::new(points.len() / (1 + M), 1 + M, points.to_vec());
    let features = Inducing::new(layout, kernel, &points).with_jitter(jitter);
    LowRank::new(layout, features, ALPHA)
}

fn with<P, R>(
    make: impl FnOnce(&mut Layout) -> P,
    f: impl for<'t> FnOnce(&P, &'t Tape<f64>, Var<'t, f64>, Var<'t, f64>, Var<'t, f64>) -> R,
) -> R {
    let mut layout = Layout::new();
    let prior = make(&mut layout);
    let theta = layout.init::<f64>(&mut StdRng::seed_from_u64(0));
    let tape = Tape::new();
    let theta = tape.parameter(&theta, [theta.len()]);
    let (x, z) = (tape.parameter(&rows(), [N, 1 + M]), tape.parameter(&latents(), [N, L]));
    f(&prior, &tape, theta, x, z)
}

/// The density, and its gradients in Z and in the rows.
fn density_and_slopes<P: LatentPrior>(make: impl FnOnce(&mut Layout) -> P) -> (f64, Vec<f64>, Vec<f64>) {
    with(make, |prior, tape, theta, x, z| {
        let log_prob = prior.log_prob(theta, x, z).unwrap();
        let gradients = tape.backward(log_prob);
        (log_prob.item(), gradients.wrt(z).to_vec(), gradients.wrt(x).to_vec())
    })
}

fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "element {i}: {a}, not {b}");
    }
}

/// K(A, B) by the formula.
fn covariance(a: &[f64], b: &[f64]) -> Vec<Vec<f64>> {
    let k = |a: &[f64], b: &[f64]| {
        let view = 0.8 * (-2.0 * (0.5 * (a[0] - b[0])).sin().powi(2) / 0.81).exp();
        view * a[1..].iter().zip(&b[1..]).map(|(a, b)| a * b).sum::<f64>()
    };
    a.chunks(1 + M).map(|a| b.chunks(1 + M).map(|b| k(a, b)).collect()).collect()
}

/// A⁻¹ b and ln det A by elimination.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> (Vec<f64>, f64) {
    let (n, mut log_det) = (b.len(), 0.0);
    for i in 0..n {
        log_det += a[i][i].ln();
        for j in i + 1..n {
            let factor = a[j][i] / a[i][i];
            let pivot = a[i].clone();
            a[j].iter_mut().zip(&pivot).for_each(|(a, pivot)| *a -= factor * pivot);
            b[j] -= factor * b[i];
        }
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| a[i][j] * b[j]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    (b, log_det)
}

fn noisy_covariance() -> Vec<Vec<f64>> {
    let mut k = covariance(&rows(), &rows());
    (0..N).for_each(|i| k[i][i] += ALPHA);
    k
}

fn column(l: usize) -> Vec<f64> {
    latents().iter().skip(l).step_by(L).copied().collect()
}

#[test]
fn the_dense_form_is_the_density_written_out() {
    let wanted: f64 = (0..L)
        .map(|l| {
            let z = column(l);
            let (alpha, log_det) = solve(noisy_covariance(), z.clone());
            let quadratic: f64 = z.iter().zip(&alpha).map(|(z, alpha)| z * alpha).sum();
            -0.5 * (quadratic + log_det + N as f64 * TAU.ln())
        })
        .sum();
    let (found, ..) = density_and_slopes(dense);
    assert!((found - wanted).abs() < 1e-11, "{found}, not {wanted}");
}

#[test]
fn the_low_rank_form_is_the_dense_one() {
    let (dense, low_rank) = (density_and_slopes(dense), density_and_slopes(low_rank));
    close(&[low_rank.0], &[dense.0], 1e-12);
    close(&low_rank.1, &dense.1, 1e-10);
    close(&low_rank.2, &dense.2, 1e-10);
}

/// The kernel of `inducing`, dense.
fn dense_of_inducing(layout: &mut Layout) -> impl LatentPrior + use<> {
    let kernel = rotation(layout).on(0..1).times(SquaredExponential::new(layout, "length", 1.1).on(1..1 + M));
    Dense::new(kernel).with_noise(layout, ALPHA)
}

#[test]
fn the_sparse_form_is_the_dense_one_where_every_row_is_an_inducing_point() {
    let (dense, sparse) = (
        density_and_slopes(dense_of_inducing),
        density_and_slopes(|layout| inducing(layout, &rows(), 1e-10)),
    );
    close(&[sparse.0], &[dense.0], 1e-8);
    close(&sparse.1, &dense.1, 1e-8);
}

#[test]
fn fewer_inducing_points_give_lower_bounds() {
    let (exact, ..) = density_and_slopes(dense_of_inducing);
    let bounds = [8, 6, 4, 2, 1]
        .map(|count| density_and_slopes(|layout| inducing(layout, &rows()[..count * (1 + M)], 1e-10)).0);
    assert!(bounds[0] < exact && bounds.windows(2).all(|pair| pair[1] < pair[0]), "{exact}: {bounds:?}");
}

/// Rows of three new places: an object under a view that it was not seen under, one that it was, and a view between.
fn new_rows() -> Vec<f64> {
    [row(1, angle(1)), row(0, angle(1)), row(2, 2.7)].concat()
}

fn posterior<P: LatentPrior>(make: impl FnOnce(&mut Layout) -> P) -> (Vec<f64>, Vec<f64>) {
    with(make, |prior, tape, theta, x, z| {
        let posterior = prior.posterior(theta, x, z, tape.constant(&new_rows(), [3, 1 + M])).unwrap();
        (posterior.mean.to_vec(), posterior.variance.to_vec())
    })
}

#[test]
fn posteriors_are_the_formula_in_both_forms() {
    // mean = k⋆ᵀ C⁻¹ z,   variance = k⋆⋆ − k⋆ᵀ C⁻¹ k⋆
    let cross = covariance(&new_rows(), &rows());
    let own = covariance(&new_rows(), &new_rows());
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut mean = vec![0.0; 3 * L];
    let mut variance = vec![0.0; 3];
    for (i, k) in cross.iter().enumerate() {
        (0..L).for_each(|l| mean[i * L + l] = dot(k, &solve(noisy_covariance(), column(l)).0));
        variance[i] = own[i][i] - dot(k, &solve(noisy_covariance(), k.clone()).0);
    }
    for (found_mean, found_variance) in [posterior(dense), posterior(low_rank)] {
        close(&found_mean, &mean, 1e-11);
        close(&found_variance, &variance, 1e-11);
    }
    let (sparse, dense) =
        (posterior(|layout| inducing(layout, &rows(), 1e-11)), posterior(dense_of_inducing));
    close(&sparse.0, &dense.0, 1e-7);
    close(&sparse.1, &dense.1, 1e-7);
}

/// Σ of the rows' terms without spread of z, and the divergence of the weights.
fn by_rows<'t, V: Features>(
    prior: &LowRank<V>,
    theta: Var<'t, f64>,
    x: Var<'t, f64>,
    z: Var<'t, f64>,
    weights: WeightPosterior<'t, f64>,
) -> Var<'t, f64> {
    let certain = z.tape().constant(&vec![-40.0; z.size()], z.shape());
    let f = prior.given(theta, x, weights).unwrap();
    let terms = row_terms(DiagNormal::new(z, certain), f, prior.noise(theta));
    terms.sum() - weights.kl()
}

/// The weights as numbers that the gradient does not pass.
fn held<'t>(weights: WeightPosterior<'t, f64>) -> WeightPosterior<'t, f64> {
    let constant = |x: Var<'t, f64>| x.tape().constant(&x.to_vec(), x.shape());
    WeightPosterior { mean: constant(weights.mean), factor: constant(weights.factor) }
}

#[test]
fn row_by_row_the_density_and_its_gradient_are_the_same() {
    for sparse in [false, true] {
        fn compare<V: Features>(prior: &LowRank<V>, tape: &Tape<f64>, [theta, x, z]: [Var<'_, f64>; 3]) {
            let whole = prior.log_prob(theta, x, z).unwrap();
            let rows = by_rows(prior, theta, x, z, held(prior.weights(theta, x, z, N).unwrap()));
            close(&[rows.item()], &[whole.item()], 1e-12);
            let (whole, rows) = (tape.backward(whole), tape.backward(rows));
            for var in [theta, x, z] {
                close(rows.wrt(var), whole.wrt(var), 1e-9);
            }
        }
        if sparse {
            let make = |layout: &mut Layout| inducing(layout, &rows()[..4 * (1 + M)], 1e-9);
            with(make, |prior, tape, theta, x, z| compare(prior, tape, [theta, x, z]));
        } else {
            with(low_rank, |prior, tape, theta, x, z| compare(prior, tape, [theta, x, z]));
        }
    }
}

#[test]
fn other_weights_give_a_lower_bound() {
    with(low_rank, |prior, tape, theta, x, z| {
        let whole = prior.log_prob(theta, x, z).unwrap().item();
        let best = prior.weights(theta, x, z, N).unwrap();
        let moved: Vec<f64> =
            best.mean.to_vec().iter().enumerate().map(|(i, m)| m + 0.1 * (i as f64).sin()).collect();
        let other = WeightPosterior { mean: tape.constant(&moved, best.mean.shape()), ..best };
        assert!(by_rows(prior, theta, x, z, other).item() < whole - 1e-3);
        let wider = WeightPosterior { factor: best.factor * 0.9, ..best };
        assert!(by_rows(prior, theta, x, z, wider).item() < whole - 1e-3);
    });
}

#[test]
fn predictions_given_the_weights_are_the_posterior() {
    with(low_rank, |prior, tape, theta, x, z| {
        let at = tape.constant(&new_rows(), [3, 1 + M]);
        let exact = prior.posterior(theta, x, z, at).unwrap();
        let given = prior.given(theta, at, prior.weights(theta, x, z, N).unwrap()).unwrap();
        close(&given.mean.to_vec(), &exact.mean.to_vec(), 1e-11);
        close(&given.variance.to_vec(), &exact.variance.to_vec(), 1e-11);
    });
}

#[test]
fn weights_of_a_minibatch_count_its_rows_for_all() {
    // The same rows twice: half of them, each counted twice, say the same.
    with(low_rank, |prior, _, theta, x, z| {
        let twice = |x: Var<'_, f64>| x.to_vec().repeat(2);
        let tape = theta.tape();
        let (x2, z2) = (tape.constant(&twice(x), [2 * N, 1 + M]), tape.constant(&twice(z), [2 * N, L]));
        let (all, half) =
            (prior.weights(theta, x2, z2, 2 * N).unwrap(), prior.weights(theta, x, z, 2 * N).unwrap());
        close(&half.mean.to_vec(), &all.mean.to_vec(), 1e-11);
        close(&half.factor.to_vec(), &all.factor.to_vec(), 1e-11);
    });
}

#[test]
fn spread_of_the_latents_counts_as_its_expectation() {
    // E ‖z − vm‖² over z ~ N(μ, σ²) is a finite sum over μ ± √L σ_l e_l.
    with(low_rank, |prior, tape, theta, x, z| {
        let weights = prior.weights(theta, x, z, N).unwrap();
        let log_sigma: Vec<f64> = (0..N * L).map(|i| -1.0 + 0.1 * i as f64).collect();
        let q = DiagNormal::new(z, tape.constant(&log_sigma, [N, L]));
        let f = prior.given(theta, x, weights).unwrap();
        let found = row_terms(q, f, prior.noise(theta)).sum().item();
        let mut mean = 0.0;
        for (l, sign) in (0..L).flat_map(|l| [(l, 1.0), (l, -1.0)]) {
            let mut moved = z.to_vec();
            moved.iter_mut().enumerate().filter(|(i, _)| i % L == l).for_each(|(i, z)| {
                *z += sign * (L as f64).sqrt() * log_sigma[i].exp();
            });
            let certain = tape.constant(&[-40.0; N * L], [N, L]);
            let q = DiagNormal::new(tape.constant(&moved, [N, L]), certain);
            mean += row_terms(q, f, prior.noise(theta)).sum().item() / (2 * L) as f64;
        }
        assert!((found - mean).abs() < 1e-9 * mean.abs(), "{found}, not {mean}");
    });
}

/// E log p(Z) over Z ~ N(μ, diag σ²) is a sum of second differences, as log p is a quadratic. Weights that are held at the
/// means cost what σ adds to the spread of E[u | Z], and have the gradient of the expectation in μ.
#[test]
fn weights_held_at_the_means_lack_what_a_spread_of_the_latents_adds() {
    with(low_rank, |prior, tape, theta, x, z| {
        let log_sigma: Vec<f64> = (0..N * L).map(|i| -1.0 + 0.1 * i as f64).collect();
        let log_prob = |z| prior.log_prob(theta, x, z).unwrap();
        let at_means = log_prob(z);
        let mut expected = at_means.item();
        for (i, log_sigma) in log_sigma.iter().enumerate() {
            let moved = |sign: f64| {
                let mut moved = z.to_vec();
                moved[i] += sign * log_sigma.exp();
                log_prob(tape.constant(&moved, [N, L])).item()
            };
            expected += 0.5 * (moved(1.0) + moved(-1.0)) - at_means.item();
        }

        let weights = held(prior.weights(theta, x, z, N).unwrap());
        let f = prior.given(theta, x, weights).unwrap(); // Var f_n = v_n B⁻¹ v_nᵀ
        let q = DiagNormal::new(z, tape.constant(&log_sigma, [N, L]));
        let bound = row_terms(q, f, prior.noise(theta)).sum() - weights.kl();
        let spread = f.variance.to_vec().into_iter().flat_map(|variance| [variance; L]);
        let lack: f64 = log_sigma.iter().zip(spread).map(|(s, v)| (2.0 * s).exp() * v).sum();
        let lack = 0.5 * lack / (ALPHA * ALPHA);
        assert!(lack > 0.1, "{lack}");
        close(&[expected - bound.item()], &[lack], 1e-9);
        close(tape.backward(bound).wrt(z), tape.backward(at_means).wrt(z), 1e-9);
    });
}

#[test]
fn an_encoder_as_sure_as_alpha_gives_the_posterior_of_its_means() {
    with(low_rank, |prior, tape, theta, x, z| {
        let log_sigma = tape.constant(&[0.5 * ALPHA.ln(); N * L], [N, L]);
        let amortised = prior.amortised(theta, x, DiagNormal::new(z, log_sigma), N).unwrap();
        let weights = prior.weights(theta, x, z, N).unwrap();
        let exact = prior.posterior(theta, x, z, x).unwrap();
        close(&amortised.mean.to_vec(), &exact.mean.to_vec(), 1e-11);
        let variance: Vec<f64> = exact.variance.to_vec().iter().flat_map(|&v| [v; L]).collect();
        close(&amortised.variance.to_vec(), &variance, 1e-11);
        close(&[amortised.kl.item()], &[weights.kl().item()], 1e-11);
        // Columns are apart: another noise in the second leaves the first as it is.
        let unequal: Vec<f64> = (0..N * L).map(|i| if i % L == 0 { 0.5 * ALPHA.ln() } else { 0.3 }).collect();
        let unequal = DiagNormal::new(z, tape.constant(&unequal, [N, L]));
        let other = prior.amortised(theta, x, unequal, N).unwrap();
        close(&other.mean.columns(0..1).to_vec(), &exact.mean.columns(0..1).to_vec(), 1e-11);
        assert!((other.mean.to_vec()[1] - exact.mean.to_vec()[1]).abs() > 1e-3);
    });
}

#[test]
fn gradients() {
    let inputs = |size: usize| {
        [
            Sample::uniform([size], -0.5..0.5),
            Sample::any([5, 1 + M]),
            Sample::any([5, L]),
            Sample::any([2, 1 + M]),
        ]
    };
    fn both<P: LatentPrior>(name: &str, inputs: &[Sample], prior: &P) {
        check(name, &inputs[..3], |_, x| prior.log_prob(x[0], x[1], x[2]).unwrap()).unwrap();
        check(name, inputs, |_, x| prior.posterior(x[0], x[1], x[2], x[3]).unwrap().mean).unwrap();
        check(name, inputs, |_, x| prior.posterior(x[0], x[1], x[2], x[3]).unwrap().variance).unwrap();
    }
    let mut layout = Layout::new();
    let prior = dense(&mut layout);
    both("dense", &inputs(layout.size()), &prior);
    let mut layout = Layout::new();
    let prior = low_rank(&mut layout);
    both("low rank", &inputs(layout.size()), &prior);
    let weighted = inputs(layout.size());
    check("weights", &weighted[..3], |_, x| prior.weights(x[0], x[1], x[2], 7).unwrap().mean).unwrap();
    check("kl", &weighted[..3], |_, x| prior.weights(x[0], x[1], x[2], 7).unwrap().kl()).unwrap();
    let encoded = [weighted[0].clone(), weighted[1].clone(), Sample::uniform([5, 2 * L], -1.0..1.0)];
    for part in 0..3 {
        check("amortised", &encoded, |_, x| {
            let f = prior.amortised(x[0], x[1], DiagNormal { packed: x[2] }, 7).unwrap();
            [f.mean, f.variance, f.kl][part]
        })
        .unwrap();
    }
    let spread = [weighted[0].clone(), weighted[1].clone(), Sample::any([5, 2 * L])];
    check("row terms", &spread, |_, x| {
        let q = DiagNormal { packed: x[2] };
        let weights = prior.weights(x[0], x[1], q.mu(), 7).unwrap();
        row_terms(q, prior.given(x[0], x[1], weights).unwrap(), prior.noise(x[0]))
    })
    .unwrap();
    let mut layout = Layout::new();
    let prior = inducing(&mut layout, &rows()[..3 * (1 + M)], 1e-3);
    both("sparse", &inputs(layout.size()), &prior);
}

#[test]
fn what_has_no_factor_is_an_error_with_its_pivot() {
    let mut layout = Layout::new();
    let kernel = SquaredExponential::new(&mut layout, "length", 1.0);
    let points = Matrix::new(3, 1, vec![0.0, 1.0, 1.0]);
    let features = Inducing::new(&mut layout, kernel, &points);
    let sparse = LowRank::new(&mut layout, features, 1.0);
    let theta = layout.init::<f64>(&mut StdRng::seed_from_u64(0));
    let tape = Tape::new();
    let theta = tape.constant(&theta, [theta.len()]);
    let (x, z) = (tape.constant(&[0.5, 0.7], [2, 1]), tape.constant(&[0.1, 0.2], [2, 1]));
    let error: NotPositiveDefinite = sparse.log_prob(theta, x, z).unwrap_err();
    assert_eq!((error.pivot, error.size), (2, 3));
    assert!(error.to_string().contains("add jitter"), "{error}");
}
