//! The VAE of long series with gaps: every series has Markov processes of its own in time.

use std::ops::Range;
use std::sync::Arc;

use autograd::ops::NotPositiveDefinite;
use autograd::{Real, Tape, Var};
use nn::data::Matrix;
use nn::model::{Init, Layout, Mlp, Model, ModelFile, ModelFileError, Nonlinearity, Slot, map_row_numbers};
use nn::train::{Batch, Element, Noise, Objective, Parts};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::Moments;
use crate::prior::{Markov, MarkovPosterior, Matern, Timeline};
use crate::{GpVaeError, LN_2PI, Prediction};

/// What is added to the variance of what the encoder observes, so that it is not 0 in single precision.
const LEAST_VARIANCE: f64 = 1e-6;

/// What a [`MarkovVae`] consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarkovConfig {
    /// D, the numbers of a row
    pub channels: usize,
    /// The widths of the hidden layers of the encoder; those of the decoder are in the other order
    pub hidden: Vec<usize>,
    /// The covariance of all latents
    pub kernel: Matern,
    /// The length scales of the L latents to begin with, in the unit of the times
    pub lengths: Vec<f64>,
}

/// A VAE of series of rows of D numbers, any of which may be missing, at any times:
///
/// y_t ~ N(g(z_t), diag σ²),   z^l ~ GP(0, k_l) over the times of a series, independent for each series and column l
///
/// with Matérn kernels k_l (Zhu, Rodas & Li 2023, "Markovian Gaussian process variational autoencoders"; the model is that of Casale
/// et al. 2018 for times as views). The encoder computes of what is seen in a row an observation μ_t of z_t and the variance r_t of its
/// noise, for each column. The posterior is that of the process given these observations, as for a Gaussian likelihood:
///
/// q(z) ∝ Π_l N(z^l; 0, K_l) Π_t N(μ_tl; z_tl, r_tl)
///
/// A row in which nothing is seen has no observation. It costs time and memory that grow with the number of rows ([`Markov`]).
#[derive(Clone, Debug)]
pub struct MarkovVae {
    config: MarkovConfig,
    layout: Layout,
    /// From (y with 0 where it is missing | 1 where it is not), (…, 2 D), to (μ | ρ), r = ln(1 + e^ρ)
    encoder: Mlp,
    decoder: Mlp,
    /// ln σ, (D)
    log_sigma: Slot,
    prior: Markov,
}

/// The parts of the bound of a [`MarkovVae`], in nats for each row. Over the rows of a series the second ones add up to KL(q ‖ p).
#[derive(Clone, Copy, Debug)]
pub struct MarkovElbo<'t, F: Real> {
    /// E_q[log p(y_t,seen | z_t)]
    pub log_likelihood: Var<'t, F>,
    /// Σ_l E_q[KL(q(s_tl | s_t−1,l) ‖ p(s_tl | s_t−1,l))], s the states of the processes: not negative
    pub kl: Var<'t, F>,
}

/// What predictions condition on: the rows in which something is seen, and what the encoder says of them.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkovCodes<F> {
    /// The rows
    pub moments: Moments,
    /// (μ | r), (N, 2 L)
    pub packed: Matrix<F>,
}

impl<F: Real + Element> MarkovCodes<F> {
    /// Puts the tensors `sites.series` (N), `sites.time` (N) and `sites.packed` (N, 2 L) into the file of a model.
    pub fn insert_into(&self, file: &mut ModelFile) {
        let Self { moments, packed } = self;
        let series = moments.series().iter().map(|&series| series as f64).collect();
        file.insert::<f64>("sites.series", &[moments.len(), 1], series);
        file.insert::<f64>("sites.time", &[moments.len(), 1], moments.time().to_vec());
        file.insert("sites.packed", &[moments.len(), packed.cols], packed.values.to_vec());
    }

