//! Early stopping, and epochs that are added later.

use std::collections::VecDeque;
use std::sync::Mutex;

use autograd::Var;
use autograd::ops::NotPositiveDefinite;
use nn::train::{Batch, Checkpoint, End, Fit, Objective, Parts, Rule, Trainer};

use super::{SaveEpochs, Toy, bits, fit, one_slot};

/// A loss with slope 1 in every parameter, so that θ counts the steps; as validation it says what was written down.
pub(super) struct Scripted {
    script: Option<Mutex<VecDeque<f64>>>,
}

impl Scripted {
    pub(super) fn new(script: Option<&[f64]>) -> Self {
        Self { script: script.map(|losses| Mutex::new(losses.iter().copied().collect())) }
    }

    pub(super) fn trainer(&self) -> Trainer<f32> {
        Trainer::new(&one_slot(2), vec![0.0; 2], Rule::Momentum { momentum: 0.5 }, 0)
    }
}

impl Objective<f32> for Scripted {
    fn rows(&self) -> usize {
        if self.script.is_some() { 1 } else { 4 }
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f32>,
        batch: &Batch<'_>,
        _: &mut Parts<'_>,
    ) -> Result<Var<'t, f32>, NotPositiveDefinite> {
        Ok(match &self.script {
            None => theta.sum() * batch.rows.len() as f32,
            Some(script) => theta.tape().constant(&[script.lock().unwrap().pop_front().unwrap() as f32], []),
        })
    }
}

/// Seven epochs of four rows with learning rate 1.
fn patient(patience: usize) -> Fit {
    Fit { epochs: 7, batch_size: 4, rate: 1.0, patience: Some(patience), ..Fit::default() }
}

/// Trains with these validation losses, one an epoch; θ of every epoch is recorded.
fn scripted(losses: &[f64], fit: &Fit) -> (End, Trainer<f32>, Vec<Checkpoint>) {
    let (mut train, mut validation) = (Scripted::new(None), Scripted::new(Some(losses)));
    let (mut trainer, mut saved) = (train.trainer(), SaveEpochs::default());
    let end = trainer.fit(&mut train, Some(&mut validation), fit, &mut saved).unwrap();
    (end, trainer, saved.0)
}

fn theta_of(checkpoint: &Checkpoint) -> Vec<f32> {
    checkpoint.vector("theta", &one_slot(2)).unwrap()
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
        let (end, trainer, saved) = scripted(losses, &patient(2));
        assert_eq!(end, if epochs == 7 { End::Done } else { End::Early }, "{losses:?}");
        assert_eq!((trainer.epochs(), trainer.history().len()), (epochs, epochs), "{losses:?}");
        let expected = theta_of(&saved[best.unwrap_or(epochs - 1)]);
        assert_eq!(trainer.theta()[..], expected, "{losses:?}");
    }
}

#[test]
fn patience_of_none_at_all_is_one_epoch_and_without_validation_nothing_stops() {
    let (end, trainer, _) = scripted(&[3.0, 2.0, 5.0], &patient(0));
    assert_eq!((end, trainer.epochs()), (End::Early, 3));
    let mut objective = Scripted::new(None);
    let mut trainer = objective.trainer();
    let end = trainer.fit(&mut objective, None, &patient(0), &mut ()).unwrap();
    assert_eq!((end, trainer.epochs()), (End::Done, 7));
    assert!(trainer.theta()[0] < -7.0);
}

#[test]
fn more_epochs_or_patience_go_on_as_if_training_had_never_ended() {
    let losses = [3.0, 2.0, 4.0, 5.0, 1.0, 6.0, 7.0];
    let (end, whole, _) = scripted(&losses, &patient(9));
    assert_eq!(end, End::Done);
    // Ends by epochs or by patience, both times with the best θ in place of the last.
    for first in [Fit { epochs: 3, ..patient(9) }, patient(2)] {
        let (_, trainer, _) = scripted(&losses, &first);
        assert_ne!(trainer.epochs(), 7);
        let mut objective = Scripted::new(None);
        let mut resumed = objective.trainer();
        resumed.restore(&trainer.checkpoint()).unwrap();
        assert_eq!(resumed.theta(), trainer.theta());
        for mut trainer in [resumed, trainer] {
            let mut rest = Scripted::new(Some(&losses[trainer.epochs()..]));
            trainer.fit(&mut objective, Some(&mut rest), &patient(9), &mut ()).unwrap();
            assert!(bits(&trainer) == bits(&whole));
        }
    }
}

#[test]
fn fewer_epochs_than_are_done_change_nothing() {
    let mut toy = Toy::new(1).of_rows(100);
    let mut trainer = toy.trainer::<f32>(0);
    trainer.fit(&mut toy, None, &fit(2, 50), &mut ()).unwrap();
    let before = bits(&trainer);
    assert_eq!(trainer.fit(&mut toy, None, &fit(1, 50), &mut ()).unwrap(), End::Done);
    assert!(bits(&trainer) == before);
}

#[test]
fn validation_losses_that_are_not_finite_come_back_from_a_checkpoint() {
    let (_, trainer, _) = scripted(&[1.0, f64::NAN, f64::INFINITY], &patient(2));
    let mut resumed = Scripted::new(None).trainer();
    resumed.restore(&trainer.checkpoint()).unwrap();
    let validation = |trainer: &Trainer<f32>| -> Vec<String> {
        trainer.history().iter().map(|epoch| format!("{:?}", epoch.validation)).collect()
    };
    assert_eq!(validation(&resumed), validation(&trainer));
}
