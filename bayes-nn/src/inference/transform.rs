//! Parameters with constraints, as functions of unconstrained ones (lecture 004, "Maximizing the ELBO": automatic
//! differentiation variational inference; Kucukelbir et al. 2017, section 2.3).

use autograd::{Real, Shape, Var};
use nn::model::{Init, Layout, Slot};

/// The interval in which a parameter lies, with a smooth increasing map θ = T(ζ) onto it from ζ ∈ R.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Support {
    /// All of R: θ = ζ.
    Real,
    /// θ > 0: θ = e^ζ.
    Positive,
    /// low < θ < high: θ = low + (high − low) σ(ζ).
    Interval {
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
}

impl Support {
    /// 0 < θ < 1: θ = σ(ζ).
    pub const UNIT: Self = Self::Interval { low: 0.0, high: 1.0 };

    /// θ = T(ζ), element by element.
    #[track_caller]
    pub fn constrain<F: Real>(self, zeta: Var<'_, F>) -> Var<'_, F> {
        match self {
            Self::Real => zeta,
            Self::Positive => zeta.exp(),
            Self::Interval { low, high } => zeta.sigmoid() * F::from_f64(high - low) + F::from_f64(low),
        }
    }

    /// log |det J_T(ζ)| = Σᵢ log T'(ζᵢ), a scalar.
    #[track_caller]
    pub fn log_jacobian<'t, F: Real>(self, zeta: Var<'t, F>) -> Var<'t, F> {
        match self {
            Self::Real => zeta.tape().constant(&[F::ZERO], []),
            Self::Positive => zeta.sum(),
            // T'(ζ) = (high − low) σ(ζ) σ(−ζ)
            Self::Interval { low, high } => {
                let log_width = (high - low).ln() * zeta.size() as f64;
                (zeta.log_sigmoid() + zeta.neg().log_sigmoid()).sum() + F::from_f64(log_width)
            }
        }
    }

    /// T(ζ) of a plain number.
    pub fn value(self, zeta: f64) -> f64 {
        match self {
            Self::Real => zeta,
            Self::Positive => Real::exp(zeta),
            Self::Interval { low, high } => low + (high - low) * zeta.sigmoid(),
        }
    }

    /// E[T(ζ)] for ζ ~ N(mu, sigma²): what q says of the parameter. For an interval by quadrature over mu ± 8 sigma.
    pub fn mean_of_normal(self, mu: f64, sigma: f64) -> f64 {
        match self {
            Self::Real => mu,
            Self::Positive => Real::exp(mu + 0.5 * sigma * sigma),
            Self::Interval { .. } => {
                let step = 0.01;
                let term = |k: i32| {
                    let xi = f64::from(k) * step;
                    (-0.5 * xi * xi).exp() * self.value(mu + sigma * xi)
                };
                (-800..=800).map(term).sum::<f64>() * step / std::f64::consts::TAU.sqrt()
            }
        }
    }

    /// ζ = T⁻¹(θ) of a plain number.
    ///
    /// # Panics
    /// If θ does not lie in the interval.
    #[track_caller]
    pub fn inverse(self, theta: f64) -> f64 {
        let inside = match self {
            Self::Real => theta.is_finite(),
            Self::Positive => theta > 0.0 && theta.is_finite(),
            Self::Interval { low, high } => low < theta && theta < high,
        };
        assert!(inside, "support: expected a number within {self:?}, found {theta}");
        match self {
            Self::Real => theta,
            Self::Positive => theta.ln(),
            Self::Interval { low, high } => ((theta - low) / (high - theta)).ln(),
        }
    }
}

/// A vector θ of named parts, each with a [`Support`], as a function T of an unconstrained ζ ∈ Rᵈ. A density of θ becomes a
/// density of ζ, which a family of normal densities can approximate:
///
/// log p(Y, ζ) = log p(Y, T(ζ)) + log |det J_T(ζ)|
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transform {
    layout: Layout,
    supports: Vec<Support>,
}

/// What [`Transform::apply`] computes from ζ.
#[derive(Clone, Copy, Debug)]
pub struct Constrained<'t, F: Real> {
    /// θ = T(ζ), (d).
    pub theta: Var<'t, F>,
    /// log |det J_T(ζ)|, a scalar.
    pub log_jacobian: Var<'t, F>,
}

impl Transform {
    /// A vector without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part behind the others. The slot is that part's place in θ and in ζ.
    ///
    /// # Panics
    /// If the name is taken, or an interval is empty or not bounded.
    #[track_caller]
    pub fn slot(&mut self, name: &str, shape: impl Into<Shape>, support: Support) -> Slot {
        if let Support::Interval { low, high } = support {
            let bounded = low < high && (high - low).is_finite();
            assert!(
                bounded,
                "transform: {name}: expected a bounded interval, low < high, found {low}..{high}"
            );
        }
        self.supports.push(support);
        self.layout.slot(name, shape, Init::Constant(0.0))
    }

    /// d, the length of θ and of ζ.
    pub fn dim(&self) -> usize {
        self.layout.size()
    }

    /// θ = T(ζ) and log |det J_T(ζ)|, for ζ (d).
    ///
    /// # Panics
    /// If ζ has not d numbers, or there are no parts.
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, zeta: Var<'t, F>) -> Constrained<'t, F> {
        self.check(zeta.size());
        let mut log_jacobian = zeta.tape().constant(&[F::ZERO], []);
        let mut parts = Vec::with_capacity(self.supports.len());
        for (slot, support) in self.layout.slots().iter().zip(&self.supports) {
            let zeta = zeta.view(slot.range().start, [slot.range().len()]);
            parts.push(support.constrain(zeta));
            log_jacobian = log_jacobian + support.log_jacobian(zeta);
        }
        Constrained { theta: Var::concatenate(&parts, 0), log_jacobian }
    }

    /// log p(Y, T(ζ)) + log |det J_T(ζ)|, a scalar, for ζ (d) and a log joint density of θ, (d) to a scalar.
    ///
    /// # Panics
    /// If ζ has not d numbers, or there are no parts.
    #[track_caller]
    pub fn log_joint<'t, F: Real>(
        &self,
        zeta: Var<'t, F>,
        log_joint: impl FnOnce(Var<'t, F>) -> Var<'t, F>,
    ) -> Var<'t, F> {
        let Constrained { theta, log_jacobian } = self.apply(zeta);
        log_joint(theta) + log_jacobian
    }

    /// T(ζ) of plain numbers, such as a sample of q.
    ///
    /// # Panics
    /// If ζ has not d numbers, or there are no parts.
    #[track_caller]
    pub fn values(&self, zeta: &[f64]) -> Vec<f64> {
        self.check(zeta.len());
        let each = |(slot, support): (&Slot, &Support)| {
            let support = *support;
            zeta[slot.range()].iter().map(move |&zeta| support.value(zeta))
        };
        self.layout.slots().iter().zip(&self.supports).flat_map(each).collect()
    }

    #[track_caller]
    fn check(&self, found: usize) {
        let dim = self.dim();
        assert!(dim > 0, "transform: expected at least one part, found none");
        assert!(found == dim, "transform: ζ: expected {dim} numbers, found {found}");
    }
}
