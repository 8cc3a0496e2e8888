//! Linear models against what is known exactly.

use std::sync::Arc;

use autograd::Tape;
use autograd::ops::TriangularSystem::{LX, LtX};
use nn::data::Matrix;
use nn::train::{Fit, Noise, Optimizer, Rule, Schedule, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use vae::linear::{
    CubatureObjective, Em, EmFit, FactorModel, FactorPosterior, LinearError, Oja, Pca, principal_angles,
};
use vae::{Likelihood, Vae, VaeConfig};

/// Standard normal numbers.
pub(crate) fn normal(rows: usize, cols: usize, seed: u64) -> Matrix<f64> {
    let mut values = vec![0.0; rows * cols];
    Noise::new(seed, 0).normal(0, cols, &mut values);
    Matrix::new(rows, cols, values)
}

/// A B for matrices.
fn product(a: &Matrix<f64>, b: &Matrix<f64>) -> Matrix<f64> {
    let cell = |i: usize, j: usize| (0..a.cols).map(|k| a.row(i)[k] * b.row(k)[j]).sum();
    Matrix::new(a.rows, b.cols, (0..a.rows * b.cols).map(|c| cell(c / b.cols, c % b.cols)).collect())
}

fn transpose(a: &Matrix<f64>) -> Matrix<f64> {
    Matrix::new(a.cols, a.rows, (0..a.rows * a.cols).map(|c| a.row(c % a.rows)[c / a.rows]).collect())
}

/// N rows of D numbers with correlations, scales between 0.3 and 3, a mean far from 0.
pub(crate) fn data(rows: usize, cols: usize) -> Matrix<f64> {
    let scaled = normal(rows, cols, 1);
    let scale = |j: usize| 3.0 * (0.1_f64).powf(j as f64 / (cols - 1) as f64);
    let values = scaled.values.iter().enumerate().map(|(c, x)| x * scale(c % cols)).collect();
    product(&Matrix::new(rows, cols, values), &normal(cols, cols, 2)).map(|x| x / (cols as f64).sqrt() + 5.0)
}

/// Mean and covariance with 1/N.
pub(crate) fn moments(x: &Matrix<f64>) -> (Vec<f64>, Matrix<f64>) {
    let n = x.rows as f64;
    let mean: Vec<f64> = (0..x.cols).map(|j| (0..x.rows).map(|i| x.row(i)[j]).sum::<f64>() / n).collect();
    let centred = Matrix::new(
        x.rows,
        x.cols,
        x.values.iter().enumerate().map(|(c, x)| x - mean[c % mean.len()]).collect(),
    );
    (mean, product(&transpose(&centred), &centred).map(|s| s / n))
}

fn mean_square(a: &Matrix<f64>, b: &Matrix<f64>) -> f64 {
    a.values.iter().zip(b.values.iter()).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.rows as f64
}

#[track_caller]
pub(crate) fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < tolerance, "{a} and {b}"));
}

/// Σ log N(x; μ, C) / N by the dense density.
pub(crate) fn dense_log_likelihood(x: &Matrix<f64>, mean: &[f64], c: &Matrix<f64>) -> f64 {
    let tape = Tape::new();
    let z = tape.shared_constant(&x.values, [x.rows, x.cols]) - tape.constant(mean, [x.cols]);
    let c = tape.shared_constant(&c.values, [x.cols, x.cols]);
    z.transpose().multivariate_normal_log_prob(c).unwrap().item() / x.rows as f64
}

/// W W′ + Ψ
fn covariance_of(model: &FactorModel) -> Matrix<f64> {
    let mut c = product(&transpose(&model.loadings), &model.loadings).values.to_vec();
    let d = model.noise.len();
    model.noise.iter().enumerate().for_each(|(j, psi)| c[j * d + j] += psi);
    Matrix::new(d, d, c)
}

