//! Simulated functional magnetic resonance imaging of subjects who move.

use nn::data::Matrix;
use nn::stats::symmetric_eigen;
use nn::train::Noise;

/// The haemodynamic response at t seconds after a short event, the difference of two gamma densities (Glover 1999, with the
/// parameters of the software SPM):
///
/// h(t) = γ(t; 6) − γ(t; 16) / 6,   γ(t; a) = t^(a−1) e⁻ᵗ / (a − 1)!
///
/// It is 0 before the event, rises to its maximum after 5 seconds, and is below 0 from 12 seconds on, most so after
/// 16.
pub fn haemodynamic_response(t: f64) -> f64 {
    let gamma = |shape: u32| {
        let factorial: f64 = (1..shape).map(f64::from).product();
        t.powi(shape as i32 - 1) * (-t).exp() / factorial
    };
    if t > 0.0 { gamma(6) - gamma(16) / 6.0 } else { 0.0 }
}

/// The response at t seconds after the begin of a block of movement of this length in seconds, ∫ h(t − s) ds over the block, relative to
/// the most that a block of this length reaches.
pub fn block_response(t: f64, length: f64) -> f64 {
    summed_response(t, length) / largest_response(length)
}

/// ∫ h(t − s) ds over a block of this length.
fn summed_response(t: f64, length: f64) -> f64 {
    const STEP: f64 = 0.1;
    let steps = (length / STEP).round() as usize;
    (0..steps).map(|i| STEP * haemodynamic_response(t - STEP * (i as f64 + 0.5))).sum()
}

/// The most that it reaches.
fn largest_response(length: f64) -> f64 {
    (0..100).map(|i| summed_response(0.5 * f64::from(i), length)).fold(f64::MIN_POSITIVE, f64::max)
}

/// Subjects of three groups who move a part of the body in blocks, while their brain is scanned (lecture 003, "My Discussion:
/// neuroimaging"): voxels as objects, motor tasks as views, and signals over time as samples. The defaults are small; everything is a
/// function of the seed.
///
/// Ten regions, five in each half of the brain, as [`MotorStudy::REGIONS`] names them, have each `voxels` voxels. The signal of a voxel v
/// of region r of subject s at time t, in per cent of its mean, is
///
/// x(t) = Σ_blocks a_srq b(t − t_block − d_s) + drift + noise,   a_srq = A_rq + C_rq [s in group 2] + δ_srq
///
/// - q is the task of the block, one of [`MotorStudy::TASKS`]; a block of 12 s is followed by 16 s of rest, and b is
///   [`block_response`]. Each task has two blocks, in an order by the seed. A scan is taken every 2 s.
/// - A is what a region does in a task: a hand's region moves the hand of the other side, and so on. Subjects of group 2 use the
///   region of the same side, too, C. Those of group 3 respond later: d_s is 0.5 s on average, and theirs is longer by `delay`; it has a
///   standard deviation of 0.5 s.
/// - δ_s·q ~ N(0, τ² Σ) with Σ⁻¹ ∝ I − 0.3 G: G is the graph of [`MotorStudy::edges`], in which neighbours in a half and equal regions
///   of both halves are linked. The partial correlation of two linked regions is 0.3. τ is `spread`.
/// - The drift is a random line and a cosine over the run, of standard deviation 0.5 each. Noise is autoregressive of order one,
///   n_t = 0.4 n_{t−1} + e_t, with standard deviation `noise`.
///
/// As in usual analyses each run is then freed of its least-squares parabola, and the two blocks of a task are averaged: a sample is the
/// mean signal at 14 times from the begin of a block on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MotorStudy {
    /// S, the number of subjects, in groups by turns
    pub subjects: usize,
    /// Voxels of a region
    pub voxels: usize,
    /// How much later group 3 responds, in seconds
    pub delay: f64,
    /// How much more the regions of the same side do in group 2
    pub recruitment: f64,
    /// τ, the standard deviation of a subject's response in a region and a task
    pub spread: f64,
    /// The standard deviation of the noise of a scan, in per cent
    pub noise: f64,
    /// The seed
    pub seed: u64,
}

impl Default for MotorStudy {
    /// Sixty subjects, two voxels of a region, delay 1.5 s, recruitment 0.8, spread 0.3, noise 0.5.
    fn default() -> Self {
        Self { subjects: 60, voxels: 2, delay: 1.5, recruitment: 0.8, spread: 0.3, noise: 0.5, seed: 0 }
    }
}

