//! The bound and its gradient.

use std::f64::consts::TAU;
use std::sync::Arc;

use autograd::check::check_theta;
use autograd::{Tape, Var};
use gpvae::data::{ImageRows, Samples};
use gpvae::kernel::Kernel;
use gpvae::prior::{Dense, LatentPrior};
use gpvae::{ElboGradient, GpVae};
use nn::data::Matrix;
use nn::train::Noise;

use crate::common::{PIXELS, dense, low_rank, samples, theta};

/// Bound and gradient on one tape.
fn one_tape<P: LatentPrior>(
    model: &GpVae<P>,
    theta: &Arc<Vec<f64>>,
    samples: &Samples<f64>,
    lambda: f64,
) -> ElboGradient<f64> {
    let tape = Tape::new();
    let theta = tape.shared_parameter(theta, [theta.len()]);
    let elbo = model.elbo(theta, samples, noise(model, &tape, samples)).unwrap();
    let gradient = tape.backward(elbo.value(lambda)).wrt(theta).to_vec();
    ElboGradient { elbo: elbo.items(), gradient }
}

/// The noise of all samples, (N, L).
fn noise<'t, P: LatentPrior>(model: &GpVae<P>, tape: &'t Tape<f64>, samples: &Samples<f64>) -> Var<'t, f64> {
    let shape = [samples.len(), model.latent()];
    tape.constant_with(shape, |eps| Noise::new(5, 2).normal(0, shape[1], eps))
}

/// More rows than a chunk holds, and than all chunks that are computed together.
fn in_chunks_as_on_one_tape<P: LatentPrior>(model: &GpVae<P>, samples: &Samples<f64>) {
    let theta = Arc::new(theta(model.layout()));
    for lambda in [1.0, 0.3] {
        let whole = one_tape(model, &theta, samples, lambda);
        let chunked = model.elbo_and_grad(&theta, samples, Noise::new(5, 2), lambda).unwrap();
        let [value, in_chunks] = [&whole, &chunked].map(|found| found.elbo.value(lambda));
        assert!((value - in_chunks).abs() < 1e-10 * value.abs());
        let largest = whole.gradient.iter().fold(0.0, |max: f64, g| max.max(g.abs()));
        for (i, (a, b)) in chunked.gradient.iter().zip(&whole.gradient).enumerate() {
            assert!((a - b).abs() < 1e-10 * largest, "element {i}: {a}, not {b}");
        }
    }
}

#[test]
fn the_gradient_in_chunks_is_that_of_one_tape() {
    in_chunks_as_on_one_tape(&low_rank(400, &[7], 2), &samples(400));
    in_chunks_as_on_one_tape(&dense(60, 0.4, &[7], 2), &samples(60));
}

#[test]
fn the_gradient_has_the_same_bits_on_any_number_of_threads() {
    let (model, samples) = (low_rank(400, &[7], 2), samples(400));
    let theta = Arc::new(theta(model.layout()));
    let [one, two, sixteen] = [1, 2, 16].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| model.elbo_and_grad(&theta, &samples, Noise::new(5, 2), 1.0).unwrap())
    });
    assert!(one == two && one == sixteen);
}

#[test]
fn every_part_of_the_bound_has_the_gradient_of_its_value() {
    fn check<P: LatentPrior>(model: &GpVae<P>, samples: &Samples<f64>) {
        let start = theta(model.layout());
        for part in 0..4 {
            check_theta("bound", &start, 5, |tape, theta| {
                let elbo = model.elbo(theta, samples, noise(model, tape, samples)).unwrap();
                [elbo.log_likelihood, elbo.log_prior, elbo.entropy, elbo.value(0.7)][part]
            })
            .unwrap();
        }
    }
    check(&low_rank(6, &[5], 2), &samples(6));
    check(&dense(6, 0.4, &[5], 2), &samples(6));
    check(&low_rank(6, &[5], 2), &with_gaps());
}

#[test]
fn the_bound_of_an_encoder_that_observes_the_process() {
    let (model, samples) = (low_rank(6, &[5], 2), samples(6));
    let start = theta(model.layout());
    let rows = [0, 3, 4, 7, 9, 11];
    check_theta("amortised bound", &start, 5, |tape, theta| {
        let eps = tape.constant_with([rows.len(), 2], |eps| Noise::new(5, 2).normal(0, 2, eps));
        model.amortised_elbo(theta, &samples, &rows, eps).unwrap().value(1.0)
    })
    .unwrap();
}