#[test]
fn principal_components_are_orthonormal_eigenvectors_with_the_largest_eigenvalues() {
    // 70 dimensions are more than the iteration's block, 6 are less.
    for (rows, cols) in [(200, 6), (300, 70)] {
        let x = data(rows, cols);
        let (mean, s) = moments(&x);
        let all = Pca::fit(&x, cols).unwrap();
        assert!((all.total_variance - all.variances.iter().sum::<f64>()).abs() < 1e-9 * all.total_variance);
        for m in [1, 3, 5] {
            let pca = Pca::fit(&x, m).unwrap();
            let gram = product(&pca.components, &transpose(&pca.components));
            for (i, g) in gram.values.iter().enumerate() {
                assert!((g - f64::from(u8::from(i % (m + 1) == 0))).abs() < 1e-12, "{m}: {g} at {i}");
            }
            let image = product(&pca.components, &s);
            for k in 0..m {
                let lambda = pca.variances[k];
                assert!((lambda - all.variances[k]).abs() < 1e-10 * all.variances[0]);
                for (image, v) in image.row(k).iter().zip(pca.components.row(k)) {
                    assert!((image - lambda * v).abs() < 1e-10 * all.variances[0]);
                }
            }
            assert!(pca.variances.is_sorted_by(|a, b| a >= b));
            assert!(pca.mean.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-12));
            let error = mean_square(&pca.reconstruct(&x), &x);
            assert!((error - pca.loss()).abs() < 1e-9 * all.total_variance, "{m}: {error}, {}", pca.loss());
        }
    }
}

#[test]
fn the_components_of_a_line_and_of_data_without_full_rank_are_exact() {
    // (1, 2) t, t = −1, 0, 1: variance (1 + 4) · 2/3 along (1, 2) / √5.
    let x = Matrix::new(3, 2, vec![4.0, 5.0, 5.0, 7.0, 6.0, 9.0]);
    let pca = Pca::fit(&x, 1).unwrap();
    assert!((pca.variances[0] - 10.0 / 3.0).abs() < 1e-12);
    let [a, b] = pca.components.row(0) else { panic!("two numbers") };
    assert!((b / a - 2.0).abs() < 1e-12 && pca.loss().abs() < 1e-12);
    assert_eq!(FactorModel::probabilistic_pca(&x, 1), Err(LinearError::NoNoise { components: 1 }));

    let flat = product(&normal(40, 2, 3), &normal(2, 30, 4));
    let pca = Pca::fit(&flat, 4).unwrap();
    assert!(pca.variances[2..].iter().all(|v| v.abs() < 1e-9 * pca.variances[0]));
    assert!(mean_square(&pca.reconstruct(&flat), &flat) < 1e-12 * pca.total_variance);
}

#[test]
fn data_without_an_answer_are_refused_by_name() {
    let x = data(10, 4);
    let refused = |x: &Matrix<f64>, m| Pca::fit(x, m).unwrap_err();
    assert_eq!(refused(&x, 0), LinearError::Components { components: 0, dimensions: 4 });
    assert_eq!(refused(&x, 5), LinearError::Components { components: 5, dimensions: 4 });
    assert_eq!(refused(&x.split_at_row(3).0, 3), LinearError::TooFewRows { rows: 3, needed: 4 });
    assert_eq!(refused(&x.split_at_row(0).0, 1), LinearError::TooFewRows { rows: 0, needed: 2 });
    assert_eq!(refused(&x.map(|_| 0.1), 2), LinearError::Constant);
    assert_eq!(refused(&x.map(|_| 0.0), 2), LinearError::Constant);
    let mut broken = x.values.to_vec();
    broken[6] = f64::INFINITY;
    let broken = Matrix::new(10, 4, broken);
    assert_eq!(refused(&broken, 2), LinearError::NotFinite { row: 1, column: 2, value: f64::INFINITY });
    assert_eq!(refused(&broken, 2), FactorModel::probabilistic_pca(&broken, 2).unwrap_err());
    assert_eq!(refused(&broken, 2), Oja::new(2, 4, 0).fit(&broken, 1, 0.1, 0).unwrap_err());
    let mut constant = x.values.to_vec();
    constant.iter_mut().skip(1).step_by(4).for_each(|x| *x = 0.1);
    let constant = FactorModel::factor_analysis(&Matrix::new(10, 4, constant), 1, Em::default());
    assert_eq!(constant.unwrap_err(), LinearError::ConstantColumn { column: 1 });
    let runaway = Oja::new(1, 4, 0).fit(&x, 3, 1e9, 0).unwrap_err();
    assert!(matches!(runaway, LinearError::Diverged { .. }), "{runaway:?}");
    let twice = Matrix::new(2, 2, vec![1.0, 2.0, -2.0, -4.0]);
    assert_eq!(principal_angles(&twice, &twice), Err(LinearError::Dependent { row: 1 }));
}

