//! Functions that inference works with.

use autograd::{Real, Tape, Var};

/// The logarithm of a density of θ as a function on the tape: θ (d) to a scalar, in nats.
///
/// Every closure or function `|tape, theta| …` of the right types is one. The density need not be normalised.
pub trait LogDensity<F: Real>: for<'t> Fn(&'t Tape<F>, Var<'t, F>) -> Var<'t, F> {}

impl<F: Real, P: for<'t> Fn(&'t Tape<F>, Var<'t, F>) -> Var<'t, F>> LogDensity<F> for P {}

/// A log-density whose type is forgotten: what moves on it is compiled once, and not for each density.
pub(super) type AnyLogDensity<'p, F> = dyn for<'t> Fn(&'t Tape<F>, Var<'t, F>) -> Var<'t, F> + Sync + 'p;

/// A log-density that can fail, as a Cholesky factorisation can, with −∞ where it fails: there the density is 0, and θ is
/// impossible.
///
/// [`Hmc`](super::Hmc) rejects trajectories that lead to such a θ, and counts them; [`Laplace`](super::Laplace) does not step
/// there. A q that has samples there has no finite free energy: [`FreeEnergyObjective`](super::FreeEnergyObjective) ends with
/// an error that names the step and the operation that failed.
///
/// ```
/// use bayes_nn::inference::{Hmc, fallible};
/// # use autograd::Tape;
///
/// // The correlation of two series, uniform in (−1, 1): beyond, their covariance is not positive definite.
/// let y = [0.3, 0.5];
/// let log_joint = fallible(|tape: &Tape<f64>, rho| {
///     let unit = tape.constant(&[1.0, 0.0, 0.0, 1.0], [2, 2]);
///     let k = unit + rho.reshape([1, 1]) * tape.constant(&[0.0, 1.0, 1.0, 0.0], [2, 2]);
///     tape.constant(&y, [2, 1]).multivariate_normal_log_prob(k)
/// });
/// let run = Hmc::default().sample(log_joint, &[vec![0.0], vec![0.5]], 1)?;
/// assert!(run.impossible() > 0);
/// assert!(run.chains.draws.iter().all(|draws| draws.values.iter().all(|rho| rho.abs() < 1.0)));
/// # Ok::<(), bayes_nn::inference::HmcError>(())
/// ```
pub fn fallible<F, P, E>(log_density: P) -> impl LogDensity<F> + Sync
where
    F: Real,
    P: for<'t> Fn(&'t Tape<F>, Var<'t, F>) -> Result<Var<'t, F>, E> + Sync,
{
    let impossible = F::from_f64(f64::NEG_INFINITY);
    move |tape: &Tape<F>, theta| log_density(tape, theta).unwrap_or_else(|_| tape.constant(&[impossible], []))
}
