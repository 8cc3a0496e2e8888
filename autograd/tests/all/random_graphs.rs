//! Random shapes, broadcasts, products, reductions and whole graphs against the plainest loops and against differences.

use crate::common::{assert_close, numbers};
use crate::dirty::dirty_tape;
use autograd::check::{Sample, check};
use autograd::numerics::{Mat, MatMut};
use autograd::{Real, Shape, Tape, Var};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// The same cases everywhere: what fails once fails again.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default() }
}

/// The place in an array of shape `of` of the element that is repeated at `index` of the common shape.
fn source(index: &[usize], of: &[usize]) -> usize {
    let aligned = &index[index.len() - of.len()..];
    of.iter().zip(aligned).fold(0, |at, (&size, &i)| at * size + if size == 1 { 0 } else { i })
}

/// All indices of an array, in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |heads, &size| {
        let extend = |head: &Vec<usize>, i| head.iter().copied().chain([i]).collect();
        heads.iter().flat_map(|head| (0..size).map(move |i| extend(head, i))).collect()
    })
}

/// A shape, and one that can be broadcast with it: some leading axes are missing, some axes are 1.
fn operand(common: &[usize], missing: usize, ones: [bool; 4]) -> Vec<usize> {
    let axes = common.iter().zip(ones).map(|(&size, one)| if one { 1 } else { size });
    axes.skip(missing.min(common.len())).collect()
}