#[test]
fn principal_angles_are_those_of_the_construction_and_belong_to_spaces_not_to_bases() {
    let angles = [0.0, 1e-3, 0.7, 1.5];
    let d = 2 * angles.len();
    // Planes (e_2k, e_2k+1): one vector along e_2k, the other turned by the angle.
    let turned = |turn: &dyn Fn(f64) -> (f64, f64)| {
        let mut rows = vec![0.0; angles.len() * d];
        for (k, angle) in angles.iter().enumerate() {
            (rows[k * d + 2 * k], rows[k * d + 2 * k + 1]) = turn(*angle);
        }
        Matrix::new(angles.len(), d, rows)
    };
    let (a, b) = (turned(&|_| (1.0, 0.0)), turned(&|angle| (angle.cos(), angle.sin())));
    let mixed = product(&normal(4, 4, 5), &b);
    for b in [&b, &mixed] {
        for (found, angle) in principal_angles(&a, b).unwrap().iter().zip(angles) {
            assert!((found - angle).abs() < 5e-8, "{found}, not {angle}");
        }
    }
    assert!(principal_angles(&b, &mixed).unwrap().iter().all(|angle| *angle < 1e-12));
    // A vector of the larger space, and one at a right angle to it.
    assert!(principal_angles(&b, &b.select(&[2])).unwrap()[0] < 1e-12);
    let across = Matrix::new(1, d, [vec![0.0, 1.0], vec![0.0; d - 2]].concat());
    let angle = principal_angles(&across, &a).unwrap();
    assert!(angle.len() == 1 && (angle[0] - std::f64::consts::FRAC_PI_2).abs() < 1e-12);
}

#[test]
fn probabilistic_pca_is_the_maximum_of_the_dense_likelihood() {
    let x = data(120, 6);
    let model = FactorModel::probabilistic_pca(&x, 2).unwrap();
    let best = model.log_likelihood(&x).unwrap();
    let dense = dense_log_likelihood(&x, &model.mean, &covariance_of(&model));
    assert!((best - dense).abs() < 1e-10 * best.abs(), "{best}, {dense}");
    // The gradient by W and ln σ² is 0 there.
    let theta: Vec<f64> = model.loadings.values.iter().copied().chain([model.noise[0].ln()]).collect();
    let (_, slope) = direct(&x, 2, true)(&theta);
    assert!(slope.iter().all(|g| g.abs() < 1e-9), "{slope:?}");
    for seed in 0..20 {
        let moved = |w: &Matrix<f64>, seed| {
            let step = normal(w.rows, w.cols, seed);
            Matrix::new(
                w.rows,
                w.cols,
                w.values.iter().zip(step.values.iter()).map(|(w, e)| w + 0.05 * e).collect(),
            )
        };
        let other = FactorModel { loadings: moved(&model.loadings, seed), ..model.clone() };
        assert!(other.log_likelihood(&x).unwrap() < best);
    }
}

