//! Products of matrices that are not packed first.
//!
//! A general product copies both factors into an order that its inner loop likes, which pays where they are large. The
//! products of a minibatch are not: 64 rows through 784 x 400 weights would copy every weight to use it 64 times. Here a
//! tile of C, 8 rows by 3 vectors (6 by 2 where there are only sixteen registers), stays in these while its columns of B
//! are read as vectors and its rows of A number by number, both where they lie. Only a B that many rows of A want, or whose
//! rows are not contiguous, is copied, a panel of as many vectors at a time; where the latter is the larger factor, as in
//! X̄ = Ȳ Wᵀ, the transpose is computed instead, Cᵀ = Bᵀ Aᵀ, and each tile transposed as it is written.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

use super::dispatch::Vectors;
use super::lanes::Lanes;
use super::sums::fold_lanes;
use crate::Real;

/// The address and the strides of a matrix.
#[derive(Clone, Copy)]
pub(super) struct Strided<F> {
    pub(super) at: *const F,
    pub(super) row: usize,
    pub(super) col: usize,
}

impl<F> Strided<F> {
    /// The matrix from element (i, j) on, which must lie inside or just behind it.
    #[inline(always)]
    unsafe fn from(self, i: usize, j: usize) -> Self {
        // SAFETY: the caller's.
        Self { at: unsafe { self.at.add(i * self.row + j * self.col) }, ..self }
    }

    fn t(self) -> Self {
        Self { row: self.col, col: self.row, ..self }
    }
}

/// Room for a panel that is copied: 512 rows of the widest.
const PANEL_BYTES: usize = 512 * 3 * 64;
/// The room, at the address of a vector.
#[repr(align(64))]
struct Panel(MaybeUninit<[u8; PANEL_BYTES]>);
/// Numbers in the widest row of a tile.
const ROOM: usize = 3 * 16;
/// From so many rows of C on, copying a panel costs less than reading it out of place.
const MANY_ROWS: usize = 256;

/// C ← α A B + β C, A (m, k), B (k, n), C (m, n) with rows `c_row` apart.
pub(super) struct Product<F> {
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) alpha: F,
    pub(super) a: Strided<F>,
    pub(super) b: Strided<F>,
    pub(super) beta: F,
    pub(super) c: *mut F,
    pub(super) c_row: usize,
}

impl<F: Real> Product<F> {
    /// # Safety
    /// The machine has the instructions of `L`, k > 0, the elements of A and B may be read, and C's may be written and
    /// overlap neither.
    #[inline(always)]
    unsafe fn run<L: Lanes<F>>(self) {
        let Self { mut m, k, mut n, alpha, mut a, mut b, mut beta, c, c_row } = self;
        let transposed = b.col != 1 && (a.row == 1 || m < n);
        if transposed {
            // Rows of A are now in the lanes of vectors. One or two too many would take a vector of their own, as much work as
            // sixteen: 50 rows that of 64.
            let rest = m % L::N;
            if a.col == 1 && b.row == 1 && k >= 2 * L::N && m > L::N && (1..=2).contains(&rest) {
                // SAFETY: the caller's promise.
                unsafe { if rest == 1 { self.last_rows::<L, 1>() } else { self.last_rows::<L, 2>() } }
                m -= rest;
            }
            (a, b, m, n) = (b.t(), a.t(), n, m);
        }
        let mut room = Panel(MaybeUninit::uninit());
        let room = room.0.as_mut_ptr().cast::<F>();
        // Lines 4,096 bytes apart fall into one set of the first cache, where few have room.
        let one_line = L::WIDTH * L::N * size_of::<F>() <= 64;
        let crowded = one_line && (b.row * size_of::<F>()).is_multiple_of(4096) && m > 4 * L::ROWS;
        let copy = b.col != 1 || m >= MANY_ROWS || crowded;
        let longest = if copy { PANEL_BYTES / (size_of::<F>() * L::WIDTH * L::N) } else { k };
        let step = k.div_ceil(k.div_ceil(longest));
        // SAFETY: the caller's promise, and every index below stays under the sizes.
        unsafe {
            for p in (0..k).step_by(step) {
                let depth = step.min(k - p);
                let mut j = 0;
                while j < n {
                    // Four vectors are two pairs: a panel of a single vector keeps the multipliers less busy.
                    let width = match (n - j).div_ceil(L::N) {
                        1 => 1,
                        2 | 4 => 2,
                        _ => L::WIDTH,
                    };
                    let cols = (n - j).min(width * L::N);
                    let mut panel = b.from(p, j);
                    if copy {
                        copy_panel::<F, L>(panel, depth, cols, room, width * L::N);
                        panel = Strided { at: room, row: width * L::N, col: 1 };
                    }
                    let mut i = 0;
                    while i < m {
                        let rows = L::LAST.get(m - i).map_or(L::ROWS, |&rows| rows);
                        let to = if transposed { c.add(j * c_row + i) } else { c.add(i * c_row + j) };
                        let tile = Tile { depth, cols, alpha, beta, to, row: c_row, transposed };
                        let a = a.from(i, p);
                        match (rows, width) {
                            (1, 1) => tile.run::<L, 1, 1>(a, panel),
                            (1, 2) => tile.run::<L, 1, 2>(a, panel),
                            (1, _) => tile.run::<L, 1, 3>(a, panel),
                            (2, 1) => tile.run::<L, 2, 1>(a, panel),
                            (2, 2) => tile.run::<L, 2, 2>(a, panel),
                            (2, _) => tile.run::<L, 2, 3>(a, panel),
                            (4, 1) => tile.run::<L, 4, 1>(a, panel),
                            (4, 2) => tile.run::<L, 4, 2>(a, panel),
                            (4, _) => tile.run::<L, 4, 3>(a, panel),
                            (6, 1) if L::ROWS == 6 => tile.run::<L, 6, 1>(a, panel),
                            (6, _) if L::ROWS == 6 => tile.run::<L, 6, 2>(a, panel),
                            (_, 1) => tile.run::<L, 8, 1>(a, panel),
                            (_, 2) => tile.run::<L, 8, 2>(a, panel),
                            (_, _) => tile.run::<L, 8, 3>(a, panel),
                        }
                        i += rows;
                    }
                    j += cols;
                }
                beta = F::ONE;
            }
        }
    }

