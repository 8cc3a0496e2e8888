//! Small models and samples for them, and a loop over the phases of training.

use std::f64::consts::TAU;

use autograd::Real;
use gpvae::data::{ObjectFeatures, Places, Samples};
use gpvae::kernel::{Constant, Kernel, Linear, Periodic};
use gpvae::prior::{Dense, LatentPrior, LowRank, RowwisePrior, ViewObject};
use gpvae::{ExactObjective, GpVae, GpVaeConfig, GpVaeObjective, Pace, Part, Phase, PixelNoise};
use nn::data::Matrix;
use nn::model::Layout;
use nn::train::{End, Fit, Observer, Rule, TrainError, Trainer};
use rand::{SeedableRng, rngs::StdRng};

pub(crate) const M: usize = 3;
pub(crate) const PIXELS: usize = 6;
pub(crate) const VIEWS: usize = 5;

pub(crate) fn angle(q: usize) -> f64 {
    TAU * q as f64 / VIEWS as f64
}

/// Objects under views; every third pair is missing, so that no two objects were seen alike.
pub(crate) fn places(objects: usize) -> Places {
    let pairs: Vec<(usize, usize)> = (0..objects)
        .flat_map(|p| (0..VIEWS).map(move |q| (p, q)))
        .filter(|(p, q)| (p + q) % 3 != 0)
        .collect();
    let views = Matrix::new(pairs.len(), 1, pairs.iter().map(|&(_, q)| angle(q)).collect());
    Places::new(views, pairs.into_iter().map(|(p, _)| p).collect()).unwrap()
}

/// What an object of two traits looks like from an angle: every pixel a wave.
pub(crate) fn pixel(p: usize, w: f64, k: usize) -> f64 {
    let (a, b) = ((p as f64 * 1.7).sin(), (p as f64 * 0.9).cos());
    a * (w + 0.5 * k as f64).sin() + b * (w - 0.8 * k as f64).cos() + 0.3
}

pub(crate) fn samples(objects: usize) -> Samples<f64> {
    let places = places(objects);
    let rows = places.objects.iter().zip(places.views.values.iter());
    let pixels = rows.flat_map(|(&p, &w)| (0..PIXELS).map(move |k| pixel(p, w, k))).collect();
    Samples::new(Matrix::new(places.len(), PIXELS, pixels), places).unwrap()
}

/// β exp(−2 sin²(½ (w − w'))/ν²)
pub(crate) fn rotation(layout: &mut Layout) -> impl Kernel + use<> {
    Constant::new(layout, "beta", 0.8).times(Periodic::new(layout, "nu", 0.9))
}

pub(crate) fn features(objects: usize) -> Matrix<f64> {
    Matrix::new(objects, M, (0..objects * M).map(|i| (1.3 * i as f64).sin()).collect())
}

pub(crate) fn low_rank(
    objects: usize,
    hidden: &[usize],
    latent: usize,
) -> GpVae<LowRank<ViewObject<impl Kernel + use<>>>> {
    let features = ObjectFeatures::Learned(features(objects));
    let config = GpVaeConfig { objects: features, ..GpVaeConfig::new(PIXELS, hidden, latent) };
    let views = Matrix::new(VIEWS, 1, (0..VIEWS).map(angle).collect());
    GpVae::new(&config, |layout| {
        let view = rotation(layout);
        LowRank::new(layout, ViewObject::new(view, views, M), 0.3)
    })
    .unwrap()
}

/// With α = 0 there is no noise.
pub(crate) fn dense(
    objects: usize,
    alpha: f64,
    hidden: &[usize],
    latent: usize,
) -> GpVae<Dense<impl Kernel + use<>>> {
    let config = GpVaeConfig {
        objects: ObjectFeatures::Given(features(objects)),
        pixel_noise: PixelNoise::Fixed { sigma: 0.5 },
        ..GpVaeConfig::new(PIXELS, hidden, latent)
    };
    GpVae::new(&config, |layout| {
        let prior = Dense::new(rotation(layout).on(0..1).times(Linear.on(1..1 + M)));
        if alpha > 0.0 { prior.with_noise(layout, alpha) } else { prior }
    })
    .unwrap()
}

/// A θ with biases, too, away from 0.
pub(crate) fn theta(layout: &Layout) -> Vec<f64> {
    let mut theta = layout.init::<f64>(&mut StdRng::seed_from_u64(3));
    theta.iter_mut().enumerate().for_each(|(i, theta)| *theta += 0.1 * (i as f64 * 0.37).sin());
    theta
}

/// A phase of this part with learning rates of 10⁻³.
pub(crate) fn phase(part: Part, epochs: usize) -> Phase {
    Phase { part, pace: pace(epochs) }
}

pub(crate) fn pace(epochs: usize) -> Pace {
    Pace { epochs, ..Pace::default() }
}

/// Rates of 10⁻².
pub(crate) fn fast(epochs: usize) -> Pace {
    Pace { networks_rate: 1e-2, kernel_rate: 1e-2, ..pace(epochs) }
}

/// A trainer at the θ of this seed, by Adam.
pub(crate) fn trainer<F: Real, P: LatentPrior>(model: &GpVae<P>) -> Trainer<F> {
    let theta = theta(model.layout()).into_iter().map(F::from_f64).collect();
    Trainer::new(model.layout(), theta, Rule::ADAM, 1)
}

/// Trains through phases by minibatches, or goes on.
pub(crate) fn train<F: Real, O: Observer<F>>(
    trainer: &mut Trainer<F>,
    model: &GpVae<impl RowwisePrior>,
    samples: &Samples<F>,
    phases: &[Phase],
    fit: &Fit,
    observer: &mut O,
) -> Result<End, TrainError<O::Error>> {
    for (stage, phase) in phases.iter().enumerate() {
        let mut objective = GpVaeObjective::new(model, samples, phase.part).unwrap();
        let fit = objective.fit(&phase.pace, Fit { stage, ..fit.clone() });
        if trainer.fit(&mut objective, None, &fit, observer)? == End::Stopped {
            return Ok(End::Stopped);
        }
    }
    Ok(End::Done)
}

/// Trains through phases by the exact gradient.
pub(crate) fn train_exactly<F: Real>(
    trainer: &mut Trainer<F>,
    model: &GpVae<impl LatentPrior>,
    samples: &Samples<F>,
    phases: &[Phase],
) {
    for (stage, phase) in phases.iter().enumerate() {
        let mut objective = ExactObjective::new(model, samples, phase.part).unwrap();
        let fit = objective.fit(&phase.pace, Fit { stage, ..Fit::default() });
        trainer.fit(&mut objective, None, &fit, &mut ()).unwrap();
    }
}

/// The ELBO of every epoch, in nats per sample.
pub(crate) fn elbos<F: Real>(trainer: &Trainer<F>) -> Vec<f64> {
    trainer.history().iter().map(|epoch| epoch.train.part("elbo")).collect()
}
