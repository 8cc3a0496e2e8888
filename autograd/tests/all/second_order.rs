//! Second derivatives by the same reverse pass on dual numbers.

use approx::assert_relative_eq;
use autograd::forward::{Dual, hessian, hvp, jacobian, jvp};
use autograd::ops::Nonlinearity;
use autograd::{Real, Tape, Var};
use proptest::prelude::*;

/// A network 3-4-2 with one datum, its Bernoulli log-likelihood, and a penalty on θ.
fn network<'t, F: Real>(tape: &'t Tape<F>, theta: Var<'t, F>) -> Var<'t, F> {
    let constant = |values: &[f64], shape: [usize; 2]| {
        let values: Vec<F> = values.iter().map(|&x| F::from_f64(x)).collect();
        tape.constant(&values, shape)
    };
    let x = constant(&[0.3, -0.7, 1.1, -0.4, 0.2, 0.9], [2, 3]);
    let y = constant(&[1.0, 0.0, 0.25, 1.0], [2, 2]);
    let h = x.dense(theta.view(0, [3, 4]), theta.view(12, [4]), Nonlinearity::Tanh);
    let logits = h.dense(theta.view(16, [4, 2]), theta.view(24, [2]), Nonlinearity::Identity);
    theta.square().sum() * F::from_f64(0.1) - y.bernoulli_log_prob(logits).sum()
}
const SIZE: usize = 26;

fn point() -> Vec<f64> {
    (0..SIZE).map(|i| (1.3 * i as f64).sin()).collect()
}

fn gradient(theta: &[f64]) -> Vec<f64> {
    Tape::new().value_and_grad(&theta.to_vec().into(), network).1.to_vec()
}

#[test]
fn a_hessian_vector_product_is_the_difference_of_gradients_along_the_vector() {
    let theta = point();
    let v: Vec<f64> = (0..SIZE).map(|i| (0.7 * i as f64).cos()).collect();
    let at = |t: f64| gradient(&theta.iter().zip(&v).map(|(x, v)| x + t * v).collect::<Vec<_>>());
    let h = 1e-3;
    let [a, b, c, d] = [-2.0 * h, -h, h, 2.0 * h].map(at);
    let product = hvp(&theta, &v, network);
    assert_eq!(product.gradient, gradient(&theta));
    for i in 0..SIZE {
        let difference = (a[i] - 8.0 * b[i] + 8.0 * c[i] - d[i]) / (12.0 * h);
        assert_relative_eq!(product.product[i], difference, epsilon = 1e-9, max_relative = 1e-9);
    }
}

#[test]
fn the_hessian_is_symmetric_and_its_columns_are_products_with_unit_vectors() {
    let theta = point();
    let hessian = hessian(&theta, network);
    for i in 0..SIZE {
        let unit: Vec<f64> = (0..SIZE).map(|j| f64::from(u8::from(i == j))).collect();
        let column = hvp(&theta, &unit, network).product;
        for j in 0..SIZE {
            assert_eq!(hessian[i * SIZE + j], column[j]);
            assert_relative_eq!(hessian[i * SIZE + j], hessian[j * SIZE + i], epsilon = 1e-12);
        }
    }
}

#[test]
fn the_hessian_has_the_same_bits_on_any_number_of_threads() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| hessian(&point(), network))
    };
    let one = on(1);
    assert!(one == on(2) && one == on(16));
}

#[test]
fn a_quadratic_has_its_matrix_as_hessian_and_its_rows_as_jacobian() {
    let a = [4.0, 1.0, -2.0, 1.0, 3.0, 0.5, -2.0, 0.5, 5.0];
    let theta = [0.3, -1.0, 2.0];
    let quadratic = hessian(&theta, |tape: &Tape<Dual<f64>>, x: Var<'_, Dual<f64>>| {
        let a = tape.constant(&a.map(Dual::from_f64), [3, 3]);
        let x = x.reshape([3, 1]);
        x.t_matmul(a.matmul(x)).sum() * Dual::from_f64(0.5)
    });
    for (x, y) in quadratic.iter().zip(&a) {
        assert_relative_eq!(x, y, epsilon = 1e-13);
    }
    let rows = jacobian(&theta, |tape, x| tape.constant(&a, [3, 3]).matmul(x.reshape([3, 1])));
    assert_eq!(rows, a);
}

