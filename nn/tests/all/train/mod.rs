//! Training is reproducible to the bit: on any number of threads, and across interruptions.

mod checkpoints;
mod hooks;
mod noise;
mod philox;
mod reach;
mod stages;
mod stopping;

use std::convert::Infallible;
use std::io;
use std::ops::ControlFlow;
use std::sync::Mutex;

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};
use nn::data::Minibatches;
use nn::model::density::squared_error;
use nn::model::{Init, Layout, Mlp, Nonlinearity};
use nn::train::{
    Batch, Checkpoint, Element, End, Epoch, Fit, Loss, Noise, Objective, Observer, Parts, Place, Rule,
    Schedule, StepError, TrainError, Trainer,
};
use rand::{SeedableRng, rngs::StdRng};
use tempfile::tempdir;

/// Regression with noisy inputs: ‖y − f_θ(x + ε/2)‖², averaged over samples of ε.
struct Toy {
    layout: Layout,
    net: Mlp,
    rows: usize,
    samples: usize,
    shift: f64,
}

impl Toy {
    /// Large enough for its minibatches to be cut into shards.
    fn new(samples: usize) -> Self {
        let mut layout = Layout::new();
        let net = Mlp::new(&mut layout, "net", &[8, 128, 64, 1], Nonlinearity::Tanh, Nonlinearity::Identity);
        Self { layout, net, rows: 333, samples, shift: 0.0 }
    }

    fn validation(&self) -> Self {
        Self { layout: self.layout.clone(), net: self.net.clone(), shift: 0.7, ..*self }
    }

    fn trainer<F: Real>(&self, seed: u64) -> Trainer<F> {
        Trainer::new(&self.layout, self.layout.init(&mut StdRng::seed_from_u64(seed)), Rule::ADAM, seed)
    }

    /// The same, of another number of rows.
    fn of_rows(&self, rows: usize) -> Self {
        Self { layout: self.layout.clone(), net: self.net.clone(), rows, ..*self }
    }
}

/// A layout of one slot with so many numbers.
fn one_slot(size: usize) -> Layout {
    let mut layout = Layout::new();
    layout.slot("theta", [size], Init::Constant(0.0));
    layout
}

impl Toy {
    /// The loss, without its parts.
    fn sum<'t, F: Real>(&self, theta: Var<'t, F>, batch: &Batch<'_>) -> Var<'t, F> {
        let mut parts = [0.0; 2];
        self.loss(theta, batch, &mut Parts::new(Objective::<F>::parts(self), &mut parts)).unwrap()
    }
}

impl<F: Real> Objective<F> for Toy {
    fn parts(&self) -> &'static [&'static str] {
        &["first", "rest"]
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, F>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        let (tape, n) = (theta.tape(), batch.rows.len());
        let number = |row: usize, column: usize| F::from_f64(((row * 8 + column) as f64 + self.shift).sin());
        let x: Vec<F> =
            batch.rows.iter().flat_map(|&row| (0..8).map(move |column| number(row, column))).collect();
        let y: Vec<F> = x.chunks(8).map(|x| x[0] * x[1] + x[2]).collect();
        let eps = tape.constant_with([self.samples, n, 8], |out| {
            for (sample, out) in out.chunks_exact_mut(n * 8).enumerate() {
                batch.noise.normal(sample, 8, out);
            }
        });
        let x = tape.constant(&x, [n, 8]) + eps * F::from_f64(0.5);
        let errors = squared_error(self.net.apply(theta, x), tape.constant(&y, [n, 1])).mean_axis(0);
        parts.add("first", errors.with(|errors| errors[0].to_f64()));
        parts.add("rest", errors.with(|errors| errors[1..].iter().map(|x| x.to_f64()).sum()));
        Ok(errors.sum())
    }

    fn samples(&self) -> usize {
        self.samples
    }
}

fn fit(epochs: usize, batch_size: usize) -> Fit {
    Fit { epochs, batch_size, rate: 3e-3, schedule: Schedule::Cosine { epochs: 9 }, ..Fit::default() }
}

/// θ and history to the bit, but for the seconds.
fn bits<F: Real>(trainer: &Trainer<F>) -> (Vec<u64>, Vec<u64>) {
    let loss =
        |loss: &Loss| Vec::from_iter([loss.total].into_iter().chain(loss.parts().map(|(_, part)| part)));
    let epoch = |epoch: &Epoch| [loss(&epoch.train), epoch.validation.as_ref().map_or(vec![], loss)].concat();
    let numbers = trainer.history().iter().flat_map(epoch);
    (trainer.theta().iter().map(|x| x.to_f64().to_bits()).collect(), numbers.map(f64::to_bits).collect())
}

