//! Rows of variables of different kinds: their density term by term, its gradient, gaps, and the linear model where training begins.

use std::sync::Arc;

use autograd::check::check_theta;
use autograd::{Tape, Var};
use nn::data::Matrix;
use nn::model::{Model, ModelFile, Nonlinearity};
use nn::train::Noise;
use rand::{SeedableRng, rngs::StdRng};
use vae::linear::{Em, FactorModel, NormalModel};
use vae::{
    Covariance, Gaps, Imputation, Likelihood, NetworkConfig, Observation, RowSeed, Vae, VaeConfig, VaeError,
    Variable,
};

use crate::common::{model_of, theta_of};

/// Two of each kind but the last, some side by side and some not.
fn variables() -> Vec<Variable> {
    vec![
        Variable::Normal,
        Variable::LogNormal { center: 0.4, spread: 0.7 },
        Variable::LogNormal { center: -1.0, spread: 1.3 },
        Variable::Category { classes: 3 },
        Variable::Category { classes: 2 },
        Variable::YesNo,
        Variable::Count { center: 1.1, spread: 0.6 },
        Variable::Count { center: 0.2, spread: 0.5 },
        Variable::Normal,
        Variable::YesNo,
    ]
}

/// The numbers of a row.
const D: usize = 13;

fn rows() -> Vec<f64> {
    [
        [0.3, 1.4, 0.2, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 3.0, 0.0, -1.2, 0.0],
        [-0.8, 0.9, 1.7, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 2.0, 0.4, 1.0],
    ]
    .concat()
}

/// Row 1 without a category, a log-normal number, an answer and a count; row 2 without its first number.
fn holed() -> Vec<f64> {
    let mut x = rows();
    for at in [1, 4, 8, 10, D] {
        x[at] = f64::NAN;
    }
    x
}

fn config(gaps: Gaps) -> VaeConfig {
    let usual = VaeConfig::new(D, &[5], 2).with_phi(Nonlinearity::Tanh);
    let [encoder, decoder] =
        [usual.encoder.clone(), usual.decoder.clone()].map(NetworkConfig::with_linear_path);
    VaeConfig { encoder, decoder, likelihood: Likelihood::Mixed { variables: variables() }, gaps, ..usual }
}

fn vae(gaps: Gaps) -> (Vae, Arc<Vec<f64>>) {
    let vae = model_of(&config(gaps));
    let mut theta = theta_of::<f64>(&vae).to_vec();
    let scales = theta[vae.layout().range("log_scale")].iter_mut();
    scales.zip([0.2, -0.3, 0.1, 0.4, -0.5, 0.3]).for_each(|(out, x)| *out = x);
    (vae, Arc::new(theta))
}

const LN_2PI: f64 = 1.837_877_066_409_345_5;

fn log_normal_density(x: f64, mu: f64, sigma: f64) -> f64 {
    -0.5 * ((x - mu) / sigma).powi(2) - sigma.ln() - 0.5 * LN_2PI
}

/// log p(x) of a negative binomial variable from p(0) = (r/(r + m))ʳ and p(x) = p(x − 1) (x − 1 + r)/x m/(r + m).
fn log_count(x: f64, m: f64, r: f64) -> f64 {
    let steps = (1..=x as usize).map(|i| ((i as f64 - 1.0 + r) / i as f64 * m / (r + m)).ln());
    r * (r / (r + m)).ln() + steps.sum::<f64>()
}

