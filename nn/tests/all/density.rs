//! Densities against their formulas, against Monte Carlo, against sums and integrals over all there is; every gradient.

use std::f64::consts::PI;

use autograd::Tape;
use autograd::check::{Sample, check};
use nn::model::density::{
    Bernoulli, Categorical, DiagNormal, NegativeBinomial, Normal, Poisson, StudentT, cross_entropy, one_hot,
    squared_error,
};
use nn::train::Noise;
use rand::{RngExt, SeedableRng, rngs::StdRng};

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * (1.0 + expected.abs()), "{found} instead of {expected}");
}

/// The average agrees with the expectation to within five standard errors.
#[track_caller]
fn agrees(draws: &[f64], expected: f64) {
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let se = (draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n / (n - 1.0)).sqrt();
    assert!((mean - expected).abs() <= 5.0 * se + 1e-12, "{mean} ± {se} instead of {expected}");
}

/// log N(x; μ, e^2s)
fn log_normal(x: f64, mu: f64, s: f64) -> f64 {
    -((x - mu) / s.exp()).powi(2) / 2.0 - s - (2.0 * PI).ln() / 2.0
}

fn standard_normal(width: usize, rows: usize) -> Vec<f64> {
    let mut noise = vec![0.0; rows * width];
    Noise::new(3, 1).normal(0, width, &mut noise);
    noise
}

const MU: [f64; 3] = [0.5, -1.0, 2.0];
const S: [f64; 3] = [-0.7, 0.0, 0.4];

fn normals(tape: &Tape<f64>) -> (Normal<'_, f64>, DiagNormal<'_, f64>) {
    let (mu, log_sigma) = (tape.constant(&MU, [3]), tape.constant(&S, [3]));
    (Normal { mu, log_sigma }, DiagNormal::new(mu, log_sigma))
}

#[test]
fn normal_log_density_is_the_formula_in_every_broadcast_shape() {
    let tape = Tape::new();
    let x: Vec<f64> = (0..6).map(|i| f64::from(i) * 0.7 - 2.0).collect();
    let (p, diag) = normals(&tape);
    let by_formula = |s: &dyn Fn(usize) -> f64, mu: &dyn Fn(usize) -> f64| -> Vec<f64> {
        x.chunks(3).map(|x| (0..3).map(|i| log_normal(x[i], mu(i), s(i))).sum()).collect()
    };
    let expected = by_formula(&|i| S[i], &|i| MU[i]);
    let rows = tape.constant(&x, [2, 3]);
    for found in [p.log_prob(rows), diag.log_prob(rows)] {
        assert_eq!(found.shape().dims(), [2]);
        found.to_vec().iter().zip(&expected).for_each(|(a, b)| close(*a, *b, 1e-13));
    }
    assert_eq!(p.log_prob(rows.reshape([2, 1, 3])).shape().dims(), [2, 1]);

    // One σ for all, of any rank; one μ for all; and both.
    let expected = by_formula(&|_| 0.3, &|i| MU[i]);
    for rank in 0..3 {
        let log_sigma = tape.constant(&[0.3], &[1; 3][..rank]);
        let found = Normal { log_sigma, ..p }.log_prob(rows).to_vec();
        found.iter().zip(&expected).for_each(|(a, b)| close(*a, *b, 1e-13));
    }
    let scalar = |x: f64| tape.constant(&[x], []);
    let expected = by_formula(&|i| S[i], &|_| 0.8);
    let found = Normal { mu: scalar(0.8), ..p }.log_prob(rows).to_vec();
    found.iter().zip(&expected).for_each(|(a, b)| close(*a, *b, 1e-13));
    let expected = by_formula(&|_| -0.2, &|_| 0.8);
    let found = Normal { mu: scalar(0.8), log_sigma: scalar(-0.2) }.log_prob(rows).to_vec();
    found.iter().zip(&expected).for_each(|(a, b)| close(*a, *b, 1e-13));

    // One x against rows of parameters, and numbers against numbers.
    let one = scalar(0.1);
    close(p.log_prob(one).item(), (0..3).map(|i| log_normal(0.1, MU[i], S[i])).sum(), 1e-13);
    close(
        Normal { mu: scalar(1.0), log_sigma: scalar(0.5) }.log_prob(one).item(),
        log_normal(0.1, 1.0, 0.5),
        1e-13,
    );
}