#[test]
fn the_posterior_of_the_factors_is_that_of_the_joint_normal() {
    let x = data(20, 5);
    let model = FactorModel::factor_analysis(&x, 2, Em { rounds: 50, tolerance: 0.0 }).unwrap().model;
    let FactorPosterior { means, covariance } = model.posterior(&x).unwrap();
    // log p(x|z) + log p(z) − log p(z|x) is log p(x), whatever z.
    let log_prob = model.log_prob(&x).unwrap();
    let inverse = Tape::new();
    let l = inverse.shared_constant(&covariance.values, [2, 2]).cholesky().unwrap();
    let normal_log = |r: &[f64]| {
        -0.5 * (r.iter().map(|r| r * r).sum::<f64>() + r.len() as f64 * (2.0 * std::f64::consts::PI).ln())
    };
    for z in [[0.0, 0.0], [0.4, -1.3]] {
        let mean = model.decode_rows(&Matrix::new(1, 2, z.to_vec()));
        for (i, log_prob) in log_prob.iter().enumerate() {
            let error =
                x.row(i).iter().zip(mean.row(0)).zip(&model.noise).map(|((x, m), psi)| (x - m) / psi.sqrt());
            let log_x = normal_log(&error.collect::<Vec<_>>())
                - 0.5 * model.noise.iter().map(|p| p.ln()).sum::<f64>();
            let delta = inverse.constant(&[z[0] - means.row(i)[0], z[1] - means.row(i)[1]], [2, 1]);
            let log_post =
                normal_log(&l.solve_triangular(delta, LX).to_vec()) - 0.5 * l.log_det_from_factor().item();
            let through = log_x + normal_log(&z) - log_post;
            assert!((through - log_prob).abs() < 1e-9 * log_prob.abs(), "{through}, {log_prob}");
        }
    }
}

#[test]
fn missing_numbers_become_their_expectation_under_the_joint_normal() {
    let x = data(40, 6);
    let model = FactorModel::factor_analysis(&x, 2, Em { rounds: 50, tolerance: 0.0 }).unwrap().model;
    let c = covariance_of(&model);
    let cut: Vec<f64> = x
        .values
        .iter()
        .enumerate()
        .map(|(i, x)| if (i * i + i / 6) % 7 < 3 { f64::NAN } else { *x })
        .collect();
    let mut cut = cut[..10 * 6].to_vec();
    cut[..6].fill(f64::NAN);
    cut[6..12].copy_from_slice(x.row(1));
    let cut = Matrix::new(10, 6, cut);
    let filled = model.impute(&cut).unwrap();
    assert_eq!((filled.row(0), filled.row(1)), (&model.mean[..], x.row(1)));
    for i in 2..10 {
        let (missing, seen): (Vec<usize>, Vec<usize>) = (0..6).partition(|&j| cut.row(i)[j].is_nan());
        assert!(!missing.is_empty() && !seen.is_empty(), "row {i} tests nothing");
        // μ_m + C_mo C_oo⁻¹ (x_o − μ_o)
        let tape = Tape::new();
        let block = c.select(&seen).columns(&seen);
        let l = tape.shared_constant(&block.values, [seen.len(), seen.len()]).cholesky().unwrap();
        let difference: Vec<f64> = seen.iter().map(|&j| x.row(i)[j] - model.mean[j]).collect();
        let difference = tape.constant(&difference, [seen.len(), 1]);
        let weights = l.solve_triangular(l.solve_triangular(difference, LX), LtX).to_vec();
        for &m in &missing {
            let step: f64 = seen.iter().zip(&weights).map(|(&j, w)| c.row(m)[j] * w).sum();
            let (found, wanted) = (filled.row(i)[m], model.mean[m] + step);
            assert!((found - wanted).abs() < 1e-10, "{found}, not {wanted}");
        }
        assert!(seen.iter().all(|&j| filled.row(i)[j] == x.row(i)[j]));
    }
}

/// The dense log-likelihood per datum as a function of θ = (W′, ln Ψ), and its gradient.
fn direct(x: &Matrix<f64>, factors: usize, isotropic: bool) -> impl Fn(&[f64]) -> (f64, Vec<f64>) {
    let ((mean, _), x) = (moments(x), x.clone());
    let d = x.cols;
    move |theta: &[f64]| {
        let tape = Tape::new();
        let theta = tape.parameter(theta, [theta.len()]);
        let z = (tape.shared_constant(&x.values, [x.rows, d]) - tape.constant(&mean, [d])).transpose();
        let w = theta.view(0, [factors, d]);
        let ln_psi = theta.view(factors * d, [if isotropic { 1 } else { d }]).broadcast_to([d]);
        let c = w.t_matmul(w) + ln_psi.exp().diagonal_matrix();
        let log_prob = z.multivariate_normal_log_prob(c).unwrap() / x.rows as f64;
        (log_prob.item(), tape.backward(log_prob).wrt(theta).to_vec())
    }
}

