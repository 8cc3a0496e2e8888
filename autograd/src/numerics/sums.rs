//! Sums that are right however many terms they have.
//!
//! In single precision a sum of 10⁸ equal numbers, added one by one, stops growing at a sixth of its value. Here at most eight terms
//! are added in the plain way. What rounding takes away where such a part is added to the others is kept and added with the next
//! (Kahan 1965, "Pracniques: further remarks on reducing truncation errors"). The error of a sum of terms of one sign is then below
//! 10⁻⁶ of it in single precision, up to 10⁸ terms and beyond.

use crate::Real;

/// How many terms, or rows, are added in the plain way.
pub const PART: usize = 8;

/// N sums side by side, and what rounding took away from them.
#[derive(Clone, Copy)]
pub struct Totals<F, const N: usize> {
    sums: [F; N],
    lost: [F; N],
}

impl<F: Real, const N: usize> Totals<F, N> {
    /// Sums of nothing.
    pub const ZERO: Self = Self { sums: [F::ZERO; N], lost: [F::ZERO; N] };

    /// Adds a term to each sum.
    #[inline(always)]
    pub fn add(&mut self, terms: [F; N]) {
        for ((total, rest), term) in self.sums.iter_mut().zip(&mut self.lost).zip(&terms) {
            let (before, x) = (*total, *term + *rest);
            let sum = before + x;
            // What rounding takes away is a number of the same type (Knuth 1969, "The art of computer programming", section 4.2.2).
            let arrived = sum - before;
            let lost = (before - (sum - arrived)) + (x - arrived);
            // Of an infinite sum, ∞ − ∞ is lost.
            (*total, *rest) = (sum, if lost.is_finite() { lost } else { F::ZERO });
        }
    }

    /// The sums.
    #[inline(always)]
    pub fn values(self) -> [F; N] {
        self.with([F::ZERO; N])
    }

    /// The sums with one more term each.
    #[inline(always)]
    fn with(self, mut terms: [F; N]) -> [F; N] {
        for ((term, sum), lost) in terms.iter_mut().zip(&self.sums).zip(&self.lost) {
            *term = *sum + (*lost + *term);
        }
        terms
    }
}

/// Running sums: calls `each` with the place of each term and the sum up to there.
#[inline(always)]
pub(crate) fn running_sums<F: Real>(
    places: impl Iterator<Item = usize>,
    x: &[F],
    mut each: impl FnMut(usize, F),
) {
    let (mut total, mut part, mut count) = (Totals::ZERO, F::ZERO, 0);
    for place in places {
        part += x[place];
        let [sum] = total.with([part]);
        each(place, sum);
        count += 1;
        if count == PART {
            total.add([part]);
            (part, count) = (F::ZERO, 0);
        }
    }
}

/// The sum of terms, added in their order.
#[inline(always)]
pub(crate) fn sum_of<F: Real>(terms: impl Iterator<Item = F>) -> F {
    let (mut total, mut part, mut count) = (Totals::ZERO, F::ZERO, 0);
    for term in terms {
        part += term;
        count += 1;
        if count == PART {
            total.add([part]);
            (part, count) = (F::ZERO, 0);
        }
    }
    total.add([part]);
    total.values()[0]
}

/// Adds the rows of a matrix, which are as long as `sums`.
#[inline(always)]
pub(crate) fn add_matrix<F: Real>(x: &[F], sums: &mut [F]) {
    let n = sums.len();
    if x.len() <= PART * n || n < 16 {
        return add_rows(x.len() / n.max(1), [sums], |row, start, [sums]| {
            let x = &x[row * n + start..][..sums.len()];
            sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += x);
        });
    }
    // Four blocks of columns at a time, whose sums stay in registers and do not wait for each other. The last may overlap.
    for first in (0..n).step_by(64) {
        let starts = [0, 16, 32, 48].map(|block| (first + block).min(n - 16));
        let mut totals = [Totals::<F, 16>::ZERO; 4];
        for rows in x.chunks(PART * n) {
            let mut parts = [[F::ZERO; 16]; 4];
            for row in rows.chunks_exact(n) {
                for (part, start) in parts.iter_mut().zip(starts) {
                    let row = &row[start..start + 16];
                    for i in 0..16 {
                        part[i] += row[i];
                    }
                }
            }
            for (total, part) in totals.iter_mut().zip(parts) {
                total.add(part);
            }
        }
        for (block, (start, total)) in starts.into_iter().zip(totals).enumerate() {
            let done = first + 16 * block - start;
            let sums = sums[start..].iter_mut().zip(total.values()).skip(done);
            sums.for_each(|(sum, value)| *sum += value);
        }
    }
}