#[test]
fn a_row_s_density_is_the_product_of_those_of_its_variables() {
    let (vae, theta) = vae(Gaps::Zero);
    let tape = Tape::new();
    let on_tape = tape.shared_constant(&theta, [theta.len()]);
    let z = tape.constant(&[0.7, -1.2, 0.1, 0.5], [2, 2]);
    let y = vae.networks().decoder.apply(on_tape, z).to_vec();
    let scales: Vec<f64> =
        theta[vae.layout().range("log_scale")].iter().map(|t| (8.0 * (t / 8.0).tanh()).exp()).collect();
    let x = rows();
    let p = vae.decode(on_tape, z);
    let each = p.log_prob_each(tape.constant(&x, [2, D])).to_vec();
    let whole = p.log_prob(tape.constant(&x, [2, D])).to_vec();
    let mean = p.mean().to_vec();
    for i in 0..2 {
        let (x, y) = (&x[i * D..][..D], &y[i * D..][..D]);
        let rate = |y: f64, c: f64, s: f64| (15.0 * ((c + s * y) / 15.0).tanh()).exp();
        let ln_softmax =
            |of: std::ops::Range<usize>, k: usize| y[of.start + k] - of.map(|k| y[k].exp()).sum::<f64>().ln();
        let bernoulli = |j: usize| x[j] * y[j] - y[j].exp().ln_1p();
        let wanted = [
            log_normal_density(x[0], y[0], scales[0]),
            log_normal_density(x[1].ln(), 0.4 + 0.7 * y[1], 0.7 * scales[1]) - x[1].ln(),
            log_normal_density(x[2].ln(), -1.0 + 1.3 * y[2], 1.3 * scales[2]) - x[2].ln(),
            x[3] * ln_softmax(3..6, 0),
            x[4] * ln_softmax(3..6, 1),
            x[5] * ln_softmax(3..6, 2),
            x[6] * ln_softmax(6..8, 0),
            x[7] * ln_softmax(6..8, 1),
            bernoulli(8),
            log_count(x[9], rate(y[9], 1.1, 0.6), scales[3]),
            log_count(x[10], rate(y[10], 0.2, 0.5), scales[4]),
            log_normal_density(x[11], y[11], scales[5]),
            bernoulli(12),
        ];
        for (j, wanted) in wanted.iter().enumerate() {
            assert!((each[i * D + j] - wanted).abs() < 1e-12, "{i} {j}: {} {wanted}", each[i * D + j]);
        }
        assert!((whole[i] - wanted.iter().sum::<f64>()).abs() < 1e-11);
        let wanted = [
            (1, (0.4 + 0.7 * y[1] + 0.5 * (0.7 * scales[1]).powi(2)).exp()),
            (4, ln_softmax(3..6, 1).exp()),
            (8, 1.0 / (1.0 + (-y[8]).exp())),
            (9, rate(y[9], 1.1, 0.6)),
        ];
        for (j, wanted) in wanted {
            assert!((mean[i * D + j] - wanted).abs() < 1e-12, "{i} {j}");
        }
    }
}

#[test]
fn the_log_normal_density_has_the_integral_1_and_its_mean() {
    let tape = Tape::new();
    let parameter = |x: f64| tape.constant(&[x], [1, 1]);
    let p =
        Observation::LogNormal(nn::model::density::Normal { mu: parameter(0.3), log_sigma: parameter(-0.4) });
    // The trapezoid rule in ln x, in which the integrand vanishes with all its derivatives at both ends.
    let h = 0.01;
    let (mut integral, mut mean) = (0.0, 0.0);
    for i in -1000..1000 {
        let x = (0.3 + h * f64::from(i)).exp();
        let density = p.log_prob(tape.constant(&[x], [1, 1])).item().exp();
        integral += density * x * h;
        mean += density * x * x * h;
    }
    assert!((integral - 1.0).abs() < 1e-10 && (mean - p.mean().item()).abs() < 1e-10, "{integral} {mean}");
}

#[test]
fn the_bound_of_mixed_rows_has_the_right_gradient_with_gaps_and_without() {
    for gaps in [Gaps::Zero, Gaps::Conditional] {
        let (vae, theta) = vae(gaps);
        // The fill is not differentiated: its slots and, through it, nothing else of θ have a gradient.
        for x in [rows(), holed()] {
            let mut noise = vec![0.0; 3 * 2 * 2];
            Noise::new(4, 0).normal(0, 2, &mut noise);
            type Value = for<'t> fn(&Vae, [Var<'t, f64>; 3]) -> Var<'t, f64>;
            let bounds: [Value; 2] = [
                |vae, [theta, x, eps]| vae.elbo(theta, x, eps).value().sum(),
                |vae, [theta, x, eps]| vae.elbo_samples(theta, x, eps).importance_weighted().sum(),
            ];
            for bound in bounds {
                let trained = vae
                    .layout()
                    .slots()
                    .iter()
                    .filter(|slot| vae.held().iter().all(|held| held.range != slot.range()));
                let trained: usize = trained.map(|slot| slot.range().len()).sum();
                // A mean of 0.2 and a precision with 0.05 beside its diagonal.
                let held: Vec<f64> = (0..theta.len() - trained)
                    .map(|at| match at.checked_sub(D) {
                        None => 0.2,
                        Some(at) => {
                            if at % (D + 1) == 0 {
                                0.0
                            } else {
                                0.05
                            }
                        }
                    })
                    .collect();
                check_theta(&format!("{gaps:?}"), &theta[..trained], 4, |tape, theta| {
                    let held = tape.constant(&held, [held.len()]);
                    let theta =
                        if held.shape().size() == 0 { theta } else { Var::concatenate(&[theta, held], 0) };
                    bound(&vae, [theta, tape.constant(&x, [2, D]), tape.constant(&noise, [3, 2, 2])])
                })
                .unwrap();
            }
        }
    }
}

