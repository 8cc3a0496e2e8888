//! `--protocol iwae`: one stochastic layer, trained by the importance-weighted bound (Burda, Grosse & Salakhutdinov 2016).
//!
//! 784-200-200-50, tanh, pixels made binary anew each time, Adam with ε = 1e-4; the bound of 5,000 importance samples
//! of the 10,000 test images, made binary once. `--full` is the published schedule: batches of 20, eight
//! stages of 3^(i−1) epochs at learning rate 1e-4 · 10^(1−(i−1)/7). Without it larger batches and a rate that falls as a
//! cosine, both chosen by the bound of the last 5,000 training images, reach the same region in minutes.

use nn::data::{Binarise, LabelledImages, Matrix};
use nn::model::Nonlinearity;
use nn::outln;
use nn::run::{Label, Run};
use nn::train::{End, Fit, Rule, Schedule, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::{Estimator, Vae, VaeConfig, VaeObjective, active_units};

use crate::common::bound;
use crate::common::evaluate::k_sample_bound;
use crate::common::report::{self, Trained};
use crate::{Args, Data};

/// The images that are kept back from training: their bound is reported after every epoch.
const VALIDATION: usize = 5000;

/// Epochs of the published schedule.
pub(crate) const PUBLISHED: usize = 3280;

const ADAM: Rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-4 };

pub(crate) fn run(args: &Args, data: &Data) -> anyhow::Result<()> {
    let run = Run::open(&args.run, args)?
        .documented("vae", "MNIST, one stochastic layer, by the protocol of Burda et al. (2016)");
    let seed = args.run.seed;
    let held_back = VALIDATION.min(data.train.len() / 2);
    let (train, validation) = data.train.images.split_at_row(data.train.len() - held_back);

    let config = VaeConfig::new(train.cols, &[200, 200], args.latent[0]).with_phi(Nonlinearity::Tanh);
    let vae = Vae::new(&config)?;
    let theta = begin_at_means(&vae, &train, vae.layout().init(&mut StdRng::seed_from_u64(seed)));
    let mut trainer = Trainer::new(vae.layout(), theta, ADAM, seed);
    let estimator = match args.k {
        1 => Estimator::ClosedForm,
        _ if args.dreg => Estimator::DoublyReparameterised,
        _ => Estimator::ImportanceWeighted,
    };
    let objective = |data, binarise| {
        let usual = VaeObjective::new(&vae, data);
        VaeObjective { binarise, estimator, samples: args.k, ..usual }
    };
    let mut training = objective(&train, Binarise::Redrawn { seed });
    let mut validating = objective(&validation, Binarise::Fixed { seed });
    let schedule = if args.full { published() } else { Schedule::Cosine { epochs: args.run.epochs } };
    let fit = Fit { schedule, ..run.fit() };
    if run.train(&mut trainer, &mut training, Some(&mut validating), &fit)? == End::Stopped {
        return Ok(());
    }
    // Of a run that goes on, or is evaluated again, it is the time in all.
    let trained = trainer.history().last().map_or(0.0, |epoch| epoch.seconds);
    data.keep(&run, &vae, &trainer, args, train.rows)?;

    let rows: Vec<usize> = (0..args.run.rows(data.test.len())).collect();
    let test = binary(data.test.select(&rows), seed);
    let samples = args.draws();
    let sampled = k_sample_bound(&run, &vae, trainer.theta(), &test.images, samples, seed);
    let bound = -trainer.evaluate(&mut objective(&test.images, Binarise::Grey))?.total;
    let active = active_units(&vae.encode_rows(trainer.theta(), &test.images).mu);
    outln!("{} test images, made binary, nats per image; trained with k = {}", test.len(), args.k);
    outln!("  trained bound, k = {:<6}  {bound:9.2}", args.k);
    bound::print(&sampled);
    outln!("  active units {active} of {}; trained in {trained:.0} s", vae.latent());
    let annealed = args.anneal.evaluate(&run, &vae, trainer.theta(), &test.images, samples);
    let validation = trainer.history().last().and_then(|epoch| epoch.validation.as_ref());
    let validation = validation.map_or(f64::NAN, |loss| -loss.total);
    report::draw(&Trained {
        run: &run,
        vae: &vae,
        trainer: &mut trainer,
        test: &test,
        classes: &data.classes,
    })?;
    run.found(&format!(
        "To describe a binary image that it has not seen costs the model {:.2} nats (a nat is 1.44 bits; fewer are better). It uses \
         {active} of its {} latent dimensions; in the others all images have the same code.",
        -sampled.mean,
        vae.latent()
    ));
    let results = [
        ("test_bound", bound),
        ("validation_bound", validation),
        ("k", args.k as f64),
        ("active_units", active as f64),
        ("train_seconds", trained),
    ];
    run.label(&[
        Label::new("test_bound", "bound that was trained, of test images", "nats per image"),
        Label::new("validation_bound", "bound that was trained, of validation images", "nats per image"),
        Label::new("k", "samples of z in the trained bound", ""),
        Label::new("active_units", "latent dimensions that say something (active units)", ""),
        Label::new("train_seconds", "time of training", "s"),
    ]);
    run.label(&bound::labels("nats per image"));
    run.finish(&[&bound::results(&sampled)[..], &results, &annealed].concat())?;
    Ok(())
}

/// Eight stages of 3^(i−1) epochs.
fn published() -> Schedule {
    let mut first = 0;
    let stage = |i: i32| {
        let stage = (first, 10_f64.powf(-f64::from(i) / 7.0));
        first += 3_usize.pow(i as u32);
        stage
    };
    Schedule::Piecewise((0..8).map(stage).collect())
}

/// θ with the bias of the decoder's last layer such that training begins at the mean image.
fn begin_at_means(vae: &Vae, train: &Matrix<f32>, mut theta: Vec<f32>) -> Vec<f32> {
    let logit = |pixel: usize| {
        let sum: f64 = (0..train.rows).map(|i| f64::from(train.row(i)[pixel])).sum();
        let mean = (sum / train.rows as f64).clamp(0.001, 0.999);
        (mean / (1.0 - mean)).ln() as f32
    };
    let bias = vae.networks().decoder.last_bias().range();
    theta[bias].iter_mut().enumerate().for_each(|(pixel, bias)| *bias = logit(pixel));
    theta
}

/// The images, made binary once.
fn binary(set: LabelledImages, seed: u64) -> LabelledImages {
    let mut values = set.images.values.to_vec();
    for (row, pixels) in values.chunks_exact_mut(set.images.cols).enumerate() {
        Binarise::Fixed { seed }.apply(row, 0, pixels);
    }
    LabelledImages { images: Matrix::new(set.images.rows, set.images.cols, values), ..set }
}
