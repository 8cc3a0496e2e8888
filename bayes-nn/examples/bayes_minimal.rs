//! A Bayesian neural network in one function: data, model, the training loop, and what was learned.
//!
//!     cargo run --release -p bayes-nn --example bayes_minimal

use std::sync::Arc;

use autograd::Tape;
use autograd::ops::Nonlinearity::{Identity, Relu};
use nn::model::density::{DiagNormal, Normal};
use nn::model::{Layout, Mlp};
use nn::train::{Noise, Optimizer, Rule};
use rand::{SeedableRng, rngs::StdRng};

fn main() {
    // Data: 60 observations of sin 2x for |x| < 1.5, with noise of standard deviation 0.1.
    let x: Vec<f64> = (0..60).map(|i| (f64::from(i) + 0.5) / 20.0 - 1.5).collect();
    let mut y = vec![0.0; 60];
    Noise::new(1, 0).normal(0, 1, &mut y);
    y.iter_mut().zip(&x).for_each(|(y, x)| *y = (2.0 * x).sin() + 0.1 * *y);

    // Model: y ~ N(f_θ(x), 0.1²) with a network f_θ of d weights and biases, θ ~ N(0, I).
    let mut layout = Layout::new();
    let network = Mlp::new(&mut layout, "f", &[1, 20, 1], Relu, Identity);
    let d = layout.size();

    // The approximate posterior: q_η(θ) = N(μ, diag σ²), η = (μ, log σ).
    let mu: Vec<f64> = layout.init(&mut StdRng::seed_from_u64(1));
    let mut eta = Arc::new([mu, vec![-3.0; d]].concat());

    // Training: F(η) = KL(q ‖ π) − E_q[log ℓ(Y|θ)], the expectation by one draw θ = μ + σ ⊙ ξ a step.
    let (mut tape, mut adam, mut xi) = (Tape::new(), Optimizer::new(Rule::ADAM, 2 * d), vec![0.0; d]);
    for step in 0..=10_000 {
        Noise::new(2, step).normal(0, d, &mut xi);
        let (free_energy, gradient) = tape.value_and_grad(&eta, |tape, eta| {
            let q = DiagNormal { packed: eta };
            let theta = q.sample_with(tape.constant(&xi, [d]));
            let f = network.apply(theta, tape.constant(&x, [60, 1]));
            let p = Normal { mu: f, log_sigma: tape.constant(&[0.1_f64.ln()], []) };
            q.kl_to_standard() - p.log_prob(tape.constant(&y, [60, 1])).sum()
        });
        if step % 2000 == 0 {
            println!("step {step:5}   F = {free_energy:7.1}");
        }
        let rate = 0.01 * (1.0 - step as f64 / 10_000.0);
        adam.step(rate, Arc::get_mut(&mut eta).expect("the tape has let go of η"), &gradient);
    }

    // What was learned: the curves of 500 draws of θ, which agree where there were data.
    let q = DiagNormal { packed: tape.constant(&eta, [2 * d]) };
    for x in [-4.0, -1.0, 0.0, 1.0, 4.0] {
        let curve = |draw| {
            let xi = tape.constant_with([d], |xi| Noise::new(3, draw).normal(0, d, xi));
            network.apply(q.sample_with(xi), tape.constant(&[x], [1, 1])).item()
        };
        let f: Vec<f64> = (0..500).map(curve).collect();
        let mean = f.iter().sum::<f64>() / 500.0;
        let sd = (f.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / 500.0).sqrt();
        println!("x = {x:2}   sin 2x = {:5.2}   f = {mean:5.2} ± {sd:.2}", (2.0 * x).sin());
    }
}