#[test]
fn densities_sum_or_integrate_to_one() {
    let tape = Tape::new();
    let grid: Vec<f64> = (0..8001).map(|i| -20.0 + f64::from(i) * 0.005).collect();
    let x = tape.constant(&grid, [grid.len(), 1]);
    let (mu, log_sigma) = (tape.constant(&[0.7], [1]), tape.constant(&[0.4], [1]));
    for log_p in [Normal { mu, log_sigma }.log_prob(x), DiagNormal::new(mu, log_sigma).log_prob(x)] {
        close(log_p.exp().sum().item() * 0.005, 1.0, 1e-10);
    }
    let all: Vec<f64> = (0..8).flat_map(|i: u32| (0..3).map(move |bit| f64::from(i >> bit & 1))).collect();
    let bernoulli = Bernoulli { logits: tape.constant(&[0.5, -2.0, 3.0], [3]) };
    close(bernoulli.log_prob(tape.constant(&all, [8, 3])).exp().sum().item(), 1.0, 1e-14);
    let mut all = [0.0; 16];
    one_hot(&[0, 1, 2, 3], 4, &mut all);
    let categorical = Categorical { logits: tape.constant(&[0.5, -2.0, 3.0, 700.0], [4]) };
    close(categorical.log_prob(tape.constant(&all, [4, 4])).exp().sum().item(), 1.0, 1e-14);
}

#[test]
fn normal_samples_have_the_moments_and_the_log_density_says_the_entropy() {
    let tape = Tape::new();
    let (p, diag) = normals(&tape);
    let n = 200_000;
    let noise = tape.constant(&standard_normal(3, n), [n, 3]);
    let entropy: f64 = S.iter().map(|s| s + ((2.0 * PI).ln() + 1.0) / 2.0).sum();
    close(p.entropy().item(), entropy, 1e-14);
    close(diag.entropy().item(), entropy, 1e-14);
    for z in [p.sample_with(noise), diag.sample_with(noise)] {
        let values = z.to_vec();
        for i in 0..3 {
            let column: Vec<f64> = values.iter().skip(i).step_by(3).copied().collect();
            agrees(&column, MU[i]);
            let squares: Vec<f64> = column.iter().map(|x| (x - MU[i]).powi(2)).collect();
            agrees(&squares, (2.0 * S[i]).exp());
        }
        agrees(&diag.log_prob(z).neg().to_vec(), entropy);
    }
}

#[test]
fn normal_divergences_are_monte_carlo_averages_and_zero_from_itself() {
    let tape = Tape::new();
    let (q, diag) = normals(&tape);
    let (mu, log_sigma) = (tape.constant(&[0.0, 0.3, 1.0], [3]), tape.constant(&[0.2, -0.1, 0.9], [3]));
    let p = Normal { mu, log_sigma };
    let n = 200_000;
    let z = diag.sample_with(tape.constant(&standard_normal(3, n), [n, 3]));
    agrees(&(diag.log_prob(z) - p.log_prob(z)).to_vec(), q.kl(p).item());
    let zero = tape.constant(&[0.0], []);
    let standard = Normal { mu: zero, log_sigma: zero };
    agrees(&(diag.log_prob(z) - standard.log_prob(z)).to_vec(), diag.kl_to_standard().item());
    close(q.kl(standard).item(), diag.kl_to_standard().item(), 1e-14);
    let zeros = tape.constant(&[0.0; 3], [3]);
    close(standard.kl(p).item(), Normal { mu: zeros, log_sigma: zeros }.kl(p).item(), 1e-14);
    assert_eq!(q.kl(q).item(), 0.0);
    assert_eq!(standard.kl(standard).item(), 0.0);
    assert!(q.kl(p).item() > 0.0 && p.kl(q).item() != q.kl(p).item());

    // Many q against one p: a divergence for each row.
    let rows = tape.constant(&[MU, MU].concat(), [2, 3]);
    let many = Normal { mu: rows, log_sigma }.kl(p);
    assert_eq!(many.shape().dims(), [2]);
    many.to_vec().iter().for_each(|kl| close(*kl, Normal { mu: q.mu, log_sigma }.kl(p).item(), 1e-14));
}

