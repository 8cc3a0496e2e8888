//! Each fused operation against the composition of primitive ones that its documentation names: the same value and the same
//! gradients.

use autograd::ops::{Convolution, Nonlinearity, TriangularSystem};
use autograd::{Shape, Tape, Var};

use crate::common::{assert_close, numbers};
use crate::dirty::dirty_tape;

/// A computation from its inputs.
type Computation = dyn for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>;

/// Value and gradients, the latter with a cotangent that is not constant.
fn evaluate(f: &Computation, inputs: &[(Shape, Vec<f64>)]) -> Vec<f64> {
    let tape = dirty_tape();
    let vars: Vec<_> = inputs.iter().map(|(shape, values)| tape.parameter(values, *shape)).collect();
    let y = f(&vars);
    let cotangent = numbers(99, y.size());
    let gradients = tape.backward_from(&[(y, &cotangent)]);
    let gradients = vars.iter().flat_map(|&x| gradients.wrt(x).to_vec());
    y.to_vec().into_iter().chain(gradients).collect()
}

fn assert_same(name: &str, shapes: &[&[usize]], fused: &Computation, composition: &Computation) {
    let input = |(i, shape): (usize, &&[usize])| {
        let shape = Shape::new(shape);
        (shape, numbers(i as u64 + 1, shape.size()).iter().map(|x| 1.5 * x).collect())
    };
    let inputs: Vec<_> = shapes.iter().enumerate().map(input).collect();
    let (found, expected) = (evaluate(fused, &inputs), evaluate(composition, &inputs));
    println!("{name} {shapes:?}");
    assert_close(&found, &expected, 1e-12);
}

const PHI: [Nonlinearity; 7] = [
    Nonlinearity::Identity,
    Nonlinearity::Relu,
    Nonlinearity::LeakyRelu(0.1),
    Nonlinearity::Elu,
    Nonlinearity::Tanh,
    Nonlinearity::Sigmoid,
    Nonlinearity::Softplus,
];

#[test]
fn an_activation_chosen_at_run_time_is_the_operation_of_its_name() {
    let named: [&Computation; 7] = [
        &|x| x[0],
        &|x| x[0].relu(),
        &|x| x[0].leaky_relu(0.1),
        &|x| x[0].elu(),
        &|x| x[0].tanh(),
        &|x| x[0].sigmoid(),
        &|x| x[0].softplus(),
    ];
    for (phi, named) in PHI.into_iter().zip(named) {
        assert_same("activate", &[&[3, 4]], &move |x| x[0].activate(phi), named);
    }
    // The identity records nothing: its result is the value itself.
    let tape = Tape::new();
    let x = tape.parameter(&[1.0, 2.0], [2]);
    assert_eq!(x.activate(Nonlinearity::Identity).with(|y| y.as_ptr()), x.with(|x| x.as_ptr()));
}

#[test]
fn a_dense_layer_is_product_sum_and_activation() {
    for phi in PHI {
        assert_same("dense", &[&[3, 4], &[4, 5], &[5]], &move |x| x[0].dense(x[1], x[2], phi), &move |x| {
            (x[0].matmul(x[1]) + x[2]).activate(phi)
        });
    }
}

/// All windows of one image of `channels` planes, gathered: (channels · kh · kw, windows). Behind the last number of the
/// image stands a zero, for what lies outside.
fn windows<'t>(
    image: Var<'t, f64>,
    kernel: usize,
    Convolution { stride, padding }: Convolution,
) -> Var<'t, f64> {
    let [channels, h, w] = [image.shape()[0], image.shape()[1], image.shape()[2]];
    let out = |n: usize| (n + 2 * padding - kernel) / stride + 1;
    let place = |c: usize, i: usize, j: usize| match (i.checked_sub(padding), j.checked_sub(padding)) {
        (Some(i), Some(j)) if i < h && j < w => (c * h + i) * w + j,
        _ => channels * h * w,
    };
    let mut indices = Vec::new();
    for at in 0..channels * kernel * kernel {
        let (c, k, l) = (at / (kernel * kernel), at / kernel % kernel, at % kernel);
        for i in 0..out(h) {
            indices.extend((0..out(w)).map(|j| place(c, i * stride + k, j * stride + l)));
        }
    }
    let zero = image.tape().constant(&[0.0], [1]);
    let padded = Var::concatenate(&[image.reshape([image.size()]), zero], 0);
    padded.gather(&indices).reshape([channels * kernel * kernel, out(h) * out(w)])
}