fn on<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

#[test]
fn a_seed_gives_the_same_bits_on_any_number_of_threads() {
    for (samples, batch) in [(1, 150), (3, 64), (3, 1000)] {
        let run = |threads, seed| {
            let mut toy = Toy::new(samples);
            on(threads, || {
                let mut trainer = toy.trainer::<f32>(seed);
                let mut validation = toy.validation().of_rows(300);
                let end = trainer.fit(&mut toy, Some(&mut validation), &fit(3, batch), &mut ());
                assert_eq!(end.unwrap(), End::Done);
                bits(&trainer)
            })
        };
        let one = run(1, 5);
        assert!(one == run(2, 5), "{samples} samples, batch {batch}: two threads differ from one");
        assert!(one == run(16, 5), "{samples} samples, batch {batch}: sixteen threads differ from one");
        assert!(one != run(1, 6), "the seed does not matter");
    }
}

/// n θ₀ of n rows, and how many rows it was asked for each time.
struct Counted(Mutex<Vec<usize>>);

impl Objective<f32> for Counted {
    fn rows(&self) -> usize {
        4096
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f32>,
        batch: &Batch<'_>,
        _: &mut Parts<'_>,
    ) -> Result<Var<'t, f32>, NotPositiveDefinite> {
        self.0.lock().unwrap().push(batch.rows.len());
        Ok(theta.sum() * batch.rows.len() as f32)
    }
}

#[test]
fn large_minibatches_have_work_for_sixteen_threads() {
    let shards = |parameters: usize, rows: usize| {
        let (counted, layout) = (Counted(Mutex::default()), one_slot(parameters));
        let mut trainer = Trainer::new(&layout, vec![0.0; parameters], Rule::Sgd, 0);
        trainer.step(&counted, &(0..rows).collect::<Vec<_>>(), 0.1).unwrap();
        let mut rows = counted.0.into_inner().unwrap();
        rows.sort_unstable();
        (rows.len(), rows[0], rows[rows.len() - 1])
    };
    const LARGE: usize = 1 << 19;
    assert_eq!(shards(LARGE, 64), (1, 64, 64));
    assert_eq!(shards(LARGE, 100), (2, 50, 50));
    assert_eq!(shards(LARGE, 512), (8, 64, 64));
    assert_eq!(shards(LARGE, 1024), (8, 128, 128));
    assert_eq!(shards(LARGE, 1030), (9, 110, 115));
    assert_eq!(shards(LARGE, 2048), (16, 128, 128));
    assert_eq!(shards(LARGE, 4096), (16, 256, 256));
    assert_eq!(shards(100, 2048), (1, 2048, 2048));
}

#[test]
fn a_step_follows_the_gradient_of_the_minibatch_on_a_single_tape() {
    for (samples, rows) in [(1, 300), (3, 130), (1, 1)] {
        let toy = Toy::new(samples);
        let theta = toy.layout.init::<f64>(&mut StdRng::seed_from_u64(1));
        let rows: Vec<usize> = (0..rows).rev().collect();
        let mut trainer = Trainer::new(&toy.layout, theta.clone(), Rule::Sgd, 4);
        let loss = on(2, || trainer.step(&toy, &rows, 1.0)).unwrap();

        let batch = Batch { rows: &rows, noise: Noise::new(4, 0), epoch: None };
        let mut tape = Tape::new();
        let (total, gradient) = tape.value_and_grad(&theta.clone().into(), |_, theta| toy.sum(theta, &batch));
        let n = rows.len() as f64;
        assert!((loss.total - total / n).abs() < 1e-13);
        assert!((loss.part("first") + loss.part("rest") - loss.total).abs() < 1e-13);
        for ((before, after), g) in theta.iter().zip(&trainer.theta()[..]).zip(&gradient[..]) {
            assert!((before - after - g / n).abs() < 1e-13, "{} instead of {}", before - after, g / n);
        }
    }
}

/// Stops after so many steps.
struct StopAfter(usize);

impl<F: Real> Observer<F> for StopAfter {
    type Error = Infallible;

