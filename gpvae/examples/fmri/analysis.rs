//! What is usual without a network, and what is done with latents and responses alike.

use gpvae::data::{MotorScans, MotorStudy};
use nn::data::{Matrix, split};
use nn::run::Results;
use nn::stats::{SparsePrecision, graphical_lasso, symmetric_eigen};
use vae::linear::{Em, NormalModel, Pca};

pub(crate) const TASKS: usize = MotorStudy::TASKS.len();
const REGIONS: usize = MotorStudy::REGIONS.len();

/// The rows that methods see, and those that are to be predicted.
pub(crate) struct Pairs {
    pub(crate) seen: Vec<usize>,
    hidden: Vec<usize>,
}

impl Pairs {
    /// Hides a random task of every second voxel, chosen at random.
    pub(crate) fn new(scans: &MotorScans, seed: u64) -> Self {
        let rows = scans.signals.rows;
        let objects = rows / TASKS;
        let [chosen] = split(objects, [objects / 2], seed);
        let [order] = split(rows, [rows], seed);
        let mut hidden: Vec<usize> =
            chosen.iter().zip(order).map(|(object, random)| object * TASKS + random % TASKS).collect();
        hidden.sort_unstable();
        let seen = (0..rows).filter(|row| hidden.binary_search(row).is_err()).collect();
        Self { seen, hidden }
    }

    /// The mean squared error of a scan of the hidden rows.
    pub(crate) fn error(&self, scans: &MotorScans, predicted: &Matrix<f64>) -> f64 {
        let errors = nn::stats::squared_distances(
            &scans.signals.select(&self.hidden),
            &predicted.select(&self.hidden),
        );
        errors.iter().sum::<f64>() / (errors.len() * scans.signals.cols) as f64
    }

    fn is_seen(&self, row: usize) -> bool {
        self.hidden.binary_search(&row).is_err()
    }

    /// The mean of the rows that are seen and of one kind, for every kind.
    fn means(&self, y: &Matrix<f64>, kinds: usize, kind: impl Fn(usize) -> usize) -> Matrix<f64> {
        let k = y.cols;
        let (mut sums, mut counts) = (vec![0.0; kinds * k], vec![0.0; kinds]);
        for &row in &self.seen {
            counts[kind(row)] += 1.0;
            sums[kind(row) * k..][..k].iter_mut().zip(y.row(row)).for_each(|(sum, y)| *sum += y);
        }
        sums.iter_mut().enumerate().for_each(|(i, sum)| *sum /= f64::max(counts[i / k], 1.0));
        Matrix::new(kinds, k, sums)
    }

    /// For each row the mean of its voxel and task over subjects.
    pub(crate) fn others(&self, scans: &MotorScans) -> Matrix<f64> {
        let (rows, places) = (scans.signals.rows, scans.voxels * TASKS);
        let means = self.means(&scans.signals, places, |row| row % places);
        means.select(&(0..rows).map(|row| row % places).collect::<Vec<_>>())
    }

    /// Predictions of all rows by name.
    pub(crate) fn baselines(&self, scans: &MotorScans) -> anyhow::Result<Vec<(&'static str, Matrix<f64>)>> {
        let y = &scans.signals;
        let (rows, k) = (y.rows, y.cols);
        let tasks = self.means(y, rows / TASKS, |row| row / TASKS);
        let tasks = tasks.select(&(0..rows).map(|row| row / TASKS).collect::<Vec<_>>());
        let others = self.others(scans);
        let rest = less(y, &others);
        let plus = |rest: &[f64]| {
            Matrix::new(rows, k, others.values.iter().zip(rest).map(|(m, rest)| m + rest).collect())
        };
        let own = self.means(&rest, rows / TASKS, |row| row / TASKS);
        let additive = plus(&own.select(&(0..rows).map(|row| row / TASKS).collect::<Vec<_>>()).values);
        // A voxel's tasks in one row, less what they are in other subjects.
        let gaps = rest.values.iter().enumerate();
        let gaps = gaps.map(|(i, x)| if self.is_seen(i / k) { *x } else { f64::NAN }).collect();
        let gaps = Matrix::new(rows / TASKS, TASKS * k, gaps);
        let normal = NormalModel::fit(&gaps, PRIOR_ROWS, Em { rounds: 30, ..Em::default() })?.model;
        let normal = plus(&normal.impute(&gaps)?.values);
        Ok(vec![("normal", normal), ("others", others), ("additive", additive), ("tasks", tasks)])
    }

