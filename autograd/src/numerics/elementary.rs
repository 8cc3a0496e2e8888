//! Elementary functions without branches or tables, so that a plain loop over them becomes vector code.
//!
//! Each is written once for both types, in additions, products, quotients and selections alone (no fused
//! multiply-add), so that it gives the same bits with every instruction set. There are three ideas:
//!
//! - eˣ = 2ᵏ eʳ, where k is x / ln 2 rounded and r = x − k ln 2: `exp`, `exp_m1`, `tanh`, `sigmoid` and
//!   `softplus`.
//! - ln 2ᵏ(1 + f) = k ln 2 + 2 artanh(f / (2 + f)), where 1 + f lies between √½ and √2: `ln`, `ln_1p` and
//!   `softplus`.
//! - sin(n π/2 + r) is one of ± sin r, ± cos r, where |r| <= π/4: `sin` and `cos`.
//!
//! What remains is a polynomial each, of least largest relative error. Adding 1.5 · 2ᵖ, where p is the
//! number of bits after the point, rounds to an integer that then stands in the lowest bits. Limits are
//! comparisons, which let NaN pass; NaN gives NaN.
//!
//! Errors are stated in units in the last place (ulp), subnormal results included: the largest over all
//! arguments in single precision, and over some hundred thousand of all magnitudes, hard ones above all, in
//! double precision.

/// c₀ + c₁ x + c₂ x² + …, the even and the odd terms apart: two chains of half the length overlap.
///
/// `polynomial!(x, [c0, c1, c2, c3, c4])` has the value of
///
/// ```text
/// ((c4 * (x * x) + c2) * (x * x) + c0) + x * (c3 * (x * x) + c1)
/// ```
macro_rules! polynomial {
    ($x:expr, $c:expr) => {{
        let square = $x * $x;
        let mut i = $c.len() - 2;
        let (mut a, mut b) = ($c[i + 1], $c[i]);
        while i > 1 {
            i -= 2;
            a = a * square + $c[i + 1];
            b = b * square + $c[i];
        }
        if i == 0 { b + $x * a } else { (a * square + $c[0]) + $x * b }
    }};
}

