//! Parameters with constraints, as functions of unconstrained ones (lecture 004, "Maximizing the ELBO": automatic
//! differentiation variational inference; Kucukelbir et al. 2017, section 2.3).

use autograd::{Real, Shape, Var};
use nn::{Init, Layout, Slot};

/// Where a parameter may lie, with a smooth monotone map θ = T(ζ) from ζ ∈ R.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Support {
    /// R: θ = ζ
    Real,
    /// θ > 0: θ = e^ζ
    Positive,
    /// low < θ < high: θ = low + (high − low) σ(ζ)
    Interval(f64, f64),
}

impl Support {
    /// 0 < θ < 1: θ = σ(ζ)
    pub const UNIT: Self = Self::Interval(0.0, 1.0);

    /// θ = T(ζ)
    #[track_caller]
    pub fn constrain<F: Real>(self, zeta: Var<'_, F>) -> Var<'_, F> {
        match self {
            Self::Real => zeta,
            Self::Positive => zeta.exp(),
            Self::Interval(low, high) => zeta.sigmoid() * F::from_f64(high - low) + F::from_f64(low),
        }
    }

    /// log |det J_T(ζ)| = Σᵢ log T'(ζᵢ), a scalar.
    #[track_caller]
    pub fn log_jacobian<'t, F: Real>(self, zeta: Var<'t, F>) -> Var<'t, F> {
        match self {
            Self::Real => zeta.tape().constant(&[F::ZERO], []),
            Self::Positive => zeta.sum(),
            // σ' = σ(ζ) σ(−ζ)
            Self::Interval(low, high) => {
                let log_width = (high - low).ln() * zeta.size() as f64;
                (zeta.log_sigmoid() + zeta.neg().log_sigmoid()).sum() + F::from_f64(log_width)
            }
        }
    }

    /// T(ζ) of a number.
    pub fn value(self, zeta: f64) -> f64 {
        match self {
            Self::Real => zeta,
            Self::Positive => Real::exp(zeta),
            Self::Interval(low, high) => low + (high - low) * zeta.sigmoid(),
        }
    }

    /// ζ = T⁻¹(θ) of a number.
    ///
    /// # Panics
    /// If θ does not lie within.
    #[track_caller]
    pub fn inverse(self, theta: f64) -> f64 {
        let inside = match self {
            Self::Real => theta.is_finite(),
            Self::Positive => theta > 0.0 && theta.is_finite(),
            Self::Interval(low, high) => low < theta && theta < high,
        };
        assert!(inside, "support: {theta} does not lie within {self:?}");
        match self {
            Self::Real => theta,
            Self::Positive => theta.ln(),
            Self::Interval(low, high) => ((theta - low) / (high - theta)).ln(),
        }
    }
}

/// A vector θ of named parts with a [`Support`] each, as a function of an unconstrained ζ ∈ Rᵈ. A density over θ becomes
/// one over ζ, which a Gaussian family can approximate:
///
/// log p(Y, ζ) = log p(Y, T(ζ)) + log |det J_T(ζ)|
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transform {
    layout: Layout,
    supports: Vec<Support>,
}

impl Transform {
    /// A vector without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part behind the others.
    ///
    /// # Panics
    /// If the name is taken, or an interval is empty or not bounded.
    #[track_caller]
    pub fn slot(&mut self, name: &str, shape: impl Into<Shape>, support: Support) -> Slot {
        if let Support::Interval(low, high) = support {
            let bounded = low < high && (high - low).is_finite();
            assert!(bounded, "transform: {name}: the interval {low}..{high} is empty or not bounded");
        }
        self.supports.push(support);
        self.layout.slot(name, shape, Init::Constant(0.0))
    }

    /// d, the length of θ and of ζ.
    pub fn dim(&self) -> usize {
        self.layout.size()
    }

    /// θ = T(ζ) and log |det J_T(ζ)|, (d) to (d) and a scalar.
    ///
    /// # Panics
    /// If ζ is not as long as all parts, or there are none.
    #[track_caller]
    pub fn apply<'t, F: Real>(&self, zeta: Var<'t, F>) -> (Var<'t, F>, Var<'t, F>) {
        self.check(zeta.size());
        let mut log_jacobian = zeta.tape().constant(&[F::ZERO], []);
        let mut parts = Vec::with_capacity(self.supports.len());
        for (slot, support) in self.layout.slots().iter().zip(&self.supports) {
            let zeta = zeta.view(slot.range().start, [slot.range().len()]);
            parts.push(support.constrain(zeta));
            log_jacobian = log_jacobian + support.log_jacobian(zeta);
        }
        (Var::concatenate(&parts, 0), log_jacobian)
    }

    /// log p(Y, T(ζ)) + log |det J_T(ζ)| for a log joint density of θ.
    #[track_caller]
    pub fn log_joint<'t, F: Real>(
        &self,
        zeta: Var<'t, F>,
        log_joint: impl FnOnce(Var<'t, F>) -> Var<'t, F>,
    ) -> Var<'t, F> {
        let (theta, log_jacobian) = self.apply(zeta);
        log_joint(theta) + log_jacobian
    }

    /// T(ζ) of plain numbers, such as a sample of q.
    ///
    /// # Panics
    /// If ζ is not as long as all parts.
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
    fn check(&self, len: usize) {
        let dim = self.dim();
        assert!(len == dim && dim > 0, "transform: ζ has {len} numbers, the parts {dim}");
    }
}
