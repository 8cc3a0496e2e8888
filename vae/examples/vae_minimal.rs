//! A variational autoencoder from data to result, with its training loop in sight:
//!
//!     cargo run --release -p vae --example vae_minimal
//!
//! Chapter 3 (`vae/CHAPTER.md`) begins with this program.

use std::sync::Arc;

use autograd::Tape;
use nn::data::{Matrix, Minibatches, digits, split};
use nn::train::{Noise, Optimizer, Rule};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Vae, VaeConfig, VaeError};

fn main() -> Result<(), VaeError> {
    // Data: images of 8 x 8 pixels, each a row of 64 grey values between 0 and 1.
    let images = digits().images;
    let [train, test] = split(images.rows, [1497, 300], 0).map(|rows| images.select(&rows));

    // Model: an encoder 64-128-64-2 and a decoder 2-64-128-64. θ has the parameters of both.
    let vae = Vae::new(&VaeConfig::new(64, &[128, 64], 2))?;
    let mut theta = Arc::new(vae.layout().init::<f32>(&mut StdRng::seed_from_u64(0)));

    // Training: θ follows the gradient of the ELBO, minibatch by minibatch.
    let mut tape = Tape::new();
    let mut adam = Optimizer::new(Rule::ADAM, theta.len());
    let mut minibatches = Minibatches::new(train.rows, 32, 0);
    for epoch in 1..=100 {
        let mut sum = 0.0;
        for rows in minibatches.epoch(epoch) {
            let noise = Noise::new(0, adam.steps());
            let (loss, gradient) = tape.value_and_grad(&theta, |tape, theta| {
                let x = tape.constant_with([rows.len(), 64], |x| train.gather_into(rows, x));
                let eps = tape.constant_with([rows.len(), 2], |eps| noise.normal(0, 2, eps));
                let q = vae.encode(theta, x); // q(z|x)
                let z = q.sample_with(eps); // z = μ + σ ε
                let p = vae.decode(theta, z); // p(x|z)
                let elbo = p.log_prob(x) - q.kl_to_standard(); // log p(x|z) − KL(q(z|x) ‖ p(z)) of each image
                elbo.mean().neg()
            });
            adam.step(1e-3, &mut Arc::make_mut(&mut theta)[..], &gradient);
            sum -= loss * rows.len() as f32;
        }
        if epoch % 20 == 0 {
            println!("epoch {epoch:3}: ELBO {:.2} nats per image", sum / train.rows as f32);
        }
    }

    // Result: log p(x) of images that it has not seen, and images that nobody drew.
    println!("300 test images: log p(x) ≥ {} nats per image", vae.k_sample_bound(&theta, &test, 100, 0));
    let z = Matrix::new(5, 2, vec![-1.5, 1.0, -0.5, 1.0, 0.0, -1.0, 1.0, -1.0, 1.0, 1.0]);
    let decoded = vae.decode_rows(&theta, &z);
    let shade = |grey: &f32| ["  ", "░░", "▒▒", "▓▓", "██"][(grey.clamp(0.0, 1.0) * 4.99) as usize];
    for y in 0..8 {
        let lines = (0..5).map(|i| decoded.row(i)[8 * y..][..8].iter().map(shade).collect::<String>());
        println!("{}", lines.collect::<String>());
    }
    Ok(())
}
