//! The distribution function of N(0, 1).

/// Φ(x) = P(N(0, 1) ≤ x), to about 1e-15.
///
/// Hart's rational approximation (Hart et al. 1968, "Computer approximations", no. 5666) up to |x| = 5√2, a continued
/// fraction beyond (West 2005, "Better approximations to cumulative normal functions").
pub(crate) fn normal_cdf(x: f64) -> f64 {
    let a = x.abs();
    let density = (-0.5 * a * a).exp();
    let horner = |coefficients: &[f64]| coefficients.iter().fold(0.0, |sum, c| sum * a + c);
    let tail = if a < 5.0 * std::f64::consts::SQRT_2 {
        density * horner(&NUMERATOR) / horner(&DENOMINATOR)
    } else {
        let fraction = [4.0, 3.0, 2.0, 1.0].iter().fold(a + 0.65, |below, k| a + k / below);
        density / fraction / SQRT_2PI
    };
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// √2π
const SQRT_2PI: f64 = 2.506_628_274_631_000_5;

const NUMERATOR: [f64; 7] = [
    3.526_249_659_989_11e-2,
    0.700_383_064_443_688,
    6.373_962_203_531_65,
    33.912_866_078_383,
    112.079_291_497_871,
    221.213_596_169_931,
    220.206_867_912_376,
];
const DENOMINATOR: [f64; 8] = [
    8.838_834_764_831_84e-2,
    1.755_667_163_182_64,
    16.064_177_579_207,
    86.780_732_202_946_1,
    296.564_248_779_674,
    637.333_633_378_831,
    793.826_512_519_948,
    440.413_735_824_752,
];

/// φ(x), the density of N(0, 1)
pub(crate) fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / SQRT_2PI
}