/// The functions of one type, of the items that it is given: the type `F`, its bits `U`, the constants of its polynomials, and
/// the function `quadrant`.
///
/// `elementary! { type F = f32; type U = u32; const EXP: [F; 5] = …; … }` becomes
///
/// ```text
/// type F = f32;
/// type U = u32;
/// const EXP: [F; 5] = …;
/// …
/// pub fn exp(x: F) -> F { … }
/// pub fn ln(x: F) -> F { … }
/// …
/// ```
macro_rules! elementary {
    ($($item:item)*) => {
        $($item)*

        const SIGN: U = 1 << (U::BITS - 1);
        const FRACTION: u32 = F::MANTISSA_DIGITS - 1;
        const BIAS: U = F::MAX_EXP as U - 1;
        const SQRT_HALF: U = FRAC_1_SQRT_2.to_bits();
        const ROUND: F = 1.5 / F::EPSILON;

        /// 2ᵏ from BIAS + k, which may have anything in its higher bits.
        #[inline(always)]
        fn pow2(biased: U) -> F {
            F::from_bits(biased << FRACTION)
        }

        #[inline(always)]
        fn at_least(low: F, x: F) -> F {
            if x < low { low } else { x }
        }

        #[inline(always)]
        fn at_most(high: F, x: F) -> F {
            if x > high { high } else { x }
        }

        /// eˣ = 2ᵏ (1 + h + t), as 2 BIAS + k (in the lowest bits), h and t: h is exact and t small.
        #[inline(always)]
        fn split_exp(x: F) -> (U, F, F) {
            let shift = ROUND + (2 * BIAS) as F;
            let shifted = x * LOG2_E + shift;
            let k = shifted - shift;
            let (h, l) = (x - k * LN_2_HIGH, k * LN_2_LOW);
            let r = h - l;
            (shifted.to_bits(), h, r * r * polynomial!(r, EXP) - l)
        }

        /// (eˣ − 1) / 2 between −40 and `EXP_OVERFLOWS`; it does not overflow before eˣ does.
        #[inline(always)]
        fn half_exp_m1_within(x: F) -> F {
            let (k, h, t) = split_exp(x);
            let s = pow2(k - (BIAS + 1));
            ((s - 0.5) + s * h) + s * t
        }

        /// eˣ, within 0.94 ulp: ∞ where that is too large, gradually 0 where it is too small.
        #[inline(always)]
        pub fn exp(x: F) -> F {
            exp_within(at_least(EXP_VANISHES, at_most(EXP_OVERFLOWS, x)))
        }

        /// e^−|x|
        #[inline(always)]
        fn exp_minus_abs(x: F) -> F {
            exp_within(at_least(EXP_VANISHES, if x < -x { x } else { -x }))
        }

        /// eˣ between `EXP_VANISHES` and `EXP_OVERFLOWS`.
        #[inline(always)]
        fn exp_within(x: F) -> F {
            let (k, h, t) = split_exp(x);
            // Two factors, since 2ᵏ alone may be too large or too small to be represented.
            let half = k >> 1;
            (1.0 + (h + t)) * pow2(half) * pow2(k - half)
        }

        /// eˣ − 1, within 1.4 ulp also near 0, whose sign it keeps.
        #[inline(always)]
        pub fn exp_m1(x: F) -> F {
            let y = 2.0 * half_exp_m1_within(at_most(EXP_OVERFLOWS, at_least(-40.0, x)));
            // Half of a subnormal number would be rounded, and −0 would become 0.
            if x.abs() < F::MIN_POSITIVE { x } else { y }
        }

        /// tanh x = ± m / (1 + m), m = (e^2|x| − 1) / 2, within 2 ulp also near 0, whose sign it keeps.
        #[inline(always)]
        pub fn tanh(x: F) -> F {
            let m = half_exp_m1_within(at_most(40.0, 2.0 * x.abs()));
            let y = m / (1.0 + m);
            // Where m is small, so is m y, and with it what the errors of the sum and the quotient weigh.
            (if m < 1.0 { m - m * y } else { y }).copysign(x)
        }

        /// σ(x) = 1 / (1 + e⁻ˣ) = n − n e / (1 + e), e = e^−|x|, n = 1 or e, within 1.9 ulp.
        #[inline(always)]
        pub fn sigmoid(x: F) -> F {
            let e = exp_minus_abs(x);
            let n = if x < 0.0 { e } else { 1.0 };
            n - n * (e / (1.0 + e))
        }

        /// softplus(x) = ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), within 1.7 ulp.
        #[inline(always)]
        pub fn softplus(x: F) -> F {
            let e = exp_minus_abs(x);
            let (k, f) = if e > 0.5 { (1.0, 0.5 * (e - 1.0)) } else { (0.0, e) };
            (if x > 0.0 { x } else { 0.0 }) + join_ln(k, f)
        }

        /// x = 2ᵏ m as BIAS + k and m, between √½ and √2, for a normal x > 0.
        #[inline(always)]
        fn split_ln(x: F) -> (U, F) {
            let b = x.to_bits().wrapping_add((BIAS << FRACTION) - SQRT_HALF);
            (b >> FRACTION, F::from_bits((b & ((1 << FRACTION) - 1)) + SQRT_HALF))
        }

        /// k from BIAS + k.
        #[inline(always)]
        fn unbias(biased: U) -> F {
            F::from_bits(ROUND.to_bits() + biased) - (ROUND + BIAS as F)
        }

        /// ln 2ᵏ(1 + f) = k ln 2 + f − (f²/2 − s (f²/2 + s² P(s²))),   s = f / (2 + f)
        #[inline(always)]
        fn join_ln(k: F, f: F) -> F {
            let s = f / (2.0 + f);
            let z = s * s;
            let half = 0.5 * f * f;
            k * LN_2_HIGH - ((half - (s * (half + z * polynomial!(z, LN)) + k * LN_2_LOW)) - f)
        }

        /// `y` for 0 < x < ∞, and what ln x is elsewhere.
        #[inline(always)]
        fn limit_ln(x: F, y: F) -> F {
            let outside = if x == 0.0 { F::NEG_INFINITY } else { F::NAN };
            let y = if x > 0.0 { y } else { outside };
            if x == F::INFINITY { x } else { y }
        }

        /// ln x, within 0.88 ulp: −∞ at ±0, NaN for x < 0.
        #[inline(always)]
        pub fn ln(x: F) -> F {
            let tiny = x < F::MIN_POSITIVE;
            let (k, m) = split_ln(if tiny { x / F::EPSILON } else { x });
            let k = unbias(k) - if tiny { FRACTION as F } else { 0.0 };
            limit_ln(x, join_ln(k, m - 1.0))
        }

        /// ln(1 + x), within 1.5 ulp also near 0, whose sign it keeps: −∞ at −1, NaN for x < −1.
        #[inline(always)]
        pub fn ln_1p(x: F) -> F {
            // 1 + x = u + c exactly.
            let u = 1.0 + x;
            let d = u - 1.0;
            let c = (1.0 - (u - d)) + (x - d);
            let (k, m) = split_ln(u);
            // f with 2⁻ᵏ c, in two steps since 2⁻ᵏ may be too small to be represented.
            let f = (m - 1.0) + c * pow2((2 * BIAS + 1).wrapping_sub(k)) * 0.5;
            limit_ln(u, join_ln(unbias(k), f).copysign(x))
        }

        /// sin(n π/2 + h) for |h| <= π/4, of n only the lowest two bits.
        #[inline(always)]
        fn circular(n: U, h: F) -> F {
            let z = h * h;
            let sin = h + h * z * polynomial!(z, SIN);
            let cos = 1.0 - (0.5 * z - z * z * polynomial!(z, COS));
            let y = if n & 1 == 0 { sin } else { cos };
            F::from_bits(y.to_bits() ^ (n & 2) << (U::BITS - 2))
        }

        /// sin(n π/2 + h) with the sign of x.
        #[inline(always)]
        fn odd((n, h): (U, F), x: F) -> F {
            F::from_bits(circular(n, h).to_bits() ^ (x.to_bits() & SIGN))
        }

        /// sin x for |x| <= [`NEAR`](super::NEAR), NaN beyond, within 1.6 ulp; the sign of 0 is kept. In a loop it becomes
        /// vector code.
        #[inline(always)]
        pub fn sin_near(x: F) -> F {
            odd(quadrant(x.abs()), x)
        }

        /// cos x for |x| <= [`NEAR`](super::NEAR), NaN beyond, within 1.6 ulp. In a loop it becomes vector code.
        #[inline(always)]
        pub fn cos_near(x: F) -> F {
            let (n, h) = quadrant(x.abs());
            circular(n + 1, h)
        }

        /// sin x, within 1.6 ulp, NaN where x is infinite; the sign of 0 is kept.
        #[inline]
        pub fn sin(x: F) -> F {
            if is_far(x.into()) { odd(far_quadrant(x.abs()), x) } else { sin_near(x) }
        }

        /// cos x, within 1.6 ulp, NaN where x is infinite.
        #[inline]
        pub fn cos(x: F) -> F {
            if !is_far(x.into()) {
                return cos_near(x);
            }
            let (n, h) = far_quadrant(x.abs());
            circular(n + 1, h)
        }

        /// x = n π/2 + h for a finite x beyond [`NEAR`](super::NEAR), of n the lowest two bits.
        #[cold]
        #[inline(never)]
        fn far_quadrant(x: F) -> (U, F) {
            let (n, h) = payne_hanek(x.into());
            (n as U, h as F)
        }
    };
}

