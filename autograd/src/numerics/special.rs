//! The error function and the logarithm of Γ with its derivatives.
//!
//! `erf` is branch-free, like the [elementary functions](super::elementary), and vectorises. `lgamma` and `digamma`
//! branch and are computed one by one, in double precision also for `f32`, where the last bit of the result is then
//! nearly always right. Bounds are those of the tests, over some 200 reference values each (and over two million
//! arguments of `erf` in single precision).

use std::f64::consts::PI;

use super::elementary::f64::{cos, ln, ln_1p, sin};
use crate::Real;

/// ½ ln 2π, which every normal density has.
pub const HALF_LN_2PI: f64 = 0.918_938_533_204_672_8;

/// The error function of one type, of the items that it is given: the type `F`, its `exp`, and the constants of its
/// polynomials.
///
/// `erf! { use …::exp; type F = f32; const ERF_IS_ONE: F = 3.95; … }` becomes
///
/// ```text
/// use …::exp;
/// type F = f32;
/// const ERF_IS_ONE: F = 3.95;
/// …
/// pub fn erf(x: F) -> F { … }
/// ```
macro_rules! erf {
    ($($item:item)*) => {
        $($item)*

        /// erf x = 2/√π ∫₀ˣ e^−t² dt, as x + x P(x²) for |x| < 1 and ±(1 − e^−Q(|x|)) beyond, within 1.5 ulp also near
        /// 0, whose sign it keeps.
        #[inline(always)]
        pub fn erf(x: F) -> F {
            let a = if x < -x { -x } else { x };
            let z = if a > 1.0 { 1.0 } else { a * a };
            let t = (if a > ERF_IS_ONE { ERF_IS_ONE } else { a }) - 1.0;
            let far = 1.0 - exp(-polynomial!(t, FAR));
            (if a < 1.0 { a + a * polynomial!(z, NEAR) } else { far }).copysign(x)
        }
    };
}

/// In single precision.
pub mod f32 {
    erf! {
        use crate::numerics::elementary::f32::exp;

        type F = f32;

        /// From here on the nearest number is 1.
        const ERF_IS_ONE: F = 3.95;
        /// erf x / x − 1 in x²
        const NEAR: [F; 7] =
            [0.12837917, -0.37612626, 0.112835854, -0.026853815, 0.0051883305, -0.00080102024, 7.85385e-5];
        /// −ln(1 − erf(1 + t))
        const FAR: [F; 8] = [
            1.8496056,
            2.6389675,
            0.84310704,
            0.041563552,
            -0.010046587,
            0.0020120973,
            -0.0002895886,
            2.1697475e-5,
        ];
    }
}

/// In double precision.
pub mod f64 {
    erf! {
        use crate::numerics::elementary::f64::exp;

        type F = f64;

        /// From here on the nearest number is 1.
        const ERF_IS_ONE: F = 5.93;
        /// erf x / x − 1 in x²
        const NEAR: [F; 12] = [
            0.12837916709551256,
            -0.3761263890318352,
            0.112837916709442,
            -0.026866170643113415,
            0.005223977606130842,
            -0.0008548325929766244,
            0.0001205529358693695,
            -1.4924712439534814e-5,
            1.6447132699786621e-6,
            -1.6206318752969208e-7,
            1.3710988704190523e-8,
            -7.779462971761597e-10,
        ];
        /// −ln(1 − erf(1 + t))
        const FAR: [F; 19] = [
            1.8496055099332482,
            2.6389675142347886,
            0.8431072563586589,
            0.04156109804218448,
            -0.010033825378477485,
            0.001977902594128564,
            -0.00023732259096510673,
            -2.627756190057804e-5,
            2.71584761031057e-5,
            -9.607960003664751e-6,
            2.0587444964921633e-6,
            -1.4203866483887175e-7,
            -9.805553212708072e-8,
            5.2266479085880846e-8,
            -1.4986378390166243e-8,
            2.8813894492917423e-9,
            -3.7093165842254355e-10,
            2.9063908851406485e-11,
            -1.0494807333001652e-12,
        ];
    }
}

/// ln Γ(2 + t) / t for |t| <= ½
const LN_GAMMA: [f64; 19] = [
    0.42278433509846713,
    0.32246703342411326,
    -0.06735230105319831,
    0.020580808427780567,
    -0.00738555102864968,
    0.002890510331023767,
    -0.001192753912759302,
    0.0005096695156754137,
    -0.00022315473515262135,
    9.945767004396997e-5,
    -4.492653122570817e-5,
    2.0505617299552303e-5,
    -9.43723640309574e-6,
    4.384590225185098e-6,
    -2.049754564442731e-6,
    9.203134094214749e-7,
    -4.2004446580254036e-7,
    2.784958375353345e-7,
    -1.4329235055856098e-7,
];