#[test]
fn a_gap_takes_the_whole_variable_and_the_encoder_sees_0_or_what_is_expected() {
    let (vae, theta) = vae(Gaps::Zero);
    let tape = Tape::new();
    let on_tape = tape.shared_constant(&theta, [theta.len()]);
    let eps = tape.constant(&[0.3, -0.8, 1.1, 0.2], [2, 2]);
    let lost = [1, 3, 4, 5, 8, 10, D];
    // What the encoder sees as 0.
    let mut neutral = rows();
    for (at, x) in lost.into_iter().zip([0.4_f64.exp(), 0.0, 0.0, 0.0, 0.5, 0.2_f64.exp_m1(), 0.0]) {
        neutral[at] = x;
    }
    let neutral = tape.constant(&neutral, [2, D]);
    let z = vae.encode(on_tape, neutral).sample_with(eps);
    let each = vae.decode(on_tape, z).log_prob_each(tape.constant(&rows(), [2, D])).to_vec();
    let bound = vae.elbo_samples(on_tape, tape.constant(&holed(), [2, D]), eps).log_likelihood.to_vec();
    for (i, bound) in bound.into_iter().enumerate() {
        let wanted: f64 = (i * D..(i + 1) * D).filter(|at| !lost.contains(at)).map(|at| each[at]).sum();
        assert!((bound - wanted).abs() < 1e-12, "{i}: {bound} {wanted}");
    }
    let seen = vae.seen_by_encoder(&Matrix::new(2, D, holed()));
    for (at, x) in seen.values.iter().enumerate() {
        assert_eq!(x.is_nan(), lost.contains(&at), "{at}");
    }
    assert_eq!(seen.row(1)[1], (0.9_f64.ln() - 0.4) / 0.7);
    assert_eq!(seen.row(1)[9], -1.1 / 0.6);
    assert_eq!([seen.row(0)[12], seen.row(1)[12]], [-1.0, 1.0]);
    for how in [Imputation::Importance { samples: 20 }, Imputation::PseudoGibbs { sweeps: 10 }] {
        let mut x = holed();
        x[3..6].fill(f64::NAN);
        let filled = vae.impute(&theta, &Matrix::new(2, D, x), how, 1);
        assert!(filled.values.iter().all(|x| x.is_finite()));
        let sum: f64 = filled.row(0)[3..6].iter().sum();
        assert!((sum - 1.0).abs() < 1e-9 && filled.row(0)[1] > 0.0 && (0.0..1.0).contains(&filled.row(0)[8]));
    }
}

#[test]
fn draws_of_mixed_rows_are_values_of_their_variables_with_the_right_means() {
    let (vae, theta) = vae(Gaps::Zero);
    let tape = Tape::new();
    let p = vae
        .decode(tape.shared_constant(&theta, [theta.len()]), tape.constant(&[0.3, -0.5, 0.2, 0.1], [2, 2]));
    let (n, mean, mut rng) = (20_000, p.mean().to_vec(), StdRng::seed_from_u64(4));
    let draws: Vec<Vec<f64>> = (0..n).map(|_| p.draw(&mut rng)).collect();
    for (at, mean) in mean.iter().enumerate() {
        let average = draws.iter().map(|x| x[at]).sum::<f64>() / f64::from(n);
        let variance = draws.iter().map(|x| (x[at] - average).powi(2)).sum::<f64>() / f64::from(n);
        assert!((average - mean).abs() < 5.0 * (variance / f64::from(n)).sqrt(), "{at}: {average} {mean}");
    }
    for x in &draws {
        assert!(x[1] > 0.0 && x[9] >= 0.0 && x[9].fract() == 0.0);
        assert_eq!([x[3..6].iter().sum::<f64>(), x[6..8].iter().sum()], [1.0, 1.0]);
        assert!(x[8] == 0.0 || x[8] == 1.0);
    }
}

