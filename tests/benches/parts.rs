//! What the parts of a step cost, against what the machine can do.
//!
//!     cargo bench -p tests --bench parts [-- products functions normals adam cholesky step scalars]
//!
//! `SECS` is the measuring time of a line in seconds (0.1), `AUTOGRAD_VECTORS` (`baseline`, `avx2`) the vector instructions
//! to use instead of the machine's widest; under `baseline` products are those of `matrixmultiply`, which uses what it finds
//! (so products under `avx2` compare with it only on a machine without AVX-512).
//! Times are medians, but rates of products the best of three rounds, in which those of `matrixmultiply` take turns with them.
//! The peak is the best rate of all, square products of this size range among them: what a product can reach here, not what
//! the processor's data sheet says.

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;

use autograd::numerics::{Mat, MatMut, Vectors, elementary};
use autograd::{Real, Tape, kernel};
use nn::model::Nonlinearity;
use nn::train::{Noise, Optimizer, Rates, Rule, ShardSum};
use tests::measure::{seconds, secs, wanted};
use tests::workloads::VaeStep;

fn main() {
    let time = secs(0.1);
    if std::env::args().any(|name| name == RATES) {
        return product_sizes().iter().for_each(|&size| println!("{}", rate::<f32>(time, size)));
    }
    let pool =
        |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
    pool(1).install(|| {
        if wanted("products") {
            products(time);
        }
        if wanted("functions") {
            functions(time);
        }
        if wanted("normals") {
            let mut out = vec![0f32; 4096];
            let (median, _) = seconds(time, || Noise::new(1, 2).normal(0, 4096, &mut out));
            println!("normal f32 {:>8.2} ns", median * 1e9 / 4096.0);
        }
        if wanted("adam") {
            adam(time);
        }
        if wanted("scalars") {
            scalars(time);
        }
        if wanted("step") {
            let mut vae = VaeStep::one_layer(Nonlinearity::Relu, 128);
            let (step, _) = seconds(5.0 * time, || {
                vae.step();
            });
            let alone = 2.0 * sizes(&ONE_LAYER, 64).map(|size| product::<f32>(time, size).0).sum::<f64>();
            println!(
                "step of vae_mnist_batch128, one thread: {:.2} ms, its products alone {:.2} ms, {:.0} %",
                step * 1e3,
                alone * 1e3,
                100.0 * alone / step
            );
        }
    });
    if wanted("cholesky") {
        for threads in [1, 2] {
            pool(threads).install(|| cholesky(time, threads));
        }
    }
}

/// Widths (in, out) of the dense layers, and whether the layer's input needs an adjoint.
type Layers = [(usize, usize, bool)];
const ONE_LAYER: [(usize, usize, bool); 4] =
    [(784, 400, false), (400, 40, true), (20, 400, true), (400, 784, true)];
const TWO_LAYERS: [(usize, usize, bool); 6] =
    [(784, 512, false), (512, 256, true), (256, 4, true), (2, 64, true), (64, 256, true), (256, 784, true)];

/// m, k, n of a product of m x k and k x n numbers, and which factor is transposed.
type Size = (usize, usize, usize, bool, bool);

/// Y = X W, W̄ = Xᵀ Ȳ, X̄ = Ȳ Wᵀ of every layer.
fn sizes(layers: &Layers, rows: usize) -> impl Iterator<Item = Size> {
    layers.iter().flat_map(move |&(inputs, outputs, adjoint)| {
        let forward = [(rows, inputs, outputs, false, false), (inputs, rows, outputs, true, false)];
        forward.into_iter().chain(adjoint.then_some((rows, outputs, inputs, false, true)))
    })
}

fn squares() -> impl Iterator<Item = Size> {
    [96, 128, 192, 256, 384].into_iter().map(|n| (n, n, n, false, false))
}

/// The products of a shard of vae_mnist, then of vae_mnist_two_layers, then square ones.
fn product_sizes() -> Vec<Size> {
    sizes(&ONE_LAYER, 64).chain(sizes(&TWO_LAYERS, 50)).chain(squares()).collect()
}