/// Two factors, and 400 data of them.
fn with_factors() -> (FactorModel, Matrix<f64>) {
    let truth = FactorModel {
        mean: vec![1.0; 6],
        loadings: normal(2, 6, 7),
        noise: vec![0.1, 0.2, 0.4, 0.8, 1.6, 0.3],
    };
    let n = 400;
    let signal = truth.decode_rows(&normal(n, 2, 8));
    let noise = normal(n, 6, 9);
    let values = signal.values.iter().zip(noise.values.iter()).enumerate();
    let x = Matrix::new(n, 6, values.map(|(c, (x, e))| x + e * truth.noise[c % 6].sqrt()).collect());
    (truth, x)
}

#[test]
fn em_climbs_to_the_optimum_that_gradients_of_the_dense_likelihood_find() {
    let (truth, x) = with_factors();
    let EmFit { model, history } =
        FactorModel::factor_analysis(&x, 2, Em { rounds: 20_000, tolerance: 1e-13 }).unwrap();
    assert!(history.is_sorted() || history.windows(2).all(|w| w[1] > w[0] - 1e-10));
    let reached = model.log_likelihood(&x).unwrap();
    assert!((reached - history[history.len() - 1]).abs() < 1e-9);
    assert!(reached > truth.log_likelihood(&x).unwrap());
    assert!(reached > FactorModel::probabilistic_pca(&x, 2).unwrap().log_likelihood(&x).unwrap() + 0.01);

    let record = direct(&x, 2, false);
    let start = normal(1, 18, 10);
    let mut theta: Vec<f64> = start.values.iter().map(|x| 0.3 * x).collect();
    let mut adam = Optimizer::new(Rule::ADAM, theta.len());
    for step in 0..3000 {
        let slope: Vec<f64> = record(&theta).1.iter().map(|g| -g).collect();
        adam.step(0.02 * Schedule::Cosine { epochs: 3000 }.factor(step), &mut theta, &slope);
    }
    let (best, _) = record(&theta);
    assert!((best - reached).abs() < 1e-6, "EM {reached}, gradients {best}");
    for (psi, ln_psi) in model.noise.iter().zip(&theta[12..]) {
        assert!((psi.ln() - ln_psi).abs() < 1e-2, "{psi}, {}", ln_psi.exp());
    }
}

#[test]
fn factor_analysis_does_not_depend_on_units_where_pca_does() {
    let x = data(150, 5);
    let scale = [1.0, 10.0, 0.1, 3.0, 100.0];
    let rescaled = Matrix::new(150, 5, x.values.iter().enumerate().map(|(c, x)| x * scale[c % 5]).collect());
    let em = Em { rounds: 100_000, tolerance: 1e-13 };
    let fit = |x| FactorModel::factor_analysis(x, 1, em).unwrap().model.log_likelihood(x).unwrap();
    let jacobian: f64 = scale.iter().map(|s: &f64| s.ln()).sum();
    assert!((fit(&x) - fit(&rescaled) - jacobian).abs() < 1e-6);
    let ppca = |x| FactorModel::probabilistic_pca(x, 1).unwrap().log_likelihood(x).unwrap();
    assert!((ppca(&x) - ppca(&rescaled) - jacobian).abs() > 0.1);
}

#[test]
fn ojas_rule_finds_the_first_component_and_several_neurons_the_subspace() {
    let x = data(500, 6);
    for (neurons, bound) in [(1, 0.02), (2, 0.05)] {
        let pca = Pca::fit(&x, neurons).unwrap();
        let mut oja = Oja::new(neurons, 6, 0);
        oja.fit(&x, 400, 0.1, 0).unwrap();
        let angles = principal_angles(&oja.weights, &pca.components).unwrap();
        assert!(angles.iter().all(|angle| *angle < bound), "{neurons}: {angles:?}");
        let gram = product(&oja.weights, &transpose(&oja.weights));
        for (i, g) in gram.values.iter().enumerate() {
            assert!((g - f64::from(u8::from(i % (neurons + 1) == 0))).abs() < 0.02, "{neurons}: {g}");
        }
        assert_eq!(oja.epochs(), 400);
    }
}

