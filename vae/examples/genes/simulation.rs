//! A simulated table of gene expression.
//!
//! Cell i is of a group gᵢ ∈ {0, 1} and was measured in a batch bᵢ ∈ {0, 1}, both by the toss of a fair coin. Gene j has in it the count
//!
//! x_ij ~ NegativeBinomial(mean μ_ij, dispersion r):   E x = μ,   Var x = μ + μ² / r
//!
//! log μ_ij = m_j + gᵢ δ_j + bᵢ β_j + sᵢ
//!
//! | | | |
//! | --- | --- | --- |
//! | m_j | N(1.5, 1) | how much the gene is expressed |
//! | δ_j | N(0, `group`²) for every fifth gene, otherwise 0 | what the group changes |
//! | β_j | N(0, `batch`²) | what the batch changes, of all genes |
//! | sᵢ | N(0, 0.3²) | how deeply the cell was read |
//! | r | 2 | so that counts vary more than Poisson's |
//!
//! A negative binomial count is a Poisson count whose rate is drawn from Gamma(r, μ / r).

use nn::data::Matrix;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Gamma, Normal, Poisson};

/// r
const DISPERSION: f64 = 2.0;
/// Mean counts that are larger are no counts of molecules, and soon no numbers.
const MOST: f64 = 1e12;
/// Of these genes one differs between groups.
const EVERY: usize = 5;

/// What is simulated.
#[derive(Clone, Copy)]
pub(crate) struct Simulation {
    pub(crate) cells: usize,
    pub(crate) genes: usize,
    /// The standard deviation of δ, in natural logarithms.
    pub(crate) group: f64,
    /// The standard deviation of β, in natural logarithms.
    pub(crate) batch: f64,
    pub(crate) seed: u64,
}

/// A table of counts, and what a model is not told of it.
pub(crate) struct Cells {
    /// (cells, genes)
    pub(crate) counts: Matrix<f64>,
    pub(crate) groups: Vec<usize>,
    pub(crate) batches: Vec<usize>,
}

impl Simulation {
    pub(crate) fn run(self) -> anyhow::Result<Cells> {
        let Self { cells, genes, group, batch, seed } = self;
        let mut rng = StdRng::seed_from_u64(seed);
        let mut normals = |mean: f64, sd: f64, n: usize| -> anyhow::Result<Vec<f64>> {
            Ok(Normal::new(mean, sd)?.sample_iter(&mut rng).take(n).collect())
        };
        let level = normals(1.5, 1.0, genes)?;
        let mut of_group = normals(0.0, group, genes)?;
        of_group.iter_mut().enumerate().filter(|(j, _)| j % EVERY != 0).for_each(|(_, delta)| *delta = 0.0);
        let (of_batch, depth) = (normals(0.0, batch, genes)?, normals(0.0, 0.3, cells)?);
        let [groups, batches] =
            [0, 1].map(|_| (0..cells).map(|_| usize::from(rng.random::<bool>())).collect::<Vec<_>>());
        let mut counts = Vec::with_capacity(cells * genes);
        for i in 0..cells {
            for j in 0..genes {
                let log_mean =
                    level[j] + groups[i] as f64 * of_group[j] + batches[i] as f64 * of_batch[j] + depth[i];
                let mean = log_mean.exp();
                anyhow::ensure!(
                    mean < MOST,
                    "--group and --batch: expected mean counts below {MOST:e}, found {mean:e} of gene {}; choose smaller ones",
                    j + 1
                );
                // No rate at all, as far as numbers go, is a count of 0.
                let scale = (mean / DISPERSION).max(f64::MIN_POSITIVE);
                let rate = Gamma::new(DISPERSION, scale)?.sample(&mut rng);
                counts.push(if rate > 0.0 { Poisson::new(rate)?.sample(&mut rng) } else { 0.0 });
            }
        }
        Ok(Cells { counts: Matrix::new(cells, genes, counts), groups, batches })
    }
}
