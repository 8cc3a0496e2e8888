//! Matérn processes as linear stochastic differential equations.

use std::array::from_fn;

use serde::{Deserialize, Serialize};

use super::small::{Square, Vector, identity, plus, product, scaled};

/// A Matérn covariance of variance one, whose process is a component of a Markov process (Hartikainen & Särkkä 2010, section 3;
/// Särkkä & Solin 2019, section 12.3).
///
/// With the scaled time τ = √(2ν) |t − t'| / ℓ the covariance k of f(t) and f(t') is e^−τ times a polynomial. The state
/// (f, df/dτ, d²f/dτ²), of which a process has its first ν + ½ components, follows
///
/// s(t') = A s(t) + q,   A = e^(F τ),   q ~ N(0, P − A P Aᵀ)
///
/// where F is the companion matrix of (1 + x)^(ν + ½), and P the covariance of s at any time. In these units neither depends on ℓ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matern {
    /// ν = ½, k = e^−τ: paths are continuous and rough
    Half,
    /// ν = 3/2, k = (1 + τ) e^−τ: paths have a derivative
    ThreeHalves,
    /// ν = 5/2, k = (1 + τ + τ²/3) e^−τ: paths have two derivatives
    FiveHalves,
}

impl Matern {
    /// √(2ν)
    pub(super) fn rate(self) -> f64 {
        match self {
            Self::Half => 1.0,
            Self::ThreeHalves => 3.0_f64.sqrt(),
            Self::FiveHalves => 5.0_f64.sqrt(),
        }
    }
}

/// F for a state of D numbers.
pub(super) fn drift<const D: usize>() -> Square<D> {
    let mut binomial = 1.0;
    let last: Vector<D> = from_fn(|j| {
        let of_j = -binomial;
        binomial *= (D - j) as f64 / (j + 1) as f64;
        of_j
    });
    from_fn(|i| if i + 1 < D { from_fn(|j| f64::from(u8::from(j == i + 1))) } else { last })
}

/// A = e^(F τ) = e^−τ (I + τ N + ½ τ² N²) with N = F + I, whose power D ≤ 3 is 0. It is 0 for τ = ∞.
pub(super) fn transition<const D: usize>(tau: f64) -> Square<D> {
    const GONE: f64 = 700.0;
    if tau > GONE {
        return [[0.0; D]; D];
    }
    let nilpotent = plus(drift::<D>(), identity());
    let inner = plus(identity(), scaled(0.5 * tau, nilpotent));
    scaled((-tau).exp(), plus(identity(), scaled(tau, product(&nilpotent, &inner))))
}

/// P for a state of D numbers.
pub(super) fn stationary<const D: usize>() -> Square<D> {
    let mut p = identity();
    if D == 3 {
        (p[1][1], p[0][2], p[2][0]) = (1.0 / 3.0, -1.0 / 3.0, -1.0 / 3.0);
    }
    p
}
