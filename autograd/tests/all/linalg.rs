//! Cholesky factors, triangular solves and the multivariate normal: against definitions, explicit inverses and each
//! other.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};

use crate::common::{assert_close, numbers};
use crate::dirty::dirty_tape;
use autograd::check::check_theta;
use autograd::forward::Dual;
use autograd::numerics::{Mat, MatMut};
use autograd::ops::{Cholesky, MultivariateNormalLogProb, NotPositiveDefinite, TriangularSystem};
use autograd::{Real, Shape, Tape, Var};

/// Around the sizes at which blocks begin (32, 64, 128), and of several blocks.
const SIZES: [usize; 10] = [1, 2, 31, 32, 33, 64, 65, 127, 130, 261];

/// A positive definite matrix: S Sᵀ/n + I for random numbers S.
fn positive_definite(seed: u64, n: usize) -> Vec<f64> {
    let s = numbers(seed, n * n);
    let dot = |i: usize, j: usize| -> f64 { (0..n).map(|k| s[i * n + k] * s[j * n + k]).sum() };
    let element = |at: usize| dot(at / n, at % n) / n as f64 + if at / n == at % n { 1.0 } else { 0.0 };
    (0..n * n).map(element).collect()
}

/// A lower triangular matrix with NaN above the diagonal.
fn lower(seed: u64, n: usize) -> Vec<f64> {
    let mut l = numbers(seed, n * n);
    for i in 0..n {
        l[i * n..].iter_mut().take(i).for_each(|x| *x /= n as f64);
        l[i * n + i] += 2.0;
        l[i * n + i + 1..(i + 1) * n].fill(f64::NAN);
    }
    l
}

/// The matrix with zeros above the diagonal.
fn tril(l: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|at| if at % n <= at / n { l[at] } else { 0.0 }).collect()
}

fn transposed(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|at| a[at % n * n + at / n]).collect()
}

#[track_caller]
fn assert_symmetric(a: &[f64], n: usize) {
    assert_eq!(a, transposed(a, n));
}

/// The four equations, for a factor (n, n) and a right-hand side of `shape(n, m)`: the solution, and what must be B.
type Equation = (
    &'static str,
    fn(usize, usize) -> [usize; 2],
    for<'t> fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>,
    for<'t> fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>,
);

fn equations() -> [Equation; 4] {
    [
        ("L X = B", |n, m| [n, m], |l, b| l.solve_triangular(b, TriangularSystem::LX), |l, x| l.matmul(x)),
        (
            "Lᵀ X = B",
            |n, m| [n, m],
            |l, b| l.solve_triangular(b, TriangularSystem::LtX),
            |l, x| l.t_matmul(x),
        ),
        ("X L = B", |n, m| [m, n], |l, b| l.solve_triangular(b, TriangularSystem::XL), |l, x| x.matmul(l)),
        (
            "X Lᵀ = B",
            |n, m| [m, n],
            |l, b| l.solve_triangular(b, TriangularSystem::XLt),
            |l, x| x.matmul_t(l),
        ),
    ]
}

#[test]
fn the_factor_times_its_transpose_is_the_matrix() {
    for n in SIZES {
        let (tape, a) = (dirty_tape(), positive_definite(n as u64, n));
        let l = tape.parameter(&a, [n, n]).cholesky().unwrap();
        assert_close(&l.matmul_t(l).to_vec(), &a, 1e-13);
        assert_eq!(l.to_vec(), tril(&l.to_vec(), n), "zeros above the diagonal");
        assert!(l.with(|l| l.iter().step_by(n + 1).all(|&l| l > 0.0)));
    }
}

#[test]
fn a_small_factor_is_the_known_one() {
    let tape = Tape::new();
    let a = tape.parameter(&[4.0, 12.0, -16.0, 12.0, 37.0, -43.0, -16.0, -43.0, 98.0], [3, 3]);
    let l = a.cholesky().unwrap();
    assert_close(&l.to_vec(), &[2.0, 0.0, 0.0, 6.0, 1.0, 0.0, -8.0, 5.0, 3.0], 1e-15);
    assert_close(&[l.log_det_from_factor().item()], &[36.0f64.ln()], 1e-15);
}

