//! The normal distribution with any covariance: against independent coordinates, the dense formulas, and Monte Carlo.

use autograd::check::{Sample, check};
use autograd::{Tape, Var};
use nn::model::density::{DiagNormal, MultivariateNormal};
use nn::train::Noise;

const N: usize = 3;
const MU: [f64; N] = [0.5, -1.0, 2.0];
const L: [f64; N * N] = [0.9, 0.0, 0.0, -0.4, 1.3, 0.0, 0.7, 0.2, 0.5];
const MU_P: [f64; N] = [0.1, -0.6, 1.5];
const L_P: [f64; N * N] = [1.1, 0.0, 0.0, 0.3, 0.8, 0.0, -0.2, 0.6, 1.4];

fn normal<'t>(tape: &'t Tape<f64>, mu: &[f64], l: &[f64]) -> MultivariateNormal<'t, f64> {
    MultivariateNormal { mu: tape.constant(mu, [N]), l: tape.constant(l, [N, N]) }
}

fn noise(rows: usize) -> Vec<f64> {
    let mut noise = vec![0.0; rows * N];
    Noise::new(5, 1).normal(0, N, &mut noise);
    noise
}

#[track_caller]
fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} instead of {b}");
}

/// The average is the expectation, to within five standard errors.
#[track_caller]
fn agrees(draws: &[f64], expected: f64) {
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let se = (draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n / (n - 1.0)).sqrt();
    assert!((mean - expected).abs() <= 5.0 * se, "{mean} ± {se} instead of {expected}");
}

#[test]
fn with_a_diagonal_factor_the_coordinates_are_independent() {
    let tape = Tape::new();
    let sigma = [0.4, 1.0, 2.5];
    let l: Vec<f64> = (0..N * N).map(|k| if k / N == k % N { sigma[k / N] } else { 0.0 }).collect();
    let q = normal(&tape, &MU, &l);
    let diag =
        |mu: &[f64], sigma: &[f64]| DiagNormal::new(tape.constant(mu, [N]), tape.constant(sigma, [N]).ln());
    let independent = diag(&MU, &sigma);
    let x = tape.constant(&noise(4), [2, 2, N]);
    let found = q.log_prob(x);
    assert_eq!(found.shape().dims(), [2, 2]);
    found.to_vec().iter().zip(independent.log_prob(x).to_vec()).for_each(|(a, b)| close(*a, b, 1e-13));
    close(
        q.log_prob(tape.constant(&MU, [N])).item(),
        independent.log_prob(tape.constant(&MU, [N])).item(),
        1e-13,
    );
    let (a, b) = (q.sample_with(x), independent.sample_with(x));
    assert_eq!(a.shape(), x.shape());
    a.to_vec().iter().zip(b.to_vec()).for_each(|(a, b)| close(*a, b, 1e-13));
    close(q.entropy().item(), independent.entropy().item(), 1e-13);
    close(q.kl_to_standard().item(), independent.kl_to_standard().item(), 1e-13);
    let (p, p_independent) = (normal(&tape, &MU_P, &l), diag(&MU_P, &sigma));
    close(q.kl(p).item(), independent.kl(p_independent).item(), 1e-13);
}

#[test]
fn the_log_density_is_that_of_the_covariance() {
    let tape = Tape::new();
    let (q, x) = (normal(&tape, &MU, &L), tape.constant(&noise(1), [1, N]));
    let residual = (x - q.mu).reshape([N, 1]);
    let expected = residual.multivariate_normal_log_prob(q.l.matmul_t(q.l)).unwrap().item();
    close(q.log_prob(x).item(), expected, 1e-13);
}

#[test]
fn entropy_and_divergences_are_expectations_of_log_densities() {
    let tape = Tape::new();
    let (q, p) = (normal(&tape, &MU, &L), normal(&tape, &MU_P, &L_P));
    let x = q.sample_with(tape.constant(&noise(40_000), [40_000, N]));
    let log_q = q.log_prob(x);
    agrees(&log_q.neg().to_vec(), q.entropy().item());
    agrees(&(log_q - p.log_prob(x)).to_vec(), q.kl(p).item());
    let zero = tape.constant(&[0.0; N], [N]);
    let eye = tape.constant(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [N, N]);
    let standard = MultivariateNormal { mu: zero, l: eye };
    close(q.kl_to_standard().item(), q.kl(standard).item(), 1e-13);
    assert!(q.kl(q).item().abs() < 1e-13);
    assert!(p.kl(q).item() > 0.0);
}

#[test]
fn gradients() {
    // A factor of the covariance from any square matrix: its lower triangle with the diagonal's exponential.
    fn factor<'t>(raw: Var<'t, f64>) -> Var<'t, f64> {
        raw.tril() - raw.diagonal().diagonal_matrix() + raw.diagonal().exp().diagonal_matrix()
    }
    let inputs =
        [Sample::any([N]), Sample::any([N, N]), Sample::any([N]), Sample::any([N, N]), Sample::any([4, N])];
    check("multivariate normal", &inputs, |_, v| {
        let q = MultivariateNormal { mu: v[0], l: factor(v[1]) };
        let p = MultivariateNormal { mu: v[2], l: factor(v[3]) };
        let scalars = q.kl(p) + q.kl_to_standard() * 0.7 + q.entropy() * 0.3;
        q.log_prob(v[4]) + p.log_prob(q.sample_with(v[4])) * 0.5 + scalars
    })
    .unwrap();
}

#[test]
#[should_panic(expected = "MultivariateNormal::log_prob: expected rows of 2 numbers, found [2, 3]")]
fn rows_of_another_dimension_are_refused() {
    let tape = Tape::new();
    let q = MultivariateNormal {
        mu: tape.constant(&[0.0; 2], [2]),
        l: tape.constant(&[1.0, 0.0, 0.0, 1.0], [2, 2]),
    };
    let _ = q.log_prob(tape.constant(&[0.0; 6], [2, 3]));
}
