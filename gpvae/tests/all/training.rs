//! Training: what moves, what is learned, and that the bits are the same on any number of threads.

use std::ops::ControlFlow;

use autograd::Tape;
use gpvae::data::Samples;
use gpvae::prior::{LatentPrior, RowwisePrior};
use gpvae::{ExactObjective, GpVae, GpVaeObjective, Pace, Part, Phase, Plan};
use nn::model::Layout;
use nn::train::{Batch, Fit, Noise, Objective, Observer, Parts, Schedule};

use crate::common::{
    dense, elbos, fast, low_rank, pace, phase, samples, theta, train, train_exactly, trainer,
};

#[test]
fn phases_train_their_part_alone() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let start = theta(model.layout());
    for (part, moves) in [
        (Part::Vae, [true, false]),
        (Part::Networks, [true, false]),
        (Part::Kernel, [false, true]),
        (Part::All, [true, true]),
    ] {
        for exact in [false, true] {
            let mut trainer = trainer(&model);
            let phases = [phase(part, 2)];
            if exact {
                train_exactly(&mut trainer, &model, &samples, &phases);
            } else {
                train(&mut trainer, &model, &samples, &phases, &Fit::default(), &mut ()).unwrap();
            }
            let moved = [model.networks_range(), model.kernel_range()]
                .map(|range| range.clone().any(|i| trainer.theta()[i] != start[i]));
            assert_eq!(moved, moves, "{part:?}, exact: {exact}");
        }
    }
}

#[test]
fn phases_follow_their_schedule_and_report_the_prior() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let start = theta(model.layout());
    for part in [Part::Vae, Part::Networks, Part::Kernel, Part::All] {
        // A factor of 0 from the first epoch on: steps of length 0.
        let still = Pace { schedule: Schedule::Piecewise(vec![(0, 0.0)]), ..pace(2) };
        let mut objective = GpVaeObjective::new(&model, &samples, part).unwrap();
        let fit = objective.fit(&still, Fit::default());
        let mut trainer = trainer(&model);
        trainer.fit(&mut objective, None, &fit, &mut ()).unwrap();
        assert_eq!(trainer.theta()[..], start[..], "{part:?}");
        assert!(trainer.history()[1].train.part("log_prior") != 0.0, "{part:?}");
    }
}

#[test]
fn what_weighs_nothing_teaches_the_process_nothing() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let start = theta(model.layout());
    for exact in [false, true] {
        for (lambda, learns) in [(0.0, false), (0.5, true)] {
            let mut trainer = trainer(&model).allow_unreached();
            for (stage, part) in [Part::Kernel, Part::All].into_iter().enumerate() {
                let fit = Fit { stage, ..Fit::default() };
                if exact {
                    let mut objective =
                        ExactObjective::new(&model, &samples, part).unwrap().with_lambda(lambda);
                    let fit = objective.fit(&pace(2), fit);
                    trainer.fit(&mut objective, None, &fit, &mut ()).unwrap();
                } else {
                    let mut objective =
                        GpVaeObjective::new(&model, &samples, part).unwrap().with_lambda(lambda);
                    let fit = objective.fit(&pace(2), fit);
                    trainer.fit(&mut objective, None, &fit, &mut ()).unwrap();
                }
            }
            let moved = model.kernel_range().any(|i| trainer.theta()[i] != start[i]);
            assert_eq!(moved, learns, "λ = {lambda}, exact: {exact}");
        }
    }
}

#[test]
fn a_pixels_deviation_is_learned_or_stays_as_given() {
    fn learned<P: LatentPrior>(model: &GpVae<P>) -> f64 {
        let mut trainer = trainer(model);
        let before = model.sigma_y(trainer.theta());
        train_exactly(&mut trainer, model, &samples(8), &[phase(Part::All, 2)]);
        model.sigma_y(trainer.theta()) - before
    }
    assert_ne!(learned(&low_rank(8, &[5], 2)), 0.0);
    assert_eq!(learned(&dense(8, 0.1, &[5], 2)), 0.0);
}

#[test]
fn the_loss_is_the_sum_of_its_parts_and_of_the_rows_however_they_are_batched() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let theta = std::sync::Arc::new(theta(model.layout()));
    let rows: Vec<usize> = (0..samples.len()).collect();
    for part in [Part::Vae, Part::Networks, Part::All] {
        let mut objective = GpVaeObjective::new(&model, &samples, part).unwrap().with_lambda(0.7);
        objective.prepare(&theta, Some(0)).unwrap();
        let loss = |first: usize, rows: &[usize]| {
            let tape = Tape::new();
            let batch = Batch { rows, noise: Noise::new(3, 0).skip(first), epoch: Some(0) };
            let mut sums = [0.0; 4];
            let mut parts = Parts::new(objective.parts(), &mut sums);
            let on = tape.shared_constant(&theta, [theta.len()]);
            let loss = objective.loss(on, &batch, &mut parts).unwrap().item();
            let [elbo, log_likelihood, log_prior, entropy] = sums;
            assert!((loss + log_likelihood + 0.7 * (log_prior + entropy)).abs() < 1e-10 * loss.abs());
            assert!((elbo - log_likelihood - log_prior - entropy).abs() < 1e-10 * elbo.abs());
            loss
        };
        let (whole, halves) = (loss(0, &rows), loss(0, &rows[..11]) + loss(11, &rows[11..]));
        assert!((whole - halves).abs() < 1e-10 * whole.abs(), "{part:?}: {whole} {halves}");
    }
}