    /// What [`insert_into`](Self::insert_into) put into the file of a model of L latents.
    ///
    /// # Errors
    /// [`ModelFileError`] if a tensor is missing, or its numbers make no sense.
    pub fn of_file(file: &ModelFile, latent: usize) -> Result<Self, ModelFileError> {
        let packed = file.rows::<F>("sites.packed", 2 * latent)?;
        let [series, time] =
            ["sites.series", "sites.time"].map(|name| file.tensor::<f64>(name, &[packed.rows, 1]));
        let fault = |reason: &str| file.fault("sites", reason);
        let series = series?.iter().map(|&series| series as usize).collect();
        let moments = Moments::new(series, time?.to_vec()).map_err(|error| fault(&error.to_string()))?;
        let sound = packed
            .values
            .chunks_exact(2 * latent)
            .all(|row| row.iter().all(|x| x.is_finite()) && row[latent..].iter().all(|r| r.to_f64() > 0.0));
        if sound {
            Ok(Self { moments, packed })
        } else {
            Err(fault("expected finite numbers and positive variances"))
        }
    }
}

/// N(mean, diag variance) of latents at some rows, (n, L) each.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkovLatents<F> {
    /// E z
    pub mean: Matrix<F>,
    /// Var z
    pub variance: Matrix<F>,
}

impl Model for MarkovVae {
    const KIND: &'static str = "gpvae.MarkovVae";
    type Config = MarkovConfig;
    type Error = GpVaeError;

    fn from_config(config: &MarkovConfig) -> Result<Self, GpVaeError> {
        Self::new(config)
    }

    fn least_size(config: &MarkovConfig) -> Option<usize> {
        let widths = config.hidden.iter().copied();
        Mlp::weights(
            &[config.channels].into_iter().chain(widths).chain([config.lengths.len()]).collect::<Vec<_>>(),
        )
    }

    fn config(&self) -> &MarkovConfig {
        &self.config
    }

    fn layout(&self) -> &Layout {
        &self.layout
    }
}

impl MarkovVae {
    /// The model of this configuration, with the slots `encoder.*`, `decoder.*`, `log_sigma`, which begins at ln ½, and `log_lengths`.
    ///
    /// # Errors
    /// [`GpVaeError::Markov`] if the configuration makes no sense.
    pub fn new(config: &MarkovConfig) -> Result<Self, GpVaeError> {
        let MarkovConfig { channels, hidden, kernel, lengths } = config;
        let sound = lengths.iter().all(|length| *length > 0.0 && length.is_finite());
        let latent = lengths.len();
        if !sound || latent == 0 || *channels == 0 || hidden.contains(&0) {
            return Err(GpVaeError::Markov { config: Box::new(config.clone()) });
        }
        let mut layout = Layout::new();
        let mut mlp = |name, widths: Vec<usize>| {
            Mlp::new(&mut layout, name, &widths, Nonlinearity::Elu, Nonlinearity::Identity)
        };
        let encoder = mlp("encoder", [&[2 * channels], &hidden[..], &[2 * latent]].concat());
        let back = hidden.iter().rev().copied();
        let decoder = mlp("decoder", [latent].into_iter().chain(back).chain([*channels]).collect());
        let log_sigma = layout.slot("log_sigma", [*channels], Init::Constant(0.5_f64.ln()));
        let prior = Markov::new(&mut layout, *kernel, lengths);
        Ok(Self { config: config.clone(), layout, encoder, decoder, log_sigma, prior })
    }

    /// p(z)
    pub fn prior(&self) -> &Markov {
        &self.prior
    }

    /// L
    pub fn latent(&self) -> usize {
        self.config.lengths.len()
    }

