//! What a predictive distribution is a mixture of.

use autograd::Real;
use autograd::numerics::HALF_LN_2PI;

/// The distribution of an observation for one draw of θ, by its mean f and its standard deviation σ.
#[derive(Clone, Debug, PartialEq)]
pub enum Components {
    /// N(f, σ²)
    Normal,
    /// f + τ t, where t has Student's distribution with ν degrees of freedom and τ² = σ² (ν − 2)/ν.
    Student {
        /// ν > 2 of each draw.
        dof: Vec<f64>,
    },
    /// Poisson counts of rate f.
    Poisson,
    /// Counts of mean f and variance f + f²/r.
    NegativeBinomial {
        /// r of each draw.
        dispersion: Vec<f64>,
    },
}

impl Components {
    /// Whether observations are counts.
    pub fn is_of_counts(&self) -> bool {
        matches!(self, Self::Poisson | Self::NegativeBinomial { .. })
    }

    /// log p(y) for draw s, without a constant that is the same for all draws: [`constant`](Self::constant). A y that is no count
    /// is impossible where observations are counts.
    pub(crate) fn log_density(&self, s: usize, (f, sigma): (f64, f64), y: f64) -> f64 {
        let is_count = y >= 0.0 && y.fract() == 0.0;
        match self {
            Self::Normal => -0.5 * ((y - f) / sigma).powi(2) - sigma.ln(),
            Self::Student { dof } => {
                let (nu, tau) = (dof[s], student_scale(dof[s], sigma));
                let tail = 0.5 * (nu + 1.0) * (((y - f) / tau).powi(2) / nu).ln_1p();
                ((nu + 1.0) / 2.0).lgamma() - (nu / 2.0).lgamma() - 0.5 * (nu / 2.0).ln() - tau.ln() - tail
            }
            _ if !is_count => f64::NEG_INFINITY,
            Self::Poisson => y * f.ln() - f - (y + 1.0).lgamma(),
            Self::NegativeBinomial { dispersion } => {
                let r = dispersion[s];
                let orders = (y + r).lgamma() - r.lgamma() - (y + 1.0).lgamma();
                orders - r * (f / r).ln_1p() - y * (r / f).ln_1p()
            }
        }
    }

    /// What [`log_density`](Self::log_density) leaves out.
    pub(crate) fn constant(&self) -> f64 {
        if self.is_of_counts() { 0.0 } else { -HALF_LN_2PI }
    }

    /// P(y' ≤ y) for draw s.
    pub(crate) fn cdf(&self, s: usize, (f, sigma): (f64, f64), y: f64) -> f64 {
        match self {
            Self::Normal => normal_cdf((y - f) / sigma),
            Self::Student { dof } => student_cdf(dof[s], (y - f) / student_scale(dof[s], sigma)),
            _ if y < 0.0 => 0.0,
            Self::Poisson => gamma_above(y.floor() + 1.0, f),
            Self::NegativeBinomial { dispersion } => {
                let r = dispersion[s];
                beta_below(r, y.floor() + 1.0, [r / (r + f), f / (r + f)])
            }
        }
    }
}

/// τ of a Student distribution with this standard deviation.
fn student_scale(nu: f64, sigma: f64) -> f64 {
    sigma * ((nu - 2.0) / nu).sqrt()
}

/// Φ(x) = P(N(0, 1) ≤ x)
pub(crate) fn normal_cdf(x: f64) -> f64 {
    0.5 * (1.0 + Real::erf(x * std::f64::consts::FRAC_1_SQRT_2))
}

/// P(t ≤ z) of Student's distribution: the tail beyond |z| is ½ I_x(ν/2, ½) at x = ν/(ν + z²).
fn student_cdf(nu: f64, z: f64) -> f64 {
    let square = z * z;
    let tail = 0.5 * beta_below(0.5 * nu, 0.5, [nu / (nu + square), square / (nu + square)]);
    if z > 0.0 { 1.0 - tail } else { tail }
}

/// A sum or a fraction is followed until a term changes it by less than this, or so many terms.
const PRECISION: f64 = 1e-15;
const MOST_TERMS: usize = 100_000;

/// Q(a, x) = Γ(a, x)/Γ(a) for a > 0 and x ≥ 0: by a series where x < a + 1, else by a continued fraction (Abramowitz & Stegun 1964,
/// 6.5.29 and 6.5.31).
fn gamma_above(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let power = (a * x.ln() - x - a.lgamma()).exp();
    if x >= a + 1.0 {
        let term = |n: usize| {
            let n = n as f64;
            (-n * (n - a), x + 2.0 * n + 1.0 - a)
        };
        return power / continued_fraction(x + 1.0 - a, term);
    }
    let (mut term, mut sum) = (1.0 / a, 1.0 / a);
    for n in 1..MOST_TERMS {
        term *= x / (a + n as f64);
        sum += term;
        if term < PRECISION * sum {
            break;
        }
    }
    1.0 - power * sum
}

/// I_x(a, b), the incomplete beta function divided by the complete one, of x and 1 − x: by a continued fraction (Abramowitz & Stegun
/// 1964, 26.5.8), for 1 − I_{1 − x}(b, a) where that is the shorter way.
fn beta_below(a: f64, b: f64, [x, rest]: [f64; 2]) -> f64 {
    if x <= 0.0 || rest <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_below(b, a, [rest, x]);
    }
    let power = (a * x.ln() + b * rest.ln() + (a + b).lgamma() - a.lgamma() - b.lgamma()).exp();
    let term = |n: usize| {
        let m = (n / 2) as f64;
        let d = match n % 2 {
            0 => m * (b - m) / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            _ => -(a + m) * (a + b + m) / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        };
        (d * x, 1.0)
    };
    power / (a * continued_fraction(1.0, term))
}

/// b₀ + a₁/(b₁ + a₂/(b₂ + …)) from the pairs (aₙ, bₙ), n = 1, 2, … (Lentz 1976).
fn continued_fraction(b0: f64, term: impl Fn(usize) -> (f64, f64)) -> f64 {
    let nonzero = |x: f64| if x == 0.0 { 1e-300 } else { x };
    let mut value = nonzero(b0);
    let (mut c, mut d) = (value, 0.0);
    for n in 1..MOST_TERMS {
        let (a, b) = term(n);
        d = 1.0 / nonzero(b + a * d);
        c = nonzero(b + a / c);
        value *= c * d;
        if (c * d - 1.0).abs() < PRECISION {
            break;
        }
    }
    value
}
