//! CVAE and LIVAE: what they are, what they predict from, and that they learn.

use std::sync::Arc;

use autograd::Tape;
use autograd::check::check_theta;
use gpvae::data::{Rotations, Views};
use gpvae::{Baseline, GpVaeConfig, PixelNoise};
use nn::data::{Matrix, digits};
use nn::stats::Estimate;
use nn::train::{Fit, Noise, Rule, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Vae, VaeObjective};

const BOTH: [Baseline; 2] = [Baseline::Interpolation, Baseline::Conditional];

fn model(baseline: Baseline, pixels: usize, hidden: &[usize], latent: usize) -> Vae {
    let pixel_noise = PixelNoise::Learned { start: 0.3 };
    let config = GpVaeConfig { pixel_noise, ..GpVaeConfig::new(pixels, hidden, latent) };
    Vae::new(&baseline.config(&config)).unwrap()
}

fn threes(objects: usize) -> Views {
    let digits = digits();
    let threes: Vec<_> = (0..digits.len()).filter(|&i| digits.labels[i] == 3).take(objects).collect();
    let rotations = Rotations { views: 8, held_out: 3, margin: 2, seed: 3, ..Rotations::default() };
    rotations.turn(&digits.select(&threes).images, 8, 8).unwrap()
}

#[test]
fn the_gradient_of_the_bound_is_right() {
    for baseline in BOTH {
        let model = model(baseline, 5, &[6, 4], 2);
        let theta = model.layout().init::<f64>(&mut StdRng::seed_from_u64(5));
        check_theta(&format!("{baseline:?}"), &theta, 4, |tape, theta| {
            let y = tape.constant_with([3, 5], |y| Noise::new(1, 0).normal(0, 5, y));
            let c = tape.constant(&[1.0, 0.0, 0.6, 0.8, -0.8, 0.6], [3, 2]);
            let x = match baseline {
                Baseline::Interpolation => y,
                Baseline::Conditional => autograd::Var::concatenate(&[y, c], 1),
            };
            let eps = tape.constant_with([3, 2], |eps| Noise::new(2, 0).normal(0, 2, eps));
            model.elbo(theta, x, eps).value().mean().neg()
        })
        .unwrap();
    }
}

#[test]
fn livae_decodes_what_lies_between_neighbouring_codes_and_cvae_the_mean_code_at_the_view() {
    let set = threes(4);
    let row = set.test[1];
    let same: Vec<usize> = set.train.iter().copied().filter(|&other| other / 8 == row / 8).collect();
    for baseline in BOTH {
        let model = model(baseline, 144, &[20], 3);
        let theta = Arc::new(model.layout().init::<f64>(&mut StdRng::seed_from_u64(6)));
        let mu = model.encode_rows(&theta, &baseline.inputs(&set, &same)).mu;
        let share = |i: usize| match baseline {
            Baseline::Interpolation => {
                let near = set.neighbours(row, &same).into_iter().find(|near| near.row == same[i]);
                near.map_or(0.0, |near| near.weight)
            }
            Baseline::Conditional => 1.0 / same.len() as f64,
        };
        let mut z: Vec<f64> =
            (0..3).map(|l| (0..same.len()).map(|i| share(i) * mu.row(i)[l]).sum()).collect();
        if baseline == Baseline::Conditional {
            let w = set.angles[3];
            z.extend([w.cos(), w.sin()]);
        }
        let tape = Tape::new();
        let at = tape.shared_constant(&theta, [theta.len()]);
        let expected = model.networks().decoder.apply(at, tape.constant(&z, [1, z.len()])).to_vec();
        let predicted = baseline.predict(&model, &theta, &set, &set.train, &[row]);
        for (a, b) in predicted.values.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}

#[test]
#[should_panic(expected = "predict: expected an image of object 2 among those known")]
fn an_unknown_object_is_not_predicted() {
    let set = threes(4);
    let model = model(Baseline::Interpolation, 144, &[20], 3);
    let theta = Arc::new(model.layout().init::<f32>(&mut StdRng::seed_from_u64(6)));
    let known: Vec<usize> = set.train.iter().copied().filter(|&row| set.object[row] != 2).collect();
    Baseline::Interpolation.predict(&model, &theta, &set, &known, &set.test);
}

/// Each is compared with what it would be without a network. LIVAE is compared with the blend of the neighbours' pixels where
/// an object lacks a view. CVAE is given one image of an object and asked for the same view, and is compared with the mean of
/// all images under that view: its codes still tell the view, so that it predicts other views badly.
#[test]
fn both_learn_more_than_their_data_says_without_a_network() {
    let set = threes(60);
    let mean_of = |rows: &[(usize, f64)]| {
        let whole: f64 = rows.iter().map(|row| row.1).sum();
        let pixel =
            |k| rows.iter().map(|&(row, share)| share * f64::from(set.images.row(row)[k])).sum::<f64>();
        (0..144).map(|k| pixel(k) / whole).collect::<Vec<f64>>()
    };
    for baseline in BOTH {
        let model = model(baseline, 144, &[100], 8);
        let theta = model.layout().init(&mut StdRng::seed_from_u64(7));
        let mut trainer = Trainer::new(model.layout(), theta, Rule::ADAM, 1);
        let inputs = baseline.inputs(&set, &set.train);
        let fit = Fit { epochs: 150, batch_size: 32, rate: 2e-3, ..Fit::default() };
        trainer.fit(&mut VaeObjective::new(&model, &inputs), None, &fit, &mut ()).unwrap();
        let theta = trainer.theta();
        let (wanted, predicted, simple): (Vec<usize>, Vec<f32>, Vec<f64>) = match baseline {
            Baseline::Interpolation => {
                let used = |row: &usize| set.train.contains(row) || set.test.contains(row);
                let wanted: Vec<usize> = (0..set.images.rows).filter(|row| !used(row)).collect();
                let predicted = baseline.predict(&model, theta, &set, &set.train, &wanted).values.to_vec();
                let near = |&row: &usize| {
                    let near = set.neighbours(row, &set.train);
                    mean_of(&near.iter().map(|near| (near.row, near.weight)).collect::<Vec<_>>())
                };
                let blends = wanted.iter().flat_map(near).collect();
                (wanted, predicted, blends)
            }
            Baseline::Conditional => {
                let wanted: Vec<usize> = set.train.iter().copied().step_by(7).collect();
                let itself =
                    |&row: &usize| baseline.predict(&model, theta, &set, &[row], &[row]).values.to_vec();
                let of_view = |&row: &usize| {
                    let same = set.train.iter().filter(|&&other| set.view[other] == set.view[row]);
                    mean_of(&same.map(|&other| (other, 1.0)).collect::<Vec<_>>())
                };
                let (predicted, means) =
                    (wanted.iter().flat_map(itself).collect(), wanted.iter().flat_map(of_view).collect());
                (wanted, predicted, means)
            }
        };
        let error = Estimate::of(&set.errors(&wanted, &Matrix::new(wanted.len(), 144, predicted)));
        let simple = Estimate::of(&set.errors(&wanted, &Matrix::new(wanted.len(), 144, simple)));
        assert!(error.mean < simple.mean, "{baseline:?}: {error:?}, without a network {simple:?}");
    }
}