/// Up to this |x|, 2²⁴, the sine and the cosine are computed without a branch: n times a piece of π/2 is exact so far.
pub const NEAR: f64 = 16_777_216.0;

/// Whether x is finite and beyond [`NEAR`].
#[inline(always)]
fn is_far(x: f64) -> bool {
    x.abs() > NEAR && x.abs() < f64::INFINITY
}

/// 2/π, the bits behind the point.
const TWO_OVER_PI: [u64; 20] = [
    0xa2f9836e4e441529,
    0xfc2757d1f534ddc0,
    0xdb6295993c439041,
    0xfe5163abdebbc561,
    0xb7246e3a424dd2e0,
    0x06492eea09d1921c,
    0xfe1deb1cb129a73e,
    0xe88235f52ebb4484,
    0xe99c7026b45f7e41,
    0x3991d639835339f4,
    0x9c845f8bbdf9283b,
    0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f,
    0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea,
    0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab,
    0xf0cfbc209af4361d,
];

/// x = n π/2 + h for a finite x beyond [`NEAR`], of n the lowest two bits, and h within 0.6 ulp (Payne and Hanek 1983).
///
/// x = m 2ᵉ with an m of 53 bits. Of the product of m and 2/π only the bits with weights from 2 down to 2⁻¹²⁸ matter: those
/// above are whole turns. So m is multiplied by the 192 bits of 2/π that give them.
fn payne_hanek(x: f64) -> (u64, f64) {
    const FRACTION: u32 = f64::MANTISSA_DIGITS - 1;
    let m = u128::from(x.to_bits() & ((1 << FRACTION) - 1) | 1 << FRACTION);
    let e = (x.to_bits() >> FRACTION) as i32 - (f64::MAX_EXP - 1 + FRACTION as i32);
    // The first bit of 2/π in use, counted from 0: its weight in the product with 2ᵉ is at most 2.
    let first = (e - 2).max(0) as usize;
    let word = |i: usize| {
        let (word, bit) = (first / 64 + i, first % 64);
        let both = u128::from(TWO_OVER_PI[word]) << 64 | u128::from(TWO_OVER_PI[word + 1]);
        (both << bit >> 64) as u64
    };
    // m times three words, in four words from the highest on.
    let mut product = [0; 4];
    let mut carry = 0;
    for i in (0..3).rev() {
        let sum = m * u128::from(word(i)) + carry;
        product[i + 1] = sum as u64;
        carry = sum >> 64;
    }
    product[0] = carry as u64;
    // The point is this many bits from the right end; from it on 128 bits of the fraction.
    let point = 192 + first as i32 - e;
    let from = |bit: i32| {
        // 128 bits of the product, the lowest of them with this number from the right.
        let high = u128::from(product[0]) << 64 | u128::from(product[1]);
        let low = u128::from(product[2]) << 64 | u128::from(product[3]);
        match bit {
            0 => low,
            1..128 => high << (128 - bit) | low >> bit,
            _ => high >> (bit - 128),
        }
    };
    let (whole, fraction) = (from(point) as u64, from(point - 128) as i128);
    // A fraction of one half or more has its highest bit set, and as a signed number is that less 1.
    let n = whole.wrapping_add(u64::from(fraction < 0));
    let high = fraction as f64;
    let low = (fraction - high as i128) as f64;
    let (pi_high, pi_low) = (std::f64::consts::FRAC_PI_2, 6.123233995736766e-17);
    let h = high * pi_high;
    let rest = high.mul_add(pi_high, -h) + (high * pi_low + low * pi_high);
    (n & 3, (h + rest) * 2.0_f64.powi(-128))
}

