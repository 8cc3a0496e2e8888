//! Sums of many terms in single precision: of all elements, along axes, and in the adjoints of what is repeated.

use autograd::{Real, Shape, Tape, Var};

/// What a computation returns in single precision must be that in double precision to 10⁻⁶: value and gradient with respect to
/// `theta`. The terms have one sign.
macro_rules! agree {
    ($what:expr, $theta:expr, |$tape:ident, $p:ident| $loss:expr) => {{
        fn run<F: Real>(theta: &[f64]) -> (f64, Vec<f64>) {
            let theta: Vec<F> = theta.iter().map(|&x| F::from_f64(x)).collect();
            let mut tape = Tape::new();
            let (value, gradient) = tape.value_and_grad(&theta.into(), |$tape, $p| $loss);
            (value.to_f64(), gradient.iter().map(|g| g.to_f64()).collect())
        }
        let theta: Vec<f64> = $theta.iter().map(|&x| f64::from(x as f32)).collect();
        let ((value, gradient), (expected, slopes)) = (run::<f32>(&theta), run::<f64>(&theta));
        let off = |found: f64, expected: f64| (found / expected - 1.0).abs();
        assert!(off(value, expected) < 1e-6, "{}: {value}, not {expected}", $what);
        for (found, expected) in gradient.iter().zip(&slopes) {
            assert!(off(*found, *expected) < 1e-6, "{}: slope {found}, not {expected}", $what);
        }
    }};
}

/// An array of numbers about 0.1, the same in both precisions.
fn tenths<F: Real>(tape: &Tape<F>, shape: impl Into<Shape>) -> Var<'_, F> {
    let shape = shape.into();
    let x: Vec<F> = (0..shape.size()).map(|i| F::from_f64(f64::from(0.1 + (i % 7) as f32 / 128.0))).collect();
    tape.constant(&x, shape)
}

const MANY: usize = 1_000_003;

#[test]
fn reductions() {
    agree!("sum", [0.1], |tape, p| (tenths(tape, [MANY]) * p).sum());
    agree!("mean", [0.1], |tape, p| (tenths(tape, [MANY]) * p).mean());
    agree!("sum over rows", [0.1], |tape, p| (tenths(tape, [MANY, 3]) * p).sum_axis(0).sum());
    agree!("mean over rows of many columns", [0.1], |tape, p| {
        (tenths(tape, [30_001, 37]) * p).mean_axis(0).sum()
    });
    agree!("sum over the middle", [0.1], |tape, p| (tenths(tape, [2, MANY, 2]) * p).sum_axis(1).sum());
    agree!("logsumexp", [0.1], |tape, p| (tenths(tape, [MANY]) * p).logsumexp());
    agree!("logsumexp over rows", [0.1], |tape, p| (tenths(tape, [MANY, 2]) * p).logsumexp_axis(0).sum());
    agree!("softmax", [0.1], |tape, p| {
        (((tenths(tape, [MANY]) * F::ZERO).softmax() * p * p + p) * tenths(tape, [MANY])).sum()
    });
    agree!("ties", [0.1], |tape, p| (tenths(tape, [MANY]) * F::ZERO + p).max() * p);
}

#[test]
fn running_sums() {
    let mut tape = Tape::<f32>::new();
    let theta = vec![0.1_f32; MANY].into();
    let (last, gradient) = tape.value_and_grad(&theta, |_, x| x.cumsum().gather(&[MANY - 1]).sum());
    assert!((f64::from(last) / (MANY as f64 * f64::from(0.1_f32)) - 1.0).abs() < 1e-6, "{last}");
    assert!(gradient.iter().all(|&g| g == 1.0));
    drop(gradient);
    let (_, gradient) = tape.value_and_grad(&theta, |tape, x| {
        let weights = tape.constant(&vec![0.1; MANY], [MANY]);
        (x.cumsum() * weights).sum()
    });
    let first = f64::from(gradient[0]) / (MANY as f64 * f64::from(0.1_f32));
    assert!((first - 1.0).abs() < 1e-6, "{first}");
}

#[test]
fn adjoints_of_what_is_repeated() {
    let pair = [0.3, 0.7];
    agree!("a number", [0.3], |tape, b| ((tenths(tape, [MANY]) + b) * tenths(tape, [MANY])).sum());
    agree!("a bias of two", pair, |tape, b| {
        ((tenths(tape, [MANY, 2]) + b) * tenths(tape, [MANY, 2])).sum()
    });
    let long: Vec<f64> = (1..=37).map(|i| f64::from(i) / 37.0).collect();
    agree!("a bias of 37", long, |tape, b| {
        ((tenths(tape, [30_001, 37]) + b) * tenths(tape, [30_001, 37])).sum()
    });
    agree!("a column", pair, |tape, b| {
        (tenths(tape, [2, MANY]) * b.reshape([2, 1]) * tenths(tape, [2, MANY])).sum()
    });
    agree!("a column in the middle", pair, |tape, b| {
        (tenths(tape, [MANY, 2, 3]) * b.reshape([2, 1]) * tenths(tape, [MANY, 2, 3])).sum()
    });
    agree!("an array between two axes", pair, |tape, b| {
        (tenths(tape, [MANY, 2, 3, 1]) * b.reshape([1, 2, 1, 1]) * tenths(tape, [MANY, 2, 3, 1])).sum()
    });
    agree!("broadcast_to", pair, |tape, b| (b.broadcast_to([MANY, 2]) * tenths(tape, [MANY, 2])).sum());
    agree!("broadcast_to, a number", [0.3], |tape, b| (b.broadcast_to([MANY]) * tenths(tape, [MANY])).sum());
}

#[test]
fn layers_and_densities() {
    use autograd::ops::Nonlinearity::{Identity, Softplus};
    agree!("dense, one output", [0.1, 0.2], |tape, p| {
        let (w, b) = (p.view(0, [1, 1]), p.view(1, [1]));
        (tenths(tape, [MANY, 1]).dense(w, b, Identity) * tenths(tape, [MANY, 1])).sum()
    });
    agree!("the biases of 20 outputs", [0.1; 20], |tape, b| {
        (tenths(tape, [50_001, 1]).dense(tenths(tape, [1, 20]), b, Softplus) * tenths(tape, [50_001, 20]))
            .sum()
    });
    agree!("normal, one σ", [3.0, 0.2], |tape, p| {
        let x = tenths(tape, [MANY, 3]);
        x.normal_log_prob(p.view(0, [1]), p.view(1, [])).sum()
    });
    agree!("normal, a σ for each column", [3.0, 0.2, 0.3], |tape, p| {
        let x = tenths(tape, [MANY, 2]);
        x.normal_log_prob(p.view(0, [1]), p.view(1, [2])).sum()
    });
    agree!("bernoulli", [1.0, 2.0], |tape, p| tenths(tape, [MANY, 2]).bernoulli_log_prob(p).sum());
    agree!("diagonal normal", [3.0, 2.0, 0.1, 0.2], |tape, p| {
        tenths(tape, [MANY, 2]).diag_normal_log_prob(p).sum()
    });
    agree!("sample", [3.0, 2.0, 0.1, 0.2], |tape, p| p.diag_normal_sample(tenths(tape, [MANY, 2])).sum());
}