/// What was scanned. Rows go over subjects, then regions, then voxels of a region, then tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct MotorScans {
    /// A sample for each voxel of a subject and each task, (S V Q, 14), in per cent
    pub signals: Matrix<f64>,
    /// The group of each subject, 0, 1 or 2
    pub groups: Vec<usize>,
    /// V, the number of voxels of a subject
    pub voxels: usize,
    /// The region of each voxel of a subject, V numbers
    pub regions: Vec<usize>,
    /// a, what each region does in each task, (S, 10 · Q), region by region
    pub responses: Matrix<f64>,
}

const TASKS: usize = MotorStudy::TASKS.len();
const REGIONS: usize = MotorStudy::REGIONS.len();
/// Seconds between scans, and of a block.
const REPEAT: f64 = 2.0;
const BLOCK: f64 = 12.0;
/// Scans from the begin of a block to that of the next one, and blocks of a task.
const SCANS: usize = 14;
const BLOCKS: usize = 2;

impl MotorStudy {
    /// The motor tasks, which are the views.
    pub const TASKS: [&str; 5] = ["right hand", "left hand", "right foot", "left foot", "tongue"];
    /// The regions: areas of the motor cortex for hand, foot and tongue, then the premotor cortex and the cerebellum.
    pub const REGIONS: [&str; 10] = [
        "hand L",
        "foot L",
        "tongue L",
        "premotor L",
        "cerebellum L",
        "hand R",
        "foot R",
        "tongue R",
        "premotor R",
        "cerebellum R",
    ];

    /// Seconds from the begin of a block to each of the 14 numbers of a sample.
    pub fn times() -> Vec<f64> {
        (0..SCANS).map(|k| REPEAT * k as f64).collect()
    }

    /// The response to a block at these times, without delay: the regressor of an analysis.
    pub fn regressor() -> Vec<f64> {
        Self::times().into_iter().map(|t| block_response(t, BLOCK)).collect()
    }

    /// The pairs of regions i < j that depend on each other, once all others are known, in order.
    pub fn edges() -> Vec<(usize, usize)> {
        let half = REGIONS / 2;
        let linked = |i: usize, j: usize| j == i + half || (j == i + 1 && i / half == j / half);
        let pairs = (0..REGIONS).flat_map(|i| (i + 1..REGIONS).map(move |j| (i, j)));
        pairs.filter(|&(i, j)| linked(i, j)).collect()
    }

    /// A_rq in a healthy subject, and C_rq.
    fn response(region: usize, task: usize) -> [f64; 2] {
        let (right, place) = (region >= REGIONS / 2, region % (REGIONS / 2));
        // A movement of the right is the left half's, but for the cerebellum. The tongue is both halves'.
        let crossed = task == 4 || task.is_multiple_of(2) != right;
        let own = [0, 0, 1, 1, 2][task] == place;
        match place {
            0..=2 if own && crossed => [1.0, 0.0],
            0..=2 if own => [0.2, 1.0],
            3 => [if crossed { 0.6 } else { 0.4 }, 0.0],
            4 if !crossed || task == 4 => [0.8, 0.0],
            _ => [0.0, 0.0],
        }
    }

