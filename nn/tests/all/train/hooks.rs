//! What an objective can do besides a sum over shards: prepare epochs, compute whole batches, fail.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};
use nn::train::{
    Batch, Element, End, Fit, Objective, Observer, Parts, Place, Prepared, Rule, StepError, TrainError,
    Trainer,
};

use super::{StopAfter, bits, one_slot, through_a_file};

/// Σ over rows of |θ − a + ε|², with a = θ / 2 as the epoch begins.
#[derive(Default)]
struct Anchored<F> {
    rows: usize,
    anchor: Vec<F>,
    /// Of every preparation: θ and the epoch.
    seen: Vec<(Vec<F>, Option<u64>)>,
}

impl<F: Real> Anchored<F> {
    fn new(rows: usize) -> Self {
        Self { rows, anchor: Vec::new(), seen: Vec::new() }
    }

    fn trainer() -> Trainer<F> {
        let theta = [0.3, -1.0, 2.0].map(F::from_f64).to_vec();
        Trainer::new(&one_slot(3), theta, Rule::ADAM, 5)
    }
}

impl<F: Real> Objective<F> for Anchored<F> {
    fn parts(&self) -> &'static [&'static str] {
        &["first"]
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn prepare(&mut self, theta: &Arc<Vec<F>>, epoch: Option<u64>) -> Result<Prepared, NotPositiveDefinite> {
        self.seen.push((theta.to_vec(), epoch));
        self.anchor = theta.iter().map(|&x| x * F::from_f64(0.5)).collect();
        Ok(Prepared::ForEpoch)
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, F>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, F>, NotPositiveDefinite> {
        let (tape, n) = (theta.tape(), batch.rows.len());
        let eps = tape.constant_with([n, 3], |out| batch.noise.normal(0, 3, out));
        let squares = (theta - tape.constant(&self.anchor, [3]) + eps).square();
        parts.add("first", squares.with(|squares| squares[0].to_f64()));
        Ok(squares.sum())
    }
}

fn resumes_within_an_epoch<F: Real + Element>() {
    let fit = Fit { epochs: 3, batch_size: 4, rate: 0.1, patience: Some(9), ..Fit::default() };
    let train = |trainer: &mut Trainer<F>, steps: usize| {
        let (mut objective, mut validation) = (Anchored::new(10), Anchored::new(3));
        trainer.fit(&mut objective, Some(&mut validation), &fit, &mut StopAfter(steps)).unwrap()
    };
    let mut whole = Anchored::trainer();
    assert_eq!(train(&mut whole, usize::MAX), End::Done);
    // An epoch has three steps.
    for steps in 1..9 {
        let mut trainer = Anchored::trainer();
        assert_eq!(train(&mut trainer, steps), End::Stopped);
        for mut resumed in [through_a_file(&trainer, Anchored::trainer()), trainer] {
            assert_eq!(train(&mut resumed, usize::MAX), End::Done);
            assert!(bits(&resumed) == bits(&whole), "stopped after {steps} steps");
        }
    }
}

#[test]
fn a_run_resumes_within_an_epoch_whose_work_was_prepared_in_single_precision() {
    resumes_within_an_epoch::<f32>();
}

#[test]
fn a_run_resumes_within_an_epoch_whose_work_was_prepared_in_double_precision() {
    resumes_within_an_epoch::<f64>();
}

/// Keeps θ of every epoch's end.
struct Thetas(Vec<Vec<f64>>);

impl Observer<f64> for Thetas {
    type Error = Infallible;

    fn epoch(&mut self, trainer: &Trainer<f64>) -> Result<(), Infallible> {
        self.0.push(trainer.theta().to_vec());
        Ok(())
    }
}

#[test]
fn epochs_and_evaluations_are_prepared_at_the_theta_of_their_beginning() {
    let (mut objective, mut validation) = (Anchored::new(10), Anchored::new(3));
    let mut trainer = Anchored::<f64>::trainer();
    let mut thetas = Thetas(vec![trainer.theta().to_vec()]);
    let fit = Fit { epochs: 3, batch_size: 4, rate: 0.1, ..Fit::default() };
    trainer.fit(&mut objective, Some(&mut validation), &fit, &mut thetas).unwrap();
    let epochs = |epochs: [Option<u64>; 3], thetas: &[Vec<f64>]| {
        thetas.iter().cloned().zip(epochs).collect::<Vec<_>>()
    };
    assert_eq!(objective.seen, epochs([Some(0), Some(1), Some(2)], &thetas.0[..3]));
    assert_eq!(validation.seen, epochs([None; 3], &thetas.0[1..]));
    trainer.evaluate(&mut objective).unwrap();
    assert_eq!(objective.seen.last(), Some(&(thetas.0[3].clone(), None)));
}

/// ½ Σ over rows of |θ − row|², by its formulas or on a tape.
struct Bowl {
    by_formula: bool,
    factor: f64,
}

impl Objective<f64> for Bowl {
    fn parts(&self) -> &'static [&'static str] {
        &["twice"]
    }

    fn rows(&self) -> usize {
        10
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f64>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, f64>, NotPositiveDefinite> {
        assert!(!self.by_formula);
        let rows: Vec<f64> = batch.rows.iter().map(|&row| row as f64).collect();
        let rows = theta.tape().constant(&rows, [rows.len(), 1]);
        let loss = (theta - rows).square().sum() * (0.5 * self.factor);
        parts.add("twice", loss.item());
        parts.add("twice", loss.item());
        Ok(loss)
    }

    fn whole(
        &self,
        theta: &Arc<Vec<f64>>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Option<Result<(f64, Vec<f64>), NotPositiveDefinite>> {
        if !self.by_formula {
            return None;
        }
        let over = |f: &dyn Fn(f64) -> f64| -> f64 { batch.rows.iter().map(|&row| f(row as f64)).sum() };
        let squares: f64 = theta.iter().map(|theta| over(&|row| (theta - row).powi(2))).sum();
        let loss = 0.5 * self.factor * squares;
        parts.add("twice", 2.0 * loss);
        Some(Ok((loss, theta.iter().map(|theta| self.factor * over(&|row| theta - row)).collect())))
    }
}

#[test]
fn an_objective_may_compute_whole_batches_by_its_own_means() {
    let fit = Fit { epochs: 2, batch_size: 4, rate: 0.1, ..Fit::default() };
    let train = |by_formula| {
        let mut objective = Bowl { by_formula, factor: 1.0 };
        let mut trainer = Trainer::new(&one_slot(2), vec![1.0, 9.0], Rule::Sgd, 0);
        trainer.fit(&mut objective, Some(&mut Bowl { by_formula, factor: 1.0 }), &fit, &mut ()).unwrap();
        let evaluated = trainer.evaluate(&mut objective).unwrap();
        (trainer, evaluated)
    };
    let ((a, loss_a), (b, loss_b)) = (train(true), train(false));
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * b.abs(), "{a} instead of {b}");
    a.theta().iter().zip(&b.theta()[..]).for_each(|(a, b)| close(*a, *b));
    assert_eq!(a.steps(), 6);
    for (a, b) in a.history().iter().zip(b.history()) {
        let [a, b] = [a, b].map(|epoch| [&epoch.train, epoch.validation.as_ref().unwrap()]);
        for (a, b) in a.into_iter().zip(b).chain([(&loss_a, &loss_b)]) {
            close(a.total, b.total);
            close(a.part("twice"), 2.0 * b.total);
            assert_eq!(a.parts().map(|(name, _)| name).collect::<Vec<_>>(), ["twice"]);
        }
    }
    // A number that is not finite is the objective's own.
    let mut trainer = Trainer::new(&one_slot(2), vec![1.0, 9.0], Rule::Sgd, 0);
    let steep = Bowl { by_formula: true, factor: f64::INFINITY };
    assert_eq!(trainer.step(&steep, &[1], 0.1), Err(StepError::NonFinite(Place::Whole)));
    assert_eq!(trainer.theta()[..], [1.0, 9.0]);
}

/// −θ₀ must be a variance, at most in these places.
#[derive(Clone, Copy)]
struct Cholesky {
    in_prepare: bool,
    in_row: Option<usize>,
}

impl Cholesky {
    const SOUND: Self = Self { in_prepare: false, in_row: None };
}

impl Objective<f64> for Cholesky {
    fn rows(&self) -> usize {
        6
    }

    fn prepare(&mut self, theta: &Arc<Vec<f64>>, _: Option<u64>) -> Result<Prepared, NotPositiveDefinite> {
        if self.in_prepare {
            let tape = Tape::new();
            tape.shared_constant(theta, [1, 1]).neg().cholesky()?;
        }
        Ok(Prepared::Nothing)
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f64>,
        batch: &Batch<'_>,
        _: &mut Parts<'_>,
    ) -> Result<Var<'t, f64>, NotPositiveDefinite> {
        match self.in_row.is_some_and(|row| batch.rows.contains(&row)) {
            true => Ok(theta.reshape([1, 1]).neg().cholesky()?.sum()),
            false => Ok(theta.sum() * 0.1),
        }
    }
}