#[test]
fn forward_mode_and_backward_mode_compute_the_same_jacobian() {
    let x: Vec<f64> = (0..6).map(|i| 0.2 + 0.3 * i as f64).collect();
    fn f<'t, F: Real>(_: &'t Tape<F>, x: Var<'t, F>) -> Var<'t, F> {
        let m = x.reshape([2, 3]);
        m.matmul_t(m).softmax_axis(1) * m.ln().sum_axis(1)
    }
    let rows = jacobian(&x, f);
    for j in 0..6 {
        let unit: Vec<f64> = (0..6).map(|i| f64::from(u8::from(i == j))).collect();
        let (y, column) = jvp(&x, &unit, f);
        assert_eq!(y.len(), 4);
        for i in 0..4 {
            assert_relative_eq!(column[i], rows[i * 6 + j], epsilon = 1e-12);
        }
    }
}

#[test]
fn numbers_can_be_nested_to_the_third_derivative() {
    // f = θ⁴: the derivative of H v along v is 24 θ v².
    let theta = Dual::new(1.5, 1.0);
    let third = hvp(&[theta], &[Dual::ONE], |_, x| x.square().square().sum());
    assert_relative_eq!(third.product[0].value, 12.0 * 1.5 * 1.5);
    assert_relative_eq!(third.product[0].tangent, 24.0 * 1.5);
}

#[test]
#[should_panic(expected = "expected a direction of 3 numbers, found 2")]
fn a_direction_of_another_length_is_refused() {
    let _ = hvp(&[1.0, 2.0, 3.0], &[1.0, 0.0], |_, x: Var<'_, Dual<f64>>| x.sum());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn products_of_dual_matrices_are_those_of_dual_numbers(
        (m, k, n) in (0usize..6, 0usize..6, 0usize..6), ta: bool, tb: bool, accumulate: bool, seed: u64,
    ) {
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as f64 / 2f64.powi(31) - 0.5
        };
        let mut draw = |size: usize| (0..size).map(|_| Dual::new(next(), next())).collect::<Vec<_>>();
        let (a, b, c) = (draw(m * k), draw(k * n), draw(m * n));
        let alpha = draw(1)[0];
        let a_matrix = if ta { autograd::numerics::Mat::new(&a, k, m).t() } else { autograd::numerics::Mat::new(&a, m, k) };
        let b_matrix = if tb { autograd::numerics::Mat::new(&b, n, k).t() } else { autograd::numerics::Mat::new(&b, k, n) };
        let mut product = c.clone();
        let beta = if accumulate { Dual::ONE } else { Dual::ZERO };
        Real::gemm(alpha, a_matrix, b_matrix, beta, autograd::numerics::MatMut::new(&mut product, m, n));
        for i in 0..m {
            for j in 0..n {
                let at = |l| (a[if ta { l * m + i } else { i * k + l }], b[if tb { j * k + l } else { l * n + j }]);
                let sum = (0..k).map(at).fold(Dual::ZERO, |sum, (a, b)| sum + a * b);
                let expected = alpha * sum + if accumulate { c[i * n + j] } else { Dual::ZERO };
                let found = product[i * n + j];
                prop_assert!((found.value - expected.value).abs() < 1e-12, "{found} {expected}");
                prop_assert!((found.tangent - expected.tangent).abs() < 1e-12, "{found} {expected}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "hessian: expected a scalar value")]
fn the_hessian_is_of_a_scalar() {
    hessian(&[1.0, 2.0], |_, x| x.exp());
}

#[test]
fn a_constant_adds_nothing_where_its_slope_is_infinite() {
    // √0 · t and 0^t: the derivatives in t alone.
    let product = hvp(&[3.0], &[1.0], |tape, t| {
        let zero = tape.constant(&[Dual::ZERO], [1]);
        (zero.powf(Dual::new(0.5, 0.0)) * t).sum()
    });
    assert_eq!((product.value, &product.gradient[..], &product.product[..]), (0.0, &[0.0][..], &[0.0][..]));
    let (value, slope) = jvp(&[2.0], &[1.0], |tape, t| t.pow(tape.constant(&[Dual::new(3.0, 0.0)], [1])));
    assert_relative_eq!(value[0], 8.0);
    assert_relative_eq!(slope[0], 12.0, max_relative = 1e-14);
}