    /// (μ | r) of rows (n, D), NaN where a number is missing, to (n, 2 L).
    #[track_caller]
    pub fn encode<'t, F: Real>(&self, theta: Var<'t, F>, rows: &[F]) -> Var<'t, F> {
        let (channels, latent) = (self.config.channels, self.latent());
        let inputs = theta.tape().constant_with([rows.len() / channels, 2 * channels], |out| {
            for (out, row) in out.chunks_exact_mut(2 * channels).zip(rows.chunks_exact(channels)) {
                for (j, y) in row.iter().enumerate() {
                    let seen = !y.to_f64().is_nan();
                    (out[j], out[channels + j]) = if seen { (*y, F::ONE) } else { (F::ZERO, F::ZERO) };
                }
            }
        });
        let heads = self.encoder.apply(theta, inputs);
        let variance = heads.columns(latent..2 * latent).softplus() + F::from_f64(LEAST_VARIANCE);
        Var::concatenate(&[heads.columns(0..latent), variance], 1)
    }

    /// log p(y_t,seen | z_t) of rows (n, D), NaN where a number is missing, given z (n, L): (n).
    #[track_caller]
    pub fn log_likelihood<'t, F: Real>(&self, theta: Var<'t, F>, rows: &[F], z: Var<'t, F>) -> Var<'t, F> {
        let shape = [z.shape()[0], self.config.channels];
        let of = |f: &dyn Fn(F) -> F| {
            theta
                .tape()
                .constant_with(shape, |out| out.iter_mut().zip(rows).for_each(|(out, y)| *out = f(*y)))
        };
        let is_nan = |y: F| y.to_f64().is_nan();
        let y = of(&|y| if is_nan(y) { F::ZERO } else { y });
        let seen = of(&|y| if is_nan(y) { F::ZERO } else { F::ONE });
        let log_sigma = self.log_sigma.of(theta);
        let error = (y - self.decoder.apply(theta, z)) * log_sigma.neg().exp();
        let terms = error.square() + log_sigma * F::from_f64(2.0) + F::from_f64(LN_2PI);
        (terms * seen).sum_axis(1) * F::from_f64(-0.5)
    }

    /// The bound of the rows (n, D) of a timeline, NaN where a number is missing, with noise ε (k, L): the terms of the k rows `of`.
    ///
    /// # Panics
    /// If there are not as many rows as the timeline has.
    #[track_caller]
    pub fn elbo<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        rows: &[F],
        timeline: Arc<Timeline>,
        of: &[usize],
        eps: Var<'t, F>,
    ) -> MarkovElbo<'t, F> {
        let (channels, latent) = (self.config.channels, self.latent());
        let sites = self.encode(theta, rows);
        let (mu, r) = (sites.columns(0..latent), sites.columns(latent..2 * latent));
        let MarkovPosterior { mean, variance, divergence, .. } = self.prior.observed(theta, timeline, mu, r);
        let [mean, variance, divergence] = [mean, variance, divergence].map(|x| x.gather(of));
        let values: Vec<F> =
            of.iter().flat_map(|&row| &rows[row * channels..(row + 1) * channels]).copied().collect();
        let log_likelihood = self.log_likelihood(theta, &values, mean + variance.sqrt() * eps);
        MarkovElbo { log_likelihood, kl: divergence.sum_axis(1) }
    }

    /// What predictions condition on, of rows (N, D) with NaN where a number is missing.
    ///
    /// # Panics
    /// If there are not as many rows as moments, or they have another number of channels than the model.
    #[track_caller]
    pub fn codes<F: Real>(&self, theta: &Arc<Vec<F>>, moments: &Moments, rows: &Matrix<F>) -> MarkovCodes<F> {
        let channels = self.config.channels;
        let (expected, found) = ([moments.len(), channels], [rows.rows, rows.cols]);
        assert!(expected == found, "codes: expected rows of the shape {expected:?}, found {found:?}");
        let seen: Vec<usize> = (0..rows.rows).filter(|&row| something(rows.row(row))).collect();
        let packed = map_row_numbers(theta, seen.len(), 2 * self.latent(), |theta, at| {
            let rows: Vec<F> = seen[at].iter().flat_map(|&row| rows.row(row)).copied().collect();
            self.encode(theta, &rows)
        });
        MarkovCodes { moments: moments.select(&seen), packed }
    }

    /// q(z) at any rows, among which may be those that it conditions on. One way forward and one back through each series, in parallel.
    pub fn latents<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        codes: &MarkovCodes<F>,
        at: &Moments,
    ) -> MarkovLatents<F> {
        let each: Vec<Range<usize>> = at.each().collect();
        let of_series = |rows: &Range<usize>| self.latents_of_series(theta, codes, at, rows.clone());
        let parts: Vec<[Vec<F>; 2]> = each.par_iter().map(of_series).collect();
        let all = |part: usize| {
            let values = parts.iter().flat_map(|of_series| &of_series[part]).copied().collect();
            Matrix::new(at.len(), self.latent(), values)
        };
        MarkovLatents { mean: all(0), variance: all(1) }
    }

    /// Mean and variance of z at these rows of one series.
    fn latents_of_series<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        codes: &MarkovCodes<F>,
        at: &Moments,
        new: Range<usize>,
    ) -> [Vec<F>; 2] {
        let latent = self.latent();
        let known = codes.moments.rows_of(at.series()[new.start]);
        let (known_times, new_times) = (&codes.moments.time()[known.clone()], &at.time()[new]);
        // Both in one order of time.
        let (mut gaps, mut seen, mut sites, mut places) = (vec![], vec![], vec![], vec![]);
        let (mut i, mut j, mut last) = (0, 0, f64::NEG_INFINITY);
        while i < known_times.len() || j < new_times.len() {
            let is_known = i < known_times.len() && new_times.get(j).is_none_or(|t| known_times[i] <= *t);
            let time = if is_known { known_times[i] } else { new_times[j] };
            gaps.push(time - last);
            seen.push(is_known);
            if is_known {
                sites.extend_from_slice(codes.packed.row(known.start + i));
                i += 1;
            } else {
                places.push(gaps.len() - 1);
                sites.extend((0..2 * latent).map(|_| F::ONE));
                j += 1;
            }
            last = time;
        }
        let tape = Tape::new();
        let theta = tape.shared_constant(theta, [theta.len()]);
        let sites = tape.constant(&sites, [gaps.len(), 2 * latent]);
        let (mu, r) = (sites.columns(0..latent), sites.columns(latent..2 * latent));
        let q = self.prior.observed(theta, Arc::new(Timeline::new(gaps, seen)), mu, r);
        [q.mean, q.variance].map(|x| x.gather(&places).to_vec())
    }

    /// Mean and variance of y, σ² included, for latents that are drawn from these densities: half of the draws, and their mirror
    /// images. All rows have the same draws of noise, so that the numbers of a row do not depend on what else is predicted.
    ///
    /// # Panics
    /// If there are no draws.
    #[track_caller]
    pub fn decode_draws<F: Real>(
        &self,
        theta: &Arc<Vec<F>>,
        latents: &MarkovLatents<F>,
        draws: usize,
        seed: u64,
    ) -> Prediction {
        assert!(draws > 0, "decode_draws: expected at least one draw");
        let (channels, latent, rows) = (self.config.channels, self.latent(), latents.mean.rows);
        let draws = draws.div_ceil(2) * 2;
        let mut noise = vec![F::ZERO; draws / 2 * latent];
        Noise::evaluation(seed).normal(0, latent, &mut noise);
        let packed = map_row_numbers(theta, rows, 2 * channels, |theta, at| {
            let tape = theta.tape();
            let of = |x: &Matrix<F>| {
                tape.constant(&x.values[at.start * latent..at.end * latent], [at.len(), latent])
            };
            let (mean, sd) = (of(&latents.mean), of(&latents.variance).sqrt());
            let middle = self.decoder.apply(theta, mean);
            let mut sums: Option<[Var<'_, F>; 2]> = None;
            for eps in noise.chunks_exact(latent) {
                let step = sd * tape.constant(eps, [latent]);
                for z in [mean + step, mean - step] {
                    let difference = self.decoder.apply(theta, z) - middle;
                    let [first, second] = [difference, difference.square()];
                    sums = Some(sums.map_or([first, second], |[a, b]| [a + first, b + second]));
                }
            }
            let [first, second] =
                sums.expect("at least one draw").map(|x| x * F::from_f64(1.0 / draws as f64));
            let sigma = self.log_sigma.of(theta).exp();
            Var::concatenate(&[middle + first, second - first.square() + sigma.square()], 1)
        });
        let columns = |from: usize| {
            let columns: Vec<usize> = (from..from + channels).collect();
            packed.columns(&columns).map(|x| x.to_f64())
        };
        Prediction { mean: columns(0), variance: columns(channels) }
    }
}

