//! Draws by Hamiltonian Monte Carlo against exact posteriors.

use autograd::{Tape, Var};
use bayes_nn::inference::{Hmc, HmcError, HmcRun, Trajectories};

use super::{Linear, coin};

/// Every mean is the expected one to within four standard errors, and the chains agree.
#[track_caller]
pub(super) fn agrees(run: &HmcRun, mean: &[f64], variance: &[f64]) {
    let chains = &run.chains;
    let squares = chains.map(|theta| theta.iter().zip(mean).map(|(t, m)| (t - m).powi(2)).collect());
    let sd: Vec<f64> = variance.iter().map(|v| v.sqrt()).collect();
    for (chains, expected, scale) in [(chains, mean, &sd[..]), (&squares, variance, variance)] {
        let found = chains.mean().into_iter().zip(chains.standard_error());
        for (((found, se), expected), scale) in found.zip(expected).zip(scale) {
            assert!((found - expected).abs() < 4.0 * se, "{found} ± {se} instead of {expected}");
            assert!(se < 0.1 * scale, "{found} ± {se} says nothing");
        }
    }
    assert!(chains.r_hat().iter().all(|r| *r < 1.01), "R̂ {:?}", chains.r_hat());
    assert!(run.reports.iter().all(|report| report.divergent == 0), "{:?}", run.reports);
}

#[test]
fn moments_are_those_of_a_conjugate_posterior() {
    let linear = Linear::new();
    let starts = [vec![0.0; 2], vec![2.0, -2.0], vec![-1.0, 1.0], vec![0.5; 2]];
    for trajectories in [Trajectories::OfPath, Trajectories::NoUTurn] {
        let hmc = Hmc { trajectories, ..Hmc::default() };
        let run = hmc.sample(|tape, w| linear.log_joint(tape, w), &starts, 1).unwrap();
        agrees(&run, &linear.mean, &[linear.covariance[0][0], linear.covariance[1][1]]);
        let [a, b] = linear.mean;
        let product = run.chains.map(|w| vec![(w[0] - a) * (w[1] - b)]);
        let (found, se) = (product.mean()[0], product.standard_error()[0]);
        assert!((found - linear.covariance[0][1]).abs() < 4.0 * se, "{found} ± {se}");
        assert_eq!((run.divergent(), run.impossible(), run.cut()), (0, 0, 0));
    }
}

#[test]
fn moments_are_those_of_a_coin() {
    let run = Hmc::default().sample(coin, &[vec![-3.0], vec![0.0], vec![1.0], vec![3.0]], 2).unwrap();
    let p = run.chains.map(|zeta| vec![1.0 / (1.0 + (-zeta[0]).exp())]);
    let (mean, se) = (p.mean()[0], p.standard_error()[0]);
    assert!((mean - 11.0 / 16.0).abs() < 4.0 * se && se < 0.01, "{mean} ± {se}");
    let variance = p.variance()[0];
    let exact = 11.0 * 5.0 / (16.0 * 16.0 * 17.0);
    assert!((variance / exact - 1.0).abs() < 0.1, "{variance} instead of {exact}");
}

#[test]
fn scales_that_differ_by_ten_thousand_are_found_in_the_warm_up() {
    let scales = [0.01, 1.0, 100.0];
    let hmc = Hmc { warmup: 1500, ..Hmc::default() };
    let run = hmc
        .sample(
            |tape, theta| (theta / tape.constant(&scales, [3])).square().sum() * -0.5,
            &[vec![0.01, 1.0, 10.0], vec![-0.01, 0.0, -50.0]],
            3,
        )
        .unwrap();
    agrees(&run, &[0.0; 3], &scales.map(|s| s * s));
    for report in &run.reports {
        for (found, scale) in report.inverse_mass.iter().zip(scales) {
            // 10⁻³ is where small variances are drawn to.
            assert!(*found > 0.5 * scale * scale && *found < 2.0 * scale * scale + 1e-4, "{found}: {scale}²");
        }
    }
    assert!(run.chains.ess().iter().all(|ess| *ess > 500.0), "{:?}", run.chains.ess());
}

