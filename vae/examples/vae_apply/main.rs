//! Applies a variational autoencoder that another example has trained. It trains nothing. A model of a table, by `table`, gives new
//! rows their coordinates, cluster and score, and fills their gaps:
//!
//!     cargo run --release -p vae --example vae_apply -- --model out/vae-table --csv NEW
//!
//! Columns are matched by name, in any order; one that is not there is missing in every row, and one that the model does not know is
//! left out. Writes `rows.csv` and `imputed.csv` as `table` does, the same numbers for the same rows, to `out/vae-apply/`. Rows are
//! read, computed and written some at a time: memory does not grow with their number. A model of images, by `digits`, draws samples,
//! and encodes, reconstructs, decodes and interpolates:
//!
//!     cargo run --release -p vae --example vae_apply -- --model out/vae-digits --sample 100
//!     cargo run --release -p vae --example vae_apply -- --model out/vae-digits --encode IMAGES --reconstruct IMAGES
//!     cargo run --release -p vae --example vae_apply -- --model out/vae-digits --decode Z.csv
//!     cargo run --release -p vae --example vae_apply -- --model out/vae-digits --images IMAGES --interpolate 1 2
//!
//! IMAGES is an IDX file, or a folder of PNG and JPEG files or one of these; without it, the embedded digits,
//! if they have the model's size. `samples.csv`, `codes.csv` and `interpolation.csv` have the latent coordinates z1, z2 …, as `--decode`
//! takes them; `codes.csv` also the standard deviations of q(z|x) and log p(x) by the K-sample bound. `reconstructions.csv` and
//! `decoded.csv` have the pixels. Each comes with a picture.

mod images;
#[path = "../common/rows.rs"]
mod rows;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::ensure;
use nn::data::{ImageFormat, Preprocessing};
use nn::model::{Model, ModelFile};
use nn::run::{ApplyArgs, ImageStyle, TableArgs, at_most, trained_with, whole};
use serde::de::IgnoredAny;
use vae::Vae;

/// Applies a trained variational autoencoder to new rows of a table or to images
#[derive(clap::Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    #[serde(flatten)]
    format: TableArgs,
    #[command(flatten)]
    #[serde(flatten)]
    style: ImageStyle,
    /// Score and fill the rows of this table
    #[arg(long, value_name = "FILE", help_heading = "A model of a table")]
    #[serde(serialize_with = "nn::run::path_text")]
    csv: Option<PathBuf>,
    /// Read so many rows at a time, or up to 127 more; the results are the same for any number [default: up to 4096]
    #[arg(long, value_name = "N", value_parser = at_most::<65_536>, help_heading = "A model of a table")]
    batch_size: Option<usize>,
    /// K, the draws of z for each row or image [default: as in the training]
    #[arg(long, value_name = "N", value_parser = whole)]
    samples: Option<usize>,
    /// Decode so many draws from the prior
    #[arg(long, value_name = "N", value_parser = at_most::<100_000>, help_heading = "A model of images")]
    sample: Option<usize>,
    /// Reconstruct these images [default: the embedded digits]
    #[arg(long, value_name = "IMAGES", num_args = 0..=1, help_heading = "A model of images")]
    #[serde(serialize_with = "nn::run::path_text")]
    reconstruct: Option<Option<PathBuf>>,
    /// Write codes and log p(x) of these images [default: the embedded digits]
    #[arg(long, value_name = "IMAGES", num_args = 0..=1, help_heading = "A model of images")]
    #[serde(serialize_with = "nn::run::path_text")]
    encode: Option<Option<PathBuf>>,
    /// Decode the rows of this table with the columns z1, z2 …
    #[arg(long, value_name = "FILE", help_heading = "A model of images")]
    #[serde(serialize_with = "nn::run::path_text")]
    decode: Option<PathBuf>,
    /// Go from one image to another in the latent space; images are counted from 1
    #[arg(long, value_names = ["A", "B"], num_args = 2, help_heading = "A model of images")]
    interpolate: Option<Vec<usize>>,
    /// The images of --interpolate [default: the embedded digits]
    #[arg(long, value_name = "IMAGES", requires = "interpolate", help_heading = "A model of images")]
    #[serde(serialize_with = "nn::run::path_text")]
    images: Option<PathBuf>,
}

impl Args {
    /// Whether something is to be done that takes a model of images.
    fn of_images(&self) -> bool {
        let Self { sample, reconstruct, encode, decode, interpolate, .. } = self;
        sample.is_some()
            || reconstruct.is_some()
            || encode.is_some()
            || decode.is_some()
            || interpolate.is_some()
    }
}

/// A model, and how it is used.
struct Trained {
    file: ModelFile,
    vae: Vae,
    theta: Arc<Vec<f32>>,
    seed: u64,
    /// K
    samples: usize,
}

fn main() -> ExitCode {
    nn::run::apply("out/vae-apply", |args: Args| args.apply.in_pool(|| apply(&args))?)
}

fn apply(args: &Args) -> anyhow::Result<()> {
    let file = args.apply.load()?;
    let (vae, theta) = Vae::from_file::<f32>(&file)?;
    let flag = |name| trained_with(&file, name);
    let seed = args.apply.seed.or(flag("seed")).unwrap_or(0);
    let usual = flag("samples").or(flag("importance_samples")).unwrap_or(100).clamp(1, 1_000_000) as usize;
    let samples = args.samples.unwrap_or(if args.apply.dry_run { 2 } else { usual });
    let [of_table, of_images] =
        [Preprocessing::ENTRY, ImageFormat::ENTRY].map(|entry| file.get::<IgnoredAny>(entry).is_ok());
    let path = args.apply.model.display();
    ensure!(of_table || of_images, "{path}: the file does not say what the model is of, a table or images");
    let trained = Trained { file, vae, theta, seed, samples };
    if of_table {
        ensure!(
            !args.of_images(),
            "{path}: a model of a table: give new rows by --csv, and no flag of images"
        );
        args.style.without_images()?;
        let csv = args
            .csv
            .as_ref()
            .ok_or_else(|| anyhow::anyhow!("{path}: a model of a table: give new rows by --csv"))?;
        return table::apply(args, &trained, csv);
    }
    let wanted = "--sample, --reconstruct, --encode, --decode or --interpolate";
    ensure!(args.csv.is_none() && args.of_images(), "{path}: a model of images: give {wanted}");
    if args.decode.is_none() {
        args.format.without_table()?;
    }
    let conditions = trained.vae.conditions();
    ensure!(conditions == 0, "{path}: expected a model without conditions, found one of {conditions}");
    images::apply(args, &trained)
}