#[test]
fn a_matrix_without_a_factor_is_an_error_that_says_when_and_leaves_theta() {
    let fit = Fit { batch_size: 2, ..Fit::default() };
    let train = |mut objective: Cholesky, validation: Option<Cholesky>| {
        let mut trainer = Trainer::new(&one_slot(1), vec![4.0], Rule::Sgd, 0);
        let error = trainer.fit(&mut objective, validation.clone().as_mut(), &fit, &mut ()).unwrap_err();
        (error, trainer)
    };
    let expected = |theta: f64| NotPositiveDefinite { pivot: 0, value: -theta, size: 1 };

    let (error, trainer) = train(Cholesky { in_row: Some(3), ..Cholesky::SOUND }, None);
    let source = StepError::NotPositiveDefinite(expected(trainer.theta()[0]));
    let step = trainer.steps() as usize + 1;
    assert!(
        error.to_string().starts_with(&format!("epoch 1, step {step}: a 1 x 1 matrix is not")),
        "{error}"
    );
    assert_eq!(error, TrainError::Step { epoch: 1, step, source });

    let (error, trainer) = train(Cholesky { in_prepare: true, ..Cholesky::SOUND }, None);
    assert_eq!(error, TrainError::Prepare { epoch: 1, source: expected(4.0) });
    assert_eq!((trainer.steps(), trainer.theta()[0]), (0, 4.0));

    for broken in
        [Cholesky { in_prepare: true, in_row: None }, Cholesky { in_prepare: false, in_row: Some(5) }]
    {
        let (error, trainer) = train(Cholesky::SOUND, Some(broken));
        assert_eq!(error, TrainError::Validate { epoch: 1, source: expected(trainer.theta()[0]) });
        assert_eq!((trainer.steps(), trainer.epochs()), (3, 0));
    }
}