fn linear_vae(inputs: usize, latent: usize, likelihood: Likelihood) -> Vae {
    Vae::new(&VaeConfig { likelihood, ..VaeConfig::new(inputs, &[], latent) }).unwrap()
}

/// The closed form's log-likelihood, and the model and θ whose exact bound reached it.
fn reaches(x: &Matrix<f64>, likelihood: Likelihood, exact: &FactorModel) -> (Vae, Arc<Vec<f64>>) {
    let (latent, steps) = (2, 3000);
    let exact = exact.log_likelihood(x).unwrap();
    let vae = linear_vae(x.cols, latent, likelihood);
    let mut theta = vae.layout().init::<f64>(&mut StdRng::seed_from_u64(0));
    // Numbers that are not standardised would begin at σ of e±8.
    theta.iter_mut().for_each(|x| *x *= 0.1);
    let mut trainer = Trainer::new(vae.layout(), theta, Rule::ADAM, 0);
    let mut objective = CubatureObjective { vae: &vae, data: x };
    let fit = Fit {
        epochs: steps,
        batch_size: x.rows,
        rate: 0.05,
        schedule: Schedule::Cosine { epochs: steps },
        ..Fit::default()
    };
    trainer.fit(&mut objective, None, &fit, &mut ()).unwrap();
    for epoch in trainer.history() {
        let elbo = epoch.train.part("elbo");
        assert!(elbo <= exact + 1e-9, "{elbo} above {exact}");
    }
    let reached = trainer.history()[steps - 1].train.part("elbo");
    assert!(exact - reached < 1e-6, "{reached}, not {exact}");
    // What it reached is what importance sampling says, too.
    let sampled = vae.k_sample_bound(trainer.theta(), x, 200, 0);
    assert!((sampled.mean - exact).abs() < 1e-2 + 5.0 * sampled.se, "{sampled:?}, {exact}");
    let theta = trainer.theta().clone();
    (vae, theta)
}

#[test]
fn a_linear_vae_reaches_the_likelihood_of_probabilistic_pca_and_its_subspace() {
    let x = data(200, 6).map(|x| x - 5.0);
    let exact = FactorModel::probabilistic_pca(&x, 2).unwrap();
    let (vae, theta) = reaches(&x, Likelihood::NormalLearned { start: 1.0 }, &exact);
    let slot = vae.layout().slots().iter().find(|slot| slot.name() == "decoder.0.weight").unwrap();
    let weights = Matrix::new(2, 6, theta[slot.range()].to_vec());
    let angles = principal_angles(&weights, &Pca::fit(&x, 2).unwrap().components).unwrap();
    assert!(angles.iter().all(|angle| *angle < 1e-2), "{angles:?}");
}

#[test]
fn a_linear_vae_with_a_noise_for_each_variable_reaches_the_likelihood_of_factor_analysis() {
    let (_, x) = with_factors();
    let em = Em { rounds: 20_000, tolerance: 1e-13 };
    let exact = FactorModel::factor_analysis(&x, 2, em).unwrap().model;
    let (vae, theta) = reaches(&x, Likelihood::NormalDiagonal { start: 1.0 }, &exact);
    let slot = vae.layout().slots().iter().find(|slot| slot.name() == "log_sigma").unwrap();
    for (raw, psi) in theta[slot.range()].iter().zip(&exact.noise) {
        let log_sigma = 8.0 * (raw / 8.0).tanh();
        assert!((2.0 * log_sigma - psi.ln()).abs() < 1e-3, "{log_sigma}, {psi}");
    }
}

#[test]
fn the_cubature_of_a_linear_bound_is_the_mean_over_random_draws() {
    let (x, draws) = (data(4, 5), 200_000);
    let vae = linear_vae(5, 3, Likelihood::NormalLearned { start: 1.0 });
    let theta = vae.layout().init::<f64>(&mut StdRng::seed_from_u64(3));
    let mut trainer = Trainer::new(vae.layout(), theta, Rule::Sgd, 0);
    let mut objective = CubatureObjective { vae: &vae, data: &x };
    let exact = trainer.evaluate(&mut objective).unwrap();

    let tape = Tape::new();
    let theta = tape.shared_constant(trainer.theta(), [vae.layout().size()]);
    let eps = tape.constant(&normal(draws * 4, 3, 11).values, [draws, 4, 3]);
    let elbo = vae.elbo(theta, tape.shared_constant(&x.values, [4, 5]), eps);
    assert!((elbo.kl.mean().item() - exact.part("kl")).abs() < 1e-9);
    let sampled = elbo.log_likelihood.mean().item();
    assert!((sampled / exact.part("log_likelihood") - 1.0).abs() < 5e-3, "{sampled}, {exact:?}");
}

