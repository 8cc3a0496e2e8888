//! Inference that is not amortised.

use autograd::Tape;
use nn::data::Matrix;
use nn::train::{Noise, Rule};
use vae::{Covariance, Likelihood, LocalBound, LocalPosteriors};

use crate::common::{COVARIANCES, conditional, conditional_data, theta_of};

#[test]
fn posteriors_of_their_own_reach_a_higher_bound_than_the_encoder_and_cost_the_stated_parameters() {
    for covariance in COVARIANCES {
        let vae = conditional(covariance, Likelihood::Bernoulli);
        let (theta, x) = (theta_of(&vae), conditional_data(Likelihood::Bernoulli, 5));
        let tape = Tape::new();
        let encoded = vae.posterior_parameters(
            tape.shared_constant(&theta, [theta.len()]),
            tape.constant(&x.values, [5, 5]),
        );
        let start = Matrix::new(5, covariance.parameters(3), encoded.to_vec());
        let bound = |samples| LocalBound { vae: &vae, theta: &theta, data: &x, samples };
        let elbo = |local: &mut LocalPosteriors<f64>| local.elbo(&bound(4000), Noise::new(2, 0));
        let amortised = elbo(&mut LocalPosteriors::new(start.clone(), Rule::ADAM));
        let zeros = Matrix::new(5, start.cols, vec![0.0; start.values.len()]);
        let mut found = Vec::new();
        for start in [start, zeros] {
            let mut local = LocalPosteriors::new(start, Rule::ADAM);
            for step in 0..1500 {
                // Rows that are not in the minibatch stay where they are.
                let (rows, before) =
                    ([step as usize % 5, (step as usize + 2) % 5], local.parameters().clone());
                local.step(&bound(8), &rows, Noise::new(1, step), 0.02);
                let moved = |i: &usize| local.parameters().row(*i) != before.row(*i);
                assert_eq!((0..5).filter(moved).count(), 2);
            }
            found.push(elbo(&mut local));
        }
        assert!(found[0] > amortised + 0.05, "{covariance:?}: {found:?} from {amortised}");
        assert!((found[0] - found[1]).abs() < 0.02, "{covariance:?}: {found:?}");
    }
}

#[test]
fn the_gradient_for_theta_of_a_local_step_is_the_decoder_s() {
    let vae = conditional(Covariance::Diagonal, Likelihood::NormalLearned { start: 1.0 });
    let (theta, x) = (theta_of(&vae), conditional_data(Likelihood::NormalLearned { start: 1.0 }, 4));
    let mut local = LocalPosteriors::new(Matrix::new(4, 6, vec![0.1; 24]), Rule::Sgd);
    let bound = LocalBound { vae: &vae, theta: &theta, data: &x, samples: 3 };
    let gradient = local.step(&bound, &[0, 2], Noise::new(1, 0), 0.0).gradient;
    let encoder = vae.layout().slots().iter().filter(|slot| slot.name().starts_with("encoder"));
    let decoder = vae.layout().slots().iter().filter(|slot| !slot.name().starts_with("encoder"));
    assert!(encoder.flat_map(|slot| &gradient[slot.range()]).all(|g| *g == 0.0));
    assert!(decoder.flat_map(|slot| &gradient[slot.range()]).all(|g| *g != 0.0));
    assert_eq!(*local.parameters().values, vec![0.1; 24]);
}