/// In single precision.
pub mod f32 {
    elementary! {
        use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

        use super::{NEAR, is_far, payne_hanek};

        type F = f32;
        type U = u32;

        const EXP_OVERFLOWS: F = 89.0;
        const EXP_VANISHES: F = -104.0;
        /// ln 2 in two pieces; the first has few enough bits that its product with k is exact.
        const LN_2_HIGH: F = 0.69314575;
        const LN_2_LOW: F = 1.4286068e-6;
        /// (eʳ − 1 − r) / r²
        const EXP: [F; 5] = [0.49999994, 0.16666521, 0.04166839, 0.008368745, 0.001381454];
        /// (ln(1 + f) − 2 s) / s³ in s²
        const LN: [F; 3] = [0.6666695, 0.3995761, 0.30365223];
        /// (sin r − r) / r³ in r²
        const SIN: [F; 3] = [-0.16666655, 0.008332176, -0.00019516978];
        /// (cos r − 1 + r²/2) / r⁴ in r²
        const COS: [F; 3] = [0.041666646, -0.0013887364, 2.4438092e-5];
        /// x = n π/2 + h by the reduction of Cody and Waite, in double precision.
        #[inline(always)]
        fn quadrant(x: F) -> (U, F) {
            const ROUND: f64 = 1.5 * (1_u64 << 52) as f64;
            const HIGH: f64 = 1.5707963109016418;
            const LOW: f64 = 1.5893254773528196e-8;
            let x = if x <= NEAR as F { x as f64 } else { f64::NAN };
            let shifted = x * std::f64::consts::FRAC_2_PI + ROUND;
            let n = shifted - ROUND;
            (shifted.to_bits() as U, (x - n * HIGH - n * LOW) as F)
        }
    }
}

