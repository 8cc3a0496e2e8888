//! What the file of a model says of its time series.

use nn::data::{Standardizer, write_date};
use serde::{Deserialize, Serialize};

/// The column of times.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Clock {
    /// Its name.
    pub(crate) name: String,
    /// The first and the last time.
    pub(crate) range: [f64; 2],
    /// Whether times are seconds since 1970, read from dates.
    pub(crate) dates: bool,
}

impl Clock {
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
}

/// The column that says which series a row belongs to.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Subjects {
    /// Its name, if there is one.
    pub(crate) column: Option<String>,
    /// What stands in it for each series; a single one without a column.
    pub(crate) names: Vec<String>,
}

/// The entry `series` of a model's file: what its rows and channels are.
#[derive(Serialize, Deserialize)]
pub(crate) struct SeriesEntry {
    pub(crate) clock: Clock,
    pub(crate) subjects: Subjects,
    /// The names of the channels.
    pub(crate) channels: Vec<String>,
    /// The units of the channels.
    pub(crate) scaling: Standardizer,
}

impl SeriesEntry {
    pub(crate) const ENTRY: &str = "series";
}
