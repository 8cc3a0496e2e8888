//! CVAE and LIVAE: their bound, what they predict from, and that they learn.

use std::sync::Arc;

use autograd::Tape;
use autograd::gradcheck::check_theta;
use gpvae::Networks;
use gpvae::baselines::{Autoencoder, Bound};
use gpvae::data::{Rotations, Views};
use nn::Layout;
use nn::data::{Matrix, embedded};
use nn::noise::Noise;
use nn::optim::{Optimizer, Rule};
use nn::schedule::Schedule;
use nn::train::{Fit, Trainer};
use rand::{SeedableRng, rngs::StdRng};

fn model(pixels: usize, hidden: &[usize], latent: usize, condition: usize) -> Autoencoder {
    let mut layout = Layout::new();
    let networks = Networks::mlp(&mut layout, pixels, hidden, latent, condition);
    Autoencoder::new(layout, networks, 0.3)
}

fn threes(objects: usize) -> Views {
    let digits = embedded::digits();
    let threes: Vec<_> = (0..digits.len()).filter(|&i| digits.labels[i] == 3).take(objects).collect();
    let rotations = Rotations { views: 8, held_out: 3, margin: 2, shown: 0.75, validation: 0, seed: 3 };
    rotations.of(&digits.select(&threes).images, 8, 8).unwrap()
}

#[test]
fn the_gradient_of_the_bound_is_right() {
    for condition in [0, 2] {
        let model = model(5, &[6, 4], 2, condition);
        let theta = model.layout().init::<f64>(&mut StdRng::seed_from_u64(5));
        check_theta(&format!("condition {condition}"), &theta, 4, |tape, theta| {
            let y = tape.constant_with([3, 5], |y| Noise::new(1, 0).normal(0, 5, y));
            let c = (condition > 0).then(|| tape.constant(&[1.0, 0.0, 0.6, 0.8, -0.8, 0.6], [3, 2]));
            let eps = tape.constant_with([3, 2], |eps| Noise::new(2, 0).normal(0, 2, eps));
            let (log_likelihood, kl) = model.elbo(theta, y, c, eps);
            (kl - log_likelihood).mean()
        })
        .unwrap();
    }
}

#[test]
fn livae_decodes_what_lies_between_neighbouring_codes_and_cvae_the_mean_code_at_the_view() {
    let set = threes(4);
    let row = set.test[1];
    let same: Vec<usize> = set.train.iter().copied().filter(|&other| other / 8 == row / 8).collect();
    for condition in [0, 2] {
        let model = model(144, &[20], 3, condition);
        let theta = Arc::new(model.layout().init::<f64>(&mut StdRng::seed_from_u64(6)));
        let (mu, _) = model.codes(&theta, &set, &same);
        let share = |i: usize| match condition {
            0 => set.neighbours(row, &same).iter().find(|near| near.0 == same[i]).map_or(0.0, |near| near.1),
            _ => 1.0 / same.len() as f64,
        };
        let mut z: Vec<f64> =
            (0..3).map(|l| (0..same.len()).map(|i| share(i) * mu.row(i)[l]).sum()).collect();
        if condition > 0 {
            let w = set.angles[3];
            z.extend([w.cos(), w.sin()]);
        }
        let tape = Tape::new();
        let at = tape.shared_constant(&theta, [theta.len()]);
        let expected = model.networks().decode(at, tape.constant(&z, [1, z.len()])).to_vec();
        let predicted = model.predict(&theta, &set, &set.train, &[row]);
        for (a, b) in predicted.values.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}

#[test]
#[should_panic(expected = "predict: no image that is known shows object 2")]
fn an_unknown_object_is_not_predicted() {
    let set = threes(4);
    let model = model(144, &[20], 3, 0);
    let theta = Arc::new(model.layout().init::<f32>(&mut StdRng::seed_from_u64(6)));
    let known: Vec<usize> = set.train.iter().copied().filter(|&row| set.object[row] != 2).collect();
    model.predict(&theta, &set, &known, &set.test);
}

/// A view between two others: better than to blend the pixels of these, be it by a code or by what the network was told.
#[test]
fn both_learn_to_predict_better_than_blended_images_do() {
    let set = threes(60);
    let blend = |&row: &usize| {
        let near = set.neighbours(row, &set.train);
        let pixel = |k| near.iter().map(|&(row, share)| share as f32 * set.images.row(row)[k]).sum();
        (0..144).map(pixel).collect::<Vec<f32>>()
    };
    let blended = Matrix::new(set.test.len(), 144, set.test.iter().flat_map(blend).collect());
    let of_blend = set.error(&set.test, &blended);
    for condition in [0, 2] {
        let model = model(144, &[100], 8, condition);
        let theta = model.layout().init(&mut StdRng::seed_from_u64(7));
        let optimizer = Optimizer::new(Rule::ADAM, theta.len());
        let mut trainer = Trainer::new(theta, optimizer, 1);
        let bound = Bound { model: &model, views: &set, rows: &set.train };
        let fit =
            Fit { epochs: 60, batch_size: 32, rate: 2e-3, schedule: Schedule::Constant, patience: None };
        trainer.fit(&bound, set.train.len(), None, &fit, &mut ()).unwrap();
        let predicted = model.predict(trainer.theta(), &set, &set.train, &set.test);
        let error = set.error(&set.test, &predicted);
        assert!(error.mse < 0.9 * of_blend.mse, "condition {condition}: {error:?} {of_blend:?}");
    }
}