#[test]
fn principal_components_give_models_of_every_size_without_another_fit() {
    let x = data(80, 6);
    let pca = Pca::fit(&x, 4).unwrap();
    for factors in [1, 3, 4] {
        let (of_components, fitted) = (
            FactorModel::of_components(&pca, factors).unwrap(),
            FactorModel::probabilistic_pca(&x, factors).unwrap(),
        );
        close(&covariance_of(&of_components).values, &covariance_of(&fitted).values, 1e-9);
        close(&of_components.mean, &fitted.mean, 1e-12);
    }
    for components in [0, 5] {
        let error = FactorModel::of_components(&pca, components);
        assert_eq!(error, Err(LinearError::Components { components, dimensions: 4 }));
    }
}

#[test]
fn a_vae_that_begins_at_probabilistic_pca_has_its_likelihood_for_a_bound() {
    let x = data(60, 6);
    let model = FactorModel::probabilistic_pca(&x, 2).unwrap();
    let truth = model.log_prob(&x).unwrap();
    for (likelihood, hidden) in [
        (Likelihood::NormalHead, &[5][..]),
        (Likelihood::NormalDiagonal { start: 1.0 }, &[5, 4]),
        (Likelihood::NormalHead, &[]),
    ] {
        let usual = VaeConfig::new(6, hidden, 2);
        let [encoder, decoder] =
            [&usual.encoder, &usual.decoder].map(|network| network.clone().with_linear_path());
        let vae = Vae::new(&VaeConfig { likelihood: likelihood.clone(), encoder, decoder, ..usual }).unwrap();
        let mut theta = vae.layout().init::<f64>(&mut StdRng::seed_from_u64(1));
        model.begin(&vae, &mut theta).unwrap();
        // q is the posterior, so that every draw has the weight p(x).
        for (row, bound) in vae.k_sample_bound_of_rows(&Arc::new(theta), &x, 3, 0).iter().enumerate() {
            assert!((bound.value - truth[row]).abs() < 1e-9, "{likelihood:?}: {bound:?}, not {}", truth[row]);
            assert!(bound.se < 1e-7, "{likelihood:?}: {bound:?}");
        }
    }
}

#[test]
fn noise_beyond_what_a_vae_can_hold_becomes_the_nearest() {
    let vae = linear_vae(2, 1, Likelihood::NormalDiagonal { start: 1.0 });
    let noise = vec![1e-30, 1e30];
    let model = FactorModel { mean: vec![0.0; 2], loadings: Matrix::new(1, 2, vec![1.0, 0.5]), noise };
    let mut theta = vec![0.0_f64; vae.layout().size()];
    model.begin(&vae, &mut theta).unwrap();
    assert!(theta.iter().all(|x| x.is_finite()), "{theta:?}");
    let log_sigma = &theta[vae.layout().range("log_sigma")];
    let bounded: Vec<f64> = log_sigma.iter().map(|x| 8.0 * (x / 8.0_f64).tanh()).collect();
    assert!(bounded[0] < -7.5 && bounded[1] > 7.5, "{bounded:?}");
}

#[test]
#[should_panic(
    expected = "begin: expected networks with a linear path, found NetworkConfig { layers: Dense([2])"
)]
fn a_vae_without_a_linear_path_cannot_begin_at_principal_components() {
    let model = FactorModel::probabilistic_pca(&data(60, 6), 3).unwrap();
    let usual = VaeConfig::new(6, &[2], 3);
    let vae = Vae::new(&VaeConfig { likelihood: Likelihood::NormalHead, ..usual }).unwrap();
    let mut theta = vec![0.0; vae.layout().size()];
    let _ = model.begin(&vae, &mut theta);
}