    fn step(&mut self, _: f64) -> ControlFlow<()> {
        self.0 -= 1;
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Through a file into a trainer that began elsewhere.
fn through_a_file<F: Real + Element>(trainer: &Trainer<F>, mut into: Trainer<F>) -> Trainer<F> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    trainer.checkpoint().save(&path).unwrap();
    into.restore(&Checkpoint::load(&path).unwrap()).unwrap();
    into
}

fn resumes_exactly<F: Real + Element>() {
    let toy = Toy::new(1);
    let fit = Fit { patience: Some(5), ..fit(4, 150) };
    let train = |trainer: &mut Trainer<F>, observer: &mut StopAfter| {
        let (mut training, mut validation) = (toy.of_rows(toy.rows), toy.validation().of_rows(40));
        trainer.fit(&mut training, Some(&mut validation), &fit, observer).unwrap()
    };
    let mut whole = toy.trainer(2);
    assert_eq!(train(&mut whole, &mut StopAfter(usize::MAX)), End::Done);
    // 3 steps an epoch: in the middle of one, at its last step, twice in one epoch.
    for stops in [&[1][..], &[3], &[4, 1], &[6, 2], &[11]] {
        let (mut through_files, mut in_memory) = (toy.trainer(2), toy.trainer(2));
        for &steps in stops {
            assert_eq!(train(&mut through_files, &mut StopAfter(steps)), End::Stopped);
            assert_eq!(train(&mut in_memory, &mut StopAfter(steps)), End::Stopped);
            through_files = through_a_file(&through_files, toy.trainer(77));
        }
        for mut resumed in [through_files, in_memory] {
            assert_eq!(train(&mut resumed, &mut StopAfter(usize::MAX)), End::Done);
            assert!(bits(&resumed) == bits(&whole), "stopped after {stops:?} steps");
        }
    }
}

#[test]
fn what_was_stopped_goes_on_with_the_same_bits_in_single_precision() {
    resumes_exactly::<f32>();
}

#[test]
fn what_was_stopped_goes_on_with_the_same_bits_in_double_precision() {
    resumes_exactly::<f64>();
}

/// Saves at every epoch's end.
#[derive(Default)]
struct SaveEpochs(Vec<Checkpoint>);

impl Observer<f32> for SaveEpochs {
    type Error = Infallible;

    fn epoch(&mut self, trainer: &Trainer<f32>) -> Result<(), Infallible> {
        self.0.push(trainer.checkpoint());
        Ok(())
    }
}

/// ln(θ x), with a row whose x becomes negative in the second epoch.
struct Cliff;

impl Objective<f64> for Cliff {
    fn rows(&self) -> usize {
        10
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f64>,
        batch: &Batch<'_>,
        _: &mut Parts<'_>,
    ) -> Result<Var<'t, f64>, NotPositiveDefinite> {
        let x = |&row: &usize| if row == 5 && batch.epoch == Some(1) { -1.0 } else { 1.0 };
        let x: Vec<f64> = batch.rows.iter().map(x).collect();
        Ok((theta * theta.tape().constant(&x, [x.len()])).ln().sum())
    }
}

/// θ after every step.
#[derive(Default)]
struct Steps(usize);

impl Observer<f64> for Steps {
    type Error = Infallible;

    fn step(&mut self, _: f64) -> ControlFlow<()> {
        self.0 += 1;
        ControlFlow::Continue(())
    }
}

#[test]
fn a_loss_that_is_not_finite_names_epoch_step_and_operation_and_leaves_theta() {
    let fit = Fit { epochs: 3, batch_size: 2, ..fit(3, 2) };
    let culprit = Minibatches::new(10, 2, 8).epoch(1).position(|rows| rows.contains(&5)).unwrap();
    let new = || Trainer::new(&one_slot(1), vec![1.0_f64], Rule::Sgd, 8);
    let (mut trainer, mut steps) = (new(), Steps::default());
    let error = trainer.fit(&mut Cliff, None, &fit, &mut steps).unwrap_err();
    assert_eq!(steps.0, 5 + culprit);
    let text = error.to_string();
    let TrainError::Step { epoch, step, source: StepError::NonFinite(Place::Tape(place)) } = error else {
        panic!("{text}")
    };
    assert_eq!((epoch, step, place.operation), (2, culprit + 1, "ln"));
    assert!(
        text.starts_with(&format!("epoch 2, step {step}: the loss is not finite: value of ln [2]")),
        "{text}"
    );

    let mut before = new();
    before.fit(&mut Cliff, None, &fit, &mut StopAfter(5 + culprit)).unwrap();
    assert_eq!(trainer.theta(), before.theta());
}

/// A finite loss whose slope overflows: 1e30 · 1e30 · θ with θ = 1e-30.
struct Steep(usize);

