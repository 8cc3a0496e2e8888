//! Each family against Monte Carlo, quadrature and finite differences.

use approx::assert_relative_eq;
use autograd::check::check_theta;
use autograd::{Tape, Var};
use bayes_nn::inference::{Family, FullNormal, LowRankNormal, MeanField};
use nn::model::density::Normal;
use nn::model::{Init, Layout};
use nn::train::Noise;
use rand::{SeedableRng, rngs::StdRng};

const DIM: usize = 4;

/// A family with an η of no special form, in which another slot comes first.
fn random<Q>(build: impl FnOnce(&mut Layout) -> Q) -> (Q, Vec<f64>) {
    let mut layout = Layout::new();
    layout.slot("other", [3], Init::Normal(1.0));
    let q = build(&mut layout);
    let mut eta = layout.init(&mut StdRng::seed_from_u64(5));
    for (i, eta) in eta.iter_mut().enumerate() {
        *eta += 0.4 * (1.7 * i as f64 + 1.0).sin();
    }
    (q, eta)
}

fn noise<'t>(tape: &'t Tape<f64>, q: &impl Family, samples: usize, seed: u64) -> Var<'t, f64> {
    tape.constant_with([samples, q.noise_dim()], |out| {
        Noise::evaluation(seed).normal(0, q.noise_dim(), out);
    })
}

fn priors(tape: &Tape<f64>) -> [Normal<'_, f64>; 3] {
    let of = |mu: &[f64], log_sigma: &[f64]| {
        let var = |x: &[f64]| if x.len() == 1 { tape.constant(x, []) } else { tape.constant(x, [x.len()]) };
        Normal { mu: var(mu), log_sigma: var(log_sigma) }
    };
    [
        of(&[0.0], &[0.0]),
        of(&[0.3], &[0.5, -0.2, 0.1, 0.0]),
        of(&[0.3, -1.0, 0.2, 0.9], &[0.5, -0.2, 0.1, 0.4]),
    ]
}

/// Everything that a family promises.
fn examine<Q: Family>((q, eta): (Q, Vec<f64>)) {
    let tape = Tape::new();
    let var = tape.parameter(&eta, [eta.len()]);
    const SAMPLES: usize = 400_000;
    let theta = q.sample_with(var, noise(&tape, &q, SAMPLES, 1));
    assert_eq!(theta.shape(), [SAMPLES, DIM].into());

    // Moments, within five standard errors.
    let (mean, variance) = (q.mean(var).to_vec(), q.variance(var).to_vec());
    let draws = theta.to_vec();
    for i in 0..DIM {
        let column = || draws.iter().skip(i).step_by(DIM).map(|x| x - mean[i]);
        let se = (variance[i] / SAMPLES as f64).sqrt();
        assert!(column().sum::<f64>().abs() / (SAMPLES as f64) < 5.0 * se, "mean {i}");
        let second = column().map(|x| x * x).sum::<f64>() / SAMPLES as f64;
        assert_relative_eq!(second, variance[i], max_relative = 5.0 * (2.0 / SAMPLES as f64).sqrt());
    }

    // −E[log q] is the entropy, E[log q − log p] the divergence.
    let within = |values: Vec<f64>, exact: f64, what: &str| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        assert!((mean - exact).abs() < 5.0 * (variance / n).sqrt(), "{what}: {mean} against {exact}");
    };
    let log_q = q.log_prob(var, theta);
    assert_eq!(log_q.shape(), [SAMPLES].into());
    within(log_q.neg().to_vec(), q.entropy(var).item(), "entropy");
    for prior in priors(&tape) {
        within((log_q - prior.log_prob(theta)).to_vec(), q.kl(var, prior).item(), "KL");
    }

    // Gradients in η, of θ as well as of the terms; log q in θ, too.
    let weights = [0.3, -0.7, 1.1, 0.4, -0.2, 0.9, 0.6, -1.3, 0.8, 0.5, -0.4, 1.2];
    check_theta("θ = T(ξ, η)", &eta, 6, |tape, eta| {
        (q.sample_with(eta, noise(tape, &q, 3, 2)) * tape.constant(&weights, [3, DIM])).sum()
    })
    .unwrap();
    check_theta("log q", &eta, 6, |tape, eta| {
        (q.log_prob(eta, tape.constant(&weights, [3, DIM])) * tape.constant(&[0.4, -1.0, 0.7], [3])).sum()
    })
    .unwrap();
    check_theta("log q in θ", &weights, 6, |tape, theta| {
        let eta = tape.constant(&eta, [eta.len()]);
        (q.log_prob(eta, theta.reshape([3, DIM])) * tape.constant(&[0.4, -1.0, 0.7], [3])).sum()
    })
    .unwrap();
    check_theta("entropy", &eta, 6, |_, eta| q.entropy(eta)).unwrap();
    check_theta("mean and variance", &eta, 6, |tape, eta| {
        (q.mean(eta) * q.variance(eta) * tape.constant(&weights[..DIM], [DIM])).sum()
    })
    .unwrap();
    for i in 0..3 {
        check_theta("KL", &eta, 6, |tape, eta| q.kl(eta, priors(tape)[i])).unwrap();
    }
    // The prior's parameters may be learned as well.
    check_theta("KL in the prior", &[0.3, -0.4], 3, |tape, p| {
        let prior = Normal { mu: p.view(0, []), log_sigma: p.view(1, []) };
        q.kl(tape.constant(&eta, [eta.len()]), prior)
    })
    .unwrap();
}

