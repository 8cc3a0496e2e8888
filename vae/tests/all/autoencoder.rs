//! Autoencoders without probabilities against exact answers.

use autograd::check::check_theta;
use nn::data::Matrix;
use nn::model::Nonlinearity;
use nn::train::{Batch, Fit, Noise, Objective, Parts, Rule, Schedule, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::linear::{Pca, principal_angles};
use vae::{Autoencoder, AutoencoderConfig, AutoencoderObjective, NetworkConfig};

fn linear(inputs: usize, latent: usize) -> Autoencoder {
    Autoencoder::new(&AutoencoderConfig::new(inputs, &[], latent)).unwrap()
}

/// Independent columns with these standard deviations around ½.
fn data(rows: usize, sd: &[f64]) -> Matrix<f64> {
    let mut values = vec![0.0; rows * sd.len()];
    Noise::new(1, 0).normal(0, sd.len(), &mut values);
    values.iter_mut().enumerate().for_each(|(c, x)| *x = 0.5 + *x * sd[c % sd.len()]);
    Matrix::new(rows, sd.len(), values)
}

fn train(objective: &mut AutoencoderObjective<'_, f64>, rate: f64, epochs: usize) -> Trainer<f64> {
    let layout = objective.model.layout();
    let theta = layout.init(&mut StdRng::seed_from_u64(0));
    let mut trainer = Trainer::new(layout, theta, Rule::ADAM, 0);
    let (batch_size, schedule) = (objective.data.rows, Schedule::Cosine { epochs });
    let fit = Fit { epochs, batch_size, rate, schedule, ..Fit::default() };
    trainer.fit(objective, None, &fit, &mut ()).unwrap();
    trainer
}

#[test]
fn a_linear_autoencoder_finds_the_principal_subspace_in_a_basis_that_is_not_orthonormal() {
    let x = data(300, &[3.0, 2.0, 1.5, 0.8, 0.5, 0.3, 0.2, 0.1]);
    let (model, pca) = (linear(8, 3), Pca::fit(&x, 3).unwrap());
    let mut objective = AutoencoderObjective { model: &model, data: &x, noise: 0.0 };
    let mut trainer = train(&mut objective, 0.02, 6000);
    let slot = model.networks().decoder.last_weight();
    let weights = Matrix::new(3, 8, trainer.theta()[slot.range()].to_vec());
    let angles = principal_angles(&weights, &pca.components).unwrap();
    assert!(angles.iter().all(|angle| *angle < 1e-3), "{angles:?}");

    let loss = trainer.evaluate(&mut objective).unwrap().total;
    assert!(loss >= pca.loss() - 1e-12 && loss < pca.loss() * (1.0 + 1e-6), "{loss}, {}", pca.loss());
    let worst = (0..9).map(|c| {
        let dot: f64 = weights.row(c / 3).iter().zip(weights.row(c % 3)).map(|(a, b)| a * b).sum();
        (dot - f64::from(u8::from(c / 3 == c % 3))).abs()
    });
    assert!(worst.fold(0.0, f64::max) > 0.1, "W′W = I would be a coincidence");

    // Reconstructions and codes are those of the same network.
    let decoded = model.decode_rows(trainer.theta(), &model.encode_rows(trainer.theta(), &x));
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
    let mut objective = AutoencoderObjective { model: &model, data: &x, noise };
    let mut trainer = train(&mut objective, 0.02, 1500);
    let loss = trainer.evaluate(&mut objective).unwrap().total;
    assert!((loss / left - 1.0).abs() < 0.03, "{loss}, not {left}");
    // Without noise it is no identity: it shrinks by λ / (λ + σ²).
    let shrunk: f64 = all.variances.iter().map(|l| l * (noise * noise / (l + noise * noise)).powi(2)).sum();
    let clean = trainer.evaluate(&mut AutoencoderObjective { noise: 0.0, ..objective }).unwrap().total;
    assert!((clean / shrunk - 1.0).abs() < 0.1, "{clean}, not {shrunk}");
}

#[test]
fn the_gradient_of_the_reconstruction_is_right_along_random_directions_of_theta() {
    let x = data(7, &[0.5, 0.6, 0.7, 0.8]);
    for (psi, noise) in [(Nonlinearity::Identity, 0.0), (Nonlinearity::Sigmoid, 0.4)] {
        let config = AutoencoderConfig {
            inputs: 4,
            latent: 2,
            encoder: NetworkConfig::mlp(&[6, 5]),
            decoder: NetworkConfig { psi, ..NetworkConfig::mlp(&[5]) },
        };
        let model = Autoencoder::new(&config.with_phi(Nonlinearity::Tanh)).unwrap();
        assert_eq!((model.inputs(), model.latent()), (4, 2));
        let theta = model.layout().init::<f64>(&mut StdRng::seed_from_u64(1));
        let rows = [0, 3, 4, 6];
        let batch = Batch { rows: &rows, noise: Noise::new(5, 0), epoch: None };
        let objective = AutoencoderObjective { model: &model, data: &x, noise };
        check_theta("reconstruction", &theta, 4, |_, theta| {
            objective.loss(theta, &batch, &mut Parts::new(&[], &mut [])).unwrap()
        })
        .unwrap();
    }
}

#[test]
#[should_panic(expected = "encode_rows: expected rows of 8 numbers, found [1, 7]")]
fn rows_of_another_length_are_refused_at_the_callers_line() {
    let model = linear(8, 2);
    let theta = model.layout().init::<f64>(&mut StdRng::seed_from_u64(0)).into();
    model.encode_rows(&theta, &Matrix::new(1, 7, vec![0.0; 7]));
}
