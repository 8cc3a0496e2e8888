//! The form for many independent sequences at the same times.

use autograd::ops::NotPositiveDefinite;
use autograd::ops::TriangularSystem::{LX, XLt};
use autograd::{Real, Var};
use nn::data::Matrix;

use super::{check_jitter, scaled_identity};
use crate::LN_2PI;
use crate::data::matrix_on;
use crate::kernel::Kernel;

/// S sequences that are seen at the same T times. Each has a process of its own, f_s ~ GP(0, k_l) in column l, independent of all
/// others: over all S T rows the covariance is I_S ⊗ K_l, with K_l the kernel's matrix over the times. A T x T matrix is
/// factored for each column, whatever S is, and a minibatch of whole sequences is exact.
///
/// Rows go sequence by sequence: row s T + t is sequence s at time t.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequences<K> {
    /// k_l, one for each column
    pub kernels: Vec<K>,
    times: Matrix<f64>,
    jitter: f64,
}

/// q(f | μ) of sequences that were observed with noise, and the density of what was observed.
#[derive(Clone, Copy, Debug)]
pub struct SequencePosterior<'t, F: Real> {
    /// E f, (S T, L)
    pub mean: Var<'t, F>,
    /// Var f of each time and column, the same for all sequences, (T, L)
    pub variance: Var<'t, F>,
    /// Σ_l log N(μ_s^l; 0, K_l + noise_l I) in nats, (S)
    pub log_evidence: Var<'t, F>,
}

impl<K: Kernel> Sequences<K> {
    /// The prior of these kernels, one for each column, over these times (T, R), with 10⁻⁶ on the diagonal of each K_l.
    ///
    /// # Panics
    /// If there are no kernels or no times.
    #[track_caller]
    pub fn new(kernels: Vec<K>, times: Matrix<f64>) -> Self {
        let (columns, length) = (kernels.len(), times.rows);
        assert!(columns * length > 0, "Sequences: expected kernels and times, found {columns} and {length}");
        Self { kernels, times, jitter: 1e-6 }
    }

    /// The prior with this number on the diagonal of each K_l.
    ///
    /// # Panics
    /// If `jitter` is negative or not finite.
    #[track_caller]
    pub fn with_jitter(self, jitter: f64) -> Self {
        check_jitter(jitter);
        Self { jitter, ..self }
    }

    /// T
    pub fn len(&self) -> usize {
        self.times.rows
    }

    /// Whether there are no times, which is never so.
    pub fn is_empty(&self) -> bool {
        self.times.rows == 0
    }

    /// The posterior given observations μ (S T, L) of f, whose noise has the variance noise_l (L) in column l. With
    /// C_l = K_l + noise_l I = L_l L_lᵀ, A_l = L_l⁻¹ K_l and the sequences as rows of M_l (S, T):
    ///
    /// mean = (M_l L_l⁻ᵀ) A_l,   variance_tl = K_l,tt − Σ_i A_l,it²,
    /// log N(μ; 0, C_l) = −½ ‖M_l L_l⁻ᵀ‖² − Σ ln L_l,ii − ½ T ln 2π
    ///
    /// (Rasmussen & Williams 2006, algorithm 2.1, for all sequences at once).
    ///
    /// # Errors
    /// [`NotPositiveDefinite`] if a covariance has no Cholesky factor.
    ///
    /// # Panics
    /// If the rows are not whole sequences, or there is not a column and a variance for each kernel.
    #[track_caller]
    pub fn observed<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        mu: Var<'t, F>,
        noise: Var<'t, F>,
    ) -> Result<SequencePosterior<'t, F>, NotPositiveDefinite> {
        let (rows, columns, length) = (mu.shape()[0], mu.shape()[1], self.len());
        assert!(
            rows.is_multiple_of(length),
            "observed: expected sequences of {length} rows, found {rows} rows"
        );
        let expected = [self.kernels.len(); 2];
        let found = [columns, noise.size()];
        assert!(found == expected, "observed: expected {expected:?} columns and variances, found {found:?}");
        let sequences = rows / length;
        let times = matrix_on(theta.tape(), &self.times);
        let jitter = scaled_identity(theta, length, self.jitter);
        let (mut means, mut variances) = (vec![], vec![]);
        let mut minus_twice: Option<Var<'t, F>> = None;
        for (l, kernel) in self.kernels.iter().enumerate() {
            let k = kernel.gram(theta, times) + jitter;
            let diagonal = kernel.diagonal(theta, times) + F::from_f64(self.jitter);
            let noise = noise.reshape([1, columns]).columns(l..l + 1).reshape([1]);
            let factor = (k + noise.broadcast_to([length]).diagonal_matrix()).cholesky()?;
            let a = factor.solve_triangular(k, LX);
            let m = mu.columns(l..l + 1).reshape([sequences, length]);
            let w = factor.solve_triangular(m, XLt);
            means.push(w.matmul(a).reshape([rows, 1]));
            variances.push((diagonal - a.square().sum_axis(0)).reshape([length, 1]));
            let term = w.square().sum_axis(1) + factor.log_det_from_factor();
            minus_twice = Some(minus_twice.map_or(term, |sum| sum + term));
        }
        let constant = F::from_f64(LN_2PI * (length * columns) as f64);
        let minus_twice = minus_twice.expect("at least one column") + constant;
        Ok(SequencePosterior {
            mean: Var::concatenate(&means, 1),
            variance: Var::concatenate(&variances, 1),
            log_evidence: minus_twice * F::from_f64(-0.5),
        })
    }
}