#[test]
fn an_asymmetric_matrix_is_taken_as_its_symmetric_part() {
    let n = 70;
    let (symmetric, skew) = (positive_definite(1, n), numbers(2, n * n));
    let skew_part: Vec<f64> = skew.iter().zip(transposed(&skew, n)).map(|(a, b)| a - b).collect();
    let asymmetric: Vec<f64> = symmetric.iter().zip(&skew_part).map(|(a, b)| a + b).collect();
    let run = |k: &[f64]| {
        let tape = Tape::new();
        let (k, z) = (tape.parameter(k, [n, n]), tape.constant(&numbers(3, 2 * n), [n, 2]));
        let (l, y) = (k.cholesky().unwrap(), z.multivariate_normal_log_prob(k).unwrap());
        let gradient = tape.backward((l * l).sum() + y).wrt(k).to_vec();
        (l.to_vec(), y.item(), gradient)
    };
    let (a, b) = (run(&symmetric), run(&asymmetric));
    assert_close(&a.0, &b.0, 1e-13);
    assert_close(&[a.1], &[b.1], 1e-12);
    assert_close(&a.2, &b.2, 1e-11);
}

#[test]
fn gradients_agree_with_differences_above_the_size_of_a_block() {
    for n in [1, 2, 33, 70, 130] {
        let weights = numbers(5, n * n);
        let a = positive_definite(4, n);
        check_theta("cholesky", &a, 3, |tape, a| {
            let l = a.reshape([n, n]).cholesky().unwrap();
            (l.tanh() * tape.constant(&weights, [n, n])).sum()
        })
        .unwrap();

        let m = 3;
        let theta: Vec<f64> = tril(&lower(6, n), n).into_iter().chain(numbers(7, n * m)).collect();
        for (name, shape, solve, _) in equations() {
            check_theta(name, &theta, 3, |tape, theta| {
                let (l, b) = (theta.view(0, [n, n]), theta.view(n * n, shape(n, m)));
                (solve(l, b).tanh() * tape.constant(&weights[..1], [])).sum()
            })
            .unwrap();
        }

        let theta: Vec<f64> = a.into_iter().chain(numbers(8, n * m)).collect();
        check_theta("multivariate_normal_log_prob", &theta, 3, |_, theta| {
            let (k, z) = (theta.view(0, [n, n]), theta.view(n * n, [n, m]));
            z.multivariate_normal_log_prob(k).unwrap().square() * 1e-3
        })
        .unwrap();
    }
}

#[test]
fn gradients_of_symmetric_functions_are_symmetric() {
    for n in [2, 33, 130] {
        let tape = dirty_tape();
        let k = tape.parameter(&positive_definite(9, n), [n, n]);
        let (z, w) = (tape.constant(&numbers(10, 4 * n), [n, 4]), tape.constant(&numbers(11, n * n), [n, n]));
        let through_factor = (k.cholesky().unwrap() * w).sum();
        assert_symmetric(tape.backward(through_factor).wrt(k), n);
        let log_prob = z.multivariate_normal_log_prob(k).unwrap();
        assert_symmetric(tape.backward(log_prob).wrt(k), n);
    }
}

#[test]
fn solutions_solve_and_nothing_above_the_diagonal_is_read() {
    for n in SIZES {
        for m in [1, 2, 40] {
            for (name, shape, solve, product) in equations() {
                let (tape, l, b) = (dirty_tape(), lower(12, n), numbers(13, n * m));
                let x = solve(tape.constant(&l, [n, n]), tape.constant(&b, shape(n, m)));
                assert_eq!(x.shape(), Shape::from(shape(n, m)), "{name}");
                assert_close(&product(tape.constant(&tril(&l, n), [n, n]), x).to_vec(), &b, 1e-12);
            }
        }
    }
}

#[test]
fn solutions_of_two_equations_are_those_by_the_explicit_inverse() {
    // L = (2 0; 3 4), L⁻¹ = (1/2 0; −3/8 1/4)
    let tape = Tape::new();
    let (l, b) =
        (tape.parameter(&[2.0, f64::NAN, 3.0, 4.0], [2, 2]), tape.parameter(&[1.0, 2.0, 5.0, 6.0], [2, 2]));
    let inverse = tape.constant(&[0.5, 0.0, -0.375, 0.25], [2, 2]);
    assert_close(&l.solve_triangular(b, TriangularSystem::LX).to_vec(), &inverse.matmul(b).to_vec(), 1e-15);
    assert_close(
        &l.solve_triangular(b, TriangularSystem::LtX).to_vec(),
        &inverse.t_matmul(b).to_vec(),
        1e-15,
    );
    assert_close(&l.solve_triangular(b, TriangularSystem::XL).to_vec(), &b.matmul(inverse).to_vec(), 1e-15);
    assert_close(
        &l.solve_triangular(b, TriangularSystem::XLt).to_vec(),
        &b.matmul_t(inverse).to_vec(),
        1e-15,
    );
    // The gradient above the diagonal is zero, and that below the explicit one, −L⁻ᵀ X̄ Xᵀ.
    let x = l.solve_triangular(b, TriangularSystem::LX);
    let gradients = tape.backward(x.sum());
    let (ones, l_bar) = (tape.constant(&[1.0; 4], [2, 2]), gradients.wrt(l));
    let b_bar = inverse.t_matmul(ones);
    assert_close(gradients.wrt(b), &b_bar.to_vec(), 1e-15);
    assert_close(l_bar, &tril(&(-b_bar.matmul_t(x)).to_vec(), 2), 1e-15);
}