#[test]
fn a_convolution_is_windows_product_sum_and_activation() {
    for (stride, padding) in [(1, 1), (2, 1), (1, 0), (2, 0)] {
        for phi in PHI {
            let convolution = Convolution { stride, padding };
            assert_same(
                "conv2d",
                &[&[2, 2, 5, 4], &[3, 2, 3, 3], &[3]],
                &move |x| x[0].conv2d(x[1], x[2], convolution, phi),
                &move |x| {
                    let kernels = x[1].reshape([3, 18]);
                    let of_image = |n: usize| {
                        let windows = windows(x[0].rows(n..n + 1).reshape([2, 5, 4]), 3, convolution);
                        kernels.matmul(windows) + x[2].reshape([3, 1])
                    };
                    let out = |n: usize| (n + 2 * padding - 3) / stride + 1;
                    let images = [of_image(0), of_image(1)];
                    Var::concatenate(&images, 0).activate(phi).reshape([2, 3, out(5), out(4)])
                },
            );
        }
    }
}

/// The transposed convolution is linear in its images: column after column of its matrix is what the backward pass of the
/// convolution sends to an image.
#[test]
fn a_transposed_convolution_is_the_adjoint_of_the_windows_sum_and_activation() {
    let convolution = Convolution { stride: 2, padding: 1 };
    // ∂ windows / ∂ image as a matrix (windows, pixels), from the composition alone
    let tape = Tape::new();
    let image = tape.parameter(&[0.0; 2 * 5 * 5], [2, 5, 5]);
    let columns = windows(image, 3, convolution);
    let mut unit = vec![0.0; columns.size()];
    let mut matrix = Vec::new();
    for i in 0..columns.size() {
        unit[i] = 1.0;
        matrix.extend_from_slice(tape.backward_from(&[(columns, &unit)]).wrt(image));
        unit[i] = 0.0;
    }
    let count = columns.size();
    for phi in PHI {
        let matrix = matrix.clone();
        assert_same(
            "conv_transpose2d",
            &[&[1, 3, 3, 3], &[3, 2, 3, 3], &[2]],
            &move |x| x[0].conv_transpose2d(x[1], x[2], convolution, 0, phi),
            &move |x| {
                let scatter = x[0].tape().constant(&matrix, [count, 50]);
                let columns = x[1].reshape([3, 18]).t_matmul(x[0].reshape([3, 9])).reshape([1, count]);
                let image = columns.matmul(scatter).reshape([2, 25]) + x[2].reshape([2, 1]);
                image.activate(phi).reshape([1, 2, 5, 5])
            },
        );
    }
}

#[test]
fn an_enlarged_image_is_a_broadcast_one() {
    assert_same("upsample_nearest", &[&[2, 3, 4]], &|x| x[0].upsample_nearest(3), &|x| {
        let spread = x[0].reshape([6, 1, 4, 1]).broadcast_to([6, 3, 4, 3]);
        spread.reshape([2, 9, 12])
    });
}

#[test]
fn softmax_and_its_relatives_are_exponentials_sums_and_logarithms() {
    let x: &[&[usize]] = &[&[3, 5]];
    assert_same("logsumexp", x, &|x| x[0].logsumexp(), &|x| x[0].exp().sum().ln());
    assert_same("softmax", x, &|x| x[0].softmax(), &|x| x[0].exp() / x[0].exp().sum());
    assert_same("log_softmax", x, &|x| x[0].log_softmax(), &|x| x[0] - x[0].exp().sum().ln());
    let sum = |x: Var<'_, f64>| -> Shape { x.shape().with_last(1) };
    assert_same("logsumexp_axis", x, &|x| x[0].logsumexp_axis(1), &|x| x[0].exp().sum_axis(1).ln());
    assert_same("softmax_axis", x, &|x| x[0].softmax_axis(1), &move |x| {
        x[0].exp() / x[0].exp().sum_axis(1).reshape(sum(x[0]))
    });
    assert_same("log_softmax_axis", x, &|x| x[0].log_softmax_axis(1), &move |x| {
        x[0] - x[0].exp().sum_axis(1).ln().reshape(sum(x[0]))
    });
    assert_same("log_softmax_axis", x, &|x| x[0].log_softmax_axis(0), &|x| {
        x[0] - x[0].exp().sum_axis(0).ln()
    });
}