/// Whether something is seen in a row.
fn something<F: Real>(row: &[F]) -> bool {
    row.iter().any(|y| !y.to_f64().is_nan())
}

/// How series are cut for minibatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// The most rows of a window
    pub rows: usize,
    /// So many rows of the series before a window and behind it are read, too, and not counted.
    pub overlap: usize,
}

impl Default for Windows {
    /// 128 rows, and 16 on either side.
    fn default() -> Self {
        Self { rows: 128, overlap: 16 }
    }
}

/// An estimate of the negative bound of a [`MarkovVae`] by minibatches of windows of the series: a row of the data is a window, so that memory does
/// not grow with the length of a series. A window has the terms of its own rows, given the observations of these and of the
/// overlaps on both sides. It is exact where the window is a whole series. Otherwise it lacks what farther rows say, and what a window
/// knows of the state before it is not paid for, so that the sum over windows is no bound: that is little as long as length scales are at
/// most about twice the overlap. No term of the divergence is negative (but for rounding), so that what the overlaps observe cannot lower
/// the loss below the negative log-likelihood.
pub struct MarkovObjective<'a> {
    model: &'a MarkovVae,
    moments: &'a Moments,
    rows: &'a Matrix<f32>,
    /// Of each window the rows that are read, and those that count.
    windows: Vec<[Range<usize>; 2]>,
    most: usize,
}

