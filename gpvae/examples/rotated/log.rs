//! `metrics.csv`: how training went, a row an epoch, method after method.

use std::fs::File;
use std::time::Instant;

use anyhow::Context;
use nn::run::RunFolder;

use super::methods::Method;

pub(crate) struct Log {
    file: csv::Writer<File>,
    started: Instant,
}

impl Log {
    pub(crate) fn open(folder: &RunFolder) -> anyhow::Result<Self> {
        let path = folder.file("metrics.csv");
        let mut file =
            csv::Writer::from_path(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        file.write_record(["method", "part", "epoch", "bound", "log_likelihood", "kl", "seconds"])?;
        Ok(Self { file, started: Instant::now() })
    }

    /// Nats per image. Of the kernel alone there is only a bound, λ log p(Z).
    pub(crate) fn row(
        &mut self,
        method: Method,
        part: &str,
        epoch: usize,
        bound: f64,
        parts: Option<[f64; 2]>,
    ) -> csv::Result<()> {
        let [log_likelihood, kl] =
            parts.map_or([String::new(), String::new()], |parts| parts.map(|part| part.to_string()));
        let seconds = format!("{:.3}", self.started.elapsed().as_secs_f64());
        let (epoch, bound) = (epoch.to_string(), bound.to_string());
        self.file.write_record([method.name(), part, &epoch, &bound, &log_likelihood, &kl, &seconds])?;
        Ok(self.file.flush()?)
    }
}
