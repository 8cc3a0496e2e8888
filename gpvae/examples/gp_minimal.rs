//! The smallest VAE with a Gaussian-process prior: data, model, training loop, prediction.
//!
//!     cargo run --release -p gpvae --example gp_minimal

use std::sync::Arc;

use autograd::Tape;
use gpvae::data::{ObjectFeatures, Rotations, principal_features};
use gpvae::kernel::Periodic;
use gpvae::prior::{LatentPrior, LowRank, ViewObject};
use gpvae::{GpVae, GpVaeConfig, GpVaeError};
use nn::data::{Matrix, digits};
use nn::train::{Noise, Optimizer, Rule};
use rand::{SeedableRng, rngs::StdRng};

fn main() -> Result<(), GpVaeError> {
    // Data: 40 threes, turned. Each shows 11 of 16 angles. None shows 157.5°, which is to be predicted.
    let all = digits();
    let threes: Vec<usize> = (0..all.len()).filter(|&i| all.labels[i] == 3).take(40).collect();
    let turn = Rotations { margin: 2, ..Rotations::default() };
    let views = turn.turn(&all.select(&threes).images, 8, 8).expect("40 images of 8 x 8 pixels");
    let (seen, hidden) = (views.samples::<f64>(&views.train)?, views.samples::<f64>(&views.test)?);

    // Model: y = g(z) + ε,   z = f(x, w) + η,   f ~ GP(0, k(w, w') xᵀx')   for object x at angle w
    let x = ObjectFeatures::Learned(principal_features(&seen, [40, 12])?);
    let config = GpVaeConfig { objects: x, ..GpVaeConfig::new(144, &[64], 8) };
    let model = GpVae::new(&config, |layout| {
        let (k, angles) = (Periodic::new(layout, "nu", 1.0), Matrix::new(16, 1, views.angles.clone()));
        LowRank::new(layout, ViewObject::new(k, angles, 12).with_jitter(1e-6), 0.1)
    })?;

    // Training: Adam raises the ELBO E_q[log p(Y|Z) + log p(Z)] + H(q)
    let mut theta = Arc::new(model.layout().init::<f64>(&mut StdRng::seed_from_u64(0)));
    let (mut tape, mut adam) = (Tape::new(), Optimizer::new(Rule::ADAM, theta.len()));
    let rows: Vec<usize> = (0..seen.len()).collect();
    for step in 0..=400 {
        let (loss, gradient) = tape.try_value_and_grad(&theta, |tape, theta| {
            let eps = tape.constant_with([rows.len(), 8], |eps| Noise::new(0, step).normal(0, 8, eps));
            let y = seen.rows_on(tape, &rows);
            let q = model.encode(theta, y.y);
            let z = q.sample_with(eps);
            let prior = model.prior().log_prob(theta, model.place_rows(theta, &seen.places), z);
            prior.map(|prior| (model.log_likelihood(theta, y, z).sum() + prior + q.entropy().sum()).neg())
        })?;
        adam.step(0.01, Arc::make_mut(&mut theta).as_mut_slice(), &gradient);
        if step % 100 == 0 {
            println!("step {step:3}: ELBO {:7.2} nats per image", -loss / rows.len() as f64);
        }
    }

    // Prediction: the posterior mean of f at the hidden angle, decoded. On the right, the image as it is.
    let guess = model.predict(&theta, &seen, &hidden.places)?;
    println!("squared error of a pixel: {:.4}", views.errors(&views.test, &guess).iter().sum::<f64>() / 40.0);
    let shade = |y: &f64| ["  ", "░░", "▒▒", "▓▓", "██"][(4.0 * y).round().clamp(0.0, 4.0) as usize];
    let shades = |row: &[f64]| row.iter().map(shade).collect::<String>();
    for (guess, truth) in guess.row(0).chunks(12).zip(hidden.images.row(0).chunks(12)) {
        println!("{} | {}", shades(guess), shades(truth));
    }
    Ok(())
}
