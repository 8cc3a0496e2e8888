//! The Gaussian-process prior over voxels and tasks.

use gpvae::data::{MotorScans, Places, Samples};
use gpvae::kernel::Categories;
use gpvae::prior::{CategoryProduct, LowRank};
use gpvae::{GpVae, GpVaeConfig, GpVaeObjective, Pace, Plan};
use nn::data::Matrix;
use nn::run::RunArgs;
use nn::train::Fit;

use super::Args;
use super::analysis::{Pairs, TASKS, less, scores};

/// What the model says of all pairs of voxel and task.
pub(crate) struct Fitted {
    /// Its prediction, in per cent.
    pub(crate) signals: Matrix<f64>,
    /// The posterior means of the latents.
    pub(crate) latents: Matrix<f64>,
    /// The encoder's means where a signal was seen, and elsewhere the posterior means.
    pub(crate) codes: Matrix<f64>,
    /// The learned features of subjects.
    pub(crate) subjects: Matrix<f64>,
}

pub(crate) fn fit(args: &Args, seed: u64, scans: &MotorScans, pairs: &Pairs) -> anyhow::Result<Fitted> {
    let Args { latent, features, .. } = *args;
    let (subjects, voxels) = (scans.groups.len(), scans.voxels);
    // What a subject differs by from others.
    let common = pairs.others(scans);
    let signals = less(&scans.signals, &common).map(|x| x as f32);
    let place = |rows: &[usize]| places(rows, [TASKS, subjects, voxels]);
    let seen = &pairs.seen[..args.run.rows(pairs.seen.len())];
    let samples = Samples::new(signals.select(seen), place(seen)?)?;
    // Subjects and voxels begin at principal components of their responses.
    let [responses, _] = pairs.responses(scans);
    let by_voxel = (0..voxels).flat_map(|v| {
        let of = move |s: usize| (0..TASKS).map(move |q| (s * voxels + v) * TASKS + q);
        (0..subjects).flat_map(of)
    });
    let by_voxel = responses.select(&by_voxel.collect::<Vec<_>>());
    let [of_subjects, of_voxels] = [(&responses, subjects), (&by_voxel, voxels)]
        .map(|(rows, count)| unit(&scores(rows, count, features)));
    let of_tasks = Matrix::new(
        TASKS,
        TASKS,
        (0..TASKS * TASKS).map(|i| if i % (TASKS + 1) == 0 { 1.0 } else { 0.2 }).collect(),
    );
    let config = GpVaeConfig::new(signals.cols, &[32], latent);
    let model = GpVae::new(&config, |layout| {
        let tasks = Categories::new(layout, "tasks", &of_tasks);
        let people = Categories::new(layout, "subjects", &of_subjects);
        let places = Categories::new(layout, "voxels", &of_voxels);
        let columns = [0..TASKS, TASKS..TASKS + subjects, TASKS + subjects..TASKS + subjects + voxels];
        let factors = [tasks, people, places].into_iter().zip(columns).collect();
        LowRank::new(layout, CategoryProduct::new(factors), 0.1)
    })?;

    let run = RunArgs { seed, ..args.run.clone() };
    let mut trainer = run.trainer::<f32>(model.layout());
    let pace = |epochs| Pace { epochs, networks_rate: run.lr, kernel_rate: run.lr, ..Pace::default() };
    let plan = Plan::Joint {
        cycles: 1,
        networks: pace(run.epochs.div_ceil(6)),
        kernel: pace(run.epochs),
        all: pace(run.epochs).falling(),
    };
    for (stage, phase) in plan.phases().iter().enumerate() {
        let mut objective = GpVaeObjective::new(&model, &samples, phase.part)?;
        let fit = objective.fit(&phase.pace, Fit { stage, ..run.fit() });
        trainer.fit(&mut objective, None, &fit, &mut ())?;
    }
    let all: Vec<usize> = (0..signals.rows).collect();
    let codes = model.training_codes(trainer.theta(), &samples);
    let latents = model.predict_latents_given(trainer.theta(), &codes, &place(&all)?)?.mean;
    // A code of its own where a signal was seen.
    let mut codes = latents.values.to_vec();
    let encoded = model.encode_rows(trainer.theta(), &samples.images).mu;
    for (i, row) in seen.iter().enumerate() {
        codes[row * latent..][..latent]
            .iter_mut()
            .zip(encoded.row(i))
            .for_each(|(z, mu)| *z = f64::from(*mu));
    }
    let own = model.decode_rows(trainer.theta(), &latents.map(|z| z as f32)).map(|x| -f64::from(x));
    let signals = less(&common, &own);
    let root = model.prior().features.factors()[1].0.slot().range();
    let root = trainer.theta()[root].iter().map(|&x| f64::from(x)).collect();
    let codes = Matrix::new(latents.rows, latent, codes);
    Ok(Fitted { signals, latents, codes, subjects: Matrix::new(subjects, features, root) })
}

/// The places of these rows: indicators of task, subject and voxel.
fn places(rows: &[usize], [tasks, subjects, voxels]: [usize; 3]) -> anyhow::Result<Places> {
    let width = tasks + subjects + voxels;
    let mut indicators = vec![0.0; rows.len() * width];
    for (out, row) in indicators.chunks_exact_mut(width).zip(rows) {
        let (task, voxel, subject) = (row % tasks, row / tasks % voxels, row / (tasks * voxels));
        [task, tasks + subject, tasks + subjects + voxel].into_iter().for_each(|i| out[i] = 1.0);
    }
    Ok(Places::of_views(Matrix::new(rows.len(), width, indicators))?)
}

/// The matrix, scaled so that its rows have length one on average.
fn unit(x: &Matrix<f64>) -> Matrix<f64> {
    let square = x.values.iter().map(|x| x * x).sum::<f64>() / x.rows as f64;
    x.map(|x| x / square.sqrt())
}
