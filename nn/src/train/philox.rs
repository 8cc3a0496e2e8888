//! Normal deviates as a function of where they stand: of a seed, a step, a row and a column.
//!
//! Philox (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3") enciphers a counter, and the
//! transform of Box and Muller makes two normal deviates of two of its words. The noise of a row therefore depends
//! neither on the rows before it, nor on its own length, nor on the thread that asks for it.

use autograd::{Real, kernel};

/// Deviates from one block of Philox.
const BLOCK: usize = 4;
/// Blocks that are enciphered side by side.
const LANES: usize = 16;
const CHUNK: usize = LANES * BLOCK;

/// Philox4x32-10: four random words from a counter and a key.
#[inline(always)]
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    // A word lies in the lower half of 64 bits, where vector instructions multiply. The upper half is ignored.
    const WORD: u64 = 0xffff_ffff;
    let mut c = counter.map(u64::from);
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        let (p, q) = ((c[0] & WORD) * 0xd251_1f53, (c[2] & WORD) * 0xcd9e_8d57);
        c = [(q >> 32) ^ c[1] ^ u64::from(k0), q, (p >> 32) ^ c[3] ^ u64::from(k1), p];
        k0 = k0.wrapping_add(0x9e37_79b9);
        k1 = k1.wrapping_add(0xbb67_ae85);
    }
    c.map(|word| word as u32)
}

/// Fills `out`, rows of `row_len`, with independent standard normal deviates. Element j of row i is a function of `seed`,
/// `step`, `first_row` + i and j alone, with the same bits on every machine.
///
/// In single precision a pair of deviates is made of 32 random bits for its radius and 32 for its angle. In double
/// precision further bits are appended, up to 64 each: the deviates are the same with more digits. None is larger than
/// 6.8, or than 9.5 in double precision. Each is within 3.5 units in the last place of √(−2 ln u) (cos a, sin a), where u
/// and a are the numbers that the bits give, rounded to the precision.
///
/// # Panics
/// If `out` is not a whole number of rows, or a row is longer than 2³³.
#[track_caller]
#[inline(never)]
pub fn fill_standard_normal<F: Real>(seed: u64, step: u64, first_row: u32, row_len: usize, out: &mut [F]) {
    if out.is_empty() {
        return;
    }
    let whole_rows = row_len > 0 && out.len().is_multiple_of(row_len);
    assert!(
        whole_rows,
        "fill_standard_normal: expected whole rows of {row_len} deviates, found {}",
        out.len()
    );
    assert!(
        row_len.div_ceil(BLOCK) <= 1 << 31,
        "fill_standard_normal: expected a row of at most 2^33 deviates, found {row_len}"
    );
    if size_of::<F>() == size_of::<f32>() {
        fill::<f32, F>(seed, step, first_row, row_len, out);
    } else {
        fill::<f64, F>(seed, step, first_row, row_len, out);
    }
}

kernel! {
    /// Computes in `G`, the type of the value alone: `F` may carry a tangent beside it.
    fn fill<G: Real, F: Real>(
        seed: u64,
        step: u64,
        first_row: u32,
        row_len: usize,
        out: &mut [F],
    ) {
        let blocks = row_len.div_ceil(BLOCK) as u32;
        // How far each block of a chunk is from its first one.
        let mut ahead = [(0, 0); LANES + 1];
        for lane in 0..LANES {
            ahead[lane + 1] = advance(ahead[lane], (0, 1), blocks);
        }
        let (mut first, mut filled) = ((first_row, 0), 0);
        while filled < out.len() {
            // Lanes beyond the last row compute what nobody reads.
            let (mut row, mut block) = ([0; LANES], [0; LANES]);
            for lane in 0..LANES {
                (row[lane], block[lane]) = advance(first, ahead[lane], blocks);
            }
            let z = normals::<G>(seed, step, &row, &block);
            let no_gaps = row_len.is_multiple_of(BLOCK) || first.1 as usize + LANES <= row_len / BLOCK;
            if no_gaps && out.len() - filled >= CHUNK {
                for (out, z) in out[filled..filled + CHUNK].iter_mut().zip(z.as_flattened()) {
                    *out = F::from_f64(z.to_f64());
                }
                filled += CHUNK;
            } else {
                for (z, block) in z.iter().zip(block) {
                    let end = out.len().min(filled + BLOCK.min(row_len - block as usize * BLOCK));
                    for (i, z) in z.iter().enumerate() {
                        if filled + i < end {
                            out[filled + i] = F::from_f64(z.to_f64());
                        }
                    }
                    filled = end;
                }
            }
            first = advance(first, ahead[LANES], blocks);
        }
    }
}

/// The place that lies so many rows and blocks behind (row, block), in rows of `blocks` blocks.
#[inline(always)]
fn advance((row, block): (u32, u32), (rows, more): (u32, u32), blocks: u32) -> (u32, u32) {
    let block = block + more;
    let wraps = block >= blocks;
    (row.wrapping_add(rows).wrapping_add(wraps as u32), if wraps { block - blocks } else { block })
}

/// The four deviates of each block: √(−2 ln u) (cos a, sin a), twice, with u in (0, 1] and a in [−π, π].
#[inline(always)]
fn normals<G: Real>(seed: u64, step: u64, row: &[u32; LANES], block: &[u32; LANES]) -> [[G; BLOCK]; LANES] {
    const UNIT: f64 = 1.0 / (1_u64 << 32) as f64;
    let further_bits = size_of::<G>() > size_of::<f32>();
    let key = [seed as u32, (seed >> 32) as u32];
    let (step_low, step_high) = (step as u32, (step >> 32) as u32);
    let (mut word, mut further) = ([[0; LANES]; BLOCK], [[0; LANES]; BLOCK]);
    for lane in 0..LANES {
        let words = philox([block[lane], row[lane], step_low, step_high], key);
        for i in 0..BLOCK {
            word[i][lane] = words[i];
        }
        if further_bits {
            let words = philox([block[lane] | 1 << 31, row[lane], step_low, step_high], key);
            for i in 0..BLOCK {
                further[i][lane] = words[i];
            }
        }
    }
    let mut z = [[G::ZERO; BLOCK]; LANES];
    for lane in 0..LANES {
        for i in [0, 2] {
            let mut u = G::from_f64(word[i][lane] as f64);
            let mut a = G::from_f64(word[i + 1][lane] as i32 as f64);
            if further_bits {
                u += G::from_f64((further[i][lane] as f64 + 0.5) * UNIT);
                a += G::from_f64(further[i + 1][lane] as f64 * UNIT);
            } else {
                u += G::from_f64(0.5);
            }
            u *= G::from_f64(UNIT);
            a *= G::from_f64(std::f64::consts::TAU * UNIT);
            let radius = (G::from_f64(-2.0) * u.ln()).sqrt();
            (z[lane][i], z[lane][i + 1]) = (radius * a.cos_near(), radius * a.sin_near());
        }
    }
    z
}
