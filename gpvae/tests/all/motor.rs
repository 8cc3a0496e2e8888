//! The simulation of a brain under motor tasks against its equations.

use gpvae::data::{MotorScans, MotorStudy, block_response, haemodynamic_response};
use nn::data::Matrix;
use nn::stats::{graphical_lasso, orthonormal_rows};

const TASKS: usize = MotorStudy::TASKS.len();
const REGIONS: usize = MotorStudy::REGIONS.len();

#[test]
fn the_haemodynamic_response_rises_falls_and_undershoots() {
    assert_eq!(haemodynamic_response(-1.0), 0.0);
    assert_eq!(haemodynamic_response(0.0), 0.0);
    // 5⁵ e⁻⁵/5! − 5¹⁵ e⁻⁵/(6 · 15!)
    let e = (-5.0_f64).exp();
    let wanted = 3125.0 * e / 120.0 - 5.0_f64.powi(15) * e / (6.0 * 1_307_674_368_000.0);
    assert!((haemodynamic_response(5.0) - wanted).abs() < 1e-15);
    let times = || (0..600).map(|i| 0.05 * f64::from(i));
    let most =
        times().max_by(|a, b| haemodynamic_response(*a).total_cmp(&haemodynamic_response(*b))).unwrap();
    assert!((most - 5.0).abs() < 0.11, "{most}");
    assert!(times().filter(|t| (13.0..25.0).contains(t)).all(|t| haemodynamic_response(t) < 0.0));
    let most = times().map(|t| block_response(t, 12.0)).fold(0.0, f64::max);
    assert!((most - 1.0).abs() < 0.01 && block_response(0.0, 12.0) == 0.0);
}

/// A study without noise, in which nobody differs within a group.
fn clean() -> MotorStudy {
    MotorStudy { subjects: 6, spread: 1e-9, noise: 1e-9, ..MotorStudy::default() }
}

/// The response of a voxel to a task by least squares on the regressor.
fn fitted(scans: &MotorScans, [subject, voxel, task]: [usize; 3]) -> f64 {
    let signal = scans.signals.row((subject * scans.voxels + voxel) * TASKS + task);
    let x = [vec![1.0; signal.len()], MotorStudy::regressor()].concat();
    let basis = orthonormal_rows(&Matrix::new(2, signal.len(), x)).unwrap();
    let along = |y: &[f64]| basis.row(1).iter().zip(y).map(|(b, y)| b * y).sum::<f64>();
    along(signal) / along(&MotorStudy::regressor())
}

#[test]
fn a_region_responds_to_its_tasks_and_groups_differ_as_they_should() {
    let scans = clean().scan();
    assert_eq!(scans, clean().scan());
    assert_ne!(scans.signals, MotorStudy { seed: 1, ..clean() }.scan().signals);
    assert_eq!([scans.signals.rows, scans.signals.cols], [6 * 20 * TASKS, 14]);
    assert_eq!(scans.groups, [0, 1, 2, 0, 1, 2]);
    // The hand area of the left half is voxels 0 and 1; the right hand is task 0, the left hand task 1.
    for (group, same_side) in [(0, 0.2), (1, 1.0)] {
        let of = |task: usize| scans.responses.row(group)[task];
        assert!((of(0) - 1.0).abs() < 1e-6 && (of(1) - same_side).abs() < 1e-6, "{group}");
        assert_eq!(scans.regions[..4], [0, 0, 1, 1]);
    }
    // Drifts remain, and a late response fits less well: a hand's response is still what is largest.
    for subject in 0..6 {
        let [own, foot] = [0, 2].map(|task| fitted(&scans, [subject, 0, task]));
        assert!(own > 0.5 && own > foot + 0.4, "{subject}: {own} {foot}");
    }
    // Of the right hand's signal in its region, most comes later the later the subject is. Others are as before.
    let hand = |scans: &MotorScans, subject: usize| {
        let signal = scans.signals.row(subject * scans.voxels * TASKS);
        let least = signal.iter().copied().fold(f64::INFINITY, f64::min);
        let weights = signal.iter().map(|y| y - least);
        weights.clone().zip(MotorStudy::times()).map(|(w, t)| w * t).sum::<f64>() / weights.sum::<f64>()
    };
    let later = MotorStudy { delay: 4.5, ..clean() }.scan();
    for (subject, group) in scans.groups.iter().enumerate() {
        let lag = hand(&later, subject) - hand(&scans, subject);
        assert!(if *group == 2 { (1.5..4.5).contains(&lag) } else { lag == 0.0 }, "{subject}: {lag}");
    }
}

#[test]
fn subjects_differ_along_the_graph() {
    let scans = MotorStudy { subjects: 600, voxels: 1, recruitment: 1e-9, ..MotorStudy::default() }.scan();
    let mut x = scans.responses.values.to_vec();
    let d = REGIONS * TASKS;
    for j in 0..d {
        let mean = x.iter().skip(j).step_by(d).sum::<f64>() / 600.0;
        x.iter_mut().skip(j).step_by(d).for_each(|x| *x -= mean);
    }
    let of = |i: usize, j: usize| {
        let each = (0..600 * TASKS).map(|k| k / TASKS * d + k % TASKS);
        each.map(|at| x[at + i * TASKS] * x[at + j * TASKS]).sum::<f64>() / (600 * TASKS) as f64
    };
    let s =
        Matrix::new(REGIONS, REGIONS, (0..REGIONS * REGIONS).map(|k| of(k / REGIONS, k % REGIONS)).collect());
    let variance = (0..REGIONS).map(|i| s.row(i)[i]).sum::<f64>() / REGIONS as f64;
    assert!((variance.sqrt() - 0.3).abs() < 0.01, "{variance}");
    let partial = graphical_lasso(&s, 0.0).unwrap().partial_correlations();
    for i in 0..REGIONS {
        for j in i + 1..REGIONS {
            let wanted = if MotorStudy::edges().contains(&(i, j)) { 0.3 } else { 0.0 };
            assert!((partial.row(i)[j] - wanted).abs() < 0.07, "{i} {j}: {}", partial.row(i)[j]);
        }
    }
    assert_eq!(MotorStudy::edges().len(), 13);
}