#[test]
fn the_log_density_is_the_sum_of_one_dimensional_conditional_ones() {
    // p(z₁) p(z₂ | z₁) with K = (4 3; 3 9): z₁ ~ N(0, 4), z₂ | z₁ ~ N(¾ z₁, 9 − 9/4)
    let normal = |x: f64, variance: f64| -0.5 * (x * x / variance + (std::f64::consts::TAU * variance).ln());
    let z = [[0.5, -1.0, 3.0], [2.0, 0.25, -4.0]];
    let expected: f64 = (0..3).map(|c| normal(z[0][c], 4.0) + normal(z[1][c] - 0.75 * z[0][c], 6.75)).sum();
    let tape = Tape::new();
    let (z, k) = (tape.constant(z.as_flattened(), [2, 3]), tape.constant(&[4.0, 3.0, 3.0, 9.0], [2, 2]));
    assert_close(&[z.multivariate_normal_log_prob(k).unwrap().item()], &[expected], 1e-15);

    let one = tape.constant(&[4.0], [1, 1]);
    let found = tape.constant(&[1.5], [1, 1]).multivariate_normal_log_prob(one).unwrap();
    assert_close(&[found.item()], &[normal(1.5, 4.0)], 1e-15);
}

#[test]
fn the_log_density_is_that_of_factor_solve_and_log_determinant() {
    for (n, m) in [(1, 1), (5, 3), (33, 1), (130, 7), (261, 2)] {
        let tape = dirty_tape();
        let (k, z) = (positive_definite(14, n), numbers(15, n * m));
        let (k, z) = (tape.parameter(&k, [n, n]), tape.parameter(&z, [n, m]));
        let fused = z.multivariate_normal_log_prob(k).unwrap();

        let l = k.cholesky().unwrap();
        let constant = (n * m) as f64 * std::f64::consts::TAU.ln();
        let quadratic = l.solve_triangular(z, TriangularSystem::LX).square().sum();
        let composed = -0.5 * (quadratic + m as f64 * l.log_det_from_factor() + constant);
        assert_close(&[fused.item()], &[composed.item()], 1e-12);

        let (fused, composed) = (tape.backward(fused), tape.backward(composed));
        assert_close(fused.wrt(k), composed.wrt(k), 1e-10);
        assert_close(fused.wrt(z), composed.wrt(z), 1e-10);
    }
}

#[test]
fn a_matrix_that_is_not_positive_definite_is_an_error_that_names_the_pivot() {
    for n in [1, 5, 32, 33, 100, 200] {
        for pivot in [0, n / 3, n / 2, n - 1] {
            let mut a = positive_definite(16, n);
            a[pivot * (n + 1)] = -3.0;
            let tape = dirty_tape();
            let (k, z) = (tape.parameter(&a, [n, n]), tape.constant(&numbers(1, n), [n, 1]));
            let error = k.cholesky().unwrap_err();
            assert_eq!((error.pivot, error.size), (pivot, n));
            assert!(error.value <= -3.0);
            assert_eq!(z.multivariate_normal_log_prob(k).unwrap_err(), error);
            // The tape goes on.
            assert_eq!(tape.backward(k.sum()).wrt(k), vec![1.0; n * n]);
        }
    }
}

#[test]
fn the_error_says_what_where_and_what_to_do() {
    let tape = Tape::new();
    // The third point is the first one again.
    let k = [4.0, 2.0, 4.0, 2.0, 5.0, 2.0, 4.0, 2.0, 4.0];
    let error = tape.constant(&k, [3, 3]).cholesky().unwrap_err();
    assert_eq!(error, NotPositiveDefinite { pivot: 2, value: 0.0, size: 3 });
    assert_eq!(
        error.to_string(),
        "a 3 x 3 matrix is not positive definite: pivot 2 is 0; add jitter to the diagonal, or look for duplicated \
         points and numbers that are not finite"
    );
    let jitter: Vec<f64> = (0..9).map(|i| k[i] + if i % 4 == 0 { 1e-6 } else { 0.0 }).collect();
    assert!(tape.constant(&jitter, [3, 3]).cholesky().is_ok());
}