/// In double precision.
pub mod f64 {
    elementary! {
        use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, LOG2_E};

        use super::{NEAR, is_far, payne_hanek};

        type F = f64;
        type U = u64;

        const EXP_OVERFLOWS: F = 710.0;
        const EXP_VANISHES: F = -746.0;
        /// ln 2 in two pieces; the first has few enough bits that its product with k is exact.
        const LN_2_HIGH: F = 0.693147180559663;
        const LN_2_LOW: F = 2.8235290563031577e-13;
        /// (eʳ − 1 − r) / r²
        const EXP: [F; 10] = [
            0.5000000000000011,
            0.1666666666666641,
            0.041666666666529725,
            0.00833333333349498,
            0.0013888888943760231,
            0.0001984126950577057,
            2.4801492949362823e-5,
            2.7557586805900546e-6,
            2.763030634429167e-7,
            2.5000018377064278e-8,
        ];
        /// (ln(1 + f) − 2 s) / s³ in s²
        const LN: [F; 7] = [
            0.6666666666667281,
            0.3999999999610333,
            0.2857142940579875,
            0.22222137641207126,
            0.18186391362113893,
            0.1524948161215277,
            0.15373694289831966,
        ];
        /// (sin r − r) / r³ in r²
        const SIN: [F; 6] = [
            -0.16666666666666632,
            0.00833333333332237,
            -0.00019841269829771257,
            2.755731367869163e-6,
            -2.5050755964884355e-8,
            1.5896666683412807e-10,
        ];
        /// (cos r − 1 + r²/2) / r⁴ in r²
        const COS: [F; 6] = [
            0.0416666666666666,
            -0.0013888888888874066,
            2.48015872894441e-5,
            -2.7557314340816765e-7,
            2.0875721642970186e-9,
            -1.1359560240058234e-11,
        ];
        /// x = n π/2 + h by the reduction of Cody and Waite, π/2 in pieces of 29 bits: their products with n are
        /// exact, and what the differences round away is added at the end.
        #[inline(always)]
        fn quadrant(x: F) -> (U, F) {
            const FRAC_PI_2: [F; 4] =
                [1.570796325802803, 9.920935774287987e-10, 2.2517417706346578e-18, 3.5215598651832e-27];
            let x = if x <= NEAR { x } else { F::NAN };
            let shifted = x * FRAC_2_PI + ROUND;
            let n = shifted - ROUND;
            let [a, b, c, d] = [n * FRAC_PI_2[0], n * FRAC_PI_2[1], n * FRAC_PI_2[2], n * FRAC_PI_2[3]];
            let first = x - a;
            let second = first - b;
            let third = second - c;
            let rest = ((first - second) - b) + (((second - third) - c) - d);
            (shifted.to_bits(), third + rest)
        }
    }
}
