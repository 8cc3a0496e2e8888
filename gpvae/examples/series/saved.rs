//! The model of a time series, and what its file says of it.

use gpvae::GpVaeError;
use gpvae::data::Places;
use gpvae::kernel::{Combined, Constant, Kernel, Matern52};
use gpvae::prior::{Inducing, LowRank};
use nn::data::{Matrix, Standardizer, write_date};
use nn::model::Layout;
use serde::{Deserialize, Serialize};

/// z_t = f(t) + η_t,   f ~ GP(0, β k) with a Matérn kernel k, by inducing points in time
pub(crate) type Process = LowRank<Inducing<Combined<Constant, Matern52>>>;

/// The process with inducing points that begin at `points`, and this time scale to begin with.
pub(crate) fn process(layout: &mut Layout, points: &Matrix<f64>, length: f64) -> Process {
    let amplitude = Constant::new(layout, "beta", 1.0);
    let kernel = amplitude.times(Matern52::new(layout, "length", length));
    let process = Inducing::new(layout, kernel, points).with_jitter(1e-5);
    LowRank::new(layout, process, 0.05)
}

/// How times of the series become those of the model: shares of the whole time, counted from the median time. Where most of them
/// are, single precision tells them apart even if one lies far off.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Clock {
    /// The name of the column of times.
    pub(crate) name: String,
    /// The median time.
    pub(crate) origin: f64,
    /// The last time less the first one.
    pub(crate) span: f64,
    /// The first and the last time.
    pub(crate) range: [f64; 2],
    /// Whether times are seconds since 1970, read from dates.
    #[serde(default)]
    pub(crate) dates: bool,
}

impl Clock {
    /// A time of the model.
    pub(crate) fn unit(&self, time: f64) -> f64 {
        (time - self.origin) / self.span
    }

    /// A time for a message.
    pub(crate) fn text(&self, time: f64) -> String {
        if self.dates { write_date(time) } else { time.to_string() }
    }

    /// What the time axis of a picture is called.
    pub(crate) fn axis(&self) -> String {
        if self.dates { format!("days since {}", self.text(self.range[0])) } else { "time".to_owned() }
    }

    /// A time on that axis.
    pub(crate) fn drawn(&self, time: f64) -> f64 {
        if self.dates { (time - self.range[0]) / 86_400.0 } else { time }
    }

    /// The places of these times.
    pub(crate) fn places(&self, times: &[f64]) -> Result<Places, GpVaeError> {
        // So far away nothing is known of the process, and the squares of larger numbers would be infinite.
        const FAR: f64 = 1e9;
        let unit = times.iter().map(|&time| self.unit(time).clamp(-FAR, FAR)).collect();
        Places::of_views(Matrix::new(times.len(), 1, unit))
    }
}

/// The entry `series` of a model's file: the series, and what the prior is built of.
#[derive(Serialize, Deserialize)]
pub(crate) struct SeriesEntry {
    pub(crate) clock: Clock,
    /// The names of the channels.
    pub(crate) channels: Vec<String>,
    /// The units of the channels.
    pub(crate) scaling: Standardizer,
    /// The number of inducing points.
    pub(crate) inducing: usize,
}

impl SeriesEntry {
    pub(crate) const ENTRY: &str = "series";
}