impl Objective<f32> for Steep {
    fn rows(&self) -> usize {
        self.0
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f32>,
        _: &Batch<'_>,
        _: &mut Parts<'_>,
    ) -> Result<Var<'t, f32>, NotPositiveDefinite> {
        Ok((theta * 1e30 * 1e30).sum())
    }
}

#[test]
fn a_theta_that_is_not_finite_ends_training_before_the_epoch_is_saved() {
    for rows in [1, 2] {
        let mut trainer = Trainer::new(&one_slot(1), vec![1e-30_f32], Rule::Sgd, 0);
        let mut saved = SaveEpochs::default();
        let error = trainer.fit(&mut Steep(rows), None, &fit(1, 1), &mut saved).unwrap_err();
        let source = StepError::NonFinite(Place::Theta);
        assert!(matches!(&error, TrainError::Step { epoch: 1, source: s, .. } if *s == source), "{error}");
        assert!(saved.0.is_empty());
    }
}

/// Fails at every epoch.
struct Full;

impl Observer<f32> for Full {
    type Error = io::Error;

    fn epoch(&mut self, _: &Trainer<f32>) -> io::Result<()> {
        Err(io::Error::other("the disk is full"))
    }
}

#[test]
fn an_observer_that_fails_ends_training_which_can_go_on() {
    let mut toy = Toy::new(1).of_rows(100);
    let (mut trainer, mut whole) = (toy.trainer::<f32>(1), toy.trainer::<f32>(1));
    let error = trainer.fit(&mut toy, None, &fit(2, 50), &mut Full).unwrap_err();
    assert!(matches!(&error, TrainError::Observer(_)) && error.to_string() == "the disk is full");
    trainer.fit(&mut toy, None, &fit(2, 50), &mut ()).unwrap();
    whole.fit(&mut toy, None, &fit(2, 50), &mut ()).unwrap();
    assert!(bits(&trainer) == bits(&whole));
}

#[test]
fn evaluation_is_repeatable_and_the_average_over_all_rows_whatever_the_threads() {
    for (samples, n) in [(1, 2500), (3, 700), (1, 1)] {
        let mut toy = Toy::new(samples).of_rows(n);
        let mut trainer = toy.trainer::<f64>(3);
        let mut evaluated =
            |threads, trainer: &mut Trainer<f64>| on(threads, || trainer.evaluate(&mut toy).unwrap());
        let loss = evaluated(1, &mut trainer);
        assert_eq!(loss, evaluated(2, &mut trainer));
        let held = Fit { rate: 0.0, ..fit(1, 20) };
        trainer.fit(&mut Toy::new(samples).of_rows(20), None, &held, &mut ()).unwrap();
        assert_eq!(loss, evaluated(16, &mut trainer));

        let tape = Tape::new();
        let theta = tape.shared_constant(trainer.theta(), [trainer.theta().len()]);
        let rows: Vec<usize> = (0..n).collect();
        let batch = Batch { rows: &rows, noise: Noise::evaluation(3), epoch: None };
        let total = toy.sum(theta, &batch).item() / n as f64;
        assert!((loss.total - total).abs() < 1e-13);
        let finite_parts = n == 1 || (loss.part("first") + loss.part("rest") - total).abs() < 1e-13;
        assert!(finite_parts);
    }
}

#[test]
#[should_panic(expected = "Trainer::fit: expected an objective with rows")]
fn no_rows_cannot_be_trained_on() {
    let toy = Toy::new(1);
    let _ = toy.trainer::<f32>(0).fit(&mut toy.of_rows(0), None, &fit(1, 1), &mut ());
}

#[test]
#[should_panic(expected = "Trainer::fit: expected a validation objective with rows")]
fn no_rows_cannot_be_validated_on() {
    let toy = Toy::new(1);
    let mut trainer = toy.trainer::<f32>(0);
    let _ = trainer.fit(&mut toy.of_rows(1), Some(&mut toy.of_rows(0)), &fit(1, 1), &mut ());
}

#[test]
#[should_panic(expected = "Trainer::step: expected at least one row")]
fn a_step_wants_rows() {
    let toy = Toy::new(1);
    let _ = toy.trainer::<f32>(0).step(&toy, &[], 0.1);
}

#[test]
#[should_panic(expected = "Trainer::evaluate: expected an objective with rows")]
fn an_average_over_no_rows_is_none() {
    let toy = Toy::new(1);
    let _ = toy.trainer::<f32>(0).evaluate(&mut toy.of_rows(0));
}
