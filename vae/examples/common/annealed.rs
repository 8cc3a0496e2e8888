//! log p(x) by annealed importance sampling beside the K-sample bound, as programs print it.

use std::sync::Arc;
use std::time::Instant;

use nn::data::Matrix;
use nn::outln;
use nn::run::{Counter, Label, Run, at_most, whole};
use nn::stats::Estimate;
use rayon::prelude::*;
use vae::{AnnealedBound, Annealing, AnnealingStart, RowSeed, Simulation, Vae};

/// Flags for annealed importance sampling.
#[derive(clap::Args, serde::Serialize)]
pub(crate) struct AnnealArgs {
    /// Also log p(x) by annealed importance sampling with so many temperatures, 1,000 or more: of --ais-images test images, and
    /// between bounds of as many images that the model draws
    #[arg(long, value_name = "T", value_parser = at_most::<1_000_000>)]
    ais: Option<usize>,
    /// How many images that is computed of
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole, requires = "ais")]
    ais_images: usize,
    /// Chains for each of them
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_most::<100_000>, requires = "ais")]
    ais_chains: usize,
    /// Begin the chains with the encoder's q(z|x) and not with the prior
    #[arg(long, requires = "ais")]
    ais_encoder: bool,
}

impl AnnealArgs {
    /// Whether anything was asked for.
    pub(crate) fn is_some(&self) -> bool {
        self.ais.is_some()
    }

    /// Both bounds of the first images, and both of simulated ones, printed and by name; nothing if it was not asked for. The
    /// K-sample bound has K = `samples` draws.
    pub(crate) fn evaluate(
        &self,
        run: &Run<'_>,
        vae: &Vae,
        theta: &Arc<Vec<f32>>,
        images: &Matrix<f32>,
        samples: usize,
    ) -> Vec<(&'static str, f64)> {
        let Some(temperatures) = self.ais else { return Vec::new() };
        let start = if self.ais_encoder { AnnealingStart::Encoder } else { AnnealingStart::Prior };
        let annealing = Annealing { temperatures, chains: self.ais_chains, start, ..Annealing::default() };
        let (x, seed) = (images.split_at_row(self.ais_images.min(images.rows)).0, run.args.seed);
        let drawn = vae.simulate(theta, x.rows, seed);
        let progress = Counter::new("rows annealed", 3 * x.rows);

        let sampled: Vec<f64> =
            vae.k_sample_bound_of_rows(theta, &x, samples, seed).iter().map(|row| row.value).collect();
        let begun = Instant::now();
        let annealed = in_parts(&x, &progress, |rows, first| {
            vae.annealed_bound_of_rows(theta, &x.select(rows), &annealing, RowSeed { seed, first })
        });
        let seconds = begun.elapsed().as_secs_f64();
        let lower = in_parts(&drawn.x, &progress, |rows, first| {
            vae.annealed_bound_of_rows(theta, &drawn.x.select(rows), &annealing, RowSeed { seed, first })
        });
        let upper = in_parts(&drawn.x, &progress, |rows, first| {
            let drawn = Simulation { z: drawn.z.select(rows), x: drawn.x.select(rows) };
            vae.annealed_upper_bound_of_rows(theta, &drawn, &annealing, RowSeed { seed, first })
        });
        drop(progress);

        let pairs = |a: &[AnnealedBound], b: &dyn Fn(usize) -> f64| {
            Estimate::of(&a.iter().enumerate().map(|(i, a)| a.value - b(i)).collect::<Vec<_>>())
        };
        let (above, gap) = (pairs(&annealed, &|i| sampled[i]), pairs(&upper, &|i| lower[i].value));
        let k_sample = sampled.iter().sum::<f64>() / x.rows as f64;
        let [annealed, lower, upper] = [&annealed, &lower, &upper].map(|rows| AnnealedBound::of_rows(rows));
        outln!(
            "{} test images by {temperatures} temperatures and {} chains, nats per image",
            x.rows,
            self.ais_chains
        );
        outln!("  annealed importance sampling {:9.2} ± {:.3}", annealed.value, annealed.se);
        outln!(
            "    accepted {:.2}, effective chains {:.1}, {seconds:.0} s",
            annealed.acceptance,
            annealed.effective_chains
        );
        outln!(
            "  K-sample bound, K = {samples:<8} {k_sample:9.2}, lower by {:.3} ± {:.3}",
            above.mean,
            above.se
        );
        outln!(
            "  of as many images that the model drew log p(x) is from {:.2} to {:.2}:",
            lower.value,
            upper.value
        );
        outln!("    the bounds differ by {:.3} ± {:.3}", gap.mean, gap.se);
        run.label(&[
            Label::new("ais_temperatures", "temperatures of annealed importance sampling", ""),
            Label::new("ais_images", "images that log p(x) was annealed of", ""),
            Label::new("ais_seconds", "time of annealed importance sampling of these images", "s"),
            Label::new(
                "ais_bound",
                "log p(x) of test images by annealed importance sampling",
                "nats per image",
            )
            .over("chains"),
            Label::new(
                "ais_k_sample_bound",
                "K-sample bound of log p(x) of the same images",
                "nats per image",
            ),
            Label::new(
                "ais_above",
                "annealed importance sampling above the K-sample bound",
                "nats per image",
            )
            .over("images"),
            Label::new("ais_lower", "log p(x) of simulated images, lower bound", "nats per image")
                .over("chains"),
            Label::new("ais_upper", "log p(x) of simulated images, upper bound", "nats per image")
                .over("chains"),
            Label::new("ais_gap", "distance of these bounds", "nats per image").over("images"),
            Label::new("ais_acceptance", "steps of Hamiltonian Monte Carlo that were accepted", "share"),
        ]);
        let results = [
            ("ais_temperatures", temperatures as f64),
            ("ais_images", x.rows as f64),
            ("ais_seconds", seconds),
            ("ais_bound", annealed.value),
            ("ais_bound_se", annealed.se),
            ("ais_k_sample_bound", k_sample),
            ("ais_above", above.mean),
            ("ais_above_se", above.se),
            ("ais_lower", lower.value),
            ("ais_lower_se", lower.se),
            ("ais_upper", upper.value),
            ("ais_upper_se", upper.se),
            ("ais_gap", gap.mean),
            ("ais_gap_se", gap.se),
            ("ais_acceptance", annealed.acceptance),
        ];
        // There is no error of a single chain or image, and nothing to accept at one temperature.
        results.into_iter().filter(|(_, value)| value.is_finite()).collect()
    }
}

/// Of some rows at a time, with progress: in parallel, whatever the number of threads.
fn in_parts(
    x: &Matrix<f32>,
    progress: &Counter,
    bounds: impl Fn(&[usize], usize) -> Vec<AnnealedBound> + Sync,
) -> Vec<AnnealedBound> {
    const ROWS: usize = 16;
    let starts: Vec<usize> = (0..x.rows).step_by(ROWS).collect();
    let part = |first: usize| {
        let rows: Vec<usize> = (first..x.rows.min(first + ROWS)).collect();
        let bounds = bounds(&rows, first);
        rows.iter().for_each(|_| progress.count());
        bounds
    };
    starts.into_par_iter().map(part).collect::<Vec<_>>().concat()
}