/// Holds on to θ of every step.
#[derive(Default)]
struct Keep(Vec<Arc<Vec<f64>>>);

impl Observer<f64> for Keep {
    type Error = Infallible;

    fn step(&mut self, _: f64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, trainer: &Trainer<f64>) -> Result<(), Infallible> {
        self.0.push(Arc::clone(trainer.theta()));
        Ok(())
    }
}

#[test]
fn who_holds_theta_keeps_its_numbers_and_does_not_stop_training() {
    let fit = Fit { epochs: 4, batch_size: 5, rate: 0.1, ..Fit::default() };
    let new = || Trainer::new(&one_slot(2), vec![1.0, 9.0], Rule::Sgd, 0);
    let mut objective = Bowl { by_formula: false, factor: 1.0 };
    let (mut trainer, mut keep, mut thetas) = (new(), Keep::default(), Thetas(Vec::new()));
    let start = Arc::clone(trainer.theta());
    trainer.fit(&mut objective, None, &fit, &mut keep).unwrap();
    assert_eq!(start[..], [1.0, 9.0]);
    new().fit(&mut objective, None, &fit, &mut thetas).unwrap();
    assert!(keep.0.iter().map(|theta| theta.to_vec()).eq(thetas.0));
}

#[test]
#[should_panic(expected = r#"Parts::add: expected one of ["kl"], found "k1""#)]
fn a_part_has_a_name_of_the_objective() {
    Parts::new(&["kl"], &mut [0.0]).add("k1", 1.0);
}

#[test]
#[should_panic(expected = r#"Loss::part: expected one of ["twice"], found "thrice""#)]
fn a_loss_has_the_parts_of_the_objective() {
    let mut trainer = Trainer::new(&one_slot(2), vec![1.0, 9.0], Rule::Sgd, 0);
    let mut objective = Bowl { by_formula: false, factor: 1.0 };
    trainer.evaluate(&mut objective).unwrap().part("thrice");
}

#[test]
#[should_panic(expected = "Parts: expected 1 sums, found 2")]
fn parts_have_a_sum_each() {
    Parts::new(&["kl"], &mut [0.0; 2]);
}