/// The argument with which this program prints nothing but the rates of [`product_sizes`].
const RATES: &str = "rates";

/// The rates in a process that leaves products to `matrixmultiply`.
fn rates_of_matrixmultiply() -> Vec<f64> {
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new(program).arg(RATES).env("AUTOGRAD_VECTORS", "baseline").output();
    let printed = output.expect("this program, started again").stdout;
    String::from_utf8_lossy(&printed).lines().map(|rate| rate.parse().expect("a rate")).collect()
}

fn products(time: f64) {
    let sizes = product_sizes();
    let (mut ours, mut theirs, mut double) = (vec![0.0; sizes.len()], vec![0.0; sizes.len()], 0.0_f64);
    for _ in 0..3 {
        for ((ours, theirs), (&size, rate_of_theirs)) in
            ours.iter_mut().zip(&mut theirs).zip(sizes.iter().zip(rates_of_matrixmultiply()))
        {
            *ours = rate::<f32>(time, size).max(*ours);
            *theirs = rate_of_theirs.max(*theirs);
        }
        double = squares().map(|size| rate::<f64>(time, size)).fold(double, f64::max);
    }
    let (peak, vectors) = (ours.iter().copied().fold(0.0, f64::max), Vectors::in_use());
    println!("peak: {peak:.1} GFLOP/s in f32, {double:.1} in f64, on one thread, with {vectors:?}");
    println!(
        "C = A B, and the products of the backward pass: 64 rows of vae_mnist, 50 of vae_mnist_two_layers, squares"
    );
    for ((m, k, n, ta, tb), (ours, theirs)) in sizes.into_iter().zip(ours.into_iter().zip(theirs)) {
        let t = |yes| if yes { "T" } else { " " };
        println!(
            "product {m:>3} x {k:>3}{} x {n:>3}{} {ours:>6.1} GFLOP/s, {:>3.0} % of the peak, {:.2} x matrixmultiply",
            t(ta),
            t(tb),
            100.0 * ours / peak,
            ours / theirs
        );
    }
}

/// GFLOP/s of a product at its best.
fn rate<F: Real>(time: f64, size: Size) -> f64 {
    let (m, k, n, ..) = size;
    2e-9 * (m * k * n) as f64 / product::<F>(time / 3.0, size).1
}

/// Seconds of one product: the median and the minimum.
fn product<F: Real>(time: f64, (m, k, n, ta, tb): Size) -> (f64, f64) {
    let numbers = |size| (0..size).map(|i| F::from_f64((i % 7) as f64 - 3.0)).collect::<Vec<_>>();
    let (a, b, mut c) = (numbers(m * k), numbers(k * n), numbers(m * n));
    let a = if ta { Mat::new(&a, k, m).t() } else { Mat::new(&a, m, k) };
    let b = if tb { Mat::new(&b, n, k).t() } else { Mat::new(&b, k, n) };
    seconds(time / 2.0, || F::gemm(F::ONE, a, b, F::ZERO, MatMut::new(&mut c, m, n)))
}

macro_rules! functions {
    ($time:ident: $($f:ident $from:literal $to:literal),*) => {$({
        kernel! {
            fn apply<F: Real>(x: &[F], y: &mut [F]) {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = x.$f();
                }
            }
        }
        let at = |i: usize, n: usize| $from + ($to - $from) * i as f64 / n as f64;
        let (x, wide): (Vec<f32>, Vec<f64>) = (0..4096).map(|i| (at(i, 4096) as f32, at(i, 4096))).unzip();
        let (mut y, mut wide_y) = (vec![0f32; 4096], vec![0f64; 4096]);
        let single = seconds($time / 2.0, || apply(&x, &mut y)).0;
        let double = seconds($time / 2.0, || apply(&wide, &mut wide_y)).0;
        // The error of the single-precision function, against the double-precision one.
        let error = (0..1 << 20).map(|i| at(i, 1 << 20) as f32).map(|x| {
            let (got, want) = (f64::from(elementary::f32::$f(x)), elementary::f64::$f(f64::from(x)));
            let want32 = want.abs() as f32;
            let ulp = f64::from(f32::from_bits(want32.to_bits() + 1)) - f64::from(want32);
            (got - want).abs() / ulp
        });
        println!(
            "{:<9} f32 {:>6.2} ns  f64 {:>6.2} ns  error in f32 at most {:.2} ulp over [{}, {}]",
            stringify!($f), single * 1e9 / 4096.0, double * 1e9 / 4096.0, error.fold(0.0, f64::max), $from, $to
        );
    })*};
}