/// B₂ᵢ / 2i for i = 1, 2, …, with the Bernoulli numbers B.
const BERNOULLI: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 120.0,
    1.0 / 252.0,
    -1.0 / 240.0,
    1.0 / 132.0,
    -691.0 / 32_760.0,
    1.0 / 12.0,
    -3617.0 / 8160.0,
];

/// ln |Γ(x)|, within 4 ulp for x > −½ also near its zeros 1 and 2, and for x < −½ within 4 units in the last place of
/// max(1, ln Γ(−x)); +∞ at the poles 0, −1, −2, … and at ±∞.
///
/// - x >= 8: (x − ½)(ln x − 1) + ½ ln 2π − ½ + Σ B₂ᵢ / (2i (2i − 1) x²ⁱ⁻¹) (Stirling)
/// - x = n + t, |t| <= ½: ln Γ(2 + t), a polynomial, and the logarithms of the factors between 2 + t and x
/// - x <= −½: Γ(x) Γ(−x) = −π / (x sin πx)
pub fn lgamma(x: f64) -> f64 {
    let n = x.round();
    if x <= -0.5 {
        return if n == x { f64::INFINITY } else { ln((PI / (x * sin(PI * (x - n)))).abs()) - lgamma(-x) };
    }
    if x >= 8.0 {
        let w = 1.0 / (x * x);
        let terms = BERNOULLI.iter().enumerate().rev();
        let series = terms.fold(0.0, |sum, (i, b)| sum * w + b / (2 * i + 1) as f64);
        return (x - 0.5) * (ln(x) - 1.0) + (HALF_LN_2PI - 0.5) + series / x;
    }
    let t = x - n;
    let base = t * polynomial!(t, LN_GAMMA);
    match n as u32 {
        0 => base - ln(x.abs()) - ln_1p(t),
        1 => base - ln_1p(t),
        n => base + ln((2..n).fold(1.0, |product, i| product * (t + f64::from(i)))),
    }
}

/// ψ(x) = d ln Γ(x) / dx, within 6 units in the last place of max(1, |ψ(x)|) for x > 0, and of max(1, π|cot πx|,
/// ln|x|) for x < 0; ∓∞ at ±0, NaN at the poles −1, −2, … and at −∞.
///
/// - x >= 10: ln x − 1/2x − Σ B₂ᵢ / 2i x²ⁱ
/// - 0 <= x < 10: ψ(x) = ψ(x + 1) − 1/x
/// - x < 0: ψ(x) = ψ(1 − x) − π cot πx
///
pub fn digamma(x: f64) -> f64 {
    if x < 0.0 {
        let r = x - x.round();
        let angle = PI * r;
        let cot = if r == 0.0 { f64::NAN } else { cos(angle) / sin(angle) };
        return digamma(1.0 - x) - PI * cot;
    }
    let steps = (10.0 - x).ceil().max(0.0) as u32;
    let far = x + f64::from(steps);
    let w = 1.0 / (far * far);
    let series = BERNOULLI.iter().rev().fold(0.0, |sum, b| (sum + b) * w);
    // From far to near, so that every sum on the way is a value of ψ: none of them is large.
    let y = (1..steps).rev().fold(ln(far) - 0.5 / far - series, |y, i| y - 1.0 / (x + f64::from(i)));
    if steps == 0 { y } else { y - 1.0 / x }
}

/// ψ′(x) = d² ln Γ(x) / dx²; ∞ at 0, NaN at −1, −2, …. In double precision it is within 8 units in the last place of ψ′(x) for
/// x > 0, and of max(1, ψ′(x), π² cot² πx, ln² |x|) for x < 0. For `f32` it is computed in single
/// precision, and no bound is stated.
///
/// - x >= 10: 1/x + 1/2x² + Σ B₂ᵢ / x²ⁱ⁺¹
/// - 0 <= x < 10: ψ′(x) = ψ′(x + 1) + 1/x²
/// - x < 0: ψ′(x) = π² / sin² πx − ψ′(1 − x)
///
/// This is plain arithmetic in `F`: with dual numbers it differentiates itself, once for ψ″ and, nested, for ψ‴, ….
pub fn trigamma<F: Real>(x: F) -> F {
    if x < F::ZERO {
        let r = x - F::from_f64(x.to_f64().round());
        let sine = if r == F::ZERO { F::from_f64(f64::NAN) } else { (F::from_f64(PI) * r).sin_near() };
        let csc = F::from_f64(PI) / sine;
        return csc * csc - trigamma(F::ONE - x);
    }
    let (mut x, mut shift) = (x, F::ZERO);
    while x < F::from_f64(10.0) {
        shift += F::ONE / (x * x);
        x += F::ONE;
    }
    let w = F::ONE / (x * x);
    let terms = BERNOULLI.iter().enumerate().rev();
    let series = terms.fold(F::ZERO, |sum, (i, &b)| (sum + F::from_f64(b * (2 * i + 2) as f64)) * w);
    (F::ONE + F::from_f64(0.5) / x + series) / x + shift
}