/// 60 rows of 5 numbers with two common causes, of which a tenth is missing.
fn correlated() -> [Matrix<f64>; 2] {
    let mut noise = vec![0.0; 60 * 7];
    Noise::new(6, 0).normal(0, 7, &mut noise);
    let w = [[1.0, 0.5, -0.7, 0.2, 0.0], [0.0, 0.8, 0.6, -0.9, 0.4]];
    let cell = |at: usize| {
        let (row, j) = (&noise[at / 5 * 7..][..7], at % 5);
        0.2 * j as f64 + w[0][j] * row[0] + w[1][j] * row[1] + 0.5 * row[2 + j]
    };
    let whole: Vec<f64> = (0..300).map(cell).collect();
    let holed = whole.iter().enumerate().map(|(at, x)| if at * at % 11 == 3 { f64::NAN } else { *x });
    [Matrix::new(60, 5, holed.collect()), Matrix::new(60, 5, whole)]
}

#[test]
fn training_begins_at_the_factor_analysis_of_what_the_encoder_sees() {
    let [holed, whole] = correlated();
    let (center, spread) = (0.3, 0.5);
    let variables =
        vec![Variable::LogNormal { center, spread }; 2].into_iter().chain([Variable::Normal; 3]).collect();
    let usual = VaeConfig::new(5, &[4], 2);
    let [encoder, decoder] =
        [usual.encoder.clone(), usual.decoder.clone()].map(NetworkConfig::with_linear_path);
    let likelihood = Likelihood::Mixed { variables };
    let vae =
        Vae::new(&VaeConfig { encoder, decoder, likelihood, gaps: Gaps::Conditional, ..usual }).unwrap();
    // The model sees e^(c + s f) in the place of the first two numbers f.
    let own = |f: &Matrix<f64>| {
        let of = |(at, f): (usize, &f64)| if at % 5 < 2 { (center + spread * f).exp() } else { *f };
        Matrix::new(f.rows, 5, f.values.iter().enumerate().map(of).collect())
    };
    let seen = vae.seen_by_encoder(&own(&holed));
    let differs = seen.values.iter().zip(&*holed.values).any(|(a, b)| (a - b).abs() > 1e-12);
    assert!(!differs && seen.values.iter().zip(&*holed.values).all(|(a, b)| a.is_nan() == b.is_nan()));

    let normal = NormalModel::fit(&holed, 1.0, Em { rounds: 200, tolerance: 1e-10 }).unwrap().model;
    let mut theta = theta_of::<f64>(&vae).to_vec();
    vae.start_at(&mut theta, &normal).unwrap();
    let theta = Arc::new(theta);
    let em = Em { rounds: 2000, tolerance: 1e-8 };
    let factors = FactorModel::nearest_to(&normal, 2, em).unwrap().model;

    // Without gaps the ELBO is log p(f) + log |∂f/∂x|, whatever the noise.
    let tape = Tape::new();
    let (on_tape, x) = (tape.shared_constant(&theta, [theta.len()]), own(&whole));
    let mut eps = vec![0.0; 60 * 2];
    Noise::new(8, 0).normal(0, 2, &mut eps);
    let mean_of = |eps: &[f64]| {
        let eps = tape.constant(eps, [60, 2]);
        vae.elbo_samples(on_tape, tape.constant(&x.values, [60, 5]), eps).value().to_vec()
    };
    for (row, (bound, log_p)) in mean_of(&eps).into_iter().zip(factors.log_prob(&whole).unwrap()).enumerate()
    {
        let jacobian: f64 = x.row(row)[..2].iter().map(|x| (spread * x).ln()).sum();
        assert!((bound - (log_p - jacobian)).abs() < 1e-8, "{row}: {bound}, not {}", log_p - jacobian);
    }
    // With gaps q(z|x) has the mean of p(z|x): its decoding is the exact expectation under the factor analysis of what one normal
    // distribution expects, which has as many factors as it takes.
    let exact = NormalModel { covariance: covariance_of(&factors), mean: factors.mean.clone() };
    let mut theta = theta.to_vec();
    vae.start_at(&mut theta, &exact).unwrap();
    let theta = Arc::new(theta);
    let decoded = vae.decode_rows(&theta, &vae.encode_rows(&theta, &own(&holed)).mu);
    let wanted = factors.impute(&holed).unwrap();
    let cells = holed.values.iter().enumerate().filter(|(at, x)| x.is_nan() && at % 5 >= 2);
    for (at, _) in cells {
        let (found, wanted) = (decoded.values[at], wanted.values[at]);
        assert!((found - wanted).abs() < 1e-3, "{at}: {found}, not {wanted}");
    }
}