    /// For each subject its voxels' responses to tasks by least squares on the regressor of a block and a constant, as a row of V · Q
    /// numbers a subject; and the same with a second regressor, the first one's slope in time, which tells delays. What is hidden is what
    /// the voxel and task have in other subjects.
    pub(crate) fn responses(&self, scans: &MotorScans) -> [Matrix<f64>; 2] {
        let regressor = MotorStudy::regressor();
        let (rows, k, places) = (scans.signals.rows, scans.signals.cols, scans.voxels * TASKS);
        let slope: Vec<f64> =
            (0..k).map(|t| (regressor[(t + 1).min(k - 1)] - regressor[t.saturating_sub(1)]) / 2.0).collect();
        let fits = |regressors: &[&Vec<f64>]| {
            let basis = regressors.iter().flat_map(|x| x.iter().copied()).collect();
            let basis = Matrix::new(regressors.len(), k, basis);
            let with_constant =
                Matrix::new(1 + basis.rows, k, [vec![1.0; k], basis.values.to_vec()].concat());
            let basis = nn::stats::orthonormal_rows(&with_constant).expect("a block is no constant");
            let along = |row: usize, b: usize| {
                basis.row(b).iter().zip(scans.signals.row(row)).map(|(b, y)| b * y).sum::<f64>()
            };
            let n = regressors.len();
            let all = (0..rows).flat_map(|row| (1..=n).map(move |b| (row, b)));
            let fits = Matrix::new(rows, n, all.map(|(row, b)| along(row, b)).collect());
            let means = self.means(&fits, places, |row| row % places);
            let filled = (0..rows).flat_map(|row| {
                if self.is_seen(row) { fits.row(row).to_vec() } else { means.row(row % places).to_vec() }
            });
            Matrix::new(rows, n, filled.collect())
        };
        [fits(&[&regressor]), fits(&[&regressor, &slope])]
    }
}

/// The difference of two matrices.
pub(crate) fn less(a: &Matrix<f64>, b: &Matrix<f64>) -> Matrix<f64> {
    Matrix::new(a.rows, a.cols, a.values.iter().zip(b.values.iter()).map(|(a, b)| a - b).collect())
}

/// The number of rows that the prior of the normal distribution counts for.
const PRIOR_ROWS: f64 = 100.0;
/// The principal components by which subjects are clustered.
pub(crate) const COMPONENTS: usize = 4;

/// So many principal components of subjects, or of other things, of which each has an equal number of these rows, one after another.
pub(crate) fn scores(rows: &Matrix<f64>, subjects: usize, components: usize) -> Matrix<f64> {
    let d = rows.values.len() / subjects;
    let mut x = rows.values.to_vec();
    for j in 0..d {
        let mean = x.iter().skip(j).step_by(d).sum::<f64>() / subjects as f64;
        x.iter_mut().skip(j).step_by(d).for_each(|x| *x -= mean);
    }
    let dot = |s: usize, t: usize| x[s * d..][..d].iter().zip(&x[t * d..][..d]).map(|(a, b)| a * b).sum();
    let products = (0..subjects * subjects).map(|i| dot(i / subjects, i % subjects)).collect();
    let eigen = symmetric_eigen(&Matrix::new(subjects, subjects, products));
    let score = |s: usize, c: usize| eigen.vectors.row(c)[s] * eigen.values[c].max(0.0).sqrt();
    let scores = (0..subjects * components).map(|i| score(i / components, i % components));
    Matrix::new(subjects, components, scores.collect())
}

/// The graphs of the regions.
pub(crate) struct Graph {
    /// The simulation's partial correlations
    pub(crate) truth: Vec<f64>,
    /// Correlations of responses
    pub(crate) correlations: Vec<f64>,
    /// By the graphical lasso, of latents and of responses
    pub(crate) precision: [SparsePrecision; 2],
}

