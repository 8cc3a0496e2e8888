//! Training in stages, each with its own objective, rates and patience.

use autograd::Var;
use autograd::ops::NotPositiveDefinite;
use nn::model::{Init, Layout};
use nn::train::{Batch, End, Fit, Group, Objective, Parts, Rule, Schedule, Trainer};

use super::stopping::Scripted;
use super::{StopAfter, Toy, bits, through_a_file};

fn layout() -> Layout {
    let mut layout = Layout::new();
    layout.slot("a", [2], Init::Constant(0.5));
    layout.slot("b", [3], Init::Constant(-0.5));
    layout
}

fn trainer() -> Trainer<f64> {
    Trainer::new(&layout(), vec![0.5, 0.4, -0.5, -0.6, -0.7], Rule::ADAM, 3)
}

/// Σ over rows of |θ − ε − centre|²
struct Distance<const KIND: usize> {
    centre: f64,
    rows: usize,
}

impl<const KIND: usize> Objective<f64> for Distance<KIND> {
    fn parts(&self) -> &'static [&'static str] {
        if KIND == 0 { &["distance"] } else { &["squares", "rows"] }
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f64>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, f64>, NotPositiveDefinite> {
        let n = batch.rows.len();
        let eps = theta.tape().constant_with([n, 5], |out| batch.noise.normal(0, 5, out));
        let loss = (theta - eps - self.centre).square().sum();
        if KIND == 0 {
            parts.add("distance", loss.item());
        } else {
            parts.add("squares", loss.item());
            parts.add("rows", n as f64);
        }
        Ok(loss)
    }
}

/// Three stages of 3 steps an epoch: the first is stopped early, the second trains `b` alone, the third both at rates of
/// their own. `StopAfter` counts over all.
fn train(trainer: &mut Trainer<f64>, stop: &mut StopAfter) -> End {
    let fit = Fit { batch_size: 4, rate: 0.3, ..Fit::default() };
    let b = || layout().range("b");

    // The validation loss rises from the second epoch on, since θ walks away from its centre.
    let (mut objective, mut validation) =
        (Distance::<0> { centre: 3.0, rows: 10 }, Distance::<0> { centre: 0.6, rows: 2 });
    let first = Fit { epochs: 9, patience: Some(2), ..fit.clone() };
    if trainer.fit(&mut objective, Some(&mut validation), &first, stop).unwrap() == End::Stopped {
        return End::Stopped;
    }

    let schedule = Schedule::Step { every: 1, factor: 0.5 };
    let groups = vec![Group { range: b(), rate: 0.1 }];
    let second = Fit { stage: 1, epochs: 2, rate: 0.0, groups, schedule, ..fit.clone() };
    if trainer.fit(&mut Distance::<1> { centre: -2.0, rows: 12 }, None, &second, stop).unwrap()
        == End::Stopped
    {
        return End::Stopped;
    }

    let groups = vec![Group { range: b(), rate: 0.2 }];
    let third = Fit { stage: 2, epochs: 2, groups, ..fit };
    trainer.fit(&mut Distance::<0> { centre: 1.0, rows: 10 }, None, &third, stop).unwrap()
}

#[test]
fn stages_go_on_with_the_same_bits_wherever_they_were_stopped() {
    let (mut whole, mut count) = (trainer(), StopAfter(usize::MAX));
    assert_eq!(train(&mut whole, &mut count), End::Done);
    let steps = usize::MAX - count.0;
    let stages: Vec<usize> = whole.history().iter().map(|epoch| epoch.stage).collect();
    let early = stages.iter().filter(|stage| **stage == 0).count();
    assert!(
        (3..9).contains(&early),
        "the first stage is to be stopped early, and ended after {early} epochs"
    );
    assert_eq!(stages[early..], [1, 1, 2, 2]);
    for stop in 1..steps {
        let mut trainer = trainer();
        assert_eq!(train(&mut trainer, &mut StopAfter(stop)), End::Stopped);
        for mut resumed in [through_a_file(&trainer, self::trainer()), trainer] {
            assert_eq!(train(&mut resumed, &mut StopAfter(usize::MAX)), End::Done);
            assert!(bits(&resumed) == bits(&whole), "stopped after {stop} steps");
            assert!(resumed.history().iter().zip(whole.history()).all(|(a, b)| a.train == b.train));
        }
    }
    // What is done is not done again.
    let before = bits(&whole);
    let mut done = through_a_file(&whole, trainer());
    assert_eq!(train(&mut done, &mut StopAfter(1)), End::Done);
    assert!(bits(&done) == before);
}

#[test]
fn a_stage_begins_at_the_best_theta_and_holds_what_has_no_rate() {
    let mut trainer = trainer();
    let fit = Fit { epochs: 9, batch_size: 4, rate: 0.3, patience: Some(2), ..Fit::default() };
    let (mut objective, mut validation) =
        (Distance::<0> { centre: 3.0, rows: 10 }, Distance::<0> { centre: 0.6, rows: 2 });
    assert_eq!(trainer.epochs_left(&fit), 9);
    assert_eq!(trainer.fit(&mut objective, Some(&mut validation), &fit, &mut ()).unwrap(), End::Early);
    let best = trainer.theta().to_vec();
    let next =
        Fit { stage: 1, epochs: 2, rate: 0.0, groups: vec![Group { range: 2..5, rate: 0.1 }], ..fit.clone() };
    assert_eq!((trainer.epochs_left(&fit), trainer.epochs_left(&next)), (0, 2));
    trainer.fit(&mut objective, None, &next, &mut ()).unwrap();
    assert_eq!(trainer.theta()[..2], best[..2]);
    assert!(trainer.theta()[2..].iter().zip(&best[2..]).all(|(a, b)| (a - b).abs() > 0.1));
    assert_eq!((trainer.epochs_left(&fit), trainer.epochs_left(&next)), (0, 0));
}

#[test]
fn the_schedule_of_a_stage_begins_with_it() {
    for stages_before in [0, 2] {
        let mut objective = Scripted::new(None);
        let mut trainer = objective.trainer();
        let fit = Fit { batch_size: 4, rate: 0.125, ..Fit::default() };
        for stage in 0..stages_before {
            trainer.fit(&mut objective, None, &Fit { stage, rate: 0.0, ..fit.clone() }, &mut ()).unwrap();
        }
        let schedule = Schedule::Piecewise(vec![(0, 3.0), (1, 5.0)]);
        let fit = Fit { stage: stages_before, schedule, ..fit };
        trainer.fit(&mut objective, None, &fit, &mut ()).unwrap();
        // One step along a slope of 1.
        assert_eq!(trainer.theta()[..], [-0.375; 2]);
    }
}

#[test]
fn a_trial_takes_the_first_rows_alone() {
    let (mut toy, mut few) = (Toy::new(1), Toy::new(1).of_rows(50));
    let (mut a, mut b) = (toy.trainer::<f32>(0), toy.trainer::<f32>(0));
    let fit = Fit { epochs: 2, batch_size: 20, ..Fit::default() };
    let trial = Fit { rows: Some(50), ..fit.clone() };
    a.fit(&mut toy, Some(&mut few), &trial, &mut ()).unwrap();
    b.fit(&mut Toy::new(1).of_rows(50), Some(&mut few), &fit, &mut ()).unwrap();
    assert!(bits(&a) == bits(&b));
}