/// Many draws, uniform in 0..1.
fn uniform(n: usize) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(5);
    (0..n).map(|_| rng.random::<f64>()).collect()
}

#[test]
fn bernoulli_is_its_formulas_and_its_samples() {
    let tape = Tape::new();
    let (l, l_p) = ([0.5, -2.0, 3.0], [0.0, 1.0, 2.5]);
    let [q, p] = [l, l_p].map(|l| Bernoulli { logits: tape.constant(&l, [3]) });
    let [prob_q, prob_p] = [l, l_p].map(|l| l.map(|l: f64| 1.0 / (1.0 + (-l).exp())));
    let grey = [0.2, 1.0, 0.0];
    let expected = (0..3).map(|i| grey[i] * prob_q[i].ln() + (1.0 - grey[i]) * (1.0 - prob_q[i]).ln()).sum();
    close(q.log_prob(tape.constant(&grey, [3])).item(), expected, 1e-14);
    let entropy = |p: f64| -p * p.ln() - (1.0 - p) * (1.0 - p).ln();
    close(q.entropy().item(), prob_q.iter().map(|&p| entropy(p)).sum(), 1e-13);
    let kl = |q: f64, p: f64| q * (q / p).ln() + (1.0 - q) * ((1.0 - q) / (1.0 - p)).ln();
    close(q.kl(p).item(), (0..3).map(|i| kl(prob_q[i], prob_p[i])).sum(), 1e-13);
    assert_eq!(q.kl(q).item(), 0.0);

    let n = 100_000;
    let draws = q.sample_with(tape.constant(&uniform(3 * n), [n, 3]));
    assert_eq!(draws.shape().dims(), [n, 3]);
    for (i, &p) in prob_q.iter().enumerate() {
        agrees(&draws.to_vec().iter().skip(i).step_by(3).copied().collect::<Vec<_>>(), p);
    }
    agrees(&q.log_prob(draws).neg().to_vec(), q.entropy().item());
    agrees(&(q.log_prob(draws) - p.log_prob(draws)).to_vec(), q.kl(p).item());
}

#[test]
fn bernoulli_entropy_and_divergence_do_not_cancel_at_large_logits() {
    let tape = Tape::<f32>::new();
    for sign in [1.0, -1.0] {
        let at = |l: f32| Bernoulli { logits: tape.constant(&[sign * l], [1]) };
        let entropy = f64::from(at(20.0).entropy().item());
        close(entropy / (21.0 * (-20.0_f64).exp()), 1.0, 1e-5);
        // q e^−20, p e^−20.5: q (ln q/p − 1) + p
        let expected = (-20.0_f64).exp() * (0.5 - 1.0) + (-20.5_f64).exp();
        close(f64::from(at(20.0).kl(at(20.5)).item()) / expected, 1.0, 1e-4);
        assert_eq!(at(300.0).entropy().item(), 0.0);
        assert_eq!(at(300.0).kl(at(300.0)).item(), 0.0);
    }
}