/// The graphs of what subjects differ by from the mean of their cluster in a task. `clusters` are those by latents and by responses.
pub(crate) fn graph(
    scans: &MotorScans,
    latents: &Matrix<f64>,
    responses: &Matrix<f64>,
    clusters: [&[usize]; 2],
) -> anyhow::Result<Graph> {
    // Each row's place along the leading principal direction of all rows.
    let latents = Pca::fit(latents, 1)?.encode_rows(latents);
    let samples = scans.groups.len() * TASKS - 3 * TASKS;
    let covariances = [(&latents, clusters[0]), (responses, clusters[1])]
        .map(|(rows, clusters)| covariance(scans, &rows.values, clusters));
    let [a, b] = &covariances;
    let mut truth = vec![0.0; REGIONS * REGIONS];
    MotorStudy::edges()
        .iter()
        .for_each(|&(i, j)| (truth[i * REGIONS + j], truth[j * REGIONS + i]) = (0.3, 0.3));
    Ok(Graph {
        truth,
        correlations: b.values.to_vec(),
        precision: [by_information(a, samples)?, by_information(b, samples)?],
    })
}

/// The correlations of the regions, over subjects and tasks, of a number for each voxel and task, less the mean of the subject's cluster.
fn covariance(scans: &MotorScans, values: &[f64], clusters: &[usize]) -> Matrix<f64> {
    let (subjects, voxels) = (scans.groups.len(), scans.voxels);
    let per_region = (voxels / REGIONS) as f64;
    // (S, Q, R)
    let mut x = vec![0.0; subjects * TASKS * REGIONS];
    for (row, value) in values.iter().enumerate() {
        let (s, v, q) = (row / (voxels * TASKS), row / TASKS % voxels, row % TASKS);
        x[(s * TASKS + q) * REGIONS + scans.regions[v]] += value / per_region;
    }
    let d = TASKS * REGIONS;
    for cluster in 0..3 {
        let of: Vec<usize> = (0..subjects).filter(|&s| clusters[s] == cluster).collect();
        for j in 0..d {
            let mean = of.iter().map(|s| x[s * d + j]).sum::<f64>() / of.len().max(1) as f64;
            of.iter().for_each(|s| x[s * d + j] -= mean);
        }
    }
    let of = |i: usize, j: usize| x.chunks_exact(REGIONS).map(|row| row[i] * row[j]).sum::<f64>();
    let correlation = |i: usize, j: usize| of(i, j) / (of(i, i) * of(j, j)).sqrt();
    let correlations = (0..REGIONS * REGIONS).map(|k| correlation(k / REGIONS, k % REGIONS));
    Matrix::new(REGIONS, REGIONS, correlations.collect())
}

/// The graphical lasso with the λ of the least Bayesian information criterion, −2 log-likelihood + E ln n with E edges.
fn by_information(s: &Matrix<f64>, samples: usize) -> anyhow::Result<SparsePrecision> {
    let n = samples as f64;
    let mut best: Option<(f64, SparsePrecision)> = None;
    for i in 1..=30 {
        let found = graphical_lasso(s, 0.02 * f64::from(i))?;
        let edges = found.edges().len() as f64;
        let criterion = -2.0 * n * found.log_likelihood(s) + edges * n.ln();
        if best.as_ref().is_none_or(|(least, _)| criterion < *least) {
            best = Some((criterion, found));
        }
    }
    Ok(best.expect("there are penalties").1)
}

impl Graph {
    /// Precision and recall of the edges. Of correlations as many are taken, the largest, as the graphical lasso has of responses.
    pub(crate) fn results(&self) -> Results {
        let [a, b] = self.precision.each_ref().map(SparsePrecision::edges);
        let mut pairs: Vec<(usize, usize)> =
            (0..REGIONS).flat_map(|i| (i + 1..REGIONS).map(move |j| (i, j))).collect();
        let size = |&(i, j): &(usize, usize)| self.correlations[i * REGIONS + j].abs();
        pairs.sort_by(|a, b| size(b).total_cmp(&size(a)));
        pairs.truncate(b.len());
        let truth = MotorStudy::edges();
        let named = [("model", a), ("responses", b), ("correlations", pairs)];
        let of = |(name, edges): (&str, Vec<(usize, usize)>)| {
            let right = edges.iter().filter(|edge| truth.contains(edge)).count() as f64;
            [
                (format!("{name}_precision"), right / edges.len().max(1) as f64),
                (format!("{name}_recall"), right / truth.len() as f64),
            ]
        };
        named.into_iter().flat_map(of).collect()
    }
}