type BinaryRule = (for<'t> fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>, fn(f64, f64) -> [f64; 3]);

/// Operation; value and both derivatives.
const BINARY: [BinaryRule; 6] = [
    (|x, y| x + y, |x, y| [x + y, 1.0, 1.0]),
    (|x, y| x - y, |x, y| [x - y, 1.0, -1.0]),
    (|x, y| x * y, |x, y| [x * y, y, x]),
    (|x, y| x / y, |x, y| [x / y, 1.0 / y, -x / (y * y)]),
    (|x, y| x.maximum(y), |x, y| if x > y { [x, 1.0, 0.0] } else { [y, 0.0, 1.0] }),
    (|x, y| x.minimum(y), |x, y| if x < y { [x, 1.0, 0.0] } else { [y, 0.0, 1.0] }),
];

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn broadcasts_agree_with_loops_over_indices(
        common in prop::collection::vec(0usize..5, 0..=4),
        (x_missing, y_missing) in (0usize..3, 0usize..3),
        (x_ones, y_ones) in (any::<[bool; 4]>(), any::<[bool; 4]>()),
        rule in 0..BINARY.len(),
        seed in 0u64..1000,
    ) {
        let x_shape = operand(&common, x_missing, x_ones);
        let y_shape = operand(&common, y_missing, y_ones);
        let rank = x_shape.len().max(y_shape.len());
        let size = |shape: &[usize], from_end: usize| {
            shape.len().checked_sub(from_end).map_or(1, |axis| shape[axis])
        };
        let joint = |from_end| match size(&x_shape, from_end) {
            1 => size(&y_shape, from_end),
            size => size,
        };
        let shape: Vec<usize> = (1..=rank).rev().map(joint).collect();

        let away_from_zero = |x: f64| x + x.signum() * 0.2;
        let draw = |seed, shape: &[usize]| {
            numbers(seed, shape.iter().product()).into_iter().map(away_from_zero).collect::<Vec<_>>()
        };
        let (xs, ys, dz) = (draw(seed, &x_shape), draw(seed + 7, &y_shape), draw(seed + 13, &shape));
        let (operation, reference) = BINARY[rule];
        let (mut z, mut dx, mut dy) = (Vec::new(), vec![0.0; xs.len()], vec![0.0; ys.len()]);
        for (index, &dz) in indices(&shape).iter().zip(&dz) {
            let (i, j) = (source(index, &x_shape), source(index, &y_shape));
            let [value, slope_x, slope_y] = reference(xs[i], ys[j]);
            z.push(value);
            dx[i] += slope_x * dz;
            dy[j] += slope_y * dz;
        }

        let tape = dirty_tape();
        let (x, y) = (tape.parameter(&xs, &x_shape[..]), tape.parameter(&ys, &y_shape[..]));
        let found = operation(x, y);
        prop_assert_eq!(found.shape(), Shape::new(&shape));
        assert_close(&found.to_vec(), &z, 1e-15);
        let gradients = tape.backward_from(&[(found, &dz)]);
        assert_close(gradients.wrt(x), &dx, 1e-12);
        assert_close(gradients.wrt(y), &dy, 1e-12);
    }

    #[test]
    fn repetition_agrees_with_a_loop_over_indices(
        shape in prop::collection::vec(0usize..4, 0..=4),
        missing in 0usize..3,
        ones in any::<[bool; 4]>(),
    ) {
        let from = operand(&shape, missing, ones);
        let tape = dirty_tape();
        let x = tape.parameter(&numbers(1, from.iter().product()), &from[..]);
        let y = x.broadcast_to(&shape[..]);
        let sources: Vec<usize> = indices(&shape).iter().map(|index| source(index, &from)).collect();
        let (xs, dy) = (x.to_vec(), numbers(2, sources.len()));
        let mut dx = vec![0.0; xs.len()];
        sources.iter().zip(&dy).for_each(|(&i, dy)| dx[i] += dy);
        prop_assert_eq!(y.to_vec(), sources.iter().map(|&i| xs[i]).collect::<Vec<_>>());
        assert_close(tape.backward_from(&[(y, &dy)]).wrt(x), &dx, 1e-14);
    }

    #[test]
    fn reductions_agree_with_loops_over_indices(
        shape in prop::collection::vec(1usize..20, 1..=3),
        axis in 0usize..4,
        seed in 0u64..1000,
    ) {
        let axis = (axis < shape.len()).then_some(axis);
        let xs: Vec<f64> = numbers(seed, shape.iter().product()).iter().map(|x| 3.0 * x).collect();
        // Which result every element belongs to.
        let groups: Vec<usize> = indices(&shape)
            .into_iter()
            .map(|mut index| match axis {
                None => 0,
                Some(axis) => {
                    index.remove(axis);
                    let rest: Vec<usize> = (0..shape.len()).filter(|&a| a != axis).map(|a| shape[a]).collect();
                    index.iter().zip(rest).fold(0, |at, (i, size)| at * size + i)
                }
            })
            .collect();
        let n = axis.map_or(xs.len(), |axis| shape[axis]) as f64;
        let (mut sum, mut exp_sum) = (vec![0.0; xs.len() / n as usize], vec![0.0; xs.len() / n as usize]);
        for (x, &group) in xs.iter().zip(&groups) {
            sum[group] += x;
            exp_sum[group] += x.exp();
        }
        let softmax: Vec<f64> = xs.iter().zip(&groups).map(|(x, &group)| x.exp() / exp_sum[group]).collect();

        let tape = dirty_tape();
        let x = tape.parameter(&xs, &shape[..]);
        let (dy, dz) = (numbers(seed + 1, sum.len()), numbers(seed + 2, xs.len()));
        let mut mean_cotangent = vec![0.0; sum.len()];
        let mut cotangent_sum = vec![0.0; sum.len()];
        for ((dz, p), &group) in dz.iter().zip(&softmax).zip(&groups) {
            mean_cotangent[group] += dz * p;
            cotangent_sum[group] += dz;
        }
        let gradient = |i: usize, kind: usize| {
            let (group, p) = (groups[i], softmax[i]);
            match kind {
                0 => dy[group],
                1 => dy[group] / n,
                2 => p * dy[group],
                3 => p * (dz[i] - mean_cotangent[group]),
                _ => dz[i] - p * cotangent_sum[group],
            }
        };
        let results = match axis {
            None => [x.sum(), x.mean(), x.logsumexp(), x.softmax(), x.log_softmax()],
            Some(a) => {
                [x.sum_axis(a), x.mean_axis(a), x.logsumexp_axis(a), x.softmax_axis(a), x.log_softmax_axis(a)]
            }
        };
        let values = [
            sum.clone(),
            sum.iter().map(|sum| sum / n).collect(),
            exp_sum.iter().map(|sum| sum.ln()).collect(),
            softmax.clone(),
            softmax.iter().map(|p| p.ln()).collect(),
        ];
        for (kind, (y, value)) in results.into_iter().zip(&values).enumerate() {
            assert_close(&y.to_vec(), value, 1e-13);
            let gradients = tape.backward_from(&[(y, if kind < 3 { &dy } else { &dz })]);
            let expected: Vec<f64> = (0..xs.len()).map(|i| gradient(i, kind)).collect();
            assert_close(gradients.wrt(x), &expected, 1e-13);
        }
    }

    #[test]
    fn products_agree_with_three_loops(
        (m, k, n) in (size(), size(), size()),
        (ta, tb) in any::<(bool, bool)>(),
        alpha in prop::sample::select(vec![1.0, -0.5, 0.0]),
        beta in prop::sample::select(vec![0.0, 1.0, 0.25]),
    ) {
        check_product((m, k, n), (ta, tb), alpha, beta);
    }
}

