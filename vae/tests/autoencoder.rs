//! Autoencoders without probabilities against exact answers.

use autograd::Nonlinearity;
use autograd::gradcheck::check_theta;
use nn::data::Matrix;
use nn::noise::Noise;
use nn::optim::{Optimizer, Rule};
use nn::schedule::Schedule;
use nn::train::{Batch, Fit, Objective, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::linear::{Pca, principal_angles};
use vae::{Autoencoder, AutoencoderConfig, Reconstruction};

fn linear(inputs: usize, latent: usize) -> Autoencoder {
    Autoencoder::new(&AutoencoderConfig::new(inputs, &[], latent))
}

/// Independent columns with these standard deviations around ½.
fn data(rows: usize, sd: &[f64]) -> Matrix<f64> {
    let mut values = vec![0.0; rows * sd.len()];
    Noise::new(1, 0).normal(0, sd.len(), &mut values);
    values.iter_mut().enumerate().for_each(|(c, x)| *x = 0.5 + *x * sd[c % sd.len()]);
    Matrix::new(rows, sd.len(), values)
}

fn train(objective: &Reconstruction<'_, f64>, rate: f64, epochs: usize) -> Trainer<f64> {
    let layout = objective.model.layout();
    let theta = layout.init(&mut StdRng::seed_from_u64(0));
    let mut trainer = Trainer::new(theta, Optimizer::new(Rule::ADAM, layout.size()), 0);
    let (batch_size, schedule) = (objective.data.rows, Schedule::Cosine { epochs });
    let fit = Fit { epochs, batch_size, rate, schedule, patience: None };
    trainer.fit(objective, objective.data.rows, None, &fit, &mut ()).unwrap();
    trainer
}

#[test]
fn a_linear_autoencoder_finds_the_principal_subspace_in_a_basis_that_is_not_orthonormal() {
    let x = data(300, &[3.0, 2.0, 1.5, 0.8, 0.5, 0.3, 0.2, 0.1]);
    let (model, pca) = (linear(8, 3), Pca::fit(&x, 3).unwrap());
    let mut trainer = train(&Reconstruction { model: &model, data: &x, noise: 0.0 }, 0.02, 6000);
    let weights = model.decoder_weights(trainer.theta());
    let angles = principal_angles(&weights, &pca.components).unwrap();
    assert!(angles.iter().all(|angle| *angle < 1e-3), "{angles:?}");

    let rows: Vec<usize> = (0..300).collect();
    let loss = trainer.evaluate(&Reconstruction { model: &model, data: &x, noise: 0.0 }, &rows).total;
    assert!(loss >= pca.loss() - 1e-12 && loss < pca.loss() * (1.0 + 1e-6), "{loss}, {}", pca.loss());
    let worst = (0..9).map(|c| {
        let dot: f64 = weights.row(c / 3).iter().zip(weights.row(c % 3)).map(|(a, b)| a * b).sum();
        (dot - f64::from(u8::from(c / 3 == c % 3))).abs()
    });
    assert!(worst.fold(0.0, f64::max) > 0.1, "W′W = I would be a coincidence");

    // Reconstructions and codes are those of the same network.
    let decoded = model.decode_rows(trainer.theta(), &model.codes(trainer.theta(), &x));
    let reconstructed = model.reconstruct(trainer.theta(), &x);
    let difference = |a: &Matrix<f64>, b: &Matrix<f64>| {
        a.values.iter().zip(b.values.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    assert!(difference(&decoded, &reconstructed) < 1e-12);
    assert!(difference(&pca.reconstruct(&x), &reconstructed) < 1e-2);
}

#[test]
fn a_linear_denoiser_learns_the_wiener_filter() {
    // As many latent variables as observed ones: x ↦ μ + S (S + σ²I)⁻¹ (x + ε − μ), which leaves Σ λ σ² / (λ + σ²).
    let (noise, x) = (0.7, data(4000, &[2.0, 1.0, 0.5]));
    let all = Pca::fit(&x, 3).unwrap();
    let left: f64 = all.variances.iter().map(|l| l * noise * noise / (l + noise * noise)).sum();
    let model = linear(3, 3);
    let objective = Reconstruction { model: &model, data: &x, noise };
    let mut trainer = train(&objective, 0.02, 1500);
    let rows: Vec<usize> = (0..x.rows).collect();
    let loss = trainer.evaluate(&objective, &rows).total;
    assert!((loss / left - 1.0).abs() < 0.03, "{loss}, not {left}");
    // Without noise it is no identity: it shrinks by λ / (λ + σ²).
    let shrunk: f64 = all.variances.iter().map(|l| l * (noise * noise / (l + noise * noise)).powi(2)).sum();
    let clean = trainer.evaluate(&Reconstruction { noise: 0.0, ..objective }, &rows).total;
    assert!((clean / shrunk - 1.0).abs() < 0.1, "{clean}, not {shrunk}");
}

#[test]
fn the_gradient_of_the_reconstruction_is_right_along_random_directions_of_theta() {
    let x = data(7, &[0.5, 0.6, 0.7, 0.8]);
    for (psi, noise) in [(Nonlinearity::Identity, 0.0), (Nonlinearity::Sigmoid, 0.4)] {
        let model = Autoencoder::new(&AutoencoderConfig {
            inputs: 4,
            encoder: vec![6, 5],
            latent: 2,
            decoder: vec![5],
            phi: Nonlinearity::Tanh,
            psi,
        });
        assert_eq!((model.inputs(), model.latent()), (4, 2));
        let theta = model.layout().init::<f64>(&mut StdRng::seed_from_u64(1));
        let rows = [0, 3, 4, 6];
        let batch = Batch { rows: &rows, noise: Noise::new(5, 0), epoch: None };
        let objective = Reconstruction { model: &model, data: &x, noise };
        check_theta("reconstruction", &theta, 4, |_, theta| objective.loss(theta, &batch, &mut [])).unwrap();
    }
}

#[test]
#[should_panic(expected = "rows of 8 numbers are wanted")]
fn rows_of_another_length_are_refused_at_the_callers_line() {
    let model = linear(8, 2);
    let theta = model.layout().init::<f64>(&mut StdRng::seed_from_u64(0)).into();
    model.codes(&theta, &Matrix::new(1, 7, vec![0.0; 7]));
}