/// Samples of which every fifth number is missing.
fn with_gaps() -> Samples<f64> {
    let Samples { images, places, .. } = samples(6);
    let values = images.values.iter().enumerate().map(|(i, &y)| if i % 5 == 2 { f64::NAN } else { y });
    Samples::with_gaps(Matrix::new(images.rows, images.cols, values.collect()), places).unwrap()
}

#[test]
fn what_is_missing_counts_for_nothing() {
    let (model, whole, gaps) = (low_rank(6, &[5], 2), samples(6), with_gaps());
    let theta = Arc::new(theta(model.layout()));
    let tape = Tape::new();
    let (on, n) = (tape.shared_constant(&theta, [theta.len()]), whole.len());
    let z = tape.constant(&vec![0.3; 2 * n], [n, 2]);
    let decoded = model.decode(on, z).to_vec();
    let rows: Vec<usize> = (0..n).collect();
    let found = model.log_likelihood(on, gaps.rows_on(&tape, &rows), z).sum().item();
    let sigma = model.sigma_y(&theta);
    let term = |i: usize| {
        -0.5 * ((whole.images.values[i] - decoded[i]) / sigma).powi(2) - sigma.ln() - 0.5 * TAU.ln()
    };
    let wanted: f64 = (0..n * PIXELS).filter(|i| i % 5 != 2).map(term).sum();
    assert!((found - wanted).abs() < 1e-10 * wanted.abs(), "{found}, not {wanted}");
    // And where nothing is missing, both ways of writing it agree.
    let plain = whole.rows_on(&tape, &rows);
    let masked = ImageRows { observed: Some(tape.constant(&vec![1.0; n * PIXELS], [n, PIXELS])), ..plain };
    let [plain, masked] = [plain, masked].map(|seen| model.log_likelihood(on, seen, z).sum().item());
    assert!((plain - masked).abs() < 1e-10 * plain.abs());
}

/// Dense matrices of a few rows, by elimination.
mod by_hand {
    pub(super) type Square = Vec<Vec<f64>>;

    /// A⁻¹ and ln det A of a positive definite matrix.
    pub(super) fn inverse(mut a: Square) -> (Square, f64) {
        let (n, mut log_det) = (a.len(), 0.0);
        let mut b: Square = (0..n).map(|i| (0..n).map(|j| f64::from(i == j)).collect()).collect();
        for i in 0..n {
            let pivot = a[i][i];
            log_det += pivot.ln();
            a[i].iter_mut().chain(&mut b[i]).for_each(|x| *x /= pivot);
            let (row_a, row_b) = (a[i].clone(), b[i].clone());
            for j in (0..n).filter(|&j| j != i) {
                let factor = a[j][i];
                a[j].iter_mut().zip(&row_a).for_each(|(x, pivot)| *x -= factor * pivot);
                b[j].iter_mut().zip(&row_b).for_each(|(x, pivot)| *x -= factor * pivot);
            }
        }
        (b, log_det)
    }
}

