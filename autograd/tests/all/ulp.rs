//! Errors in units in the last place.

/// One unit in the last place of `y`, for a format of so many bits whose least exponent is `min_exp`.
fn ulp(y: f64, digits: i32, min_exp: i32) -> f64 {
    let exponent = ((y.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    // 2 to this power, which is no subnormal number.
    let power = exponent.max(min_exp - 1) + 1 - digits;
    f64::from_bits(((power + 1023) as u64) << 52)
}

/// How far `y` is from what it should be, in units in the last place of an `f32`.
pub(crate) fn error_f32(y: f32, expected: f64) -> f64 {
    if expected.is_nan() || (expected as f32).is_infinite() {
        let same = y == expected as f32 || y.is_nan() && expected.is_nan();
        return if same { 0.0 } else { f64::INFINITY };
    }
    let error = (f64::from(y) - expected).abs() / ulp(expected, f32::MANTISSA_DIGITS as i32, f32::MIN_EXP);
    if error.is_nan() { f64::INFINITY } else { error }
}

/// The same of an `f64`.
pub(crate) fn error_f64(y: f64, expected: f64) -> f64 {
    if y.to_bits() == expected.to_bits() || y.is_nan() && expected.is_nan() {
        return 0.0;
    }
    // 2⁻¹⁰⁷⁴ is divided by in two steps, since its reciprocal is not finite.
    let ulp = ulp(expected, f64::MANTISSA_DIGITS as i32 - 52, f64::MIN_EXP);
    let error = (y - expected).abs() / ulp * 2.0_f64.powi(52);
    if error.is_nan() { f64::INFINITY } else { error }
}
