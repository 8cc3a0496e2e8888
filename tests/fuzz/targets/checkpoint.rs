//! Checkpoints: a file of any bytes is loaded or refused, and so is the state of a training that it claims to hold.
//!
//! A wrong checksum is put right first, or hardly an input would come further.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use autograd::Var;
use autograd::ops::NotPositiveDefinite;
use fuzz::{bounded, seeds};
use libfuzzer_sys::fuzz_target;
use nn::model::{Init, Layout};
use nn::train::{Batch, Checkpoint, CheckpointError, Fit, Objective, Parts, Rule, Trainer};

/// Σ (x − θ₀)² + θ₁²
struct DistanceObjective(Vec<f64>);

impl Objective<f64> for DistanceObjective {
    fn parts(&self) -> &'static [&'static str] {
        &["size"]
    }

    fn rows(&self) -> usize {
        self.0.len()
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f64>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, f64>, NotPositiveDefinite> {
        let x: Vec<f64> = batch.rows.iter().map(|&row| self.0[row]).collect();
        let size = theta.view(1, [2]).square().sum();
        parts.add("size", size.item());
        Ok((theta.tape().constant(&x, [x.len()]) - theta.view(0, [])).square().sum() + size)
    }
}

fn trainer() -> Trainer<f64> {
    let mut layout = Layout::new();
    layout.slot("mean", [], Init::Constant(0.5));
    layout.slot("others", [2], Init::Constant(1.0));
    Trainer::new(&layout, vec![0.5, 1.0, 1.0], Rule::ADAM, 1)
}

fn path() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| fuzz::folder().join("checkpoint.safetensors"))
}

fn load(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    fs::write(path(), bytes).expect("a file");
    bounded(bytes, || Checkpoint::load(path()))
}

/// The bytes with the checksum that they should have.
fn put_right(bytes: &[u8], error: &CheckpointError) -> Option<Vec<u8>> {
    let message = error.to_string();
    let (claimed, found) = message.split_once("expected the checksum ")?.1.split_once(", found ")?;
    let at = bytes.windows(claimed.len().max(1)).position(|window| window == claimed.as_bytes())?;
    Some([&bytes[..at], found.as_bytes(), &bytes[at + claimed.len()..]].concat())
}

fuzz_target!(
    init: {
        let mut states = vec![Checkpoint::new(), trainer().checkpoint()];
        let mut trainer = trainer();
        let (mut train, mut validation) = (DistanceObjective(vec![1.0, 2.0, 3.0]), DistanceObjective(vec![2.0]));
        for epochs in [1, 3] {
            let fit = Fit { epochs, batch_size: 2, rate: 0.1, patience: Some(5), ..Fit::default() };
            trainer.fit(&mut train, Some(&mut validation), &fit, &mut ()).expect("a training");
            states.push(trainer.checkpoint());
        }
        let bytes = states.iter().map(|state| {
            state.save(path()).expect("a file");
            fs::read(path()).expect("a file")
        });
        seeds("checkpoint", bytes.collect::<Vec<_>>());
    },
    |bytes: &[u8]| {
        let checkpoint = load(bytes).or_else(|error| match put_right(bytes, &error) {
            Some(bytes) => load(&bytes),
            None => Err(error),
        });
        let Ok(checkpoint) = checkpoint else { return };
        let mut trainer = trainer();
        if bounded(bytes, || trainer.restore(&checkpoint)).is_err() {
            return;
        }
        // What was restored is what is saved again, and training goes on from there.
        let (saved, mut again) = (trainer.checkpoint(), self::trainer());
        again.restore(&saved).expect("it was restored before");
        let mut train = DistanceObjective(vec![1.0, 2.0, 3.0]);
        let fit = Fit { epochs: trainer.epochs() + 1, batch_size: 2, rate: 0.1, ..Fit::default() };
        let _ = trainer.fit(&mut train, None, &fit, &mut ()); // a loss that is not finite is an error
    }
);