    /// The last R rows of C, where the rows of A and the columns of B are contiguous: every sum in the lanes of a vector.
    #[inline(always)]
    unsafe fn last_rows<L: Lanes<F>, const R: usize>(&self) {
        const COLS: usize = 4;
        let Self { m, k, n, alpha, a, b, beta, c, c_row } = *self;
        // SAFETY: the caller's; lanes behind the last number of a row are masked.
        unsafe {
            for j in (0..n).step_by(COLS) {
                let mut sums = [[L::splat(F::ZERO); COLS]; R];
                for p in (0..k).step_by(L::N) {
                    let mask = L::first(L::N.min(k - p));
                    let rows: [L; R] = std::array::from_fn(|i| L::load_masked(a.from(m - R + i, p).at, mask));
                    for col in 0..COLS {
                        // A column behind the last is the last once more.
                        let column = L::load_masked(b.from(p, (j + col).min(n - 1)).at, mask);
                        for (sums, &row) in sums.iter_mut().zip(&rows) {
                            sums[col] = row.mul_add(column, sums[col]);
                        }
                    }
                }
                for (i, sums) in sums.iter().enumerate() {
                    for (col, &sum) in sums.iter().enumerate().take(n - j) {
                        let mut lanes = [F::ZERO; 16];
                        sum.store(lanes.as_mut_ptr());
                        let to = c.add((m - R + i) * c_row + j + col);
                        let old = if beta == F::ZERO { F::ZERO } else { beta * *to };
                        *to = alpha * fold_lanes(lanes) + old;
                    }
                }
            }
        }
    }
}

/// Copies `depth` rows and `cols` columns of B, rows to become `width` apart.
#[inline(always)]
unsafe fn copy_panel<F: Real, L: Lanes<F>>(
    b: Strided<F>,
    depth: usize,
    cols: usize,
    to: *mut F,
    width: usize,
) {
    // SAFETY: the caller's: rows and columns lie inside B, and `to` has room.
    unsafe {
        for p in (0..depth).step_by(L::BLOCK) {
            let block = L::BLOCK.min(depth - p);
            if b.col == 1 {
                for p in p..p + block {
                    std::ptr::copy_nonoverlapping(b.from(p, 0).at, to.add(p * width), cols);
                }
                continue;
            }
            for j in (0..cols).step_by(L::BLOCK) {
                if b.row == 1 && block == L::BLOCK && j + L::BLOCK <= cols {
                    L::transpose(b.from(p, j).at, b.col, to.add(p * width + j), width);
                    continue;
                }
                for p in p..p + block {
                    for j in j..cols.min(j + L::BLOCK) {
                        *to.add(p * width + j) = *b.from(p, j).at;
                    }
                }
            }
        }
    }
}

/// A tile of C, its rows `row` apart from `to` on, or of Cᵀ.
struct Tile<F> {
    depth: usize,
    cols: usize,
    alpha: F,
    beta: F,
    to: *mut F,
    row: usize,
    transposed: bool,
}

