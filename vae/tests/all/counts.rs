//! Densities of counts against their definitions, small counts and large ones, in double and in single precision.

use autograd::check::{Sample, check};
use autograd::{Real, Tape};
use vae::Observation;

/// log p(x) in double precision, by the formula.
fn poisson(x: f64, log_rate: f64) -> f64 {
    x * log_rate - log_rate.exp() - Real::lgamma(x + 1.0)
}

fn negative_binomial(x: f64, log_mean: f64, log_dispersion: f64) -> f64 {
    let (m, r) = (log_mean.exp(), log_dispersion.exp());
    let orders = Real::lgamma(x + r) - Real::lgamma(r) - Real::lgamma(x + 1.0);
    orders - r * (m / r).ln_1p() - x * (r / m).ln_1p()
}

/// What the model says of a count.
fn found<F: Real>(x: f64, log_mean: f64, log_dispersion: Option<f64>) -> f64 {
    let tape = Tape::new();
    let number = |x: f64| tape.constant(&[F::from_f64(x)], [1]);
    let p = match log_dispersion {
        None => Observation::Poisson { log_rate: number(log_mean) },
        Some(r) => Observation::NegativeBinomial { log_mean: number(log_mean), log_dispersion: number(r) },
    };
    p.log_prob(number(x)).item().to_f64()
}

/// Logarithms that single precision has, too.
fn narrowed(x: f64) -> f64 {
    f64::from(x as f32)
}

#[test]
fn densities_of_counts_are_their_formulas_in_double_precision() {
    for x in (0..60).map(f64::from).chain([1e3, 12_345.0, 1e6]) {
        for log_mean in [-3.0, 0.4, 2.9, (x + 1.0_f64).ln(), (1.3 * x + 1.0).ln()] {
            let close = |found: f64, wanted: f64, size: f64| {
                assert!(
                    (found - wanted).abs() < 1e-14 * size + 1e-12,
                    "{x} {log_mean}: {found}, not {wanted}"
                );
            };
            let size = x * (x + 2.0).ln() + log_mean.exp();
            close(found::<f64>(x, log_mean, None), poisson(x, log_mean), size);
            for r in [3e-4_f64, 0.4, 1.0, 15.9, 16.1, 40.0, 2900.0] {
                let (log_r, size) = (r.ln(), size + (x + r) * (x + r + 2.0).ln());
                close(found::<f64>(x, log_mean, Some(log_r)), negative_binomial(x, log_mean, log_r), size);
            }
        }
    }
}

#[test]
fn probabilities_of_all_counts_sum_to_one() {
    for log_mean in [-2.0_f64, 1.0, 3.5] {
        for log_dispersion in [None, Some(0.7), Some(4.0)] {
            let total: f64 =
                (0..2000).map(|x| found::<f64>(f64::from(x), log_mean, log_dispersion).exp()).sum();
            assert!((total - 1.0).abs() < 1e-9, "{log_mean} {log_dispersion:?}: {total}");
        }
    }
}

#[test]
fn large_counts_lose_nothing_in_single_precision() {
    // By the formula as it stands 0.05 nats at 10⁵ and 0.5 at 10⁶ would be lost.
    for x in [1e3_f64, 1e5, 1e6] {
        let plain =
            |l: f64| f64::from((x as f32) * (l as f32) - (l as f32).exp() - Real::lgamma(x as f32 + 1.0));
        let (mut squares, mut of_plain) = (0.0, 0.0);
        for i in -20..=20 {
            let l = narrowed((x + f64::from(i) / 10.0 * x.sqrt()).ln());
            let error = found::<f32>(x, l, None) - poisson(x, l);
            assert!(error.abs() < 3e-3, "{x} {l}: off by {error}");
            squares += error * error / 41.0;
            of_plain += (plain(l) - poisson(x, l)).powi(2) / 41.0;
            for r in [1e-3_f64, 0.8, 10.0, 500.0, 2900.0] {
                let (log_mean, log_r) =
                    (narrowed(l + f64::from(i) / 10.0 / r.sqrt().max(1.0)), narrowed(r.ln()));
                let error = found::<f32>(x, log_mean, Some(log_r)) - negative_binomial(x, log_mean, log_r);
                assert!(error.abs() < 1e-4 + 1e-5 * r, "{x} {log_mean} {r}: off by {error}");
            }
        }
        assert!(squares.sqrt() < 1e-3, "{x}: {}", squares.sqrt());
        assert!(x < 1e6 || of_plain.sqrt() > 0.2, "the formula would do: {}", of_plain.sqrt());
    }
}

#[test]
fn densities_of_counts_have_the_right_gradients_on_both_sides_of_stirling_s_formula() {
    for range in [0.5..15.0, 12.0..22.0, 300.0..400.0] {
        let log_mean = range.start.ln()..range.end.ln();
        let inputs = [Sample::uniform([6], range.clone()), Sample::uniform([6], log_mean.clone())];
        check("poisson", &inputs, |_, v| Observation::Poisson { log_rate: v[1] }.log_prob_each(v[0]))
            .unwrap();
        for log_dispersion in [-2.0..1.0, 2.5..3.2, 5.0..6.0] {
            let inputs = [
                Sample::uniform([6], range.clone()),
                Sample::uniform([6], log_mean.clone()),
                Sample::uniform([6], log_dispersion),
            ];
            check("negative binomial", &inputs, |_, v| {
                Observation::NegativeBinomial { log_mean: v[1], log_dispersion: v[2] }.log_prob_each(v[0])
            })
            .unwrap();
        }
    }
}