fn functions(time: f64) {
    functions!(time: exp -80.0 80.0, ln 0.001 1000.0, tanh -9.0 9.0, sigmoid -80.0 80.0, softplus -80.0 80.0,
        sin -100.0 100.0, exp_m1 -9.0 9.0, ln_1p -0.9 9.0);
}

fn adam(time: f64) {
    const N: usize = 650_000;
    let mut optimizer = Optimizer::<f32>::new(Rule::ADAM, N);
    let (mut theta, gradient) = (vec![1.0; N], vec![0.5; N]);
    for shards in [1, 2] {
        let gradients = vec![&gradient[..]; shards];
        let rates = Rates { rate: 1e-3, groups: &[], factor: 1.0 };
        let (median, _) = seconds(3.0 * time, || {
            optimizer.step_sum(rates, &mut theta, ShardSum { shards: &gradients, scale: 0.5 });
        });
        // θ, m and v are read and written, the gradients read.
        let bytes = (4 * N * (6 + shards)) as f64;
        let (ns, rate) = (median * 1e9 / N as f64, bytes * 1e-9 / median);
        println!("adam, {shards} shards of {N} parameters: {ns:.3} ns each, {rate:.0} GB/s");
    }
}

/// Code without vectors beside vector code: on some processors the former is slow as long as the upper halves of registers
/// hold what the latter left there.
fn scalars(time: f64) {
    let chain = || black_box((0..4096).fold(black_box(0.5_f32), |x, _| (x * 0.999 + 0.001).sqrt()));
    let (x, mut y) = (vec![0.5; 4096], vec![0.0; 4096]);
    let alone = seconds(time, || _ = chain()).0;
    let vectors = seconds(time, || tanh(&x, &mut y)).0;
    let both = seconds(time, || {
        tanh(&x, &mut y);
        chain();
    });
    let behind = both.0 - vectors;
    let [alone, behind] = [alone, behind].map(|seconds| seconds * 1e6);
    println!("scalar code {alone:.2} us, behind vector code {behind:.2} us: {:.2} x", behind / alone);
}

kernel! {
    fn tanh(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = elementary::f32::tanh(x);
        }
    }
}

fn cholesky(time: f64, threads: usize) {
    let mut tape = Tape::<f64>::new();
    for n in [100, 200, 500, 1000, 2000, 4000] {
        let mut a = vec![0.0; n * n];
        (0..n).for_each(|i| {
            (0..n).for_each(|j| a[i * n + j] = (-((i as f64 - j as f64) / 20.0).powi(2)).exp())
        });
        (0..n).for_each(|i| a[i * n + i] += 0.5);
        let a = Arc::new(a);
        let factor = seconds(time, || {
            tape.clear();
            tape.shared_constant(&a, [n, n]).cholesky().expect("the matrix is positive definite");
        });
        let rate = 1e-9 * (n as f64).powi(3) / 3.0 / factor.0;
        print!("cholesky {n:>4}, {threads} threads {:>9.2} ms {rate:>6.1} GFLOP/s", factor.0 * 1e3);
        if ![500, 2000].contains(&n) {
            println!();
            continue;
        }
        let mut z = vec![0.0; n * 16];
        Noise::new(0, 0).normal(0, 16, &mut z);
        let density = seconds(time, || {
            tape.clear();
            let (z, k) = (tape.parameter(&z, [n, 16]), tape.parameter(&a, [n, n]));
            let log_prob = z.multivariate_normal_log_prob(k).expect("the matrix is positive definite");
            tape.backward(log_prob);
        });
        println!(", multivariate normal with gradient {:.2} ms", density.0 * 1e3);
    }
}
