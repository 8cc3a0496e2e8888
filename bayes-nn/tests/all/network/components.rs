//! Predictive mixtures of Student distributions and of counts, against sums and integrals of their densities.

use bayes_nn::{Components, Predictive, Scores};
use nn::data::Matrix;

/// A row and three draws.
fn mixture(components: Components) -> Predictive {
    let f = Matrix::new(3, 1, vec![2.0, 3.5, 7.0]);
    let sigma: Vec<f64> = match &components {
        Components::Poisson => f.values.iter().map(|f: &f64| f.sqrt()).collect(),
        Components::NegativeBinomial { dispersion } => {
            f.values.iter().zip(dispersion).map(|(m, r)| (m + m * m / r).sqrt()).collect()
        }
        _ => vec![1.0, 0.3, 1.5],
    };
    Predictive { f, sigma: Matrix::new(3, 1, sigma), components }
}

/// p(y) of the row.
fn density(p: &Predictive, y: f64) -> f64 {
    p.log_density(&[y])[0].exp()
}

#[test]
fn counts_have_the_moments_probabilities_quantiles_and_score_of_their_probabilities() {
    for components in [
        Components::Poisson,
        Components::NegativeBinomial { dispersion: vec![0.7, 3.0, 40.0] },
        Components::NegativeBinomial { dispersion: vec![1e4; 3] },
    ] {
        let p = mixture(components);
        let counts: Vec<f64> = (0..400).map(f64::from).collect();
        let all: Vec<f64> = counts.iter().map(|&k| density(&p, k)).collect();
        let sum = |g: &dyn Fn(f64) -> f64| counts.iter().zip(&all).map(|(&k, p)| g(k) * p).sum::<f64>();
        let mean = sum(&|k| k);
        assert!((sum(&|_| 1.0) - 1.0).abs() < 1e-9 && (mean - p.mean()[0]).abs() < 1e-9);
        assert!((sum(&|k| (k - mean).powi(2)) / p.variance()[0] - 1.0).abs() < 1e-8);
        let below = |y: f64| sum(&|k| f64::from(u8::from(k <= y)));
        for y in [0.0, 1.0, 3.0, 8.0, 25.0] {
            assert!((p.cdf(&[y])[0] - below(y)).abs() < 1e-9, "{y}");
            assert!((p.mid_cdf(&[y])[0] - below(y) + 0.5 * density(&p, y)).abs() < 1e-9);
            let crps: f64 =
                (0..400).map(f64::from).map(|k| (below(k) - f64::from(u8::from(y <= k))).powi(2)).sum();
            assert!((p.crps(&[y])[0] - crps).abs() < 1e-5, "{y}: {} for {crps}", p.crps(&[y])[0]);
        }
        for probability in [1e-6, 0.025, 0.3, 0.5, 0.9, 0.999] {
            let quantile = p.quantile(probability)[0];
            let least = counts.iter().copied().find(|&k| below(k) >= probability).unwrap();
            assert_eq!(quantile, least, "{probability}");
        }
        assert_eq!(p.log_density(&[2.5]), [f64::NEG_INFINITY]);
        assert_eq!(p.log_density(&[-1.0]), [f64::NEG_INFINITY]);
    }
}

#[test]
fn large_counts_are_scored_as_the_normal_distribution_that_they_are_nearly() {
    let rate = 1e6_f64;
    let (f, sigma) = (Matrix::new(1, 1, vec![rate]), Matrix::new(1, 1, vec![rate.sqrt()]));
    let normal = Predictive::normal(f.clone(), sigma.clone());
    let poisson = Predictive { f, sigma, components: Components::Poisson };
    for y in [rate - 1500.0, rate, rate + 700.0] {
        assert!((poisson.crps(&[y])[0] / normal.crps(&[y])[0] - 1.0).abs() < 2e-3);
        assert!((poisson.mid_cdf(&[y])[0] - normal.cdf(&[y])[0]).abs() < 1e-3);
        assert!((poisson.log_density(&[y])[0] - normal.log_density(&[y])[0]).abs() < 2e-3);
    }
    for p in [0.025, 0.5, 0.975] {
        assert!((poisson.quantile(p)[0] - normal.quantile(p)[0]).abs() < 2.0);
    }
}

#[test]
fn student_components_have_the_moments_quantiles_and_score_of_their_density() {
    let p = mixture(Components::Student { dof: vec![5.0, 9.0, 30.0] });
    // The trapezoidal rule for y = 3 + sinh u, out to where y⁴ p(y) is nothing.
    let place = |i: i32| f64::from(i) * 0.01;
    let integral = |g: &dyn Fn(f64) -> f64, to: f64| {
        let u_end = (to - 3.0).asinh();
        let term = |u: f64| 0.01 * u.cosh() * g(3.0 + u.sinh()) * density(&p, 3.0 + u.sinh());
        let ends = 0.5 * term(u_end);
        ends + (1..2400).map(|i| u_end - place(i)).map(term).sum::<f64>()
    };
    let far = 3.0 + 12.0_f64.sinh();
    let mean = integral(&|y| y, far);
    assert!((integral(&|_| 1.0, far) - 1.0).abs() < 1e-8, "{}", integral(&|_| 1.0, far));
    assert!((mean - p.mean()[0]).abs() < 1e-6);
    assert!((integral(&|y| (y - mean).powi(2), far) / p.variance()[0] - 1.0).abs() < 1e-5);
    for y in [-4.0, 1.0, 3.0, 9.0] {
        let below = integral(&|_| 1.0, y);
        assert!((p.cdf(&[y])[0] - below).abs() < 1e-4, "{y}: {} for {below}", p.cdf(&[y])[0]);
        let score = |t: f64| (p.cdf(&[t])[0] - f64::from(u8::from(y <= t))).powi(2);
        let crps: f64 = (-40_000..40_000).map(|i| score((f64::from(i) + 0.5) * 0.005)).sum::<f64>() * 0.005;
        assert!((p.crps(&[y])[0] / crps - 1.0).abs() < 1e-4, "{y}: {} for {crps}", p.crps(&[y])[0]);
    }
    for probability in [1e-9, 1e-3, 0.3, 0.5, 0.975] {
        let found = p.cdf(&p.quantile(probability))[0];
        assert!((found / probability - 1.0).abs() < 1e-5, "{probability}: {found}");
    }
    // With many degrees of freedom it is the normal distribution.
    let wide = mixture(Components::Student { dof: vec![1e7; 3] });
    let normal = mixture(Components::Normal);
    let [a, b] = [wide, normal].map(|p| Scores::of(&p, &[4.0]));
    assert!((a.log_density - b.log_density).abs() < 1e-5 && (a.crps - b.crps).abs() < 1e-5);
    assert!((a.cdf[0] - b.cdf[0]).abs() < 1e-5);
}