#[test]
fn rows_with_many_gaps_are_as_likely_as_what_was_observed_of_them() {
    // x = w z + ε, whose q is far narrower than the posterior of a row with gaps.
    let (w, psi) = ([1.0, 1.0, -1.0], 0.01);
    let covariance = |at: usize| w[at / 3] * w[at % 3] + if at / 3 == at % 3 { psi } else { 0.0 };
    let covariance = Matrix::new(3, 3, (0..9).map(covariance).collect());
    let normal = NormalModel { mean: vec![0.0; 3], covariance };
    let likelihood = Likelihood::Mixed { variables: vec![Variable::Normal; 3] };
    let gaps = Gaps::Conditional;
    let vae = Vae::new(&VaeConfig { likelihood, gaps, ..VaeConfig::new(3, &[], 1) }).unwrap();
    let mut theta = vec![0.0; vae.layout().size()];
    vae.start_at(&mut theta, &normal).unwrap();
    let (theta, gap) = (Arc::new(theta), f64::NAN);
    let x = Matrix::new(4, 3, vec![gap, gap, gap, 1.5, gap, gap, 1.5, 1.4, gap, 1.5, 1.4, -1.6]);
    for samples in [20_001, 20_000] {
        let found = vae.k_sample_bound_of_rows(&theta, &x, samples, 1);
        for (row, found) in found.iter().enumerate() {
            let of_row = Matrix::new(1, 3, x.row(row).to_vec());
            let exact = normal.log_likelihood(&of_row).unwrap();
            assert!((found.value - exact).abs() < 0.05, "{row}: {found:?}, not {exact}");
            // Whatever rows are computed with it.
            let alone = vae.k_sample_bound_of_rows(&theta, &of_row, samples, RowSeed { seed: 1, first: row });
            assert!((alone[0].value - found.value).abs() < 1e-12, "{row}: {alone:?}, not {found:?}");
        }
    }
    // A single draw comes from q.
    assert!(vae.k_sample_bound_of_rows(&theta, &x, 1, 1).iter().all(|row| row.value.is_finite()));
}

/// W W′ + Ψ
fn covariance_of(factors: &FactorModel) -> Matrix<f64> {
    let d = factors.mean.len();
    let cell = |at: usize| {
        let (i, j) = (at / d, at % d);
        let common: f64 =
            (0..factors.loadings.rows).map(|k| factors.loadings.row(k)[i] * factors.loadings.row(k)[j]).sum();
        common + if i == j { factors.noise[i] } else { 0.0 }
    };
    Matrix::new(d, d, (0..d * d).map(cell).collect())
}

