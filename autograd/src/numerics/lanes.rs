//! Vectors of numbers for [`tiles`](super::tiles), by the instructions of AVX-512 or of AVX2, and the shape of the tiles that
//! their registers hold.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

/// A vector of numbers. Every function wants the instructions of its vectors and valid addresses.
pub(super) trait Lanes<F>: Copy {
    /// Numbers in a vector.
    const N: usize;
    /// Rows of a tile and vectors in each: enough sums to keep two multipliers of latency 4 busy, and registers left for a
    /// row of B and a number of A.
    const ROWS: usize;
    const WIDTH: usize;
    /// Rows of the next tile where 0, 1, 2, … are left, which makes few kinds of tiles; so many as are not listed fill a tile.
    const LAST: &[usize];
    /// Whether masks cost nothing. Those of AVX take a register of sixteen, and some processors store by them in many steps.
    const FREE_MASKS: bool;
    /// Rows and columns that `transpose` takes.
    const BLOCK: usize;
    type Mask: Copy;

    /// The first `n` lanes, 0 < n <= N.
    unsafe fn first(n: usize) -> Self::Mask;
    unsafe fn splat(x: F) -> Self;
    unsafe fn load(from: *const F) -> Self;
    unsafe fn load_masked(from: *const F, mask: Self::Mask) -> Self;
    unsafe fn store(self, to: *mut F);
    unsafe fn store_masked(self, to: *mut F, mask: Self::Mask);
    /// self · a + b
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    /// Writes the transpose of BLOCK x BLOCK numbers, rows `from_row` and `to_row` apart.
    unsafe fn transpose(from: *const F, from_row: usize, to: *mut F, to_row: usize);
}

/// [`Lanes`] for one type of vectors. `lanes!(f32, __m512, n: 16, tile: 8 x 3, last: […], …, _mm512_set1_ps, …)` becomes
///
/// ```text
/// impl Lanes<f32> for __m512 {
///     const N: usize = 16;
///     const ROWS: usize = 8;
///     …
///     unsafe fn splat(x: f32) -> Self { _mm512_set1_ps(x) }
///     …
/// }
/// ```
macro_rules! lanes {
    ($F:ty, $V:ty, n: $n:literal, tile: $rows:literal x $width:literal, last: $last:expr, free_masks: $free:literal,
     mask: $Mask:ty = $first:expr, $splat:ident, $load:ident, $store:ident, $load_masked:expr, $store_masked:expr, $mul_add:ident, $block:literal $transpose:ident) => {
        // SAFETY: as the trait demands.
        impl Lanes<$F> for $V {
            const N: usize = $n;
            const ROWS: usize = $rows;
            const WIDTH: usize = $width;
            const LAST: &[usize] = &$last;
            const FREE_MASKS: bool = $free;
            const BLOCK: usize = $block;
            type Mask = $Mask;

            #[inline(always)]
            unsafe fn first(n: usize) -> $Mask {
                $first(n)
            }
            #[inline(always)]
            unsafe fn splat(x: $F) -> Self {
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $F) -> Self {
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn load_masked(from: *const $F, mask: $Mask) -> Self {
                unsafe { $load_masked(from, mask) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $F) {
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn store_masked(self, to: *mut $F, mask: $Mask) {
                unsafe { $store_masked(to, mask, self) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, a: Self, b: Self) -> Self {
                unsafe { $mul_add(self, a, b) }
            }
            #[inline(always)]
            unsafe fn transpose(from: *const $F, from_row: usize, to: *mut $F, to_row: usize) {
                unsafe { $transpose(from, from_row, to, to_row) }
            }
        }
    };
}

lanes!(f32, __m512, n: 16, tile: 8 x 3, last: [0, 1, 2, 2, 4, 4, 4, 4], free_masks: true,
    mask: __mmask16 = |n| u16::MAX >> (16 - n), _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps,
    |from, mask| _mm512_maskz_loadu_ps(mask, from), _mm512_mask_storeu_ps, _mm512_fmadd_ps, 8 transpose_8x8);
lanes!(f64, __m512d, n: 8, tile: 8 x 3, last: [0, 1, 2, 2, 4, 4, 4, 4], free_masks: true,
    mask: __mmask8 = |n| u8::MAX >> (8 - n), _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd,
    |from, mask| _mm512_maskz_loadu_pd(mask, from), _mm512_mask_storeu_pd, _mm512_fmadd_pd, 4 transpose_4x4);
// Eight rows are two tiles of four, since one of two rows keeps the multipliers less busy.
lanes!(f32, __m256, n: 8, tile: 6 x 2, last: [0, 1, 2, 2, 4, 4, 6, 6, 4], free_masks: false,
    mask: __m256i = |n| unsafe { first_of_8(n) }, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps,
    |from, mask| _mm256_maskload_ps(from, mask), _mm256_maskstore_ps, _mm256_fmadd_ps, 8 transpose_8x8);
lanes!(f64, __m256d, n: 4, tile: 6 x 2, last: [0, 1, 2, 2, 4, 4, 6, 6, 4], free_masks: false,
    mask: __m256i = |n| unsafe { first_of_4(n) }, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd,
    |from, mask| _mm256_maskload_pd(from, mask), _mm256_maskstore_pd, _mm256_fmadd_pd, 4 transpose_4x4);

#[inline(always)]
unsafe fn first_of_8(n: usize) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
}

#[inline(always)]
unsafe fn first_of_4(n: usize) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe { _mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), _mm256_setr_epi64x(0, 1, 2, 3)) }
}

#[inline(always)]
unsafe fn transpose_8x8(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
    // SAFETY: the caller has AVX, and eight numbers at each of eight rows on both sides.
    unsafe {
        let rows: [__m256; 8] = std::array::from_fn(|i| _mm256_loadu_ps(from.add(i * from_row)));
        let (mut pairs, mut fours) = (rows, rows);
        for i in [0, 2, 4, 6] {
            pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
            pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
        }
        for i in [0, 1, 4, 5] {
            let to = (i & 4) + 2 * (i & 1);
            fours[to] = _mm256_shuffle_ps::<0x44>(pairs[i], pairs[i + 2]);
            fours[to + 1] = _mm256_shuffle_ps::<0xee>(pairs[i], pairs[i + 2]);
        }
        for i in 0..4 {
            let (low, high) = (fours[i], fours[i + 4]);
            _mm256_storeu_ps(to.add(i * to_row), _mm256_permute2f128_ps::<0x20>(low, high));
            _mm256_storeu_ps(to.add((i + 4) * to_row), _mm256_permute2f128_ps::<0x31>(low, high));
        }
    }
}

#[inline(always)]
unsafe fn transpose_4x4(from: *const f64, from_row: usize, to: *mut f64, to_row: usize) {
    // SAFETY: the caller has AVX, and four numbers at each of four rows on both sides.
    unsafe {
        let rows: [__m256d; 4] = std::array::from_fn(|i| _mm256_loadu_pd(from.add(i * from_row)));
        for (i, unpack) in [_mm256_unpacklo_pd, _mm256_unpackhi_pd].into_iter().enumerate() {
            let (low, high) = (unpack(rows[0], rows[1]), unpack(rows[2], rows[3]));
            _mm256_storeu_pd(to.add(i * to_row), _mm256_permute2f128_pd::<0x20>(low, high));
            _mm256_storeu_pd(to.add((i + 2) * to_row), _mm256_permute2f128_pd::<0x31>(low, high));
        }
    }
}
