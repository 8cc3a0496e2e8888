//! A curve with a gap in the data: q, Hamiltonian Monte Carlo and Laplace for the same network and prior.

mod reference;

use bayes_nn::{BayesMlpConfig, Likelihood, Predictive, Scaling, Scores};
use nn::data::{Matrix, Preprocessing, Table};
use nn::model::Nonlinearity;
use nn::picture::{Figure, Panels};
use nn::run::{Curves, Explorer, Label, Run, Series, TextTable, say};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};

use crate::common::Rows;
use crate::{Args, Named};
use reference::Agreement;

/// The function to be learned.
fn truth(x: f64) -> f64 {
    (2.0 * x).sin() + 0.3 * x
}

/// The standard deviation of the noise of observations.
const NOISE: f64 = 0.15;

/// 100 observations with x in ±(0.8 … 2.2).
fn observations(seed: u64) -> Rows {
    let mut rng = StdRng::seed_from_u64(seed);
    let side = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
    let x: Vec<f64> = (0..100).map(|i| side(i) * rng.random_range(0.8..2.2)).collect();
    let mut noise = || -> f64 { StandardNormal.sample(&mut rng) };
    let y = x.iter().map(|&x| truth(x) + NOISE * noise()).collect();
    Rows { x: Matrix::new(100, 1, x), y: Matrix::new(100, 1, y) }
}

pub(crate) fn learn(args: &Args) -> anyhow::Result<()> {
    let rows = observations(args.run.seed);
    // The noise is known, so that only the posteriors of θ are compared.
    let likelihood = Likelihood::Normal { sigma: NOISE / Scaling::fit(&rows.x, &rows.y)?.target_sd() };
    let (phi, modes) = (Nonlinearity::Elu, args.modes);
    let config = BayesMlpConfig { phi, likelihood, modes, ..BayesMlpConfig::new(1, &[20, 20]) };
    let run = Run::open(&args.run, args)?.documented("bayes-nn", "A curve with a gap in the data");
    let inputs = Table::new(vec!["x".to_owned()], rows.x.clone());
    let names = Named {
        inputs: Preprocessing::new(&inputs, &(0..rows.x.rows).collect::<Vec<_>>()),
        target: "y".to_owned(),
        classes: Vec::new(),
        embedded: "the curve that the program draws",
    };
    let Some(fitted) = crate::fit(&run, args, &config, &rows, None, names)? else { return Ok(()) };

    // What each posterior says of the curve at the points of a grid.
    let grid = Matrix::new(241, 1, (0..241).map(|i| -3.0 + i as f64 / 40.0).collect());
    let q = fitted.predict(&grid)?;
    let first_mode: Vec<usize> = (0..args.draws).step_by(modes).collect();
    let q_of_one_mode = fitted.predict_by(&fitted.draws.select(&first_mode), &grid)?;
    let data = rows.standardise(&fitted.scaling)?;
    let chains = reference::hmc(args, &fitted, &data)?;
    let hmc = fitted.predict_by(&fitted.model.draws_from(&chains.chains.thinned(args.draws)), &grid)?;
    let laplace = reference::laplace(args, &fitted, &data, &grid)?;

    let title = if modes == 1 { "q with one mode".to_owned() } else { format!("q with {modes} modes") };
    let mut posteriors = vec![(&title[..], &q), ("Hamiltonian Monte Carlo", &hmc)];
    if modes > 1 {
        posteriors.insert(0, ("q with one mode", &q_of_one_mode));
    }
    posteriors.extend(laplace.as_ref().map(|of| ("Laplace, linearised", &of.linearised)));
    draw(&run, &rows, &grid, &posteriors)?;
    run.explore(explorer(&rows, &grid, &q, &hmc));
    // Curves by draws of θ are off the scale of the picture.
    posteriors.extend(laplace.as_ref().map(|of| ("Laplace, draws of θ", &of.of_draws)));
    report(&posteriors, &grid, &hmc);

    let agreement = Agreement::of(&chains, &fitted, &grid)?;
    reference::report_chains(&chains, &agreement);
    let Summary { on_data, in_gap, beyond, distance, ratio } = Summary::of(&q, &grid, &hmc);
    let scores = Scores::of(&fitted.predict(&rows.x)?, &rows.y.values);
    let knows = if in_gap > 1.5 * on_data {
        "The network knows where it knows little"
    } else {
        "The network is as certain in the gap as at the data, which is wrong"
    };
    let converged = agreement.r_hat < 1.05 && chains.divergent() == 0;
    let than_hmc = match (converged, ratio) {
        (false, _) => "The Markov chains beside it have not converged (R̂ above 1.05, or trajectories that diverged): do not take them \
                       for a reference".to_owned(),
        (true, ratio) => format!("Its standard deviations are {ratio:.2} times those of Hamiltonian Monte Carlo, the slow reference"),
    };
    run.found(&format!(
        "{knows}: the standard deviation of its curve is {on_data:.2} where data are, {in_gap:.2} in the gap between them, and \
         {beyond:.2} beyond. {than_hmc}."
    ));
    run.label(&[
        Label::new("on_data", "standard deviation of the curve where data are", "units of y"),
        Label::new("in_gap", "standard deviation of the curve in the gap", "units of y"),
        Label::new("beyond", "standard deviation of the curve beyond the data", "units of y"),
        Label::new("rmse", "error at the data, root mean square (RMSE)", "units of y"),
        Label::new("ll", "log-likelihood of the data, log p(y|x)", "nats per row"),
        Label::new(
            "hmc_distance",
            "distance of the mean curve from that of Hamiltonian Monte Carlo, root mean square",
            "units of y",
        ),
        Label::new(
            "hmc_sd_ratio",
            "standard deviation of the curve, divided by that of Hamiltonian Monte Carlo",
            "",
        ),
        Label::new(
            "r_hat",
            "R̂ of the Markov chains, the largest; 1 is agreement, 1.05 too much disagreement",
            "",
        ),
        Label::new("ess", "independent draws that the chains are worth in the middle, the least", ""),
        Label::new("tail_ess", "independent draws that the chains are worth in the tails, the least", ""),
        Label::new("divergent", "trajectories that diverged", ""),
        Label::new("cut", "trajectories that were cut before they turned", ""),
    ]);
    run.finish(&[
        ("on_data", on_data),
        ("in_gap", in_gap),
        ("beyond", beyond),
        ("rmse", scores.rmse),
        ("ll", scores.log_density),
        ("hmc_distance", distance),
        ("hmc_sd_ratio", ratio),
        ("r_hat", agreement.r_hat),
        ("ess", agreement.bulk_ess),
        ("tail_ess", agreement.tail_ess),
        ("divergent", chains.divergent() as f64),
        ("cut", chains.cut() as f64),
    ])?;
    Ok(())
}