/// α A B + β C by `gemm`, in f64 and f32, beside three loops.
fn check_product((m, k, n): (usize, usize, usize), (ta, tb): (bool, bool), alpha: f64, beta: f64) {
    let (a, b) = (numbers(3, m * k), numbers(4, k * n));
    // Where β = 0 what stood in C must not matter.
    let c = if beta == 0.0 { vec![f64::NAN; m * n] } else { numbers(5, m * n) };
    let at = |i: usize, j: usize| {
        let dot: f64 = (0..k)
            .map(|l| a[if ta { l * m + i } else { i * k + l }] * b[if tb { j * k + l } else { l * n + j }])
            .sum();
        alpha * dot + if beta == 0.0 { 0.0 } else { beta * c[i * n + j] }
    };
    let expected: Vec<f64> = (0..m * n).map(|at_c| at(at_c / n, at_c % n)).collect();

    let matrix = |t: bool, rows, cols| if t { (cols, rows) } else { (rows, cols) };
    let ((a_rows, a_cols), (b_rows, b_cols)) = (matrix(ta, m, k), matrix(tb, k, n));
    let mut found = c.clone();
    let (left, right) = (Mat::new(&a, a_rows, a_cols).t_if(ta), Mat::new(&b, b_rows, b_cols).t_if(tb));
    f64::gemm(alpha, left, right, beta, MatMut::new(&mut found, m, n));
    assert_close(&found, &expected, 1e-13);

    let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
    let (a, b, mut found) = (single(&a), single(&b), single(&c));
    let (left, right) = (Mat::new(&a, a_rows, a_cols).t_if(ta), Mat::new(&b, b_rows, b_cols).t_if(tb));
    f32::gemm(alpha as f32, left, right, beta as f32, MatMut::new(&mut found, m, n));
    assert_close(&found.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), &expected, 1e-5);
}

/// A Bᵀ with one row, two or three beyond a whole number of vectors of 8 or 16.
#[test]
fn products_with_rows_that_hardly_fill_a_vector() {
    for m in [17, 18, 19, 33, 50, 65, 66] {
        for (ta, tb) in [(false, true), (true, true), (false, false)] {
            check_product((m, 40, 70), (ta, tb), -0.5, 0.0);
            check_product((m, 33, 67), (ta, tb), 1.0, 0.25);
        }
        // The products of a stack write into the same slice, one behind the other.
        let (a, b) = (numbers(6, 3 * m * 40), numbers(7, 3 * 70 * 40));
        let tape = Tape::new();
        let stack = tape.constant(&a, [3, m, 40]).matmul_t(tape.constant(&b, [3, 70, 40])).to_vec();
        for (i, product) in stack.chunks(m * 70).enumerate() {
            let (a, b) = (
                tape.constant(&a[i * m * 40..][..m * 40], [m, 40]),
                tape.constant(&b[i * 2800..][..2800], [70, 40]),
            );
            assert_eq!(a.matmul_t(b).to_vec(), product);
        }
    }
}

