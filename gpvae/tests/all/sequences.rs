//! Sequences: the form of their prior against the dense one, the bound of their model, and digits that turn.

use autograd::Tape;
use autograd::check::{Sample, check};
use autograd::ops::NotPositiveDefinite;
use gpvae::data::Healing;
use gpvae::kernel::{Kernel, SquaredExponential};
use gpvae::prior::{Dense, LatentPrior, SequencePosterior, Sequences};
use gpvae::{SequenceElbo, SequenceObjective, SequenceVae};
use nn::data::{Matrix, digits};
use nn::model::Layout;
use nn::train::{Fit, Rule, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::VaeConfig;

const S: usize = 3;
const NOISE: [f64; 2] = [0.3, 0.8];
const LENGTHS: [f64; 2] = [0.9, 2.0];

/// Not at equal steps.
fn times() -> Matrix<f64> {
    Matrix::new(4, 1, vec![0.0, 0.7, 1.0, 2.5])
}

fn observations(columns: usize) -> Vec<f64> {
    (0..S * 4 * columns).map(|i| (1.9 * i as f64).sin()).collect()
}

fn kernels(layout: &mut Layout) -> Vec<SquaredExponential> {
    let kernel = |l: usize| SquaredExponential::new(layout, &format!("length_{l}"), LENGTHS[l]);
    (0..2).map(kernel).collect()
}

/// Three sequences, as one process over rows (time | number of the sequence), of which different sequences are independent.
#[test]
fn the_form_for_sequences_is_the_dense_one() {
    let mut layout = Layout::new();
    let prior = Sequences::new(kernels(&mut layout), times()).with_jitter(0.0);
    let theta = layout.init::<f64>(&mut StdRng::seed_from_u64(0));
    let tape = Tape::new();
    let theta = tape.constant(&theta, [theta.len()]);
    let (mu, noise) = (tape.constant(&observations(2), [12, 2]), tape.constant(&NOISE, [2]));
    let SequencePosterior { mean, variance, log_evidence } = prior.observed(theta, mu, noise).unwrap();

    let mut evidence = 0.0;
    for l in 0..2 {
        let mut layout = Layout::new();
        let kernel = SquaredExponential::new(&mut layout, "length", LENGTHS[l]).on(0..1);
        let kernel = kernel.times(SquaredExponential::new(&mut layout, "same", 0.01).on(1..2));
        let dense = Dense::new(kernel).with_noise(&mut layout, NOISE[l]);
        let theta = layout.init::<f64>(&mut StdRng::seed_from_u64(0));
        let theta = tape.constant(&theta, [theta.len()]);
        let rows: Vec<f64> = (0..S)
            .flat_map(|s| times().values.to_vec().into_iter().flat_map(move |t| [t, s as f64]))
            .collect();
        let (x, z) = (tape.constant(&rows, [12, 2]), mu.columns(l..l + 1));
        evidence += dense.log_prob(theta, x, z).unwrap().item();
        let expected = dense.posterior(theta, x, z, x).unwrap();
        for (n, (expected, found)) in
            expected.mean.to_vec().iter().zip(mean.columns(l..l + 1).to_vec()).enumerate()
        {
            assert!((expected - found).abs() < 1e-12, "mean of row {n}: {expected} and {found}");
        }
        for (n, expected) in expected.variance.to_vec().into_iter().enumerate() {
            let found = variance.to_vec()[n % 4 * 2 + l];
            assert!((expected - found).abs() < 1e-12, "variance of row {n}: {expected} and {found}");
        }
    }
    let found: f64 = log_evidence.to_vec().iter().sum();
    assert!((evidence - found).abs() < 1e-11, "evidence: {evidence} and {found}");
}

#[test]
fn the_gradient_of_the_form_for_sequences() {
    let mut layout = Layout::new();
    let prior = Sequences::new(kernels(&mut layout), times());
    let inputs = [Sample::uniform([2], -0.5..0.5), Sample::any([12, 2]), Sample::uniform([2], -0.5..0.5)];
    for part in 0..3 {
        check("sequences", &inputs, |_, x| {
            let q = prior.observed(x[0], x[1], x[2].exp()).unwrap();
            [q.mean, q.variance, q.log_evidence][part]
        })
        .unwrap();
    }
}

fn model(pixels: usize, frames: usize) -> SequenceVae<SquaredExponential> {
    let config = VaeConfig::new(pixels, &[8], 2);
    let times = Matrix::new(frames, 1, (0..frames).map(|t| t as f64).collect());
    SequenceVae::new(&config, |layout| Sequences::new(kernels(layout), times)).unwrap()
}

/// −KL of one frame and two columns, in closed form: m = k μ/(k + s²), v = k s²/(k + s²) with k = 1 and s² = ½.
#[test]
fn the_divergence_of_a_single_frame_is_that_of_two_normals() {
    let model = model(3, 1);
    let theta = model.layout().init::<f64>(&mut StdRng::seed_from_u64(1));
    let tape = Tape::new();
    let theta = tape.constant(&theta, [theta.len()]);
    let y = [1.0, f64::NAN, 0.0];
    let (_, mu) = model.posterior(theta, tape.constant(&[1.0, 0.0, 0.0], [1, 3])).unwrap();
    let (k, s) = (1.0 + 1e-6, 0.5);
    let expected: f64 = mu
        .to_vec()
        .into_iter()
        .map(|mu| {
            let (m, v) = (k * mu / (k + s), k * s / (k + s));
            0.5 * (v / k + m * m / k - 1.0 - (v / k).ln())
        })
        .sum();
    let eps = tape.constant(&[0.0; 2], [1, 2]);
    let found = model.elbo(theta, &y, eps).unwrap().kl.to_vec()[0];
    assert!((expected - found).abs() < 1e-12, "expected {expected}, found {found}");
}

#[test]
fn what_is_missing_has_no_likelihood() -> Result<(), NotPositiveDefinite> {
    let model = model(3, 2);
    let theta = model.layout().init::<f64>(&mut StdRng::seed_from_u64(1));
    let tape = Tape::new();
    let theta = tape.constant(&theta, [theta.len()]);
    let eps = tape.constant(&[0.3, -0.2, 0.1, 0.5], [2, 2]);
    let of = |y: [f64; 6]| {
        model.elbo(theta, &y, eps).map(|SequenceElbo { log_likelihood, .. }| log_likelihood.to_vec()[0])
    };
    let nan = f64::NAN;
    assert!(of([nan; 6])?.abs() < 1e-12, "nothing was seen");
    // The encoder sees the same of both, a black pixel or none, and the likelihood has one more term.
    let (without, with) = (of([1.0, nan, 0.0, nan, nan, 1.0])?, of([1.0, 0.0, 0.0, nan, nan, 1.0])?);
    assert!(with < without, "{with} and {without}");
    Ok(())
}

#[test]
fn training_fills_gaps_better_than_the_mean_of_all_pixels() {
    let set = digits();
    let images = set.select(&(0..60).collect::<Vec<_>>()).images;
    let healing = Healing { frames: 4, ..Healing::default() };
    let turning = healing.sequences(&images, [8, 8]);
    let model = model(64, 4);
    let theta = model.layout().init::<f32>(&mut StdRng::seed_from_u64(0));
    let mut trainer = Trainer::new(model.layout(), theta, Rule::ADAM, 0);
    let fit = Fit { epochs: 40, batch_size: 10, rate: 1e-2, ..Fit::default() };
    trainer.fit(&mut SequenceObjective::new(&model, &turning.seen), None, &fit, &mut ()).unwrap();
    let filled = model.fill(trainer.theta(), &turning.seen, 5, 0).unwrap();
    let missing: Vec<usize> = (0..filled.values.len()).filter(|&i| turning.seen.values[i].is_nan()).collect();
    let error = |of: &dyn Fn(usize) -> f32| {
        missing.iter().map(|&i| (of(i) - turning.frames.values[i]).powi(2)).sum::<f32>()
            / missing.len() as f32
    };
    let mean = missing.iter().map(|&i| turning.frames.values[i]).sum::<f32>() / missing.len() as f32;
    let [filled, constant] = [error(&|i| filled.values[i]), error(&|_| mean)];
    assert!(filled < 0.8 * constant, "{filled} and {constant}");
}

#[test]
fn digits_turn_in_steps_and_lose_their_pixels_at_random() {
    let set = digits();
    let images = set.select(&(0..50).collect::<Vec<_>>()).images;
    let healing = Healing::default();
    let turning = healing.sequences(&images, [8, 8]);
    assert_eq!((turning.frames.rows, turning.frames.cols), (500, 64));
    assert!(turning.frames.values.iter().all(|&y| y == 0.0 || y == 1.0));
    let pairs = || turning.frames.values.iter().zip(turning.seen.values.iter());
    assert!(pairs().all(|(y, seen)| seen.is_nan() || seen == y));
    let missing = pairs().filter(|(_, seen)| seen.is_nan()).count() as f64 / 32_000.0;
    assert!((missing - 0.6).abs() < 0.01, "the share of missing pixels is {missing}");
    // Other frames lack other pixels, and another seed's are others.
    let gaps = |row: usize| turning.seen.row(row).iter().map(|y| y.is_nan()).collect::<Vec<_>>();
    assert_ne!(gaps(0), gaps(1));
    let again = healing.sequences(&images, [8, 8]);
    assert_eq!(again.frames, turning.frames);
    assert_ne!(Healing { seed: 1, ..healing }.sequences(&images, [8, 8]).frames, turning.frames);
    // Without steps all frames are the image, black or white.
    let still = Healing { step: 0.0, missing: 0.0, ..healing }.sequences(&images, [8, 8]);
    assert_eq!(still.frames, still.seen);
    for (row, frame) in still.frames.values.chunks_exact(64).enumerate() {
        let image: Vec<f32> = images.row(row / 10).iter().map(|&y| f32::from(y > 0.5)).collect();
        assert_eq!(frame, image, "frame {row}");
    }
}