/// A posterior in a few numbers.
struct Summary {
    /// The standard deviation of the curve: where data are, in the gap, and beyond the data.
    on_data: f64,
    in_gap: f64,
    beyond: f64,
    /// The root mean square distance of the mean from that by Hamiltonian Monte Carlo.
    distance: f64,
    /// The average standard deviation of the curve, divided by that by Hamiltonian Monte Carlo.
    ratio: f64,
}

impl Summary {
    fn of(posterior: &Predictive, grid: &Matrix<f64>, hmc: &Predictive) -> Self {
        let variance = posterior.epistemic();
        let sd = |at: &[usize]| (at.iter().map(|&i| variance[i]).sum::<f64>() / at.len() as f64).sqrt();
        let near: Vec<usize> =
            (0..grid.rows).filter(|&i| (0.8..=2.2).contains(&grid.values[i].abs())).collect();
        let squares = posterior.mean().iter().zip(hmc.mean()).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let total_sd = |p: &Predictive| p.epistemic().iter().map(|v| v.sqrt()).sum::<f64>();
        Self {
            on_data: sd(&near),
            in_gap: sd(&[grid.rows / 2]),
            beyond: sd(&[0, grid.rows - 1]),
            distance: (squares / grid.rows as f64).sqrt(),
            ratio: total_sd(posterior) / total_sd(hmc),
        }
    }
}

