//! Random numbers as a function of what they are for.
//!
//! `rand` guarantees the bits of its named generators, but not that `shuffle` or `random_range` make the same of them in
//! every version. And a sequential generator cannot be asked for the number of one pixel.

/// 2⁶⁴ / golden ratio, the increment of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea & Flood 2014), a bijection in which every bit of the input changes the
/// whole output.
#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The key of a stream, for a purpose and the numbers (seed, epoch, row …) that identify it.
pub(super) fn key<const K: usize>(purpose: &[u8; 8], parts: [u64; K]) -> u64 {
    parts.iter().fold(u64::from_le_bytes(*purpose), |key, part| mix((key ^ part).wrapping_add(GOLDEN)))
}

/// Number `i` of the stream `key` by SplitMix64, any number of which can be computed directly.
#[inline]
pub(super) fn draw(key: u64, i: u64) -> u64 {
    mix(key.wrapping_add(i.wrapping_add(1).wrapping_mul(GOLDEN)))
}

/// Fills `indices` with a permutation of 0 .. n by the "inside-out" shuffle of Fisher and Yates, which does not read what
/// the slice held before.
pub(super) fn permute(indices: &mut [usize], key: u64) {
    for i in 0..indices.len() {
        // ⌊u (i + 1) / 2⁶⁴⌋ is uniform on 0 ..= i up to a bias of i / 2⁶⁴.
        let j = ((u128::from(draw(key, i as u64)) * (i as u128 + 1)) >> 64) as usize;
        indices[i] = indices[j];
        indices[j] = i;
    }
}
