//! What q is compared with: draws from the posterior by Hamiltonian Monte Carlo, and the Laplace approximation.

use autograd::{Real, Var};
use bayes_nn::inference::{Chains, Hmc, HmcRun, Laplace, Trajectories};
use bayes_nn::{BayesMlp, Likelihood, Predictive};
use nn::data::Matrix;
use nn::run::Counter;
use nn::{errln, outln};

use crate::Args;
use crate::common::{Fitted, Standardised};

/// log p(Y, θ) of these rows.
fn log_joint<'t, F: Real>(model: &BayesMlp, data: &Standardised, theta: Var<'t, F>) -> Var<'t, F> {
    let [x, y] = [&data.x, &data.y].map(|rows| {
        let rows = rows.map(|x| F::from_f64(x.into()));
        theta.tape().constant(&rows.values, [rows.rows, 1])
    });
    model.log_joint(theta, x, y)
}

/// Four chains, which begin at different draws of q.
pub(crate) fn hmc(args: &Args, fitted: &Fitted, data: &Standardised) -> anyhow::Result<HmcRun> {
    // The posterior is thin: a path takes some 2,000 steps, of which none should be cut. That costs less for each effective draw
    // than to look where the trajectory turns back.
    let max_steps = if args.run.dry_run { 100 } else { 10_000 };
    let hmc = Hmc {
        warmup: args.hmc / 2,
        draws: args.hmc.div_ceil(2),
        trajectories: Trajectories::OfPath,
        max_steps,
        ..Hmc::default()
    };
    let start = |chain: usize| {
        let draw = fitted.draws.theta.row(chain % fitted.draws.theta.rows);
        draw.iter().map(|&theta| f64::from(theta)).collect()
    };
    let starts: Vec<Vec<f64>> = (0..4).map(start).collect();
    let iterations = Counter::new("iterations of four Markov chains", 4 * (hmc.warmup + hmc.draws));
    let each = || iterations.count();
    Ok(hmc.sample_observed(|_, theta| log_joint(&fitted.model, data, theta), &starts, args.run.seed, each)?)
}

/// How well the chains agree on the curve, at the points of the grid where they agree least. Their agreement on the weights would
/// say little, since hidden units can change places.
pub(crate) struct Agreement {
    pub(crate) r_hat: f64,
    /// The effective sample sizes in the bulk and in the tails of the distribution of a point.
    pub(crate) bulk_ess: f64,
    pub(crate) tail_ess: f64,
}

impl Agreement {
    pub(crate) fn of(run: &HmcRun, fitted: &Fitted, grid: &Matrix<f64>) -> anyhow::Result<Self> {
        let curves = |draws| anyhow::Ok(fitted.predict_by(&fitted.model.draws_from(draws), grid)?.f);
        let curves = Chains { draws: run.chains.draws.iter().map(curves).collect::<anyhow::Result<_>>()? };
        let least = |ess: Vec<f64>| ess.into_iter().fold(f64::INFINITY, f64::min);
        Ok(Self {
            r_hat: curves.r_hat().into_iter().fold(0.0, f64::max),
            bulk_ess: least(curves.bulk_ess()),
            tail_ess: least(curves.tail_ess()),
        })
    }
}

/// What Hamiltonian Monte Carlo says of itself.
pub(crate) fn report_chains(run: &HmcRun, agreement: &Agreement) {
    let draws: usize = run.chains.draws.iter().map(|draws| draws.rows).sum();
    let steps = run.reports.iter().map(|report| report.steps).sum::<f64>() / run.reports.len() as f64;
    let Agreement { r_hat, bulk_ess, tail_ess } = agreement;
    outln!(
        "Hamiltonian Monte Carlo: {draws} draws, acceptance {:.2}, {steps:.0} steps a draw\n  \
         {} trajectories divergent, {} cut before their end\n  \
         R-hat of the curve up to {r_hat:.3}, effective sizes from {bulk_ess:.0} (bulk), {tail_ess:.0} (tails)",
        run.acceptance(),
        run.divergent(),
        run.cut()
    );
}

/// What the Laplace approximation says of the curve.
pub(crate) struct OfLaplace {
    /// With the network taken as linear in θ around the mode.
    pub(crate) linearised: Predictive,
    /// With the network itself, fed with draws of θ.
    pub(crate) of_draws: Predictive,
}

/// The Laplace approximation at the mode near a draw of q; none if there is no mode.
pub(crate) fn laplace(
    args: &Args,
    fitted: &Fitted,
    data: &Standardised,
    grid: &Matrix<f64>,
) -> anyhow::Result<Option<OfLaplace>> {
    let start = fitted.draws.theta.row(0).iter().map(|&theta| theta.into()).collect();
    let steps = if args.run.dry_run { 1 } else { 200 };
    let q = match Laplace::fit(|_, theta| log_joint(&fitted.model, data, theta), start, steps) {
        Ok(q) => q,
        Err(error) => {
            errln!("note: there is no Laplace approximation: {error}");
            return Ok(None);
        }
    };
    let draws = fitted.model.draws_from(&q.draws(args.draws, args.run.seed));
    let of_draws = fitted.predict_by(&draws, grid)?;

    let x = fitted.scaling.inputs(grid)?.map(f64::from);
    let f = q.linearised(
        |tape, theta| fitted.model.apply(theta, tape.constant(&x.values, [x.rows, 1])),
        args.draws,
        args.run.seed,
    );
    let Likelihood::Normal { sigma } = fitted.model.config().likelihood else {
        unreachable!("the noise is known")
    };
    let linearised = fitted.scaling.restore(&Predictive::normal(f.clone(), f.map(|_| sigma)));
    Ok(Some(OfLaplace { linearised, of_draws }))
}
