//! Early stopping, and epochs that are added later.

use std::collections::VecDeque;
use std::sync::Mutex;

use autograd::Var;
use nn::checkpoint::Checkpoint;
use nn::optim::{Optimizer, Rule};
use nn::schedule::Schedule;
use nn::train::{Batch, End, Fit, Objective, Trainer};
use nn::{Init, Layout};

use super::{SaveEpochs, Toy, bits, fit};

/// A loss with slope 1 in every parameter, so that θ counts the steps; as validation it says what was written down.
struct Scripted {
    layout: Layout,
    script: Option<Mutex<VecDeque<f64>>>,
}

impl Scripted {
    fn new(script: Option<&[f64]>) -> Self {
        let mut layout = Layout::new();
        layout.slot("theta", [2], Init::Constant(0.0));
        Self { layout, script: script.map(|losses| Mutex::new(losses.iter().copied().collect())) }
    }

    fn trainer(&self) -> Trainer<f32> {
        Trainer::new(vec![0.0; 2], Optimizer::new(Rule::Momentum { momentum: 0.5 }, 2), 0)
    }
}

impl Objective<f32> for Scripted {
    const PARTS: &'static [&'static str] = &[];

    fn loss<'t>(&self, theta: Var<'t, f32>, batch: &Batch<'_>, _: &mut [f64]) -> Var<'t, f32> {
        match &self.script {
            None => theta.sum() * batch.rows.len() as f32,
            Some(script) => theta.tape().constant(&[script.lock().unwrap().pop_front().unwrap() as f32], []),
        }
    }
}

const PATIENT: Fit =
    Fit { epochs: 7, batch_size: 4, rate: 1.0, schedule: Schedule::Constant, patience: Some(2) };

/// Trains with these validation losses, one an epoch; θ of every epoch is recorded.
fn scripted(losses: &[f64], fit: &Fit) -> (End, Trainer<f32>, Vec<Checkpoint>) {
    let train = Scripted::new(None);
    let validation = Scripted::new(Some(losses));
    let mut trainer = train.trainer();
    let mut saved = SaveEpochs(&train.layout, vec![]);
    let end = trainer.fit(&train, 4, Some((&validation, 1)), fit, &mut saved).unwrap();
    (end, trainer, saved.1)
}

fn theta_of(checkpoint: &Checkpoint) -> Vec<f32> {
    checkpoint.vector("theta", [("theta", &[2][..])]).unwrap()
}

#[test]
fn early_stopping_keeps_the_best_theta() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    // Losses; how many epochs are made with patience 2; the best of them, counted from 0.
    let runs: [(&[f64], usize, Option<usize>); 8] = [
        (&[5.0, 4.0, 4.5, 4.0], 4, Some(1)),
        (&[5.0, 6.0, 4.0, 7.0, 3.0, 8.0, 2.0], 7, Some(6)),
        (&[1.0, 2.0, 3.0], 3, Some(0)),
        (&[3.0, 2.0, nan, inf], 4, Some(1)),
        (&[nan, 2.0, 1.0, 3.0, 3.0], 5, Some(2)),
        (&[inf, 2.0, 3.0, 3.0], 4, Some(1)),
        (&[nan, inf], 2, None),
        (&[-1.0, -2.0, -1.5, -3.0, 0.0, 0.0], 6, Some(3)),
    ];
    for (losses, epochs, best) in runs {
        let (end, trainer, saved) = scripted(losses, &PATIENT);
        assert_eq!(end, if epochs == PATIENT.epochs { End::Done } else { End::Early }, "{losses:?}");
        assert_eq!((trainer.epochs(), trainer.history().len()), (epochs, epochs), "{losses:?}");
        let expected = theta_of(&saved[best.unwrap_or(epochs - 1)]);
        assert_eq!(trainer.theta()[..], expected, "{losses:?}");
    }
}

#[test]
fn patience_of_none_at_all_is_one_epoch_and_without_validation_nothing_stops() {
    let (end, trainer, _) = scripted(&[3.0, 2.0, 5.0], &Fit { patience: Some(0), ..PATIENT });
    assert_eq!((end, trainer.epochs()), (End::Early, 3));
    let objective = Scripted::new(None);
    let mut trainer = objective.trainer();
    let end = trainer.fit(&objective, 4, None, &Fit { patience: Some(0), ..PATIENT }, &mut ()).unwrap();
    assert_eq!((end, trainer.epochs()), (End::Done, 7));
    assert!(trainer.theta()[0] < -7.0);
}

#[test]
fn more_epochs_or_patience_go_on_as_if_training_had_never_ended() {
    let losses = [3.0, 2.0, 4.0, 5.0, 1.0, 6.0, 7.0];
    let (end, whole, _) = scripted(&losses, &Fit { patience: Some(9), ..PATIENT });
    assert_eq!(end, End::Done);
    // Ends by epochs or by patience, both times with the best θ in place of the last.
    for first in [Fit { epochs: 3, patience: Some(9), ..PATIENT }, PATIENT] {
        let (_, trainer, _) = scripted(&losses, &first);
        assert_ne!(trainer.epochs(), 7);
        let objective = Scripted::new(None);
        let mut resumed = objective.trainer();
        resumed.restore(&objective.layout, &trainer.checkpoint(&objective.layout)).unwrap();
        assert_eq!(resumed.theta(), trainer.theta());
        for mut trainer in [resumed, trainer] {
            let rest = Scripted::new(Some(&losses[trainer.epochs()..]));
            let more = Fit { patience: Some(9), ..PATIENT };
            trainer.fit(&objective, 4, Some((&rest, 1)), &more, &mut ()).unwrap();
            assert!(bits(&trainer) == bits(&whole));
        }
    }
}

#[test]
fn fewer_epochs_than_are_done_change_nothing() {
    let toy = Toy::new(1);
    let mut trainer = toy.trainer::<f32>(0);
    trainer.fit(&toy, 100, None, &fit(2, 50), &mut ()).unwrap();
    let before = bits(&trainer);
    assert_eq!(trainer.fit(&toy, 100, None, &fit(1, 50), &mut ()).unwrap(), End::Done);
    assert!(bits(&trainer) == before);
}

#[test]
fn validation_losses_that_are_not_finite_come_back_from_a_checkpoint() {
    let (_, trainer, _) = scripted(&[1.0, f64::NAN, f64::INFINITY], &PATIENT);
    let objective = Scripted::new(None);
    let mut resumed = objective.trainer();
    resumed.restore(&objective.layout, &trainer.checkpoint(&objective.layout)).unwrap();
    let validation = |trainer: &Trainer<f32>| -> Vec<String> {
        trainer.history().iter().map(|epoch| format!("{:?}", epoch.validation)).collect()
    };
    assert_eq!(validation(&resumed), validation(&trainer));
}