/// Σ over the last axis; a scalar stays one.
fn over_last(x: Var<'_, f64>) -> Var<'_, f64> {
    match x.shape().rank() {
        0 => x,
        rank => x.sum_axis(rank - 1),
    }
}

const HALF_LN_2PI: f64 = autograd::numerics::HALF_LN_2PI;

#[test]
fn densities_are_the_sums_of_their_terms_and_broadcast_as_arithmetic_does() {
    let shapes: [&[&[usize]]; 7] = [
        &[&[3, 4], &[3, 4]],
        &[&[2, 3, 4], &[3, 4]],
        &[&[4], &[2, 4]],
        &[&[3, 1], &[2, 1, 4]],
        &[&[], &[3, 4]],
        &[&[3, 4], &[1]],
        &[&[], &[]],
    ];
    for shapes in shapes {
        assert_same("bernoulli_log_prob", shapes, &|x| x[0].bernoulli_log_prob(x[1]), &|x| {
            over_last(x[0] * x[1] - x[1].softplus())
        });
    }
    let shapes: [&[&[usize]]; 9] = [
        &[&[3, 4], &[3, 4], &[]],
        &[&[3, 4], &[3, 4], &[1]],
        &[&[3, 4], &[4], &[3, 1]],
        &[&[2, 3, 4], &[3, 4], &[4]],
        &[&[4], &[], &[2, 3, 1]],
        &[&[2, 1, 4], &[3, 1], &[3, 4]],
        &[&[1], &[], &[5]],
        &[&[], &[], &[]],
        &[&[2, 1, 3, 4], &[5, 1, 4], &[3, 1]],
    ];
    for shapes in shapes {
        assert_same("normal_log_prob", shapes, &|x| x[0].normal_log_prob(x[1], x[2]), &|x| {
            let r = (x[0] - x[1]) * x[2].neg().exp();
            over_last(r.square() * -0.5 - x[2] - HALF_LN_2PI)
        });
    }
}

/// The means and the log σ of packed rows.
fn halves(q: Var<'_, f64>) -> (Var<'_, f64>, Var<'_, f64>) {
    let n = q.shape().last() / 2;
    (q.columns(0..n), q.columns(n..2 * n))
}

#[test]
fn diagonal_normals_are_the_sums_of_their_terms() {
    let shapes: [&[&[usize]]; 4] =
        [&[&[3, 4], &[3, 8]], &[&[2, 3, 4], &[3, 8]], &[&[4], &[2, 8]], &[&[2, 1, 4], &[3, 8]]];
    for shapes in shapes {
        assert_same("diag_normal_log_prob", shapes, &|x| x[0].diag_normal_log_prob(x[1]), &|x| {
            let (mu, log_sigma) = halves(x[1]);
            let r = (x[0] - mu) * log_sigma.neg().exp();
            over_last(r.square() * -0.5 - log_sigma - HALF_LN_2PI)
        });
        assert_same("diag_normal_sample", shapes, &|x| x[1].diag_normal_sample(x[0]), &|x| {
            let (mu, log_sigma) = halves(x[1]);
            mu + log_sigma.exp() * x[0]
        });
    }
    let shapes: [&[&[usize]]; 3] = [&[&[3, 8], &[3, 8]], &[&[3, 8], &[8]], &[&[2, 1, 8], &[3, 8]]];
    for shapes in shapes {
        assert_same("diag_normal_kl", shapes, &|x| x[0].diag_normal_kl(x[1]), &|x| {
            let ((mu_q, s_q), (mu_p, s_p)) = (halves(x[0]), halves(x[1]));
            let ratio = ((s_q - s_p) * 2.0).exp();
            let d = (mu_q - mu_p) * s_p.neg().exp();
            over_last((ratio + d.square() - 1.0) * 0.5 - s_q + s_p)
        });
    }
    assert_same("diag_normal_kl_to_standard", &[&[3, 8]], &|x| x[0].diag_normal_kl_to_standard(), &|x| {
        let (mu, s) = halves(x[0]);
        over_last((mu.square() + (s * 2.0).exp() - 1.0) * 0.5 - s)
    });
    assert_same("bound_log_sigma", &[&[3, 8]], &|x| x[0].bound_log_sigma(1.5), &|x| {
        let (mu, s) = halves(x[0]);
        Var::concatenate(&[mu, (s / 1.5).tanh() * 1.5], 1)
    });
}

/// A Aᵀ + 2 I
fn covariance(a: Var<'_, f64>) -> Var<'_, f64> {
    a.matmul_t(a) + a.tape().constant(&[2.0; 5], [5]).diagonal_matrix()
}

#[test]
fn a_multivariate_normal_is_a_factor_and_a_solve() {
    assert_same(
        "multivariate_normal_log_prob",
        &[&[5, 3], &[5, 5]],
        &|x| x[0].multivariate_normal_log_prob(covariance(x[1])).unwrap(),
        &|x| {
            let l = covariance(x[1]).cholesky().unwrap();
            let whitened = l.solve_triangular(x[0], TriangularSystem::LX);
            whitened.square().sum() * -0.5 - l.diagonal().ln().sum() * 3.0 - 15.0 * HALF_LN_2PI
        },
    );
}