impl<F: Real> Tile<F> {
    /// The product of R rows of A and W vectors of columns of B, the last vector perhaps not full.
    #[inline(always)]
    unsafe fn run<L: Lanes<F>, const R: usize, const W: usize>(&self, a: Strided<F>, b: Strided<F>) {
        // SAFETY: the caller's.
        unsafe {
            if !L::FREE_MASKS && self.cols == W * L::N {
                self.run_as::<L, R, W, true>(a, b);
            } else {
                self.run_as::<L, R, W, false>(a, b);
            }
        }
    }

    /// The same, without masks if the last vector is FULL.
    #[inline(always)]
    unsafe fn run_as<L: Lanes<F>, const R: usize, const W: usize, const FULL: bool>(
        &self,
        a: Strided<F>,
        b: Strided<F>,
    ) {
        let Self { depth, cols, alpha, beta, to, row, transposed } = *self;
        let masked = |v| !FULL && v + 1 == W;
        // SAFETY: the caller's, as for `product`; lanes behind the last column are masked.
        unsafe {
            let (zero, alpha) = (L::splat(F::ZERO), L::splat(alpha));
            let last = L::first(cols - (W - 1) * L::N);
            let mut sums = [[zero; W]; R];
            for p in 0..depth {
                let mut vectors = [zero; W];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    let from = b.at.add(p * b.row + v * L::N);
                    *vector = if masked(v) { L::load_masked(from, last) } else { L::load(from) };
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = L::splat(*a.from(i, p).at);
                    for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                        *sum = x.mul_add(vector, *sum);
                    }
                }
            }
            if !transposed {
                for (i, sums) in sums.iter().enumerate() {
                    for (v, &sum) in sums.iter().enumerate() {
                        let to = to.add(i * row + v * L::N);
                        let load = |to| if masked(v) { L::load_masked(to, last) } else { L::load(to) };
                        let old = if beta == F::ZERO { zero } else { load(to) };
                        let new = sum.mul_add(alpha, old.mul_add(L::splat(beta), zero));
                        if masked(v) { new.store_masked(to, last) } else { new.store(to) }
                    }
                }
                return;
            }
            let mut room = [[MaybeUninit::<F>::uninit(); ROOM]; R];
            let from = room.as_mut_ptr().cast::<F>();
            for (i, sums) in sums.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    sum.mul_add(alpha, zero).store(from.add(i * ROOM + v * L::N));
                }
            }
            let blocks = if R.is_multiple_of(L::BLOCK) && beta == F::ZERO { cols / L::BLOCK } else { 0 };
            for j in (0..blocks * L::BLOCK).step_by(L::BLOCK) {
                for i in (0..R).step_by(L::BLOCK) {
                    L::transpose(from.add(i * ROOM + j), ROOM, to.add(j * row + i), row);
                }
            }
            for j in blocks * L::BLOCK..cols {
                for i in 0..R {
                    let (sum, to) = (*from.add(i * ROOM + j), to.add(j * row + i));
                    *to = if beta == F::ZERO { sum } else { sum + beta * *to };
                }
            }
        }
    }
}

/// The product of one type, by wide or by narrow vectors. `compile!(f32, __m512, __m256);` becomes
///
/// ```text
/// impl Product<f32> {
///     unsafe fn try_run(self) -> bool {
///         … self.run::<__m512>() with AVX-512, self.run::<__m256>() with AVX2, `false` without either …
///     }
/// }
/// ```
macro_rules! compile {
    ($F:ty, $wide:ty, $narrow:ty) => {
        impl Product<$F> {
            /// Computes the product with the widest vectors of this machine; `false`, and nothing done, if it has none.
            ///
            /// # Safety
            /// k > 0, the elements of A and B may be read, and C's may be written and overlap neither.
            pub(super) unsafe fn try_run(self) -> bool {
                #[target_feature(enable = "avx512f")]
                unsafe fn wide(product: Product<$F>) {
                    // SAFETY: the caller's, and the instructions are enabled.
                    unsafe { product.run::<$wide>() }
                }
                #[target_feature(enable = "avx2,fma")]
                unsafe fn narrow(product: Product<$F>) {
                    // SAFETY: the caller's, and the instructions are enabled.
                    unsafe { product.run::<$narrow>() }
                }
                // SAFETY: the caller's, and each is called where its instructions were found.
                unsafe {
                    match Vectors::in_use() {
                        Vectors::Avx512 => wide(self),
                        Vectors::Avx2 => narrow(self),
                        Vectors::Baseline => return false,
                    }
                }
                true
            }
        }
    };
}

