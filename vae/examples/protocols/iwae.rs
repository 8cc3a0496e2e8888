//! `--protocol iwae`: one stochastic layer, trained by the importance-weighted bound (Burda, Grosse & Salakhutdinov 2016).
//!
//! 784-200-200-50, tanh, pixels made binary anew each time, Adam with ε = 1e-4; the negative log-likelihood of the 10,000
//! test images, made binary once, by 5,000 importance samples. `--full` is the published schedule: batches of 20, eight
//! stages of 3^(i−1) epochs at learning rate 1e-4 · 10^(1−(i−1)/7). Without it larger batches and a rate that falls as a
//! cosine, both chosen by the bound of the last 5,000 training images, reach the same region in minutes.

use std::time::Instant;

use autograd::Nonlinearity;
use nn::data::{Binarise, LabelledImages, Matrix, Mnist};
use nn::optim::{Optimizer, Rule};
use nn::run::{Run, result_line};
use nn::schedule::Schedule;
use nn::train::{End, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Bound, Config, Images, Vae};

use crate::Args;

/// The images that are kept back from training: the bound of them is reported after every epoch.
const VALIDATION: usize = 5000;

/// Epochs of the published schedule.
pub(crate) const PUBLISHED: usize = 3280;

pub(crate) fn run(args: &Args, data: &Mnist, started: Instant) -> anyhow::Result<()> {
    let run = Run::open(&args.run, args)?;
    let seed = args.run.seed;
    let held_back = VALIDATION.min(data.train.len() / 2);
    let (train, validation) = data.train.images.split_at_row(data.train.len() - held_back);

    let vae =
        Vae::new(&Config { phi: Nonlinearity::Tanh, ..Config::new(train.cols, &[200, 200], args.latent[0]) });
    let mut theta = vae.layout().init(&mut StdRng::seed_from_u64(seed));
    begin_at_means(&vae, &train, &mut theta);
    let optimizer = Optimizer::new(Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-4 }, theta.len());
    let mut trainer = Trainer::new(theta, optimizer, seed);

    let bound = if args.k == 1 { Bound::ClosedForm } else { Bound::ImportanceWeighted };
    let objective = |data, binarise| Images { binarise, bound, samples: args.k, ..Images::new(&vae, data) };
    let training = objective(&train, Binarise::Redrawn { seed });
    let validating = objective(&validation, Binarise::Fixed { seed });
    let schedule = if args.full { published() } else { Schedule::Cosine { epochs: args.run.epochs } };
    let end = run
        .train(
            vae.layout(),
            &mut trainer,
            (&training, args.run.rows(train.rows)),
            Some((&validating, args.run.rows(validation.rows))),
            (schedule, None),
        )
        .map_err(anyhow::Error::from_boxed)?;
    if end == End::Stopped {
        return Ok(());
    }
    let trained = started.elapsed().as_secs_f64();

    let rows: Vec<usize> = (0..args.run.rows(data.test.len())).collect();
    let test = binary(data.test.select(&rows), seed);
    let samples = args.draws();
    let estimate = vae.log_likelihood(trainer.theta(), &test.images, samples, seed);
    let loss = trainer.evaluate(&objective(&test.images, Binarise::Grey), &rows);
    let active = vae::active_units(&vae.codes(trainer.theta(), &test.images).0);
    println!("{} test images, made binary, nats per image; trained with k = {}", test.len(), args.k);
    println!("  bound of {:2} samples         {:9.2}", args.k, -loss.total);
    println!("  log p(x), {samples:5} samples    {:9.2} ± {:.3}", estimate.mean, estimate.se);
    println!("  active units {active} of {}; trained in {trained:.0} s", vae.latent());
    crate::common::draw(&run, &vae, &trainer, &test)?;
    println!("pictures, metrics and checkpoint are in {}", run.args.out.display());
    let validation = trainer.history().last().and_then(|epoch| epoch.validation.as_ref());
    result_line(&[
        ("nll", -estimate.mean),
        ("nll_se", estimate.se),
        ("test_bound", -loss.total),
        ("validation_bound", validation.map_or(f64::NAN, |loss| -loss.total)),
        ("k", args.k as f64),
        ("active_units", active as f64),
        ("train_seconds", trained),
        ("seconds", started.elapsed().as_secs_f64()),
    ]);
    Ok(())
}

/// Eight stages of 3^(i−1) epochs.
fn published() -> Schedule {
    let mut first = 0;
    Schedule::Piecewise(
        (0..8)
            .map(|i| {
                let stage = (first, 10_f64.powf(-f64::from(i) / 7.0));
                first += 3_usize.pow(i as u32);
                stage
            })
            .collect(),
    )
}

/// The bias of the last layer such that training begins at the mean image.
fn begin_at_means(vae: &Vae, train: &Matrix<f32>, theta: &mut [f32]) {
    let last = vae.layout().slots().last().expect("the decoder's last bias");
    let logit = |pixel: usize| {
        let sum: f64 = (0..train.rows).map(|i| f64::from(train.row(i)[pixel])).sum();
        let mean = (sum / train.rows as f64).clamp(0.001, 0.999);
        (mean / (1.0 - mean)).ln() as f32
    };
    theta[last.range()].iter_mut().enumerate().for_each(|(pixel, bias)| *bias = logit(pixel));
}

/// The images, made binary once.
fn binary(set: LabelledImages, seed: u64) -> LabelledImages {
    let mut values = set.images.values.to_vec();
    for (row, pixels) in values.chunks_exact_mut(set.images.cols).enumerate() {
        Binarise::Fixed { seed }.apply(row, 0, pixels);
    }
    LabelledImages { images: Matrix::new(set.images.rows, set.images.cols, values), ..set }
}