/// Mostly small, with the sizes 0 and 1 that have paths of their own, and some beyond a block.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0usize..6, 2 => Just(1usize), 1 => 6usize..40]
}

/// One step of a random program: which operation, and on which of the results so far.
type Step = (u8, u8, u8);

/// Runs the program; every result may be used again, and all of them contribute to the end.
fn run<'t>(leaves: &[Var<'t, f64>], program: &[Step]) -> Var<'t, f64> {
    let mut pool = leaves.to_vec();
    for &(op, i, j) in program {
        let (x, y) = (pool[i as usize % pool.len()], pool[j as usize % pool.len()]);
        // Something that fits any x.
        let fitting = if broadcastable(x.shape(), y.shape()) { y } else { y.mean() };
        let matrix = x.reshape([x.size() / x.shape().last(), x.shape().last()]);
        let rows = matrix.shape()[0];
        pool.push(match op % 22 {
            0 => (x + fitting) * 0.5,
            1 => (x - fitting) * 0.5,
            2 => (x * fitting).tanh(),
            3 => x / (fitting.tanh() + 2.0),
            4 => x.tanh(),
            5 => x.sin() + x.cos() * 0.3,
            6 => (x * 0.5).tanh().exp(),
            7 => x.sigmoid(),
            8 => x.softplus() - x.log_sigmoid().tanh(),
            9 => (x.square() + 1.0).sqrt().ln_1p(),
            10 => x.tanh().powi(3),
            11 => matrix.logsumexp_axis(i as usize % 2),
            12 => matrix.softmax_axis(j as usize % 2),
            13 => matrix.log_softmax_axis(0).tanh(),
            14 => matrix.matmul_t(matrix).tanh(),
            15 => matrix.t_matmul(matrix).tanh(),
            16 => matrix.transpose().matmul(matrix * 0.5).sin(),
            17 => matrix.rows(i as usize % rows..rows),
            18 => matrix.gather(&[i as usize % rows, j as usize % rows, 0]),
            19 => Var::concatenate(&[matrix, matrix.tanh()], j as usize % 2).columns(0..1),
            20 => x.view(j as usize % x.size(), []),
            _ => matrix.mean_axis(1).broadcast_to([2, rows]) + x.sum().tanh(),
        });
    }
    pool.iter().map(|x| x.sin().mean()).reduce(|sum, x| sum + x).expect("there are leaves")
}

fn broadcastable(x: Shape, y: Shape) -> bool {
    x.dims().iter().rev().zip(y.dims().iter().rev()).all(|(&m, &n)| m == n || m == 1 || n == 1)
        && x.rank().max(y.rank()) <= 2
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn random_graphs_agree_with_differences(
        shapes in prop::collection::vec(prop::collection::vec(1usize..4, 0..=2), 1..4),
        program in prop::collection::vec(any::<Step>(), 1..14),
    ) {
        let inputs: Vec<Sample> = shapes.iter().map(|shape| Sample::any(&shape[..])).collect();
        if let Err(mismatch) = check("random graph", &inputs, |_, x| run(x, &program)) {
            return Err(TestCaseError::fail(mismatch.to_string()));
        }
    }

    #[test]
    fn a_random_graph_gives_the_same_bits_whatever_the_memory_held(
        shapes in prop::collection::vec(prop::collection::vec(1usize..4, 0..=2), 1..4),
        program in prop::collection::vec(any::<Step>(), 1..14),
    ) {
        let bits = |tape: Tape<f64>| {
            let leaf = |shape: &Vec<usize>| tape.parameter(&numbers(6, shape.iter().product()), &shape[..]);
            let leaves: Vec<_> = shapes.iter().map(leaf).collect();
            let gradients = tape.backward(run(&leaves, &program));
            leaves.iter().flat_map(|&x| gradients.wrt(x)).map(|dx| dx.to_bits()).collect::<Vec<_>>()
        };
        prop_assert_eq!(bits(Tape::new()), bits(dirty_tape()));
    }
}