compile!(f32, __m512, __m256);
compile!(f64, __m512d, __m256d);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The product of matrices of small whole numbers, which is exact in any order, through each compilation.
    fn check<F: Real>(
        runs: &[unsafe fn(Product<F>)],
        (m, k, n): (usize, usize, usize),
        (ta, tb): (bool, bool),
        (alpha, beta): (f64, f64),
        gap: usize,
    ) {
        let number = |i: usize| F::from_f64((i * 7 % 11) as f64 - 5.0);
        let (a, b) =
            ((0..m * k).map(number).collect::<Vec<_>>(), (1..=k * n).map(number).collect::<Vec<_>>());
        let (a_row, a_col) = if ta { (1, m) } else { (k, 1) };
        let (b_row, b_col) = if tb { (1, k) } else { (n, 1) };
        let c_row = n + gap;
        let old: Vec<F> =
            (0..m * c_row).map(|i| F::from_f64(if beta == 0.0 { f64::NAN } else { i as f64 })).collect();
        for run in runs {
            let mut c = old.clone();
            let product = Product {
                m,
                k,
                n,
                alpha: F::from_f64(alpha),
                a: Strided { at: a.as_ptr(), row: a_row, col: a_col },
                b: Strided { at: b.as_ptr(), row: b_row, col: b_col },
                beta: F::from_f64(beta),
                c: c.as_mut_ptr(),
                c_row,
            };
            // SAFETY: the matrices lie in the vectors above, and the caller has the instructions.
            unsafe { run(product) };
            for (at, (&got, &old)) in c.iter().zip(&old).enumerate() {
                let (i, j) = (at / c_row, at % c_row);
                let sum: f64 = (0..k)
                    .map(|p| a[i * a_row + p * a_col].to_f64() * b[p * b_row + j.min(n - 1) * b_col].to_f64())
                    .sum();
                let want = if beta == 0.0 { alpha * sum } else { alpha * sum + beta * old.to_f64() };
                let untouched = j >= n;
                let same = got == old || got.to_f64().is_nan() && old.to_f64().is_nan();
                assert!(if untouched { same } else { got.to_f64() == want }, "({i}, {j}): {got} for {want}");
            }
        }
    }

    /// The compilations that this machine can run.
    fn runs<F: Real, W: Lanes<F>, N: Lanes<F>>() -> Vec<unsafe fn(Product<F>)> {
        #[target_feature(enable = "avx512f")]
        unsafe fn wide<F: Real, L: Lanes<F>>(product: Product<F>) {
            // SAFETY: the caller's.
            unsafe { product.run::<L>() }
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn narrow<F: Real, L: Lanes<F>>(product: Product<F>) {
            // SAFETY: the caller's.
            unsafe { product.run::<L>() }
        }
        let mut runs: Vec<unsafe fn(Product<F>)> = Vec::new();
        if Vectors::detect() == Vectors::Avx512 {
            runs.push(wide::<F, W>);
        }
        if Vectors::detect() != Vectors::Baseline {
            runs.push(narrow::<F, N>);
        }
        runs
    }

    proptest! {
        #[test]
        fn every_compilation_computes_the_product(
            size in (1usize..40, 1usize..30, 1usize..120),
            transposed: (bool, bool),
            factors in prop_oneof![Just((1.0, 0.0)), Just((1.0, 1.0)), Just((-2.0, 0.0)), Just((0.5, 2.0))],
            gap in 0usize..3,
        ) {
            check(&runs::<f32, __m512, __m256>(), size, transposed, factors, gap);
            check(&runs::<f64, __m512d, __m256d>(), size, transposed, factors, gap);
        }
    }

    #[test]
    fn rows_too_many_for_the_lanes() {
        for size in [(17, 32, 30), (50, 45, 71), (18, 33, 50), (33, 70, 37), (9, 16, 13), (6, 9, 22)] {
            for factors in [(1.0, 0.0), (0.5, 2.0)] {
                check(&runs::<f32, __m512, __m256>(), size, (false, true), factors, 1);
                check(&runs::<f64, __m512d, __m256d>(), size, (false, true), factors, 0);
            }
        }
    }

    #[test]
    fn panels_are_copied_in_pieces() {
        for size in [(300, 600, 50), (9, 1100, 70), (70, 1100, 9), (300, 1700, 20), (40, 30, 1024)] {
            for transposed in [(false, false), (false, true), (true, false), (true, true)] {
                check(&runs::<f32, __m512, __m256>(), size, transposed, (1.0, 0.0), 0);
                check(&runs::<f64, __m512d, __m256d>(), size, transposed, (1.0, 1.0), 1);
            }
        }
    }
}
