//! The same operations compiled for narrower vector instructions than this machine's: each in a process of its own, which an
//! environment variable tells what to use.

use std::process::Command;

use crate::common::{assert_close, numbers};
use autograd::check::Checks;
use autograd::numerics::Vectors;
use autograd::numerics::{Mat, MatMut};
use autograd::{Real, Tape};

/// A digest of what must not depend on vectors: all but products, whose sums fused multiplications round otherwise.
fn digest() -> u64 {
    fn of<F: Real>(digest: &mut u64) {
        let mut add = |values: &[F]| {
            // FNV-1a
            for byte in values.iter().flat_map(|x| x.to_f64().to_bits().to_le_bytes()) {
                *digest = (*digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        };
        let sample: Vec<F> = numbers(1, 1001).into_iter().map(|x| F::from_f64(3.0 * x)).collect();
        let tape = Tape::new();
        // 7 rows of 143 are no whole number of any vectors.
        let x = tape.parameter(&sample, [7, 143]);
        let functions = [
            x.exp(),
            x.sigmoid().ln(),
            x.tanh(),
            x.softplus(),
            x.sin() * x.cos(),
            x.erf(),
            x.gelu(),
            x.square().ln_1p(),
            x.log_softmax(),
            x.sigmoid().bernoulli_log_prob(x),
        ];
        for y in functions {
            add(&y.to_vec());
            add(tape.backward(y.square().sum()).wrt(x));
        }
        let sums = [x.sum(), x.sum_axis(0).square().sum(), x.sum_axis(1).square().sum(), x.logsumexp().sum()];
        sums.iter().for_each(|y| add(&y.to_vec()));
    }
    let mut digest = 0xcbf2_9ce4_8422_2325;
    of::<f32>(&mut digest);
    of::<f64>(&mut digest);
    digest
}

fn check_product<F: Real>(tolerance: f64) {
    let (m, k, n) = (50, 70, 61);
    let [a, b] = [numbers(1, m * k), numbers(2, k * n)];
    let expected: Vec<f64> =
        (0..m * n).map(|at| (0..k).map(|l| a[at / n * k + l] * b[l * n + at % n]).sum()).collect();
    let lift = |x: &[f64]| x.iter().map(|&x| F::from_f64(x)).collect::<Vec<_>>();
    let (a, b, mut c) = (lift(&a), lift(&b), vec![F::ZERO; m * n]);
    F::gemm(F::ONE, Mat::new(&a, m, k), Mat::new(&b, k, n), F::ZERO, MatMut::new(&mut c, m, n));
    assert_close(&c.iter().map(|x| x.to_f64()).collect::<Vec<_>>(), &expected, tolerance);
}

#[test]
fn the_vectors_in_use_compute_what_they_should() {
    for Checks { name, derivatives, .. } in crate::checks() {
        derivatives().unwrap_or_else(|mismatch| panic!("{name}: {mismatch}"));
    }
    check_product::<f32>(2e-6);
    check_product::<f64>(1e-14);
    println!("{:?} {:x}", Vectors::in_use(), digest());
}

/// What the test above says when it is run with these vectors.
fn told(vectors: &str) -> (bool, String) {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "vectors::the_vectors_in_use_compute_what_they_should", "--nocapture"]);
    let output = test.env("AUTOGRAD_VECTORS", vectors).output().unwrap();
    (
        output.status.success(),
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat(),
    )
}

#[test]
fn narrower_vectors_pass_the_same_checks_and_give_the_same_bits() {
    let narrower = [("baseline", Vectors::Baseline), ("avx2", Vectors::Avx2)];
    for (name, vectors) in narrower.into_iter().filter(|(_, vectors)| *vectors < Vectors::in_use()) {
        let (success, said) = told(name);
        assert!(success, "{name}: {said}");
        assert!(said.contains(&format!("{vectors:?} {:x}", digest())), "{name}: {said}");
    }
}

#[test]
fn unknown_vectors_are_refused() {
    let (success, said) = told("avx3");
    assert!(
        !success && said.contains("AUTOGRAD_VECTORS: expected baseline, avx2 or avx512, found \"avx3\""),
        "{said}"
    );
}