#[test]
fn decoders_of_classes_begin_with_the_shares_of_classes_and_their_slope() {
    let variables = vec![Variable::YesNo, Variable::Category { classes: 2 }, Variable::Normal];
    let likelihood = Likelihood::Mixed { variables };
    let vae = Vae::new(&VaeConfig { likelihood, ..VaeConfig::new(4, &[], 1) }).unwrap();
    // f = 2 x − 1 of the answer has the mean 0.4: P(yes) = 0.7.
    let covariance = |at: usize| match (at / 4, at % 4) {
        (i, j) if i == j => [0.84, 0.16, 0.16, 1.0][i],
        (0, 3) | (3, 0) => 0.3,
        (1, 3) | (3, 1) => 0.1,
        (2, 3) | (3, 2) => -0.1,
        (1, 2) | (2, 1) => -0.1599,
        (0, 1) | (1, 0) => 0.05,
        _ => -0.05,
    };
    let normal = NormalModel {
        mean: vec![0.4, 0.2, 0.8, 0.0],
        covariance: Matrix::new(4, 4, (0..16).map(covariance).collect()),
    };
    let mut theta = theta_of::<f64>(&vae).to_vec();
    vae.start_at(&mut theta, &normal).unwrap();
    let theta = Arc::new(theta);
    let factors = FactorModel::nearest_to(&normal, 1, Em { rounds: 2000, tolerance: 1e-8 }).unwrap().model;
    let h = 1e-6;
    let at = vae.decode_rows(&theta, &Matrix::new(3, 1, vec![0.0, -h, h]));
    for (j, (p, scale)) in [(0.7, 0.5), (0.2, 1.0), (0.8, 1.0)].into_iter().enumerate() {
        let slope = (at.row(2)[j] - at.row(1)[j]) / (2.0 * h);
        let wanted = scale * factors.loadings.row(0)[j];
        assert!((at.row(0)[j] - p).abs() < 1e-9, "{j}: {:?}", at.row(0));
        // The sign of a factor is arbitrary; of a category the logarithms' tangents also move the sum.
        let tolerance = if j == 0 { 1e-6 } else { 1e-3 };
        assert!((slope.abs() - wanted.abs()).abs() < tolerance, "{j}: {slope}, not {wanted}");
    }
}

#[test]
fn variables_that_do_not_exist_or_do_not_fill_a_row_are_refused() {
    let with = |variables: Vec<Variable>| {
        Vae::new(&VaeConfig { likelihood: Likelihood::Mixed { variables }, ..VaeConfig::new(3, &[], 1) })
    };
    let error = with(vec![Variable::Normal, Variable::YesNo]).unwrap_err();
    assert_eq!(error, VaeError::Variables { width: 2, inputs: 3 });
    assert_eq!(
        error.to_string(),
        "likelihood: expected variables that take 3 numbers together, the inputs, found 2"
    );
    for variable in [
        Variable::Category { classes: 0 },
        Variable::Count { center: 0.0, spread: 0.0 },
        Variable::Count { center: -1.0, spread: 1.0 },
        Variable::LogNormal { center: f64::NAN, spread: 1.0 },
        Variable::LogNormal { center: 100.0, spread: 1.0 },
    ] {
        let error = with(vec![Variable::Category { classes: 3 }, variable]).unwrap_err();
        assert!(matches!(error, VaeError::Variable { number: 1, .. }), "{error}");
        assert!(
            error.to_string().starts_with("likelihood: variable 2: expected one class or more"),
            "{error}"
        );
    }
    assert!(with(vec![Variable::Category { classes: usize::MAX }; 2]).is_err());
}

#[test]
fn a_mixed_model_comes_back_from_its_file_and_files_without_gaps_stay_readable() {
    let (vae, theta) = vae(Gaps::Conditional);
    let theta: Arc<Vec<f32>> = Arc::new(theta.iter().map(|x| *x as f32).collect());
    let folder = tempfile::tempdir().unwrap();
    vae.to_file(&theta).save(folder.path().join(ModelFile::NAME)).unwrap();
    let (loaded, again) = Vae::load::<f32>(folder.path()).unwrap();
    assert_eq!((loaded.config(), &again), (vae.config(), &theta));
    // As an earlier version wrote it.
    #[derive(serde::Serialize)]
    struct Earlier {
        inputs: usize,
        conditions: usize,
        latent: usize,
        encoder: NetworkConfig,
        decoder: NetworkConfig,
        covariance: Covariance,
        likelihood: Likelihood,
    }
    let VaeConfig { inputs, conditions, latent, encoder, decoder, covariance, likelihood, .. } =
        config(Gaps::Zero);
    let earlier = Earlier { inputs, conditions, latent, encoder, decoder, covariance, likelihood };
    let small = model_of(&config(Gaps::Zero));
    let mut file = ModelFile::new(Vae::KIND, &earlier);
    file.insert_theta::<f32>(small.layout(), &theta_of(&small));
    assert_eq!(Vae::from_file::<f32>(&file).unwrap().0.config(), small.config());
}
