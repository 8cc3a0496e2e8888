//! The normal distribution with any covariance.

use autograd::{Real, Shape, Var};

/// N(μ, L Lᵀ), for rows x of n numbers, by the lower Cholesky factor L of the covariance.
///
/// What is above the diagonal of L must be zero. A negative number on the diagonal is no other density, but has no
/// logarithm: NaN.
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
        let squares = self.l.solve_triangular_right_t(residual).square().sum_axis(1);
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
        self.half_log_det() + F::from_f64((HALF_LN_2PI + 0.5) * self.dim() as f64)
    }

    /// KL(self ‖ p) = ½ (‖L_p⁻¹ L‖² + ‖L_p⁻¹ (μ − μ_p)‖² − n) + Σᵢ log L_pᵢᵢ − Σᵢ log Lᵢᵢ, a scalar.
    ///
    /// # Panics
    /// If the two have different dimensions.
    #[track_caller]
    pub fn kl(self, p: Self) -> Var<'t, F> {
        let spread = p.l.solve_triangular(self.l).square().sum();
        let distance = p.l.solve_triangular_right_t(self.rows(self.mu - p.mu)).square().sum();
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

    /// Refuses what broadcasting alone would take.
    #[track_caller]
    fn check(self, operation: &str, x: Var<'t, F>) {
        let (shape, n) = (x.shape(), self.dim());
        let fits = shape.rank() > 0 && shape.last() == n;
        assert!(fits, "MultivariateNormal: {operation}: {shape}: rows of {n} numbers are wanted");
    }

    /// (…, n) as a matrix of rows.
    #[track_caller]
    fn rows(self, x: Var<'t, F>) -> Var<'t, F> {
        x.reshape([x.size() / self.dim().max(1), self.dim()])
    }
}

/// ½ ln 2π
const HALF_LN_2PI: f64 = 0.918_938_533_204_672_7;

/// The axes before the last.
fn leading(shape: Shape) -> Shape {
    Shape::new(&shape.dims()[..shape.rank() - 1])
}