#[test]
fn categorical_is_its_formulas_and_its_samples() {
    let tape = Tape::new();
    let (l, l_p) = ([0.5, -1.0, 2.0, 0.0], [1.0, 1.0, 1.0, 2.0]);
    let [q, p] = [l, l_p].map(|l| Categorical { logits: tape.constant(&l, [4]) });
    let softmax = |l: [f64; 4]| l.map(|x| x.exp() / l.iter().map(|x| x.exp()).sum::<f64>());
    let (prob_q, prob_p) = (softmax(l), softmax(l_p));
    for (k, &prob) in prob_q.iter().enumerate() {
        let mut row = [0.0; 4];
        one_hot(&[k as u8], 4, &mut row);
        let row = tape.constant(&row, [4]);
        close(q.log_prob(row).item(), prob.ln(), 1e-14);
        close(cross_entropy(q.logits, row).item(), -prob.ln(), 1e-14);
    }
    close(q.entropy().item(), -prob_q.iter().map(|p| p * p.ln()).sum::<f64>(), 1e-14);
    close(q.kl(p).item(), (0..4).map(|k| prob_q[k] * (prob_q[k] / prob_p[k]).ln()).sum(), 1e-13);
    assert_eq!(q.kl(q).item(), 0.0);
    // A cross-entropy with soft labels is entropy plus divergence.
    let soft = tape.constant(&prob_q, [4]);
    close(cross_entropy(p.logits, soft).item(), q.entropy().item() + q.kl(p).item(), 1e-13);

    let n = 100_000;
    let gumbel: Vec<f64> = uniform(4 * n).iter().map(|u| -(-u.ln()).ln()).collect();
    let draws = q.sample_with(tape.constant(&gumbel, [n, 4]));
    assert_eq!(draws.shape().dims(), [n, 4]);
    let values = draws.to_vec();
    assert!(values.chunks(4).all(|row| row.iter().filter(|x| **x == 1.0).count() == 1));
    for (k, &p) in prob_q.iter().enumerate() {
        agrees(&values.iter().skip(k).step_by(4).copied().collect::<Vec<_>>(), p);
    }
    agrees(&(q.log_prob(draws) - p.log_prob(draws)).to_vec(), q.kl(p).item());
}