#[test]
fn the_step_size_reaches_the_acceptance_that_it_aims_at() {
    let kinds = [Trajectories::OfPath, Trajectories::NoUTurn];
    for (acceptance, trajectories) in [0.6, 0.8, 0.95].into_iter().flat_map(|a| kinds.map(|kind| (a, kind))) {
        let hmc = Hmc { acceptance, trajectories, ..Hmc::default() };
        let starts = vec![vec![1.0; 20]; 4];
        let run = hmc.sample(|_, theta| theta.square().sum() * -0.5, &starts, 4).unwrap();
        let found = run.reports.iter().map(|report| report.acceptance).sum::<f64>() / 4.0;
        // What is averaged is log ε, not the acceptance, of which that makes a little more.
        assert!(found > acceptance - 0.03 && found < acceptance + 0.12, "{found} instead of {acceptance}");
    }
}

#[test]
fn the_same_seed_draws_the_same_on_any_number_of_threads() {
    for trajectories in [Trajectories::OfPath, Trajectories::NoUTurn] {
        let hmc = Hmc { warmup: 100, draws: 50, trajectories, ..Hmc::default() };
        let run = |threads: usize, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| hmc.sample(coin, &vec![vec![0.3]; 4], seed).unwrap())
        };
        assert_eq!(run(1, 5), run(2, 5));
        assert_eq!(run(1, 5), run(16, 5));
        assert_ne!(run(1, 5), run(1, 6));
        // Chains from one place go their own ways.
        let chains = run(1, 5).chains.draws;
        assert!((1..4).all(|c| chains[c] != chains[0]));
    }
}

/// Neal's funnel: v ~ N(0, 3²), xᵢ ~ N(0, eᵛ). No step size suits both its mouth and its neck.
pub(super) fn funnel<'t>(_: &'t Tape<f64>, theta: Var<'t, f64>) -> Var<'t, f64> {
    let (v, x) = (theta.view(0, [1]), theta.view(1, [9]));
    (v / 3.0).square().sum() * -0.5 - (x.square().sum() * v.neg().exp() * 0.5 + v * 4.5).sum()
}

#[test]
fn divergent_trajectories_are_counted() {
    for trajectories in [Trajectories::OfPath, Trajectories::NoUTurn] {
        let hmc = Hmc { warmup: 300, draws: 500, acceptance: 0.6, trajectories, ..Hmc::default() };
        let run = hmc.sample(funnel, &[vec![0.0; 10], vec![0.5; 10]], 1).unwrap();
        assert_eq!(run.divergent(), run.reports.iter().map(|report| report.divergent).sum::<usize>());
        assert!(run.divergent() > 0 && run.impossible() == 0, "{trajectories:?}");
    }
}

#[test]
fn trajectories_that_are_cut_are_counted() {
    for (trajectories, most) in [(Trajectories::OfPath, 2), (Trajectories::NoUTurn, 1)] {
        let hmc = |max_steps| Hmc {
            warmup: 200,
            draws: 100,
            acceptance: 0.99,
            trajectories,
            max_steps,
            ..Hmc::default()
        };
        let run = |max_steps| hmc(max_steps).sample(coin, &[vec![0.0]], 1).unwrap();
        let (cut, free) = (run(most), run(1000));
        assert!(cut.cut() > 20 && cut.reports[0].steps <= most as f64, "{:?}", cut.reports);
        assert!(free.cut() == 0 && free.reports[0].steps > cut.reports[0].steps, "{:?}", free.reports);
    }
}

#[test]
fn a_start_where_the_density_is_nan_is_an_error() {
    let error = Hmc::default()
        .sample(|_, theta| theta.ln().sum() - theta.sum(), &[vec![1.0], vec![-1.0]], 1)
        .unwrap_err();
    assert!(matches!(error, HmcError::Start { chain: 1, value } if value.is_nan()));
    assert!(error.to_string().contains("chain 1 begins where log p(Y, θ) is NaN"), "{error}");
}

#[test]
#[should_panic(expected = "hmc: starts: expected at least one, all of one length")]
fn starts_of_different_lengths_are_refused() {
    let _ = Hmc::default().sample(coin, &[vec![0.0], vec![0.0, 1.0]], 1);
}
