//! Student's distribution: a normal one with heavier tails.

use autograd::{Real, Var};

use super::counts::log_orders;
use super::over_last;

/// ln Γ(3/2)
const LN_GAMMA_3_2: f64 = -0.120_782_237_635_245_22;

/// Independent coordinates x = μ + σ t, where t has Student's distribution with ν degrees of freedom: an x far out costs
/// (ν + 1) ln |x| nats, and not x²/2σ² as under a normal distribution, so that few of them do not bend a regression (Lange,
/// Little & Taylor 1989, "Robust statistical modeling using the t distribution"). For ν > 2 the variance is σ² ν/(ν − 2).
#[derive(Clone, Copy, Debug)]
pub struct StudentT<'t, F: Real> {
    /// μ
    pub mu: Var<'t, F>,
    /// ln σ
    pub log_sigma: Var<'t, F>,
    /// ν
    pub dof: Var<'t, F>,
}

impl<'t, F: Real> StudentT<'t, F> {
    /// Σ ln Γ((ν + 1)/2) − ln Γ(ν/2) − ½ ln πν − ln σ − ½ (ν + 1) ln (1 + z²/ν),   z = (x − μ)/σ
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        let nu = self.dof;
        let half = nu.tape().constant(&[F::from_f64(0.5)], []);
        let z = (x - self.mu) * self.log_sigma.neg().exp();
        // ln Γ((ν + 1)/2) − ln Γ(ν/2) without the difference of large numbers.
        let gammas = log_orders(half, nu * half) + F::from_f64(LN_GAMMA_3_2);
        let scale = (nu * F::from_f64(std::f64::consts::PI)).ln() * half + self.log_sigma;
        let tail = (nu + F::ONE) * half * (z.square() / nu).ln_1p();
        over_last(gammas - scale - tail)
    }
}
