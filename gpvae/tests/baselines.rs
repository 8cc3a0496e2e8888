//! CVAE and LIVAE: their bound, what they predict from, and that they learn.

use std::sync::Arc;

use autograd::Tape;
use autograd::gradcheck::check_theta;
use gpvae::Networks;
use gpvae::baselines::{Autoencoder, Bound};
use gpvae::data::{Rotations, Views};
use nn::Estimate;
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

/// Each is compared with what it would be without a network. LIVAE, with the blend of the neighbours' pixels where an object
/// lacks a view. CVAE, given one image of an object and asked for the same view, with the mean of all images under that view: its
/// codes still tell the view, so that of other views it makes little.
#[test]
fn both_learn_more_than_their_data_says_without_a_network() {
    let set = threes(60);
    let mean_of = |rows: &[(usize, f64)]| {
        let whole: f64 = rows.iter().map(|row| row.1).sum();
        let pixel =
            |k| rows.iter().map(|&(row, share)| share * f64::from(set.images.row(row)[k])).sum::<f64>();
        (0..144).map(|k| pixel(k) / whole).collect::<Vec<f64>>()
    };
    for condition in [0, 2] {
        let model = model(144, &[100], 8, condition);
        let theta = model.layout().init(&mut StdRng::seed_from_u64(7));
        let optimizer = Optimizer::new(Rule::ADAM, theta.len());
        let mut trainer = Trainer::new(theta, optimizer, 1);
        let bound = Bound { model: &model, views: &set, rows: &set.train };
        let fit =
            Fit { epochs: 150, batch_size: 32, rate: 2e-3, schedule: Schedule::Constant, patience: None };
        trainer.fit(&bound, set.train.len(), None, &fit, &mut ()).unwrap();
        let theta = trainer.theta();
        let (wanted, predicted, simple): (Vec<usize>, Vec<f32>, Vec<f64>) = if condition == 0 {
            let used = |row: &usize| set.train.contains(row) || set.test.contains(row);
            let wanted: Vec<usize> = (0..set.images.rows).filter(|row| !used(row)).collect();
            let predicted = model.predict(theta, &set, &set.train, &wanted).values.to_vec();
            let blends = wanted.iter().flat_map(|&row| mean_of(&set.neighbours(row, &set.train))).collect();
            (wanted, predicted, blends)
        } else {
            let wanted: Vec<usize> = set.train.iter().copied().step_by(7).collect();
            let itself = |&row: &usize| model.predict(theta, &set, &[row], &[row]).values.to_vec();
            let of_view = |&row: &usize| {
                let same = set.train.iter().filter(|&&other| set.view[other] == set.view[row]);
                mean_of(&same.map(|&other| (other, 1.0)).collect::<Vec<_>>())
            };
            let (predicted, means) =
                (wanted.iter().flat_map(itself).collect(), wanted.iter().flat_map(of_view).collect());
            (wanted, predicted, means)
        };
        let error = Estimate::of(&set.errors(&wanted, &Matrix::new(wanted.len(), 144, predicted)));
        let simple = Estimate::of(&set.errors(&wanted, &Matrix::new(wanted.len(), 144, simple)));
        assert!(error.mean < simple.mean, "condition {condition}: {error:?}, without a network {simple:?}");
    }
}
