//! Memory does not grow with steps.

use tests::measure::memory;
use tests::workloads::{BayesMlpStep, TinyStep, VaeStep};

use nn::model::Nonlinearity;

use crate::alone;

/// Megabytes that a workload has more after `steps` steps than after the first tenth of them.
fn growth(steps: usize, mut step: impl FnMut() -> f64) -> f64 {
    let mut run = |count: usize| (0..count).for_each(|_| assert!(step().is_finite()));
    run(steps / 10);
    let before = memory("VmRSS");
    run(steps - steps / 10);
    memory("VmRSS") - before
}

#[test]
fn a_hundred_thousand_steps_take_the_memory_of_the_first_ten_thousand() {
    let _alone = alone();
    if memory("VmRSS") == 0.0 {
        eprintln!("skipped: this system does not tell how much memory a process has");
        return;
    }
    let mut tiny = TinyStep::new();
    let mut bayes = BayesMlpStep::new(32);
    let mut vae = VaeStep::one_layer(Nonlinearity::Relu, 1);
    for (name, grown) in [
        ("a tiny network", growth(100_000, || tiny.step())),
        ("a Bayesian neural network", growth(100_000, || bayes.step())),
        ("a VAE of MNIST's size", growth(100_000, || vae.step())),
    ] {
        println!("{name}: {grown:.2} MB");
        assert!(grown < 1.0, "{name} has grown by {grown} MB");
    }
}