#[test]
fn numbers_that_are_not_finite_are_errors_too() {
    for n in [3, 40, 80] {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for at in [0, 1, n, n * n - 1, n * n - 2, n * n / 2] {
                let mut a = positive_definite(17, n);
                a[at] = bad;
                let tape = Tape::new();
                let (k, z) = (tape.constant(&a, [n, n]), tape.constant(&vec![1.0; n], [n, 1]));
                let error = k.cholesky().unwrap_err();
                assert!(
                    error.pivot <= (at / n).max(at % n) && !(error.value > 0.0 && error.value.is_finite())
                );
                assert_eq!(z.multivariate_normal_log_prob(k).unwrap_err().pivot, error.pivot);
                if bad.is_nan() {
                    assert!(error.value.is_nan(), "{error}");
                }
            }
        }
    }
}

#[test]
fn recorded_without_its_check_a_failure_is_nan() {
    let tape = dirty_tape::<f64>();
    let (k, z) = (tape.parameter(&[1.0, 2.0, 2.0, 1.0], [2, 2]), tape.parameter(&[1.0, 1.0], [2, 1]));
    assert!(tape.record(Cholesky, &[k]).to_vec().iter().all(|l| l.is_nan()));
    assert!(tape.record(MultivariateNormalLogProb, &[z, k]).item().is_nan());
    assert_eq!(tape.first_non_finite().unwrap().operation, "cholesky");
}

#[test]
fn matrices_without_rows_or_columns_have_factors_solutions_and_densities() {
    let tape = Tape::<f64>::new();
    let none = tape.parameter(&[], [0, 0]);
    let l = none.cholesky().unwrap();
    assert_eq!((l.shape(), l.log_det_from_factor().item()), ([0, 0].into(), 0.0));
    for (_, shape, solve, _) in equations() {
        assert_eq!(solve(l, tape.parameter(&[], shape(0, 3))).size(), 0);
        let (l, empty) = (tape.parameter(&lower(1, 40), [40, 40]), tape.parameter(&[], shape(40, 0)));
        let x = solve(l, empty);
        assert_eq!(tape.backward(x.sum()).wrt(l), [0.0; 1600]);
    }
    let z = tape.parameter(&[], [0, 3]);
    let y = z.multivariate_normal_log_prob(none).unwrap();
    assert_eq!(y.item(), 0.0);
    assert!(tape.backward(y).wrt(z).is_empty());

    let (k, z) = (tape.parameter(&positive_definite(18, 40), [40, 40]), tape.parameter(&[], [40, 0]));
    let y = z.multivariate_normal_log_prob(k).unwrap();
    assert_eq!(y.item(), 0.0);
    assert_eq!(tape.backward(y).wrt(k), [0.0; 1600]);
}

#[test]
fn large_matrices_are_right_and_have_the_same_bits_on_any_number_of_threads() {
    // Above the sizes at which work is shared, and not a multiple of a block.
    let (n, m) = (429, 150);
    let (a, l, b) = (positive_definite(19, n), lower(20, n), numbers(21, n * m));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let tape = Tape::new();
            let (k, l, z) =
                (tape.parameter(&a, [n, n]), tape.parameter(&l, [n, n]), tape.parameter(&b, [n, m]));
            let factor = k.cholesky().unwrap();
            let mut loss = z.multivariate_normal_log_prob(k).unwrap() + (factor * factor).sum();
            let mut found = vec![factor.to_vec(), factor.matmul_t(factor).to_vec()];
            for (_, shape, solve, product) in equations() {
                let b = z.reshape(shape(n, m));
                let x = solve(l, b);
                found.push(x.to_vec());
                assert_close(
                    &product(tape.constant(&tril(&l.to_vec(), n), [n, n]), x).to_vec(),
                    &b.to_vec(),
                    1e-12,
                );
                loss = loss + x.square().sum();
            }
            let gradients = tape.backward(loss);
            found.extend([k, l, z].map(|x| gradients.wrt(x).to_vec()));
            found
        })
    };
    let one = run(1);
    assert_close(&one[1], &a, 1e-13);
    for threads in [2, 16] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

