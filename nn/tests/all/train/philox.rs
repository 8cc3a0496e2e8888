//! Normal deviates: their bits, their distribution, and what they depend on.

use std::process::Command;

use autograd::numerics::Vectors;
use nn::train::{fill_standard_normal, philox};

use crate::ulp::{error_f32, error_f64};

/// Φ(x) = ½ + φ(x) (x + x³/3 + x⁵/(3·5) + …)
fn normal_cdf(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while sum + term != sum {
        n += 2.0;
        term *= x * x / n;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

fn deviates(seed: u64, step: u64, first_row: u32, row_len: usize, n: usize) -> Vec<f64> {
    let mut z = vec![0.0; n];
    fill_standard_normal(seed, step, first_row, row_len, &mut z);
    z
}

fn single_deviates(seed: u64, step: u64, first_row: u32, row_len: usize, n: usize) -> Vec<f32> {
    let mut z = vec![0.0; n];
    fill_standard_normal(seed, step, first_row, row_len, &mut z);
    z
}

fn widened(z: Vec<f32>) -> Vec<f64> {
    z.into_iter().map(f64::from).collect()
}

fn mean(z: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = z.len() as f64;
    z.sum::<f64>() / n
}

#[test]
fn philox_gives_the_published_words() {
    let known = [
        ([0; 4], [0; 2], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
        (
            [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
            [0xa4093822, 0x299f31d0],
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
        ),
    ];
    for (counter, key, words) in known {
        assert_eq!(philox(counter, key), words);
    }
}

#[test]
fn deviates_are_box_and_muller_of_the_words_at_their_place_within_their_bound() {
    use std::f64::consts::TAU;
    let (seed, first_row, row_len) = (0x0123_4567_89ab_cdef_u64, 7, 1002);
    for step in 0xfedc_ba98_7654_3210_u64..0xfedc_ba98_7654_3210 + 100 {
        let single = single_deviates(seed, step, first_row, row_len, 3 * row_len);
        let double = deviates(seed, step, first_row, row_len, 3 * row_len);
        for (i, (single, double)) in single.into_iter().zip(double).enumerate() {
            let (row, column) = (first_row + (i / row_len) as u32, i % row_len);
            let words = |block| {
                let counter = [block, row, step as u32, (step >> 32) as u32];
                philox(counter, [seed as u32, (seed >> 32) as u32])
            };
            let block = column as u32 / 4;
            let (words, further, pair) = (words(block), words(block | 1 << 31), column % 4 / 2 * 2);
            let of =
                |u: f64, a: f64| (-2.0 * u.ln()).sqrt() * if column % 2 == 0 { a.cos() } else { a.sin() };
            let unit = 2.0_f64.powi(-32);
            let u = (words[pair] as f32 + 0.5) * unit as f32;
            let a = words[pair + 1] as i32 as f32 * (TAU * unit) as f32;
            let expected = of(u.into(), a.into());
            let error = error_f32(single, expected);
            assert!(error <= 3.5, "deviate {i} of step {step:x} is {single}, not {expected}: {error} ulp");
            // In double precision the standard library's functions add an error of their own.
            let u = (f64::from(words[pair]) + (f64::from(further[pair]) + 0.5) * unit) * unit;
            let a = (f64::from(words[pair + 1] as i32) + f64::from(further[pair + 1]) * unit) * (TAU * unit);
            let expected = of(u, a);
            let error = error_f64(double, expected);
            assert!(
                error <= 3.5 + 1.5,
                "deviate {i} of step {step:x} is {double}, not {expected}: {error} ulp"
            );
        }
    }
}

#[test]
fn deviates_depend_on_their_place_alone() {
    for row_len in [1, 2, 3, 4, 5, 8, 10, 20, 63, 64, 65, 129] {
        let rows = 23;
        let all = single_deviates(3, 5, 100, row_len, rows * row_len);
        for row in 0..rows {
            let own = &all[row * row_len..][..row_len];
            assert_eq!(own, single_deviates(3, 5, 100 + row as u32, row_len, row_len), "row {row} by itself");
            let longer = single_deviates(3, 5, 100 + row as u32, row_len + 77, row_len + 77);
            assert_eq!(own, &longer[..row_len], "row {row} as the head of a longer one");
        }
        let single = widened(all);
        let double = deviates(3, 5, 100, row_len, rows * row_len);
        for (s, d) in single.iter().zip(double) {
            assert!((s - d).abs() < 1e-5, "{s} and {d} in single and double precision");
        }
    }
}

#[test]
fn deviates_have_the_same_bits_everywhere() {
    let single = [-0.34498057, 0.23440501, -1.4390007, 1.6102904, 0.45325127, 1.0707488];
    assert_eq!(single_deviates(1, 2, 3, 6, 6), single);
    let double = [
        -0.34498057887000383,
        0.23440505902784728,
        -1.439000628505059,
        1.6102902954294833,
        0.45325126751717354,
        1.0707488968729668,
    ];
    assert_eq!(deviates(1, 2, 3, 6, 6), double);
}

#[test]
fn no_deviates_are_no_rows() {
    fill_standard_normal::<f32>(0, 0, 0, 0, &mut []);
}

#[test]
#[should_panic(expected = "fill_standard_normal: expected whole rows of 3 deviates, found 7")]
fn deviates_come_in_whole_rows() {
    single_deviates(0, 0, 0, 3, 7);
}

#[test]
fn deviates_have_the_moments_and_tails_of_a_standard_normal() {
    let n = 2_000_000;
    for z in [widened(single_deviates(11, 0, 0, 1000, n)), deviates(12, 0, 0, 1000, n)] {
        let moment = |k: i32| mean(z.iter().map(|z| z.powi(k)));
        // E zᵏ, and the variance of zᵏ.
        for (k, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let error = (moment(k) - expected) / (variance / n as f64).sqrt();
            assert!(error.abs() < 5.0, "moment {k} is {error} standard errors off");
        }
        for q in [0.01, 0.1, 0.5, 1.0, 2.0, 3.0, 4.0, 4.5] {
            let p = 1.0 - normal_cdf(q);
            for sign in [1.0, -1.0] {
                let count = z.iter().filter(|&z| sign * z > q).count() as f64;
                let error = (count - n as f64 * p) / (n as f64 * p * (1.0 - p)).sqrt();
                assert!(error.abs() < 5.0, "the tail beyond {} is {error} standard errors off", sign * q);
            }
        }
    }
}

#[test]
fn deviates_pass_the_test_of_kolmogorov_and_smirnov() {
    let n = 200_000;
    for mut z in [widened(single_deviates(21, 0, 0, n, n)), deviates(22, 0, 0, 5, n)] {
        z.sort_by(f64::total_cmp);
        let distance = z.iter().enumerate().map(|(i, &z)| {
            let (cdf, below) = (normal_cdf(z), i as f64 / n as f64);
            (cdf - below).abs().max((cdf - below - 1.0 / n as f64).abs())
        });
        let statistic = distance.fold(0.0, f64::max) * (n as f64).sqrt();
        assert!(statistic < 1.95, "{statistic}: one sample in a thousand would be as far off");
    }
}

#[test]
fn deviates_of_different_places_are_independent() {
    let (rows, row_len) = (1000, 200);
    let n = rows * row_len;
    let z = widened(single_deviates(31, 41, 0, row_len, n));
    let elsewhere = |seed, step, row| widened(single_deviates(seed, step, row, row_len, n));
    let mut others: Vec<(String, Vec<f64>)> = vec![
        ("the next row".into(), elsewhere(31, 41, 1)),
        ("the next step".into(), elsewhere(31, 42, 0)),
        ("a distant step".into(), elsewhere(31, 41 + (1 << 32), 0)),
        ("the next seed".into(), elsewhere(32, 41, 0)),
        ("a distant seed".into(), elsewhere(31 + (1 << 32), 41, 0)),
    ];
    for lag in 1..10 {
        others.push((format!("{lag} columns on"), [&z[lag..], &z[..lag]].concat()));
    }
    for (name, other) in others {
        let pairs = || z.iter().zip(&other);
        let linear = mean(pairs().map(|(a, b)| a * b)) * (n as f64).sqrt();
        // Deviates of one pair share their radius: their squares would tell.
        let squares = mean(pairs().map(|(a, b)| (a * a - 1.0) * (b * b - 1.0))) / 2.0 * (n as f64).sqrt();
        assert!(
            linear.abs() < 5.0 && squares.abs() < 5.0,
            "{name}: correlations {linear} and {squares} errors off 0"
        );
    }
}

#[test]
fn deviates_reach_far_into_the_tails() {
    let largest = |z: &[f64]| z.iter().fold(0.0_f64, |largest, z| largest.max(z.abs()));
    let n = 4_000_000;
    let z = widened(single_deviates(51, 0, 0, n, n));
    assert!(z.iter().all(|z| z.is_finite()));
    // Of 4 million, the largest is below 4.8 once in 500 times, and above 6.4 once in 1,600.
    assert!((4.8..6.4).contains(&largest(&z)), "the largest is {}", largest(&z));
}

/// A digest of deviates in both precisions.
fn digest() -> u64 {
    let single = single_deviates(1, 2, 3, 17, 1003).into_iter().map(|z| u64::from(z.to_bits()));
    let bits = single.chain(deviates(1, 2, 3, 17, 1003).into_iter().map(f64::to_bits));
    // FNV-1a
    bits.flat_map(u64::to_le_bytes)
        .fold(0xcbf2_9ce4_8422_2325, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Runs itself as another process, which an environment variable tells what vector instructions to use.
#[test]
fn deviates_have_the_same_bits_for_narrower_vectors() {
    const CHILD: &str = "NN_TEST_DIGEST";
    if std::env::var_os(CHILD).is_some() {
        println!("{:?} {:x}", Vectors::in_use(), digest());
        return;
    }
    let narrower = [("baseline", Vectors::Baseline), ("avx2", Vectors::Avx2)];
    for (name, vectors) in narrower.into_iter().filter(|(_, vectors)| *vectors < Vectors::in_use()) {
        let test = "train::philox::deviates_have_the_same_bits_for_narrower_vectors";
        let mut command = Command::new(std::env::current_exe().unwrap());
        let command = command.args(["--exact", test, "--nocapture"]).env("AUTOGRAD_VECTORS", name);
        let output = String::from_utf8(command.env(CHILD, "1").output().unwrap().stdout).unwrap();
        assert!(output.contains(&format!("{vectors:?} {:x}", digest())), "{name}: {output}");
    }
}