#[test]
fn training_has_the_same_bits_on_any_number_of_threads() {
    // Batches of several shards.
    let (model, samples) = (low_rank(400, &[128], 2), samples(400));
    let phases = Plan::Joint { cycles: 2, networks: pace(2), kernel: pace(2), all: pace(2) }.phases();
    let on = |threads: usize, exact: bool| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = trainer(&model);
            if exact {
                train_exactly(&mut trainer, &model, &samples, &phases);
            } else {
                let fit = Fit { batch_size: 300, ..Fit::default() };
                train(&mut trainer, &model, &samples, &phases, &fit, &mut ()).unwrap();
            }
            trainer.theta().clone()
        })
    };
    for exact in [false, true] {
        let one = on(1, exact);
        assert!(one == on(2, exact) && one == on(16, exact), "exact: {exact}");
    }
}

#[test]
fn single_precision_trains_like_double() {
    let (model, samples) = (low_rank(40, &[20], 3), samples(40));
    let single = Samples::new(samples.images.map(|y| y as f32), samples.places.clone()).unwrap();
    let phases = Plan::Joint { cycles: 1, networks: pace(3), kernel: pace(3), all: pace(3) }.phases();
    fn losses<F: autograd::Real>(
        model: &GpVae<impl RowwisePrior>,
        samples: &Samples<F>,
        phases: &[Phase],
    ) -> Vec<f64> {
        let mut trainer = trainer(model);
        train(&mut trainer, model, samples, phases, &Fit::default(), &mut ()).unwrap();
        trainer.history().iter().map(|epoch| epoch.train.total).collect()
    }
    let pairs = losses(&model, &samples, &phases).into_iter().zip(losses(&model, &single, &phases));
    for (epoch, (double, single)) in pairs.enumerate() {
        assert!((double - single).abs() < 1e-3 * (1.0 + double.abs()), "epoch {epoch}: {double}, {single}");
    }
}

#[test]
fn exact_training_raises_the_bound_too() {
    fn raised<P: LatentPrior>(model: &GpVae<P>, samples: &Samples<f64>, phases: &[Phase]) {
        let mut trainer = trainer(model);
        train_exactly(&mut trainer, model, samples, phases);
        let elbos = elbos(&trainer);
        assert!(elbos[elbos.len() - 1] > elbos[0] + 1.0, "{elbos:?}");
    }
    let samples = samples(20);
    let [networks, kernel] = [fast(150), fast(150)];
    raised(&dense(20, 0.3, &[8], 2), &samples, &[Phase { part: Part::All, pace: fast(150) }]);
    let plan = Plan::Disjoint { cycles: 2, networks: networks.clone(), kernel: kernel.clone() };
    raised(&low_rank(20, &[8], 2), &samples, &plan.phases()[..1]);
    raised(&low_rank(20, &[8], 2), &samples, &Plan::Afterwards { networks, kernel }.phases()[..1]);
}

#[test]
fn plans_are_those_of_the_lecture() {
    let parts = |plan: Plan| plan.phases().into_iter().map(|phase| phase.part).collect::<Vec<_>>();
    let [networks, kernel, all] = [pace(3), pace(4), pace(5)];
    use Part::{All, Kernel, Networks, Vae};
    let joint = Plan::Joint { cycles: 2, networks: networks.clone(), kernel: kernel.clone(), all };
    let epochs: Vec<usize> = joint.phases().iter().map(|phase| phase.pace.epochs).collect();
    assert_eq!(epochs, [3, 4, 5, 3, 4, 5]);
    assert_eq!(parts(joint), [Vae, Kernel, All, Networks, Kernel, All]);
    let disjoint = Plan::Disjoint { cycles: 2, networks: networks.clone(), kernel: kernel.clone() };
    assert_eq!(parts(disjoint), [Networks, Kernel, Networks, Kernel]);
    assert_eq!(parts(Plan::Afterwards { networks, kernel }), [Vae, Kernel]);
}

/// Stops after some epochs.
struct StopAfterEpoch {
    epochs: usize,
    seen: usize,
}

impl Observer<f64> for StopAfterEpoch {
    type Error = std::convert::Infallible;

    fn step(&mut self, _: f64) -> ControlFlow<()> {
        if self.seen == self.epochs { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, _: &nn::train::Trainer<f64>) -> Result<(), Self::Error> {
        self.seen += 1;
        Ok(())
    }
}

#[test]
fn an_observer_stops_training() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let (mut trainer, mut observer) = (trainer(&model), StopAfterEpoch { epochs: 3, seen: 0 });
    let phases = [phase(Part::All, 5), phase(Part::All, 5)];
    train(&mut trainer, &model, &samples, &phases, &Fit::default(), &mut observer).unwrap();
    assert_eq!((observer.seen, trainer.epochs()), (3, 3));
}

#[test]
#[should_panic(expected = "Kernel: expected a batch of all 27 samples, found 10: set Fit::batch_size")]
fn a_step_of_all_samples_refuses_a_minibatch() {
    let (model, samples) = (low_rank(8, &[5], 2), samples(8));
    let mut objective = GpVaeObjective::new(&model, &samples, Part::Kernel).unwrap();
    let fit = Fit { batch_size: 10, ..objective.fit(&pace(1), Fit::default()) };
    let _ = trainer(&model).fit(&mut objective, None, &fit, &mut ());
}

/// A prior's slots come behind those that pixels teach.
#[test]
fn theta_is_in_two_parts() {
    let model = low_rank(8, &[5], 2);
    let names = |range: std::ops::Range<usize>| {
        let layout: &Layout = model.layout();
        let within = |start: usize| range.contains(&start);
        let slots = layout.slots().iter().filter(|slot| within(slot.range().start));
        slots.map(|slot| slot.name().to_owned()).collect::<Vec<_>>()
    };
    assert!(names(model.networks_range()).last().is_some_and(|name| name == "log_sigma_y"));
    assert_eq!(names(model.kernel_range()), ["log_beta", "log_nu", "log_alpha", "objects"]);
}