#[test]
fn mean_field() {
    examine(random(|layout| MeanField::new(layout, "q", DIM, Init::Normal(1.0), 0.5)));
}

#[test]
fn full() {
    examine(random(|layout| FullNormal::new(layout, "q", DIM, Init::Normal(1.0), 0.5)));
}

#[test]
fn low_rank() {
    for rank in [1, 2, 5] {
        examine(random(|layout| LowRankNormal::new(layout, "q", [DIM, rank], Init::Normal(1.0), 0.5)));
    }
}

/// Both are the same density, where L Lᵀ = diag σ² + U Uᵀ.
#[test]
fn low_rank_and_full_agree_on_one_covariance() {
    let (q, eta) = random(|layout| LowRankNormal::new(layout, "q", [DIM, 2], Init::Normal(1.0), 0.5));
    let (full, mut full_eta) = random(|layout| FullNormal::new(layout, "q", DIM, Init::Normal(1.0), 0.5));
    let (mu, sigma, u) = (&eta[3..7], eta[7..11].iter().map(|x| x.exp()), &eta[11..]);
    let mut covariance: Vec<f64> =
        (0..DIM * DIM).map(|k| (0..2).map(|r| u[k / DIM * 2 + r] * u[k % DIM * 2 + r]).sum()).collect();
    covariance.iter_mut().step_by(DIM + 1).zip(sigma).for_each(|(c, sigma)| *c += sigma * sigma);
    let tape = Tape::new();
    let l = tape.constant(&covariance, [DIM, DIM]).cholesky().unwrap().to_vec();
    full_eta[3..7].copy_from_slice(mu);
    (0..DIM).for_each(|i| full_eta[7 + i] = l[i * (DIM + 1)].ln());
    let below = (0..DIM).flat_map(|i| l[i * DIM..][..i].to_vec());
    full_eta[11..].iter_mut().zip(below).for_each(|(x, l)| *x = l);

    let [eta, full_eta] = [eta, full_eta].map(|eta| tape.constant(&eta, [eta.len()]));
    for (l, expected) in full.factor(full_eta).to_vec().into_iter().zip(l) {
        assert_relative_eq!(l, expected, epsilon = 1e-14);
    }
    let theta = tape.constant(&[0.1, -0.7, 0.4, 1.5, 2.0, 0.3, -1.1, 0.2], [2, DIM]);
    let pairs = [
        (q.log_prob(eta, theta), full.log_prob(full_eta, theta)),
        (q.entropy(eta), full.entropy(full_eta)),
        (q.variance(eta), full.variance(full_eta)),
        (q.kl(eta, priors(&tape)[2]), full.kl(full_eta, priors(&tape)[2])),
    ];
    for (a, b) in pairs {
        for (a, b) in a.to_vec().into_iter().zip(b.to_vec()) {
            assert_relative_eq!(a, b, max_relative = 1e-12);
        }
    }
}

#[test]
fn one_dimension_is_enough() {
    let mut layout = Layout::new();
    let q = FullNormal::new(&mut layout, "q", 1, Init::Constant(0.3), 2.0);
    let eta = layout.init::<f64>(&mut StdRng::seed_from_u64(0));
    let tape = Tape::new();
    let eta = tape.parameter(&eta, [2]);
    let theta = q.sample_with(eta, tape.constant(&[1.0, -1.0], [2, 1]));
    for (theta, expected) in theta.to_vec().into_iter().zip([2.3, -1.7]) {
        assert_relative_eq!(theta, expected, max_relative = 1e-14);
    }
}

#[test]
#[should_panic(expected = "low-rank normal: rank: expected at least 1, found 0")]
fn rank_0_is_refused() {
    LowRankNormal::new(&mut Layout::new(), "q", [3, 0], Init::Constant(0.0), 1.0);
}

#[test]
fn the_divergence_from_itself_is_zero() {
    let (q, eta) = random(|layout| MeanField::new(layout, "q", DIM, Init::Normal(1.0), 0.5));
    let tape = Tape::new();
    let eta = tape.constant(&eta, [eta.len()]);
    let itself = Normal { mu: q.mu().of(eta), log_sigma: q.log_sigma().of(eta) };
    assert!(q.kl(eta, itself).item().abs() < 1e-14);
}

#[test]
fn a_family_begins_at_its_initial_mean_and_sigma() {
    let mut layout = Layout::new();
    let q = MeanField::new(&mut layout, "q", 2, Init::Values(vec![1.0, -2.0]), 0.1);
    let eta = layout.init::<f64>(&mut StdRng::seed_from_u64(0));
    let tape = Tape::new();
    let eta = tape.constant(&eta, [eta.len()]);
    assert_eq!(q.mean(eta).to_vec(), [1.0, -2.0]);
    for variance in q.variance(eta).to_vec() {
        assert_relative_eq!(variance, 0.01, max_relative = 1e-14);
    }
}

#[test]
#[should_panic(expected = "family: σ: expected a finite number greater than 0, found 0")]
fn a_family_without_spread_is_refused() {
    MeanField::new(&mut Layout::new(), "q", 2, Init::Constant(0.0), 0.0);
}