#[test]
fn losses_sum_over_the_last_axis() {
    let tape = Tape::new();
    let prediction = tape.constant(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    let y = tape.constant(&[0.0, 2.0], [2]);
    assert_eq!(squared_error(prediction, y).to_vec(), [1.0, 13.0]);
    let (a, b) = (tape.constant(&[3.0], []), tape.constant(&[1.0], []));
    assert_eq!(squared_error(a, b).item(), 4.0);
    let mut rows = [7.0; 6];
    one_hot(&[2, 0], 3, &mut rows);
    assert_eq!(rows, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
}

#[test]
#[should_panic(expected = "squared_error: [4, 1] x [4]: expected one shape to end with the other")]
fn a_column_and_a_row_are_not_paired_crosswise() {
    let tape = Tape::new();
    squared_error(tape.constant(&[0.0; 4], [4, 1]), tape.constant(&[0.0; 4], [4]));
}

#[test]
#[should_panic(expected = "Categorical::log_prob: expected one-hot rows of 3 classes, found [2, 1]")]
fn class_numbers_are_not_one_hot_rows() {
    let tape = Tape::new();
    cross_entropy(tape.constant(&[0.0; 6], [2, 3]), tape.constant(&[1.0, 2.0], [2, 1]));
}

#[test]
#[should_panic(expected = "one_hot: expected a label below 3, found 3")]
fn a_label_beyond_the_classes_panics() {
    one_hot::<f32>(&[3], 3, &mut [0.0; 3]);
}

#[test]
#[should_panic(expected = "one_hot: expected room for 6 numbers, 2 labels of 3 classes, found 5")]
fn one_hot_rows_must_fill_their_array() {
    one_hot::<f32>(&[1, 2], 3, &mut [0.0; 5]);
}

#[test]
fn normal_gradients_are_right_in_every_argument_and_shape() {
    let any = |axes: &[usize]| Sample::any(axes);
    let s = |axes: &[usize]| Sample::uniform(axes, -1.0..1.0);
    let shapes: [[&[usize]; 3]; 8] = [
        [&[2, 3], &[2, 3], &[2, 3]],
        [&[2, 3], &[3], &[3]],
        [&[3], &[2, 3], &[]],
        [&[2, 3], &[2, 3], &[1]],
        [&[2, 3], &[], &[]],
        [&[2, 3], &[], &[3]],
        [&[], &[2, 3], &[3]],
        [&[], &[], &[]],
    ];
    for [x, mu, log_sigma] in shapes {
        let inputs = [any(x), any(mu), s(log_sigma)];
        let name = format!("{x:?} {mu:?} {log_sigma:?}");
        check(&name, &inputs, |_, v| Normal { mu: v[1], log_sigma: v[2] }.log_prob(v[0])).unwrap();
        check(&name, &inputs, |_, v| Normal { mu: v[1], log_sigma: v[2] }.sample_with(v[0])).unwrap();
        check(&name, &inputs[1..], |_, v| Normal { mu: v[0], log_sigma: v[1] }.entropy()).unwrap();
        let two = [any(mu), s(log_sigma), any(&[2, 3]), s(&[3])];
        check(&name, &two, |_, v| {
            let [q, p] = [0, 2].map(|i| Normal { mu: v[i], log_sigma: v[i + 1] });
            q.kl(p)
        })
        .unwrap();
    }
}

#[test]
fn packed_normal_gradients_are_right_in_every_argument() {
    let inputs =
        [Sample::uniform([2, 6], -1.0..1.0), Sample::any([3, 2, 3]), Sample::uniform([6], -1.0..1.0)];
    check("log_prob", &inputs, |_, x| DiagNormal { packed: x[0] }.log_prob(x[1])).unwrap();
    check("sample", &inputs, |_, x| DiagNormal { packed: x[0] }.sample_with(x[1])).unwrap();
    check("entropy", &inputs, |_, x| DiagNormal { packed: x[0] }.entropy()).unwrap();
    check("kl", &inputs, |_, x| DiagNormal { packed: x[0] }.kl(DiagNormal { packed: x[2] })).unwrap();
    check("kl_to_standard", &inputs, |_, x| DiagNormal { packed: x[0] }.kl_to_standard()).unwrap();
    check("new", &inputs, |_, x| {
        let q = DiagNormal { packed: x[0] };
        DiagNormal::new(q.mu().sin(), q.log_sigma().square()).packed
    })
    .unwrap();
}

#[test]
fn discrete_gradients_are_right_in_every_argument() {
    let inputs = [Sample::any([2, 3]), Sample::uniform([3], 0.0..1.0), Sample::any([3])];
    check("Bernoulli log_prob", &inputs, |_, x| Bernoulli { logits: x[0] }.log_prob(x[1])).unwrap();
    check("Bernoulli mean", &inputs, |_, x| Bernoulli { logits: x[0] }.mean()).unwrap();
    check("Bernoulli entropy", &inputs, |_, x| Bernoulli { logits: x[0] }.entropy()).unwrap();
    check("Bernoulli kl", &inputs, |_, x| Bernoulli { logits: x[0] }.kl(Bernoulli { logits: x[2] })).unwrap();
    check("Categorical log_prob", &inputs, |_, x| Categorical { logits: x[0] }.log_prob(x[1])).unwrap();
    check("Categorical entropy", &inputs, |_, x| Categorical { logits: x[0] }.entropy()).unwrap();
    check("Categorical kl", &inputs, |_, x| Categorical { logits: x[0] }.kl(Categorical { logits: x[2] }))
        .unwrap();
    check("squared_error", &inputs, |_, x| squared_error(x[0], x[1])).unwrap();
    check("cross_entropy", &inputs, |_, x| cross_entropy(x[0], x[1])).unwrap();
}

#[test]
fn a_sample_is_the_mean_plus_sigma_times_the_noise() {
    let tape = Tape::<f64>::new();
    let constant = |x: f64| tape.constant(&[x], [1]);
    let (mu, log_sigma, noise) = (constant(0.3), constant(-0.7), constant(1.9));
    close(Normal { mu, log_sigma }.sample_with(noise).item(), 0.3 + (-0.7_f64).exp() * 1.9, 1e-15);
}

/// log t(x; μ, e^s, ν) of one number.
fn log_student<F: autograd::Real>(x: f64, mu: f64, log_sigma: f64, dof: f64) -> f64 {
    let tape = Tape::<F>::new();
    let [mu, log_sigma, dof, x] = [mu, log_sigma, dof, x].map(|x| tape.constant(&[F::from_f64(x)], [1]));
    StudentT { mu, log_sigma, dof }.log_prob(x).item().to_f64()
}

#[test]
fn student_s_density_is_that_of_cauchy_of_three_degrees_and_in_the_limit_the_normal_one() {
    let (mu, s) = (0.4, -0.3_f64);
    for x in [-30.0, -1.0, 0.4, 2.5, 1e6] {
        let z = (x - mu) / s.exp();
        let cauchy = -(PI * (1.0 + z * z)).ln() - s;
        close(log_student::<f64>(x, mu, s, 1.0), cauchy, 1e-13);
        let three = (2.0 / (PI * 3.0_f64.sqrt())).ln() - 2.0 * (z * z / 3.0).ln_1p() - s;
        close(log_student::<f64>(x, mu, s, 3.0), three, 1e-13);
    }
    for x in [-2.0, 0.0, 1.5] {
        close(log_student::<f64>(x, mu, s, 1e9), log_normal(x, mu, s), 1e-8);
        // Nothing cancels in single precision.
        for dof in [1.0, 2.5, 30.0, 1e3, 1e5] {
            close(log_student::<f32>(x, mu, s, dof), log_student::<f64>(x, mu, s, dof), 2e-6);
        }
    }
}

#[test]
fn densities_of_counts_sum_to_one_and_have_their_moments() {
    let tape = Tape::<f64>::new();
    let x: Vec<f64> = (0..2000).map(f64::from).collect();
    let constant = |x: f64| tape.constant(&[x], []);
    let (mean, dispersion) = (4.2_f64, 1.7_f64);
    let counts = tape.constant(&x, [2000, 1]);
    let poisson = Poisson { log_rate: constant(mean.ln()) }.log_prob(counts).exp().to_vec();
    let negative =
        NegativeBinomial { log_mean: constant(mean.ln()), log_dispersion: constant(dispersion.ln()) };
    let negative = negative.log_prob(counts).exp().to_vec();
    for (p, variance) in [(poisson, mean), (negative, mean + mean * mean / dispersion)] {
        let expectation = |g: &dyn Fn(f64) -> f64| x.iter().zip(&p).map(|(&x, p)| g(x) * p).sum::<f64>();
        close(expectation(&|_| 1.0), 1.0, 1e-12);
        close(expectation(&|x| x), mean, 1e-12);
        close(expectation(&|x| (x - mean).powi(2)), variance, 1e-12);
    }
}

#[test]
fn gradients_of_student_and_of_counts_are_right_in_every_argument() {
    let inputs = [
        Sample::any([4, 3]),
        Sample::any([4, 3]),
        Sample::uniform([3], -1.0..1.0),
        Sample::uniform([3], 2.1..60.0),
    ];
    check("StudentT", &inputs, |_, v| StudentT { mu: v[1], log_sigma: v[2], dof: v[3] }.log_prob(v[0]))
        .unwrap();
    let inputs = [Sample::uniform([4, 3], 0.5..30.0), Sample::uniform([4, 3], -1.0..3.0), Sample::any([3])];
    check("Poisson", &inputs[..2], |_, v| Poisson { log_rate: v[1] }.log_prob(v[0])).unwrap();
    check("NegativeBinomial", &inputs, |_, v| {
        NegativeBinomial { log_mean: v[1], log_dispersion: v[2] }.log_prob(v[0])
    })
    .unwrap();
}
