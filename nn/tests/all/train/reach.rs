//! A slot of θ that no gradient reaches is refused, unless that is asked for.

use autograd::Var;
use autograd::ops::NotPositiveDefinite;
use nn::model::{Init, Layout, Slot};
use nn::train::{Batch, Fit, Group, Objective, Parts, Rule, StepError, TrainError, Trainer};

/// Σ a² + factor Σ b² for rows from `from` on, where `b` is left out if there is no factor.
struct Squares {
    layout: Layout,
    slots: [Slot; 2],
    factor: Option<f64>,
    from: usize,
    samples: usize,
}

impl Squares {
    fn new(factor: Option<f64>) -> Self {
        let mut layout = Layout::new();
        let a = layout.slot("a", [2], Init::Constant(1.0));
        layout.slot("none", [0, 3], Init::Constant(1.0));
        let b = layout.slot("b", [3], Init::Constant(1.0));
        Self { layout, slots: [a, b], factor, from: 0, samples: 1 }
    }

    fn trainer(&self) -> Trainer<f64> {
        Trainer::new(&self.layout, vec![1.0; 5], Rule::Sgd, 0)
    }
}

impl Objective<f64> for Squares {
    fn rows(&self) -> usize {
        200
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f64>,
        batch: &Batch<'_>,
        _: &mut Parts<'_>,
    ) -> Result<Var<'t, f64>, NotPositiveDefinite> {
        let [a, b] = self.slots.each_ref().map(|slot| slot.of(theta).square().sum());
        let factor = self.factor.filter(|_| batch.rows.iter().any(|&row| row >= self.from));
        Ok((factor.map_or(a, |factor| a + b * factor)) * batch.rows.len() as f64)
    }

    /// So many that minibatches are cut into shards.
    fn samples(&self) -> usize {
        self.samples
    }
}

#[test]
fn a_slot_that_nothing_reaches_is_refused_by_its_name() {
    let mut squares = Squares::new(None);
    let unreached = || StepError::Unreached { slots: vec!["b".to_owned()] };
    let mut trainer = squares.trainer();
    let error = trainer.step(&squares, &[0], 0.1).unwrap_err();
    assert_eq!(error, unreached());
    assert!(
        error.to_string().starts_with("no gradient reaches b: expected the loss to depend on"),
        "{error}"
    );
    let fit = Fit { rate: 0.1, ..Fit::default() };
    let error = trainer.fit(&mut squares, None, &fit, &mut ()).unwrap_err();
    assert_eq!(error, TrainError::Step { epoch: 1, step: 1, source: unreached() });
    assert_eq!((trainer.steps(), &trainer.theta()[..]), (0, &[1.0; 5][..]));

    // A group that holds a part of the slot is not enough.
    let groups = vec![Group { range: 2..4, rate: 0.0 }];
    assert!(trainer.fit(&mut squares, None, &Fit { groups, ..fit.clone() }, &mut ()).is_err());
    // A later call of fit with another objective is refused as well.
    trainer.fit(&mut Squares::new(Some(1.0)), None, &fit, &mut ()).unwrap();
    assert!(trainer.fit(&mut squares, None, &Fit { epochs: 2, ..fit.clone() }, &mut ()).is_err());
}

#[test]
fn what_is_held_or_allowed_need_not_be_reached() {
    let mut squares = Squares::new(None);
    let fit = Fit { rate: 0.1, ..Fit::default() };
    let mut held = squares.trainer();
    let groups = vec![Group { range: squares.layout.range("b"), rate: 0.0 }];
    held.fit(&mut squares, None, &Fit { groups, ..fit.clone() }, &mut ()).unwrap();
    let mut allowed = squares.trainer().allow_unreached();
    allowed.fit(&mut squares, None, &fit, &mut ()).unwrap();
    allowed.step(&squares, &[0], 0.1).unwrap();
    for trainer in [held, allowed] {
        assert!(trainer.theta()[0] < 1.0 && trainer.theta()[2..] == [1.0; 3]);
    }
}

#[test]
fn a_gradient_of_zero_reaches_and_one_shard_is_enough() {
    let zero = Squares::new(Some(0.0));
    zero.trainer().step(&zero, &[0], 0.1).unwrap();
    // A row of the second shard alone.
    let some = Squares { from: 199, samples: 1000, ..Squares::new(Some(1.0)) };
    let rows: Vec<usize> = (0..200).collect();
    some.trainer().step(&some, &rows, 0.1).unwrap();
    assert!(some.trainer().step(&some, &rows[..100], 0.1).is_err());
}
