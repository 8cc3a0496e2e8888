//! The normal distribution with any covariance.

use autograd::ops::TriangularSystem;
use autograd::{Real, Shape, Var};

use super::UNIT_ENTROPY;
use autograd::numerics::HALF_LN_2PI;

/// N(μ, L Lᵀ) of rows of n numbers, by the lower Cholesky factor L of the covariance.
///
/// L must be zero above its diagonal, and positive on it: a number there that is not positive has no logarithm, and the
/// density is NaN.
#[derive(Clone, Copy, Debug)]
pub struct MultivariateNormal<'t, F: Real> {
    /// The mean, (n).
    pub mu: Var<'t, F>,
    /// The factor, (n, n).
    pub l: Var<'t, F>,
}

impl<'t, F: Real> MultivariateNormal<'t, F> {
    /// n
    pub fn dim(self) -> usize {
        self.mu.size()
    }

    /// log N(x; μ, L Lᵀ) = −½ ‖L⁻¹ (x − μ)‖² − Σᵢ log Lᵢᵢ − n/2 ln 2π, (…, n) to (…).
    ///
    /// # Panics
    /// If the sizes of x, μ and L do not fit.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        self.check("log_prob", x);
        let residual = self.rows(x - self.mu);
        let squares = self.l.solve_triangular(residual, TriangularSystem::XLt).square().sum_axis(1);
        let constant = self.half_log_det() + F::from_f64(HALF_LN_2PI * self.dim() as f64);
        (squares * F::from_f64(0.5) + constant).neg().reshape(leading(x.shape()))
    }

    /// μ + L ε for rows of standard normal noise, (…, n) to (…, n).
    ///
    /// # Panics
    /// If the sizes of ε, μ and L do not fit.
    #[track_caller]
    pub fn sample_with(self, noise: Var<'t, F>) -> Var<'t, F> {
        self.check("sample_with", noise);
        self.rows(noise).matmul_t(self.l).reshape(noise.shape()) + self.mu
    }

    /// Σᵢ log Lᵢᵢ + n/2 ln 2πe, a scalar.
    #[track_caller]
    pub fn entropy(self) -> Var<'t, F> {
        self.half_log_det() + F::from_f64(UNIT_ENTROPY * self.dim() as f64)
    }

    /// KL(self ‖ p) = ½ (‖L_p⁻¹ L‖² + ‖L_p⁻¹ (μ − μ_p)‖² − n) + Σᵢ log L_pᵢᵢ − Σᵢ log Lᵢᵢ, a scalar.
    ///
    /// # Panics
    /// If the two have different dimensions.
    #[track_caller]
    pub fn kl(self, p: Self) -> Var<'t, F> {
        let spread = p.l.solve_triangular(self.l, TriangularSystem::LX).square().sum();
        let difference = self.rows(self.mu - p.mu);
        let distance = p.l.solve_triangular(difference, TriangularSystem::XLt).square().sum();
        let n = F::from_f64(self.dim() as f64);
        (spread + distance - n) * F::from_f64(0.5) + p.half_log_det() - self.half_log_det()
    }

    /// KL(self ‖ N(0, I)) = ½ (‖L‖² + ‖μ‖² − n) − Σᵢ log Lᵢᵢ, a scalar.
    #[track_caller]
    pub fn kl_to_standard(self) -> Var<'t, F> {
        let n = F::from_f64(self.dim() as f64);
        (self.l.square().sum() + self.mu.square().sum() - n) * F::from_f64(0.5) - self.half_log_det()
    }

    /// ½ ln det L Lᵀ = Σᵢ log Lᵢᵢ
    #[track_caller]
    fn half_log_det(self) -> Var<'t, F> {
        self.l.diagonal().ln().sum()
    }

    #[track_caller]
    fn check(self, operation: &str, x: Var<'t, F>) {
        let (shape, n) = (x.shape(), self.dim());
        let fits = shape.rank() > 0 && shape.last() == n;
        assert!(fits, "MultivariateNormal::{operation}: expected rows of {n} numbers, found {shape}");
    }

    /// (…, n) as a matrix of rows.
    #[track_caller]
    fn rows(self, x: Var<'t, F>) -> Var<'t, F> {
        x.reshape([x.size() / self.dim().max(1), self.dim()])
    }
}

/// The axes before the last.
fn leading(shape: Shape) -> Shape {
    Shape::new(&shape.dims()[..shape.rank() - 1])
}
