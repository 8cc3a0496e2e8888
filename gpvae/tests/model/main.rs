//! The model: its bound, its gradient, training, prediction, and what it says of wrong data.

mod bound;
mod errors;
mod training;

use std::f64::consts::TAU;

use gpvae::kernel::{Constant, Kernel, Linear, Periodic};
use gpvae::prior::{Dense, LowRank, ViewObject};
use gpvae::{GpVae, Networks, Objects, PixelNoise, Places, Samples};
use nn::Layout;
use nn::data::Matrix;
use rand::{SeedableRng, rngs::StdRng};

const M: usize = 3;
const PIXELS: usize = 6;
const VIEWS: usize = 5;

fn angle(q: usize) -> f64 {
    TAU * q as f64 / VIEWS as f64
}

/// Objects under views; every third pair is missing, so that no two objects were seen alike.
fn places(objects: usize) -> Places {
    let pairs: Vec<(usize, usize)> = (0..objects)
        .flat_map(|p| (0..VIEWS).map(move |q| (p, q)))
        .filter(|(p, q)| (p + q) % 3 != 0)
        .collect();
    let views = Matrix::new(pairs.len(), 1, pairs.iter().map(|&(_, q)| angle(q)).collect());
    Places::new(views, pairs.into_iter().map(|(p, _)| p).collect()).unwrap()
}

/// What an object of two traits looks like from an angle: every pixel a wave.
fn pixel(p: usize, w: f64, k: usize) -> f64 {
    let (a, b) = ((p as f64 * 1.7).sin(), (p as f64 * 0.9).cos());
    a * (w + 0.5 * k as f64).sin() + b * (w - 0.8 * k as f64).cos() + 0.3
}

fn samples(objects: usize) -> Samples<f64> {
    let places = places(objects);
    let rows = places.objects.iter().zip(places.views.values.iter());
    let pixels = rows.flat_map(|(&p, &w)| (0..PIXELS).map(move |k| pixel(p, w, k))).collect();
    Samples::new(Matrix::new(places.len(), PIXELS, pixels), places).unwrap()
}

/// β exp(−2 sin²(½ (w − w'))/ν²)
fn rotation(layout: &mut Layout) -> impl Kernel + Clone + use<> {
    Constant::new(layout, "beta", 0.8).times(Periodic::new(layout, "nu", TAU, 0.9))
}

fn features(objects: usize) -> Matrix<f64> {
    Matrix::new(objects, M, (0..objects * M).map(|i| (1.3 * i as f64).sin()).collect())
}

fn low_rank(
    objects: usize,
    hidden: &[usize],
    latent: usize,
) -> GpVae<LowRank<ViewObject<impl Kernel + use<>>>> {
    GpVae::new(
        |layout| Networks::mlp(layout, PIXELS, hidden, latent, 0),
        PixelNoise::Learned(0.5),
        |layout| {
            let view = rotation(layout);
            let views = Matrix::new(VIEWS, 1, (0..VIEWS).map(angle).collect());
            LowRank::new(layout, ViewObject::new(view, views, M, 0.0), 0.3)
        },
        |layout| Objects::learned(layout, &features(objects)),
    )
}

fn dense(objects: usize, alpha: f64, hidden: &[usize], latent: usize) -> GpVae<Dense<impl Kernel + use<>>> {
    GpVae::new(
        |layout| Networks::mlp(layout, PIXELS, hidden, latent, 0),
        PixelNoise::Fixed(0.5),
        |layout| {
            let kernel = rotation(layout).on(0..1).times(Linear.on(1..1 + M));
            Dense::new(layout, kernel, alpha, 0.0)
        },
        |_| Objects::Given(features(objects)),
    )
}

/// A θ with biases, too, away from 0.
fn theta(layout: &Layout) -> Vec<f64> {
    let mut theta = layout.init::<f64>(&mut StdRng::seed_from_u64(3));
    theta.iter_mut().enumerate().for_each(|(i, theta)| *theta += 0.1 * (i as f64 * 0.37).sin());
    theta
}
