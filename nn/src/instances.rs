//! What every program needs of this crate, compiled here in single and in double precision.
//!
//! A generic function that is not inlined is compiled by the crate that uses it first, and every crate above uses that code. The
//! workspace has some forty programs: without this each would compile the trainer again.

use std::sync::Arc;

use autograd::{Real, Tape};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::model::{Init, Layout, Linear, Nonlinearity, map_chunks};
use crate::train::{Checkpoint, Element, Fit, Objective, Optimizer, Rule, Trainer, fill_standard_normal};

/// Nobody calls it.
#[inline(never)]
pub fn instances() {
    compile::<f32>();
    compile::<f64>();
}

fn compile<F: Real + Element>() {
    let nobody: fn() -> &'static mut dyn Objective<F> = || unreachable!("nobody calls it");
    let mut layout = Layout::new();
    let layer = Linear::new(&mut layout, "", [0, 0], Init::He, Init::He);
    let theta: Arc<Vec<F>> = Arc::new(layout.init(&mut StdRng::seed_from_u64(0)));
    let mut trainer = Trainer::<F>::new(&layout, theta.to_vec(), Rule::Sgd, 0);
    let _ = trainer.fit_watched(nobody(), None, &Fit::default(), &mut ());
    let _ = trainer.step(nobody(), &[], 0.0);
    let _ = trainer.evaluate(nobody());
    let _ = trainer.restore(&trainer.checkpoint());
    let mut checkpoint = Checkpoint::new();
    checkpoint.insert::<F>("", &[], Vec::new());
    checkpoint.insert_vector::<F>("", &layout, &[]);
    let _ = (checkpoint.tensor::<F>("", &[]), checkpoint.vector::<F>("", &layout));
    Optimizer::<F>::new(Rule::Sgd, 0).step(0.0, &mut [], &[]);
    fill_standard_normal::<F>(0, 0, 0, 0, &mut []);
    map_chunks::<F>(&theta, 0, 0, &|theta, _| theta);
    let tape = Tape::new();
    let theta = tape.constant(&theta, [0]);
    layer.apply(theta, theta, Nonlinearity::Identity);
    #[cfg(feature = "run")]
    {
        let run: fn() -> crate::run::Run<'static> = || unreachable!("nobody calls it");
        let run = run();
        let _ = run.train_any(&mut run.trainer::<F>(&layout), nobody(), None, &Fit::default());
    }
}
