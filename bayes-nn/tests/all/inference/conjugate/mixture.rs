//! A mixture of normal distributions.

use approx::assert_relative_eq;
use autograd::Real;
use bayes_nn::inference::conjugate::{Ascent, ConjugateError, Gamma, MixtureModel};
use nn::data::Matrix;

use super::{normal_gamma_evidence, rises, wave};

const PRECISION: Gamma = Gamma { shape: 1.5, rate: 0.4 };

fn model(components: usize, d: usize) -> MixtureModel {
    MixtureModel { components, concentration: 0.8, mean: vec![0.2; d], beta: 0.3, precision: PRECISION }
}

#[test]
fn a_single_component_is_the_exact_posterior_and_its_elbo_the_evidence() {
    let x = Matrix::new(15, 2, wave(30, 1.1));
    let q = model(1, 2).fit(&x, Ascent::default(), 0).unwrap();
    let evidence: f64 = (0..2)
        .map(|i| {
            let column: Vec<f64> = x.values.iter().copied().skip(i).step_by(2).collect();
            normal_gamma_evidence(&column, 0.2, 0.3, PRECISION)
        })
        .sum();
    assert_relative_eq!(q.elbo[q.elbo.len() - 1], evidence, max_relative = 1e-12);
    assert_eq!(q.weights(), [1.0]);
}

/// The evidence by the sum over all 2ᴺ assignments; q sees one of the two labellings, which costs ln 2.
#[test]
fn the_elbo_of_two_components_is_below_the_evidence_by_brute_force() {
    let x = [-2.1, 3.0, -1.8, 2.7, -2.4, 3.3, 2.9];
    let alpha = 0.8;
    let log_terms: Vec<f64> = (0..1 << x.len())
        .map(|labels: usize| {
            let members = |k: usize| {
                let chosen = x.iter().enumerate().filter(move |(n, _)| labels >> n & 1 == k);
                chosen.map(|(_, x)| *x).collect::<Vec<_>>()
            };
            let each = |k| {
                let x = members(k);
                let count = x.len() as f64;
                normal_gamma_evidence(&x, 0.2, 0.3, PRECISION) + (alpha + count).lgamma() - alpha.lgamma()
            };
            let n = x.len() as f64;
            each(0) + each(1) + (2.0 * alpha).lgamma() - (2.0 * alpha + n).lgamma()
        })
        .collect();
    let largest = log_terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let evidence = largest + log_terms.iter().map(|t| (t - largest).exp()).sum::<f64>().ln();
    let q = model(2, 1).fit(&Matrix::new(7, 1, x.to_vec()), Ascent::default(), 1).unwrap();
    let gap = evidence - q.elbo[q.elbo.len() - 1];
    assert!(gap > 2.0_f64.ln() && gap < 2.0_f64.ln() + 0.15, "{gap}");
}

/// Three clusters in the plane.
fn clusters() -> Matrix<f64> {
    let centres = [(-4.0, 0.0), (3.0, 3.0), (2.0, -4.0)];
    let noise = wave(600, 1.9);
    let rows = noise.chunks_exact(2).enumerate();
    let values = rows.flat_map(|(n, e)| {
        // A half, a third and a sixth of the rows.
        let (x, y) = centres[[0, 0, 0, 1, 1, 2][n % 6]];
        [x + 0.7 * e[0], y + 0.4 * e[1]]
    });
    Matrix::new(300, 2, values.collect())
}

#[test]
fn clusters_are_found_and_superfluous_components_keep_their_prior() {
    let x = clusters();
    let model = MixtureModel { concentration: 0.01, ..model(6, 2) };
    let fits = (0..5).map(|seed| model.fit(&x, Ascent::default(), seed).unwrap());
    let last = |elbo: &[f64]| elbo[elbo.len() - 1];
    let q = fits.max_by(|a, b| last(&a.elbo).total_cmp(&last(&b.elbo))).unwrap();
    rises(&q.elbo);
    let mut found: Vec<(f64, f64)> = q
        .weights()
        .into_iter()
        .zip(&q.components)
        .map(|(w, k)| (w, k.mean[0]))
        .filter(|k| k.0 > 0.02)
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    assert_eq!(found.len(), 3, "{found:?}");
    for ((weight, mean), (share, centre)) in
        found.into_iter().zip([(0.5, -4.0), (1.0 / 3.0, 3.0), (1.0 / 6.0, 2.0)])
    {
        assert_relative_eq!(weight, share, epsilon = 0.01);
        assert_relative_eq!(mean, centre, epsilon = 0.2);
    }
    for n in 0..x.rows {
        assert_relative_eq!(q.responsibilities.row(n).iter().sum::<f64>(), 1.0, max_relative = 1e-12);
    }
}

#[test]
fn the_elbo_chooses_the_number_of_clusters() {
    let x = clusters();
    let elbo = |components| {
        let best = (0..5).map(|seed| {
            let elbo = model(components, 2).fit(&x, Ascent::default(), seed).unwrap().elbo;
            elbo[elbo.len() - 1]
        });
        best.fold(f64::NEG_INFINITY, f64::max)
    };
    let elbos: Vec<f64> = (1..=4).map(elbo).collect();
    assert!(elbos[2] > elbos[0].max(elbos[1]).max(elbos[3]) + 1.0, "{elbos:?}");
}

#[test]
fn the_seed_decides() {
    let x = clusters();
    let fit = |seed| model(3, 2).fit(&x, Ascent::default(), seed).unwrap();
    assert_eq!(fit(4), fit(4));
    assert!((0..8).any(|seed| fit(seed).elbo[0] != fit(0).elbo[0]));
}

#[test]
fn equal_rows_and_more_components_than_rows_are_no_error() {
    for rows in [1, 3] {
        let q = model(4, 1).fit(&Matrix::new(rows, 1, vec![2.0; rows]), Ascent::default(), 0).unwrap();
        assert!(q.weights().iter().all(|w| w.is_finite()), "{q:?}");
    }
}

#[test]
fn bad_data_are_named() {
    let fit = |x: Matrix<f64>| model(2, 2).fit(&x, Ascent::default(), 0).unwrap_err();
    assert_eq!(fit(Matrix::new(0, 2, vec![])), ConjugateError::Empty);
    let error = fit(Matrix::new(2, 2, vec![0.0, 1.0, 2.0, f64::NAN]));
    assert_eq!(
        error.to_string(),
        "row 1, column 1: expected a finite number, found NaN; fill it in, or leave the row out"
    );
    let error = fit(Matrix::new(2, 2, vec![1e200, 1.0, -1e200, 0.0]));
    assert!(matches!(error, ConjugateError::Overflow(_)), "{error}");
}

#[test]
#[should_panic(expected = "mixture model: x: expected rows of 2 numbers as in m₀, found 3")]
fn another_number_of_columns_is_refused() {
    let _ = model(2, 2).fit(&Matrix::new(1, 3, vec![0.0; 3]), Ascent::default(), 0);
}