/// C ← A B + β C in blocks of larger matrices, the first rows of A, against sums of products.
fn product_of_blocks<F: Real>() {
    for (m, k, n, beta) in
        [(5, 7, 6, 0.0), (5, 7, 6, 0.5), (1, 3, 4, 0.0), (4, 3, 1, 0.5), (3, 1, 2, 1.0), (0, 2, 3, 0.0)]
    {
        let stride = 9;
        let [a, b, c] = [22, 23, 24].map(|seed| numbers(seed, 10 * stride));
        let lift = |x: &[f64]| -> Vec<F> { x.iter().map(|&x| F::from_f64(x)).collect() };
        let (a_data, b_data, mut found) = (lift(&a), lift(&b), lift(&c));
        let a_block = Mat::block(&a_data[2..], m + 1, k, stride).row_range(1..m + 1);
        let (b_block, c_block) =
            (Mat::block(&b_data[1..], k, n, stride), MatMut::block(&mut found[3..], m, n, stride));
        F::gemm(F::ONE, a_block, b_block, F::from_f64(beta), c_block);

        let mut expected = c;
        for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
            let term = |l: usize| a[2 + (i + 1) * stride + l] * b[1 + l * stride + j];
            let c = &mut expected[3 + i * stride + j];
            *c = beta * *c + (0..k).map(term).sum::<f64>();
        }
        let found: Vec<f64> = found.iter().map(|x| x.to_f64()).collect();
        assert_close(&found, &expected, if size_of::<F>() == 4 { 1e-5 } else { 1e-14 });
    }
}

#[test]
fn blocks_are_multiplied_in_place_and_what_lies_around_them_stays() {
    product_of_blocks::<f64>();
    product_of_blocks::<f32>();
    product_of_blocks::<Dual<f64>>();
}

thread_local! {
    /// The last panic of this thread: message and line.
    static LAST: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
}

/// What `f` panics with, and on which line.
fn panic_of(f: impl FnOnce()) -> (String, u32) {
    panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("no text").to_owned();
        LAST.set(info.location().map(|place| (message, place.line())));
    }));
    let outcome = panic::catch_unwind(AssertUnwindSafe(f));
    drop(panic::take_hook());
    assert!(outcome.is_err(), "no panic");
    LAST.take().expect("the hook ran")
}

/// `call => message`: the call panics with this message, at its own line.
macro_rules! misuse {
    ($call:expr => $message:expr) => {
        let found = panic_of(|| {
            let _ = $call;
        });
        assert_eq!(found, ($message.to_owned(), line!()));
    };
}

#[test]
fn shapes_that_do_not_fit_are_refused_at_the_callers_line() {
    let tape = Tape::<f64>::new();
    let zeros = |shape: &[usize]| tape.parameter(&vec![0.0; shape.iter().product()], shape);
    let (a, b, v, l) = (zeros(&[3, 2]), zeros(&[4, 2]), zeros(&[3]), zeros(&[3, 3]));
    misuse!(a.cholesky() => "cholesky: [3, 2]: expected a square matrix, found [3, 2]");
    misuse!(v.cholesky() => "cholesky: [3]: expected a square matrix, found [3]");
    misuse!(a.log_det_from_factor() => "diagonal: [3, 2]: expected a square matrix, found [3, 2]");
    misuse!(a.solve_triangular(b, TriangularSystem::LX) => "solve_triangular: [3, 2] x [4, 2]: expected a square matrix, found [3, 2]");
    misuse!(l.solve_triangular(v, TriangularSystem::LX) => "solve_triangular: [3, 3] x [3]: expected a matrix B, found [3]");
    misuse!(l.solve_triangular(b, TriangularSystem::LX) => "solve_triangular: [3, 3] x [4, 2]: L X = B: expected equal inner sizes, found 3 and 4");
    misuse!(l.solve_triangular(b, TriangularSystem::LtX) => "solve_triangular: [3, 3] x [4, 2]: Lᵀ X = B: expected equal inner sizes, found 3 and 4");
    let text = "solve_triangular: [3, 3] x [4, 2]: X L = B: expected equal inner sizes, found 3 and 2";
    misuse!(l.solve_triangular(b, TriangularSystem::XL) => text);
    let text = "solve_triangular: [3, 3] x [3, 2]: X Lᵀ = B: expected equal inner sizes, found 3 and 2";
    misuse!(l.solve_triangular(a, TriangularSystem::XLt) => text);
    let text = "multivariate_normal_log_prob: [4, 2] x [3, 3]: expected a matrix Z of 3 rows, found [4, 2]";
    misuse!(b.multivariate_normal_log_prob(l) => text);
    let text = "multivariate_normal_log_prob: [3] x [3, 3]: expected a matrix Z of 3 rows, found [3]";
    misuse!(v.multivariate_normal_log_prob(l) => text);
    let text = "multivariate_normal_log_prob: [3, 3] x [3, 2]: expected a square matrix, found [3, 2]";
    misuse!(l.multivariate_normal_log_prob(a) => text);
}