/// A linear decoder makes everything Gaussian: the bound lacks exactly KL(q ‖ p(Z|Y)) of log p(Y).
///
/// y = W z + b + ε: with z of all rows as one vector of covariance C ⊗ I, Y has covariance A (C ⊗ I) Aᵀ + σ² I for a block
/// diagonal A, and Z|Y the precision C⁻¹ ⊗ I + AᵀA/σ².
#[test]
fn with_a_linear_decoder_the_bound_lacks_the_divergence_from_the_exact_posterior() {
    const L: usize = 2;
    let (model, samples) = (dense(3, 0.4, &[], L), samples(3));
    let theta = Arc::new(theta(model.layout()));
    let (n, sigma) = (samples.len(), model.sigma_y(&theta));
    let d = n * L;
    let tape = Tape::new();
    let on = tape.shared_constant(&theta, [theta.len()]);
    let decode = |z: [f64; L]| model.decode(on, tape.constant(&z, [1, L])).to_vec();
    let b = decode([0.0; L]);
    let w: Vec<Vec<f64>> = (0..L)
        .map(|l| {
            decode(std::array::from_fn(|i| f64::from(i == l))).iter().zip(&b).map(|(w, b)| w - b).collect()
        })
        .collect();
    let x = model.place_rows(on, &samples.places);
    let gram = gram(&model, on, x);
    let c = |i: usize, j: usize| {
        gram[i * n + j] + if i == j { model.prior().alpha().unwrap().value(&theta) } else { 0.0 }
    };

    // log p(Y)
    let y = |i: usize, k: usize| samples.images.row(i)[k] - b[k];
    let k = PIXELS;
    let covariance = (0..n * k).map(|r| {
        let entry = |s: usize| {
            let product: f64 = (0..L).map(|l| w[l][r % k] * w[l][s % k]).sum();
            c(r / k, s / k) * product + if r == s { sigma * sigma } else { 0.0 }
        };
        (0..n * k).map(entry).collect()
    });
    let (precision, log_det) = by_hand::inverse(covariance.collect());
    let at = |r: usize| y(r / k, r % k);
    let quadratic: f64 = (0..n * k)
        .flat_map(|r| (0..n * k).map(move |s| (r, s)))
        .map(|(r, s)| at(r) * precision[r][s] * at(s))
        .sum();
    let log_marginal = -0.5 * (quadratic + log_det + (n * k) as f64 * TAU.ln());

    // p(Z|Y) = N(m, S)
    let (c_inverse, _) = by_hand::inverse((0..n).map(|i| (0..n).map(|j| c(i, j)).collect()).collect());
    let posterior_precision: by_hand::Square = (0..d)
        .map(|r| {
            let entry = |s: usize| {
                let prior = if r % L == s % L { c_inverse[r / L][s / L] } else { 0.0 };
                let data: f64 = w[r % L].iter().zip(&w[s % L]).map(|(a, b)| a * b).sum();
                prior + if r / L == s / L { data / (sigma * sigma) } else { 0.0 }
            };
            (0..d).map(entry).collect()
        })
        .collect();
    let (s, minus_log_det_s) = by_hand::inverse(posterior_precision.clone());
    let linear: Vec<f64> =
        (0..d).map(|r| (0..k).map(|j| w[r % L][j] * y(r / L, j)).sum::<f64>() / (sigma * sigma)).collect();
    let m: Vec<f64> = s.iter().map(|row| row.iter().zip(&linear).map(|(s, b)| s * b).sum()).collect();

    // KL(q ‖ p(Z|Y)) = ½ (tr(S⁻¹ Σ) + (m − μ)ᵀ S⁻¹ (m − μ) − d + ln det S − ln det Σ)
    let q = model.encode(on, tape.constant(&samples.images.values, [n, k]));
    let (mu, log_sigma) = (q.mu().to_vec(), q.log_sigma().to_vec());
    let offset: Vec<f64> = m.iter().zip(&mu).map(|(m, mu)| m - mu).collect();
    let mut kl = -(d as f64) - minus_log_det_s;
    for r in 0..d {
        kl += posterior_precision[r][r] * (2.0 * log_sigma[r]).exp() - 2.0 * log_sigma[r];
        kl += (0..d).map(|s| offset[r] * posterior_precision[r][s] * offset[s]).sum::<f64>();
    }
    kl *= 0.5;

    // E over ε of the bound, which is quadratic in ε: the mean over ±√d eᵢ.
    let mut bound = 0.0;
    for (i, sign) in (0..d).flat_map(|i| [(i, 1.0), (i, -1.0)]) {
        let mut eps = vec![0.0; d];
        eps[i] = sign * (d as f64).sqrt();
        let value = model.elbo(on, &samples, tape.constant(&eps, [n, L])).unwrap().value(1.0);
        bound += value.item() / (2 * d) as f64;
    }
    assert!(kl > 1.0, "{kl}");
    assert!(
        (bound + kl - log_marginal).abs() < 1e-8 * log_marginal.abs(),
        "{bound} + {kl}, not {log_marginal}"
    );
}

fn gram<K: Kernel>(model: &GpVae<Dense<K>>, theta: Var<'_, f64>, x: Var<'_, f64>) -> Vec<f64> {
    model.prior().kernel.gram(theta, x).to_vec()
}