    /// The scans of all subjects.
    ///
    /// # Panics
    /// If there are no subjects or no voxels.
    #[track_caller]
    pub fn scan(&self) -> MotorScans {
        let &Self { subjects, voxels, delay, recruitment, spread, noise, seed } = self;
        assert!(
            subjects > 0 && voxels > 0,
            "MotorStudy: expected subjects and voxels, found {subjects} and {voxels}"
        );
        let root = deviations();
        let scans = TASKS * BLOCKS * SCANS;
        let trend = trends(scans);
        let largest = largest_response(BLOCK);
        let mut signals = Vec::with_capacity(subjects * REGIONS * voxels * TASKS * SCANS);
        let mut responses = Vec::with_capacity(subjects * REGIONS * TASKS);
        let groups: Vec<usize> = (0..subjects).map(|s| s % 3).collect();
        for (s, &group) in groups.iter().enumerate() {
            let source = Noise::new(seed, s as u64);
            let mut own = [0.0; 1 + TASKS * REGIONS];
            source.normal(0, own.len(), &mut own);
            let late = 0.5 + 0.5 * own[0] + if group == 2 { delay } else { 0.0 };
            let mut response = [0.0; REGIONS * TASKS];
            for (q, draw) in own[1..].chunks_exact(REGIONS).enumerate() {
                for r in 0..REGIONS {
                    let [usual, recruited] = Self::response(r, q);
                    let deviation: f64 = root[r].iter().zip(draw).map(|(l, e)| l * e).sum();
                    let more = if group == 1 { recruitment * recruited } else { 0.0 };
                    response[r * TASKS + q] = usual + more + spread * deviation;
                }
            }
            let order = order(source);
            let response_at = |k: usize| summed_response(REPEAT * k as f64 - late, BLOCK) / largest;
            let block: Vec<f64> = (0..3 * SCANS).map(response_at).collect();
            for v in 0..REGIONS * voxels {
                let response = &response[v / voxels * TASKS..][..TASKS];
                let run = run(source.skip(v), noise, scans, |t| {
                    let from = (t / SCANS).saturating_sub(2);
                    (from..=t / SCANS).map(|b| response[order[b]] * block[t - b * SCANS]).sum()
                });
                let run = without(&trend, run);
                let mut means = [[0.0; SCANS]; TASKS];
                for (scans, &task) in run.chunks_exact(SCANS).zip(&order) {
                    means[task].iter_mut().zip(scans).for_each(|(mean, x)| *mean += x / BLOCKS as f64);
                }
                signals.extend(means.iter().flatten());
            }
            responses.extend(response);
        }
        let rows = subjects * REGIONS * voxels * TASKS;
        MotorScans {
            signals: Matrix::new(rows, SCANS, signals),
            groups,
            voxels: REGIONS * voxels,
            regions: (0..REGIONS * voxels).map(|v| v / voxels).collect(),
            responses: Matrix::new(subjects, REGIONS * TASKS, responses),
        }
    }
}

/// A root R of Σ = R Rᵀ with Σ⁻¹ ∝ I − 0.3 G and a mean variance of 1, row by row.
fn deviations() -> Vec<Vec<f64>> {
    let mut precision = vec![0.0; REGIONS * REGIONS];
    (0..REGIONS).for_each(|i| precision[i * REGIONS + i] = 1.0);
    for (i, j) in MotorStudy::edges() {
        (precision[i * REGIONS + j], precision[j * REGIONS + i]) = (-0.3, -0.3);
    }
    let eigen = symmetric_eigen(&Matrix::new(REGIONS, REGIONS, precision));
    let mean = eigen.values.iter().map(|x| 1.0 / x).sum::<f64>() / REGIONS as f64;
    let entry = |i: usize, e: usize| eigen.vectors.row(e)[i] / (mean * eigen.values[e]).sqrt();
    (0..REGIONS).map(|i| (0..REGIONS).map(|e| entry(i, e)).collect()).collect()
}

/// The task of each block, in a random order.
fn order(source: Noise) -> Vec<usize> {
    let mut keys = [0.0; TASKS * BLOCKS];
    source.normal(1, keys.len(), &mut keys);
    let mut blocks: Vec<usize> = (0..keys.len()).collect();
    blocks.sort_by(|&a, &b| f64::total_cmp(&keys[a], &keys[b]));
    blocks.into_iter().map(|block| block % TASKS).collect()
}

/// The signal of a voxel with drift and noise.
fn run(source: Noise, noise: f64, scans: usize, signal: impl Fn(usize) -> f64) -> Vec<f64> {
    const CARRIED: f64 = 0.4;
    let mut draws = vec![0.0; 3 + scans];
    source.normal(2, 3 + scans, &mut draws);
    let mut carried = noise * draws[2];
    (0..scans)
        .map(|t| {
            let place = 2.0 * t as f64 / scans as f64 - 1.0;
            let drift = 0.5 * (draws[0] * place + draws[1] * (std::f64::consts::PI * place).cos());
            carried = CARRIED * carried + noise * (1.0 - CARRIED * CARRIED).sqrt() * draws[3 + t];
            signal(t) + drift + carried
        })
        .collect()
}

/// Orthonormal polynomials of degree 0, 1 and 2 in time.
fn trends(scans: usize) -> Matrix<f64> {
    let place = |t: usize| 2.0 * t as f64 / scans as f64 - 1.0;
    let powers = (0..3).flat_map(|degree| (0..scans).map(move |t| place(t).powi(degree))).collect();
    nn::stats::orthonormal_rows(&Matrix::new(3, scans, powers))
        .expect("polynomials of many scans are independent")
}

/// A run less its part along these rows.
fn without(trend: &Matrix<f64>, mut run: Vec<f64>) -> Vec<f64> {
    for row in 0..trend.rows {
        let along: f64 = run.iter().zip(trend.row(row)).map(|(x, t)| x * t).sum();
        run.iter_mut().zip(trend.row(row)).for_each(|(x, t)| *x -= along * t);
    }
    run
}
