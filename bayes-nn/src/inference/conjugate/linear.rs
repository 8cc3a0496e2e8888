//! Linear regression with unknown noise level.

use autograd::ops::TriangularSystem::{LX, LtX, XLt};
use autograd::{Tape, Var};
use nn::data::Matrix;

use super::{Ascent, ConjugateError, Gamma, LN_2PI, check_rows};

/// Linear regression: y ~ N(X w, I/τ),   w ~ N(0, s² I),   τ ~ Gamma(a₀, b₀). A constant term is a column of ones in X.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearModel {
    /// s, the prior standard deviation of the weights.
    pub sigma: f64,
    /// Gamma(a₀, b₀), the prior of the precision τ of the noise.
    pub precision: Gamma,
}

/// The approximate posterior q(w) q(τ) of a [`LinearModel`], q(w) = N(m, S).
#[derive(Clone, Debug, PartialEq)]
pub struct LinearPosterior {
    /// m, (d).
    pub mean: Vec<f64>,
    /// S, (d, d).
    pub covariance: Matrix<f64>,
    /// q(τ).
    pub precision: Gamma,
    /// The ELBO after every round, in nats: below log p(y|X).
    pub elbo: Vec<f64>,
}

impl LinearModel {
    /// Fits q(w) = N(m, S) and q(τ) = Gamma(a, b) to X (N, d) and y (N):
    ///
    /// S⁻¹ = E(τ) XᵀX + I/s²,   m = E(τ) S Xᵀ y,   a = a₀ + N/2,   b = b₀ + ½ E‖y − X w‖²
    ///
    /// # Errors
    /// If there are no rows, or a number is not finite or too large.
    ///
    /// # Panics
    /// If X has not as many rows as y, X has no columns, or a parameter of the prior is not positive.
    #[track_caller]
    pub fn fit(&self, x: &Matrix<f64>, y: &[f64], ascent: Ascent) -> Result<LinearPosterior, ConjugateError> {
        let Self { sigma, precision: prior } = *self;
        prior.check("linear model");
        let positive = sigma > 0.0 && sigma.is_finite();
        assert!(positive, "linear model: s: expected a finite number greater than 0, found {sigma}");
        let (n, d) = (x.rows, x.cols);
        assert!(d > 0, "linear model: X: expected at least one column, found none");
        assert!(
            n == y.len(),
            "linear model: y: expected {n} targets, one for each row of X, found {}",
            y.len()
        );
        check_rows(&x.values, d)?;
        check_rows(y, 1)?;

        let mut tape = Tape::new();
        let mut q = LinearPosterior {
            mean: Vec::new(),
            covariance: Matrix::new(0, d, Vec::new()),
            precision: Gamma { shape: prior.shape + n as f64 / 2.0, rate: prior.rate },
            elbo: Vec::new(),
        };
        q.elbo = ascent.climb(n, || {
            tape.clear();
            let (x, y) = (tape.shared_constant(&x.values, [n, d]), tape.constant(y, [n, 1]));
            let identity = tape.constant(&vec![1.0; d], [d]).diagonal_matrix();
            let tau = q.precision.mean();

            let l = (x.t_matmul(x) * tau + identity / (sigma * sigma)).cholesky()?;
            let m = l.solve_triangular(l.solve_triangular(x.t_matmul(y) * tau, LX), LtX);
            let root = l.solve_triangular(identity, LX); // S = L⁻ᵀ L⁻¹
            // E‖y − X w‖² = ‖y − X m‖² + tr(X S Xᵀ)
            let spread = l.solve_triangular(x, XLt).square().sum();
            let squares = (y - x.matmul(m)).square().sum() + spread;
            let size = m.square().sum() + root.square().sum(); // E‖w‖²
            let [squares, size, log_det] = [squares, size, l.log_det_from_factor()].map(Var::item);

            (q.mean, q.covariance) = (m.to_vec(), Matrix::new(d, d, root.t_matmul(root).to_vec()));
            q.precision.rate = prior.rate + squares / 2.0;

            let (tau, ln_tau) = (q.precision.mean(), q.precision.mean_ln());
            let log_likelihood = 0.5 * (n as f64 * (ln_tau - LN_2PI) - tau * squares);
            let kl_w = 0.5 * (size / (sigma * sigma) - d as f64 + log_det) + d as f64 * sigma.ln();
            Ok(log_likelihood - kl_w - q.precision.kl(prior))
        })?;
        Ok(q)
    }
}