/// Adds rows 0 to `rows` − 1 to M sums of them, which are equally long: `add(row, start, parts)` adds the numbers of a row, from the
/// column `start` on, to parts of the sums. It is called in one place, so that it is inlined.
#[inline(always)]
pub(crate) fn add_rows<F: Real, const M: usize>(
    rows: usize,
    mut sums: [&mut [F]; M],
    add: impl Fn(usize, usize, [&mut [F]; M]),
) {
    const WIDTH: usize = 64;
    let (n, is_short) = (sums[0].len(), rows <= PART);
    let width = if is_short { n.max(1) } else { WIDTH };
    for start in (0..n).step_by(width) {
        let end = n.min(start + width);
        let (mut totals, mut parts) = ([Totals::<F, WIDTH>::ZERO; M], [[F::ZERO; WIDTH]; M]);
        for row in 0..rows {
            let parts_of_row = match is_short {
                true => sums.each_mut().map(|sums| &mut **sums),
                false => parts.each_mut().map(|part| &mut part[..end - start]),
            };
            add(row, start, parts_of_row);
            if !is_short && (row % PART == PART - 1 || row == rows - 1) {
                for i in 0..M {
                    totals[i].add(parts[i]);
                    parts[i] = [F::ZERO; WIDTH];
                }
            }
        }
        if !is_short {
            for i in 0..M {
                let sums = sums[i][start..end].iter_mut();
                sums.zip(totals[i].values()).for_each(|(sum, value)| *sum += value);
            }
        }
    }
}

/// The sum of sixteen lanes, halves onto halves. Four loops of constant length, which become four additions of vectors;
/// one loop over the widths does not.
#[doc(hidden)]
#[inline(always)]
pub fn fold_lanes<F: Real>(mut lanes: [F; 16]) -> F {
    for lane in 0..8 {
        let right = lanes[lane + 8];
        lanes[lane] += right;
    }
    for lane in 0..4 {
        let right = lanes[lane + 4];
        lanes[lane] += right;
    }
    for lane in 0..2 {
        let right = lanes[lane + 2];
        lanes[lane] += right;
    }
    lanes[0] + lanes[1]
}

/// Σ of a term over slices of equal length, in sixteen lanes, so that it is vector code with the same bits at every
/// width: `lane_sum!(F, [x, y] => x * y)`. Inside the term each name is one element; those after `mut` are references.
///
/// `lane_sum!(F, [x, y] => x * y)` becomes
///
/// ```text
/// let n = x.len();
/// let (mut lanes, mut totals, mut start) = ([F::ZERO; 16], Totals::ZERO, 0);
/// loop {
///     let end = (n - n % 16).min(start + 128);
///     for start in (start..end).step_by(16) {
///         let x = &x[start..start + 16];
///         let y = &y[start..start + 16];
///         for lane in 0..16 {
///             let x = x[lane];
///             let y = y[lane];
///             lanes[lane] += x * y;
///         }
///     }
///     // … until the last part: add the lanes to the totals, and go on with lanes of 0 …
/// }
/// // … the last n % 16 elements, each in a lane of its own, and the totals …
/// fold_lanes(lanes)
/// ```
#[macro_export]
macro_rules! lane_sum {
    ($F:ty, [$first:ident $(, $x:ident)*] $(mut [$($m:ident),*])? => $term:expr) => {{
        let n = $first.len();
        let whole = n - n % 16;
        let mut lanes = [<$F as $crate::Real>::ZERO; 16];
        let mut totals = $crate::numerics::Totals::<$F, 16>::ZERO;
        let mut at = 0;
        loop {
            let end = if whole - at > 16 * $crate::numerics::PART { at + 16 * $crate::numerics::PART } else { whole };
            for start in (at..end).step_by(16) {
                let $first = &$first[start..start + 16];
                $(let $x = &$x[start..start + 16];)*
                $($(let $m = &mut $m[start..start + 16];)*)?
                for lane in 0..16 {
                    let $first = $first[lane];
                    $(let $x = $x[lane];)*
                    $($(let $m = &mut $m[lane];)*)?
                    lanes[lane] += $term;
                }
            }
            at = end;
            if at == whole {
                break;
            }
            totals.add(lanes);
            lanes = [<$F as $crate::Real>::ZERO; 16];
        }
        let (start, rest) = (whole, n % 16);
        let $first = &$first[start..start + rest];
        $(let $x = &$x[start..start + rest];)*
        $($(let $m = &mut $m[start..start + rest];)*)?
        for lane in 0..16 {
            if lane < rest {
                let $first = $first[lane];
                $(let $x = $x[lane];)*
                $($(let $m = &mut $m[lane];)*)?
                lanes[lane] += $term;
            }
        }
        if whole > 16 * $crate::numerics::PART {
            totals.add(lanes);
            lanes = totals.values();
        }
        $crate::numerics::fold_lanes(lanes)
    }};
}
