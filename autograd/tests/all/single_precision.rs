//! The same code in single and in double precision gives the same numbers, to single precision.

use crate::common::numbers;
use autograd::ops::Nonlinearity;
use autograd::{Real, Tape, Var};

/// A scalar made of one family of operations, from (4, 6), (6, 6) and (6).
type Expression<F> = for<'t> fn([Var<'t, F>; 3]) -> Var<'t, F>;

fn expressions<F: Real>() -> Vec<(&'static str, Expression<F>)> {
    vec![
        ("exponentials", |[x, ..]| (x.exp() + x.exp_m1() + x.softplus() + x.log_sigmoid()).mean()),
        ("logarithms", |[x, ..]| {
            let positive = x.square() + F::ONE;
            (positive.ln() + x.square().ln_1p() + positive.sqrt() + positive.recip()).sum()
        }),
        ("circles", |[x, ..]| (x.sin() * x.cos() + x.tanh() * x.sigmoid()).sum()),
        ("kinks", |[x, ..]| (x.relu() + x.abs() + x.elu() + x.leaky_relu(F::from_f64(0.1))).powi(2).mean()),
        ("broadcasts", |[x, _, b]| ((x + b) * x / (b.square() + F::ONE) - x.maximum(b) + x.minimum(b)).sum()),
        ("products", |[x, w, _]| {
            (x.matmul(w) + x.matmul_t(w)).t_matmul(x).matmul(w.transpose()).square().mean()
        }),
        ("layers", |[x, w, b]| {
            let h = x.dense(w, b, Nonlinearity::Tanh).dense(w, b, Nonlinearity::Softplus);
            (h.dense(w, b, Nonlinearity::Sigmoid) - x).square().sum()
        }),
        ("reductions", |[x, w, _]| {
            x.logsumexp_axis(1).mean()
                + x.softmax_axis(0).matmul(w.log_softmax_axis(1)).sum()
                + w.mean_axis(0).sum()
        }),
        ("movements", |[x, w, _]| {
            let rows = Var::concatenate(&[x.rows(1..3), w.gather(&[5, 0, 5])], 0);
            (rows.columns(1..4).exp() * w.view(3, [5, 3])).sum()
        }),
        ("densities", |[x, w, b]| {
            let q = x.bound_log_sigma(F::from_f64(2.0));
            let z = q.diag_normal_sample(w.view(0, [4, 3]));
            (z.diag_normal_log_prob(q) - q.diag_normal_kl(b) - q.diag_normal_kl_to_standard()).mean()
                + w.rows(0..4).sigmoid().bernoulli_log_prob(x).mean()
                + x.normal_log_prob(b, b.view(0, [])).mean()
        }),
    ]
}

/// The value and the gradients one after the other.
fn evaluate<F: Real>(f: Expression<F>) -> Vec<f64> {
    let tape = Tape::new();
    let leaf = |seed, shape: &[usize]| {
        let values = numbers(seed, shape.iter().product());
        tape.parameter(&values.into_iter().map(F::from_f64).collect::<Vec<_>>(), shape)
    };
    let leaves = [leaf(1, &[4, 6]), leaf(2, &[6, 6]), leaf(3, &[6])];
    let y = f(leaves);
    let gradients = tape.backward(y);
    [y.item()].iter().chain(leaves.iter().flat_map(|&x| gradients.wrt(x))).map(|x| x.to_f64()).collect()
}

#[test]
fn single_precision_agrees_with_double_precision() {
    for ((name, single), (_, double)) in expressions::<f32>().into_iter().zip(expressions::<f64>()) {
        let (single, double) = (evaluate(single), evaluate(double));
        let scale = double.iter().fold(1.0, |max: f64, x| max.max(x.abs()));
        for (i, (s, d)) in single.iter().zip(&double).enumerate() {
            assert!((s - d).abs() <= 4e-6 * scale, "{name}, number {i}: {s} and {d}");
        }
    }
}