/// The names of the loss's parts, in nats per window.
const PARTS: &[&str] = &["elbo", "log_likelihood", "kl"];

impl<'a> MarkovObjective<'a> {
    /// The objective for these rows (N, D), NaN where a number is missing.
    ///
    /// # Panics
    /// If windows have no rows, there are not as many rows as moments, or they have another number of channels than the model.
    #[track_caller]
    pub fn new(model: &'a MarkovVae, moments: &'a Moments, rows: &'a Matrix<f32>, windows: Windows) -> Self {
        let (expected, found) = ([moments.len(), model.config.channels], [rows.rows, rows.cols]);
        assert!(expected == found, "MarkovObjective: expected the shape {expected:?}, found {found:?}");
        let Windows { rows: most, overlap } = windows;
        assert!(most > 0, "MarkovObjective: expected windows of at least one row");
        let cut = |series: Range<usize>| {
            let Range { start, end } = series;
            // Windows of a series that are equally long, but for one row.
            let (length, count) = (end - start, (end - start).div_ceil(most));
            (0..count).map(move |i| {
                let own = start + i * length / count..start + (i + 1) * length / count;
                [own.start.saturating_sub(overlap).max(start)..(own.end + overlap).min(end), own]
            })
        };
        Self { model, moments, rows, windows: moments.each().flat_map(cut).collect(), most }
    }
}

impl Objective<f32> for MarkovObjective<'_> {
    fn parts(&self) -> &'static [&'static str] {
        PARTS
    }

    fn rows(&self) -> usize {
        self.windows.len()
    }

    /// The rows of a window: what it costs.
    fn samples(&self) -> usize {
        self.most
    }

    fn loss<'t>(
        &self,
        theta: Var<'t, f32>,
        batch: &Batch<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<Var<'t, f32>, NotPositiveDefinite> {
        let (latent, time) = (self.model.latent(), self.moments.time());
        let (mut gaps, mut seen, mut values, mut of, mut eps) = (vec![], vec![], vec![], vec![], vec![]);
        let mut noise = vec![0.0; self.most * latent];
        for (place, &window) in batch.rows.iter().enumerate() {
            let [read, own] = self.windows[window].clone();
            let first = gaps.len();
            of.extend(own.clone().map(|row| first + row - read.start));
            batch.noise.skip(place).normal(0, noise.len(), &mut noise);
            eps.extend_from_slice(&noise[..own.len() * latent]);
            for row in read.clone() {
                gaps.push(if row == read.start { f64::INFINITY } else { time[row] - time[row - 1] });
                seen.push(something(self.rows.row(row)));
                values.extend_from_slice(self.rows.row(row));
            }
        }
        let eps = theta.tape().constant(&eps, [of.len(), latent]);
        let timeline = Arc::new(Timeline::new(gaps, seen));
        let MarkovElbo { log_likelihood, kl } = self.model.elbo(theta, &values, timeline, &of, eps);
        let (log_likelihood, kl) = (log_likelihood.sum(), kl.sum());
        let elbo = log_likelihood - kl;
        for (name, part) in PARTS.iter().zip([elbo, log_likelihood, kl]) {
            parts.add(name, f64::from(part.item()));
        }
        Ok(elbo.neg())
    }
}
