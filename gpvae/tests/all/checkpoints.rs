//! Training that is interrupted goes on with the same bits.

use std::convert::Infallible;
use std::ops::ControlFlow;

use clap::Parser;
use gpvae::data::Samples;
use gpvae::prior::RowwisePrior;
use gpvae::{GpVae, GpVaeObjective, Phase, Plan};
use nn::run::{Run, RunArgs, RunFolder};
use nn::train::{Checkpoint, End, Fit, Observer, Trainer};
use tempfile::tempdir;

use crate::common::{low_rank, pace, samples, train, trainer};

/// Stops after so many steps.
struct StopAfter(usize);

impl Observer<f32> for StopAfter {
    type Error = Infallible;

    fn step(&mut self, _: f64) -> ControlFlow<()> {
        self.0 -= 1;
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// 27 samples in minibatches of 10: three steps an epoch, and one where the kernel is trained.
fn fit() -> Fit {
    Fit { batch_size: 10, ..Fit::default() }
}

fn single() -> Samples<f32> {
    let samples = samples(8);
    Samples::new(samples.images.map(|y| y as f32), samples.places).unwrap()
}

/// Two epochs of each phase of two cycles: 3 · 2 + 2 + 3 · 2 steps a cycle.
fn phases() -> Vec<Phase> {
    Plan::Joint { cycles: 2, networks: pace(2).falling(), kernel: pace(2), all: pace(2).falling() }.phases()
}

fn bits(trainer: &Trainer<f32>) -> Vec<u32> {
    let losses = trainer.history().iter().map(|epoch| epoch.train.total as f32);
    trainer.theta().iter().copied().chain(losses).map(f32::to_bits).collect()
}

/// A checkpoint of training that was stopped after so many steps.
fn stopped(model: &GpVae<impl RowwisePrior>, samples: &Samples<f32>, steps: usize) -> Checkpoint {
    let mut trainer = trainer(model);
    let end = train(&mut trainer, model, samples, &phases(), &fit(), &mut StopAfter(steps)).unwrap();
    assert_eq!((end, trainer.steps()), (End::Stopped, steps as u64));
    trainer.checkpoint()
}

/// Within an epoch, the posterior of the weights must be computed again at the θ of the epoch's beginning.
#[test]
fn training_goes_on_with_the_same_bits_from_any_step_on_any_number_of_threads() {
    let (model, samples) = (low_rank(8, &[5], 2), single());
    let mut whole = trainer(&model);
    train(&mut whole, &model, &samples, &phases(), &fit(), &mut ()).unwrap();
    assert_eq!(whole.steps(), 28);
    let whole = bits(&whole);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            for steps in 1..=28 {
                let checkpoint = stopped(&model, &samples, steps);
                let mut resumed = trainer(&model);
                resumed.restore(&checkpoint).unwrap();
                train(&mut resumed, &model, &samples, &phases(), &fit(), &mut ()).unwrap();
                assert!(bits(&resumed) == whole, "{threads} threads, stopped after step {steps}");
            }
        });
    }
}

/// The flags of an example.
#[derive(Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
}

/// Trains within a part of a run's folder, as the examples do.
fn train_in(
    run: &Run<'_>,
    model: &GpVae<impl RowwisePrior>,
    samples: &Samples<f32>,
    trainer: &mut Trainer<f32>,
) {
    for (stage, phase) in phases().iter().enumerate() {
        let mut objective = GpVaeObjective::new(model, samples, phase.part).unwrap();
        let fit = objective.fit(&phase.pace, Fit { stage, ..run.fit() });
        assert_eq!(run.train(trainer, &mut objective, None, &fit).unwrap(), End::Done);
    }
}

#[test]
fn a_run_of_several_models_goes_on_in_its_folder_as_if_it_had_not_ended() {
    let (model, samples, folder) = (low_rank(8, &[5], 2), single(), tempdir().unwrap());
    let out = folder.path().to_str().unwrap();
    let flags = ["gp", "--out", out, "--epochs", "4", "--batch-size", "10", "--lr", "0.001", "--seed", "1"];
    let mut whole = trainer(&model);
    train(&mut whole, &model, &samples, &phases(), &fit(), &mut ()).unwrap();

    // The first model was trained, and the second one for 11 steps, when the machine went down.
    let args = Args::parse_from(flags);
    let begun = RunFolder::open(&args.run, &args).unwrap();
    begun.part("first").unwrap().save(whole.checkpoint()).unwrap();
    begun.part("second").unwrap().save(stopped(&model, &samples, 11)).unwrap();
    drop(begun);

    let args = Args::parse_from([&flags[..], &["--resume"]].concat());
    let run = Run::open(&args.run, &args).unwrap();
    for name in ["first", "second", "third"] {
        let mut resumed = trainer(&model);
        train_in(&run.part(name).unwrap(), &model, &samples, &mut resumed);
        assert!(bits(&resumed) == bits(&whole), "{name}");
        let file = folder.path().join(format!("checkpoint-{name}.safetensors"));
        let mut again = trainer(&model);
        again.restore(&Checkpoint::load(&file).unwrap()).unwrap();
        assert!(bits(&again) == bits(&whole), "{name}");
    }
}