fn report(posteriors: &[(&str, &Predictive)], grid: &Matrix<f64>, hmc: &Predictive) {
    say(
        "the curve: its sd in three places; the root mean square difference of its mean from that of Hamiltonian \
         Monte Carlo, and the ratio of the sds",
    );
    let header = ["", "sd at data", "in the gap", "beyond", "mean off by", "ratio"];
    let mut table = TextTable::new().header(header);
    for (title, posterior) in posteriors {
        let Summary { on_data, in_gap, beyond, distance, ratio } = Summary::of(posterior, grid, hmc);
        let numbers = [on_data, in_gap, beyond, distance].map(|x| format!("{x:.3}"));
        table.row([title.to_string()].into_iter().chain(numbers).chain([format!("{ratio:.2}")]));
    }
    table.print();
}

fn draw(
    run: &Run<'_>,
    rows: &Rows,
    grid: &Matrix<f64>,
    posteriors: &[(&str, &Predictive)],
) -> anyhow::Result<()> {
    let mut panels = Panels::new("A curve, and what is known of it", 2);
    for (title, posterior) in posteriors {
        panels = panels.figure(panel(title, rows, grid, posterior));
    }
    panels.shared_heights().save(&run.picture(
        "posterior.png",
        "What each posterior says of the curve. The inner band should be narrow at the data, and wide in the gap \
        and beyond, where nothing was observed; Hamiltonian Monte Carlo, if its chains have converged, is the reference for the others (lecture \
        000, \"Parametrization of q\")",
    ))?;
    Ok(())
}

/// The curve with bands and draws of q beside Hamiltonian Monte Carlo, which a reader switches on and off.
fn explorer(rows: &Rows, grid: &Matrix<f64>, q: &Predictive, hmc: &Predictive) -> Explorer {
    let at = &grid.values;
    let band = |name: &str, p: &Predictive, variance: Vec<f64>| {
        let points = at.iter().zip(p.mean()).zip(variance);
        let ends = points.map(|((&x, mean), v)| (x, mean - 2.0 * v.sqrt(), mean + 2.0 * v.sqrt()));
        Series::band(name, ends)
    };
    let drawn = (0..q.f.rows.min(20)).map(|s| q.f.row(s));
    let data = rows.x.values.iter().copied().zip(rows.y.values.iter().copied());
    Explorer::Curves(Curves {
        title: "The curve, and what q knows of it".to_owned(),
        labels: ["x".to_owned(), "y".to_owned()],
        series: vec![
            band("q, curve: ± 2 sd", q, q.epistemic()),
            band("q, observations: ± 2 sd", q, q.variance()),
            band("Hamiltonian Monte Carlo, curve: ± 2 sd", hmc, hmc.epistemic()),
            Series::line("q, mean", at.iter().copied().zip(q.mean())),
            Series::line("truth", at.iter().map(|&x| (x, truth(x)))),
            Series::points("data", data),
            Series::draws("q, drawn curves", at, drawn),
        ],
    })
}

/// Data, truth, and what a posterior says of the curve.
fn panel(title: &str, rows: &Rows, grid: &Matrix<f64>, p: &Predictive) -> Figure {
    let at = &grid.values;
    let mean = p.mean();
    let band = |variance: Vec<f64>| {
        let points = at.iter().zip(&mean).zip(variance);
        points.map(|((&x, &mean), variance)| (x, mean - 2.0 * variance.sqrt(), mean + 2.0 * variance.sqrt()))
    };
    let (curve, noisy) = ("curve: mean, ± 2 sd", "observations: ± 2 sd");
    let mut figure =
        Figure::new(title).axes("x", "y").band(curve, band(p.epistemic())).band(noisy, band(p.variance()));
    for s in 0..p.f.rows.min(8) {
        figure = figure.line("drawn curves", at.iter().copied().zip(p.f.row(s).iter().copied()));
    }
    let data = rows.x.values.iter().zip(rows.y.values.iter()).map(|(&x, &y)| ((x, y), 0));
    figure
        .line("truth", at.iter().map(|&x| (x, truth(x))))
        .line(curve, at.iter().copied().zip(mean.iter().copied()))
        .classes(["data"], data)
}
