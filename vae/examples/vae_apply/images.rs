//! Samples, codes, reconstructions, decoded points and walks of a model of images.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::ensure;
use nn::data::{self, ImageFormat, Matrix, TableReader};
use nn::outln;
use nn::picture::ImageGrid;
use nn::run::{Application, Counter, Csv, NewImages, Output, check_row, counted, single};
use nn::train::Noise;
use vae::{KSampleBound, RowSeed, interpolate};

use crate::{Args, Trained};

/// The images of a walk from one image to another.
const STEPS: usize = 10;
/// The images that are encoded at a time. Networks compute 128 rows together, and the last digits of a row depend on which.
const AT_ONCE: usize = 1024;
/// The grey value of the picture around its images.
const PAPER: f32 = 1.0;

/// A model of images at work.
struct Work<'a> {
    args: &'a Args,
    trained: &'a Trained,
    form: ImageFormat,
    results: Vec<(&'static str, f64)>,
}

pub(crate) fn apply(args: &Args, trained: &Trained) -> anyhow::Result<()> {
    let form = ImageFormat::of_file(&trained.file, trained.vae.inputs())?;
    let mut work = Work { args, trained, form, results: Vec::new() };
    // All that is wrong with files is said before the folder is opened. A folder that is named twice is read once.
    let mut read: HashMap<&Option<PathBuf>, NewImages> = HashMap::new();
    let walk = args.interpolate.as_ref().map(|_| &args.images);
    for path in [args.encode.as_ref(), args.reconstruct.as_ref(), walk].into_iter().flatten() {
        if !read.contains_key(path) {
            read.insert(path, work.read(path)?);
        }
    }
    if read.is_empty() {
        args.style.without_images()?;
    }
    let ends = walk.map(|path| work.ends(&read[path])).transpose()?;
    if args.apply.dry_run {
        for NewImages { images, .. } in read.values_mut() {
            *images = first(images, 16);
        }
    }
    let names = work.latent_names();
    let decode =
        args.decode.as_ref().map(|path| TableReader::open(path, &args.format.options(false), &names));
    let decode = decode.transpose()?;

    let run = Application::open(&args.apply, args)?;
    if let Some(count) = args.sample {
        work.sample(&run, if args.apply.dry_run { count.min(16) } else { count })?;
    }
    if let Some(path) = &args.encode {
        work.encode(&run, &read[path])?;
    }
    if let Some(path) = &args.reconstruct {
        work.reconstruct(&run, &read[path])?;
    }
    if let Some(reader) = decode {
        work.decode(&run, reader)?;
    }
    if let Some(ends) = ends {
        work.interpolate(&run, &ends)?;
    }
    Ok(run.finish(&work.results)?)
}

impl Work<'_> {
    /// Images in the form of the model's: those of a file or folder, or the embedded ones.
    fn read(&self, path: &Option<PathBuf>) -> anyhow::Result<NewImages> {
        match path {
            Some(path) => Ok(self.args.style.read_for(path, &self.form)?),
            None => {
                self.args.style.without_images()?;
                let digits = data::digits();
                let sizes = [[digits.height, digits.width], [self.form.height, self.form.width]];
                let [height, width] = sizes[1];
                ensure!(
                    sizes[0] == sizes[1],
                    "expected IMAGES of {height}x{width} pixels: name their file or folder"
                );
                Ok(NewImages {
                    images: self.form.apply(digits.images),
                    files: Vec::new(),
                    classes: Vec::new(),
                })
            }
        }
    }

    fn latent_names(&self) -> Vec<String> {
        (1..=self.trained.vae.latent()).map(|j| format!("z{j}")).collect()
    }

    fn pixel_names(&self) -> impl Iterator<Item = String> {
        (1..=self.trained.vae.inputs()).map(|j| format!("pixel{j}"))
    }

    fn grid(&self, title: &str) -> ImageGrid {
        ImageGrid::new(title, self.form.height, self.form.width)
    }

    /// Writes rows of latent coordinates.
    fn save_codes(&self, run: &Application<'_>, file: &str, z: &Matrix<f32>) -> anyhow::Result<()> {
        let mut csv = Csv::new(["row".to_owned()].into_iter().chain(self.latent_names()));
        for i in 0..z.rows {
            check_row(i + 1, z.row(i).iter().copied())?;
            csv.row([(i + 1).to_string()].into_iter().chain(z.row(i).iter().map(f32::to_string)));
        }
        Ok(csv.save(&run.file(file))?)
    }

    fn sample(&mut self, run: &Application<'_>, count: usize) -> anyhow::Result<()> {
        let Trained { vae, theta, seed, .. } = self.trained;
        let mut z = vec![0.0; count * vae.latent()];
        Noise::evaluation(*seed).normal(0, vae.latent(), &mut z);
        let z = Matrix::new(count, vae.latent(), z);
        self.save_codes(run, "samples.csv", &z)?;
        self.grid("Samples: E[x|z] for z ~ N(0, I)")
            .rows(&vae.decode_rows(theta, &first(&z, 100)).values, 10)
            .save(&run.file("samples.png"))?;
        outln!("{} from the prior", counted(count, "sample"));
        self.results.push(("samples", count as f64));
        Ok(())
    }

    fn encode(
        &mut self,
        run: &Application<'_>,
        NewImages { images, files, .. }: &NewImages,
    ) -> anyhow::Result<()> {
        let Trained { vae, theta, seed, samples, .. } = self.trained;
        let sigmas = (1..=vae.latent()).map(|j| format!("sigma{j}"));
        let file = (!files.is_empty()).then(|| "file".to_owned());
        let names = ["row".to_owned()].into_iter().chain(file).chain(self.latent_names()).chain(sigmas);
        let mut csv = Csv::new(names.chain(["log_p".to_owned()]));
        let (mut bounds, progress) = (Vec::new(), Counter::new("images encoded", 0));
        for first in (0..images.rows).step_by(AT_ONCE) {
            let some = images.select(&(first..images.rows.min(first + AT_ONCE)).collect::<Vec<_>>());
            let codes = vae.encode_rows(theta, &some);
            let these = vae.k_sample_bound_of_rows(theta, &some, *samples, RowSeed { seed: *seed, first });
            for (i, (row, bound)) in (first..).zip(&these).enumerate() {
                let numbers = codes.mu.row(i).iter().chain(codes.log_sigma.row(i));
                check_row(row + 1, numbers.map(|x| f64::from(*x)).chain([bound.value]))?;
                let file = files.get(row).map(|file| file.display().to_string());
                let cells = [(row + 1).to_string()].into_iter().chain(file);
                let sigmas = codes.log_sigma.row(i).iter().map(|log_sigma| log_sigma.exp().to_string());
                let cells = cells.chain(codes.mu.row(i).iter().map(f32::to_string)).chain(sigmas);
                csv.row(cells.chain([single(bound.value).to_string()]));
            }
            bounds.extend(these);
            progress.at(bounds.len(), bounds.len() as f64 / images.rows as f64);
        }
        drop(progress);
        csv.save(&run.file("codes.csv"))?;
        let bound = KSampleBound::of_rows(&bounds);
        outln!("{} encoded", counted(images.rows, "image"));
        outln!("K-sample bound of log p(x), K = {samples}: {:.2} nats per image", bound.mean);
        let results = [("encoded", images.rows as f64), ("k_sample_bound", bound.mean)];
        self.results.extend(results.into_iter().chain([("k_hat_too_large", bound.unreliable)]));
        Ok(())
    }

    fn reconstruct(
        &mut self,
        run: &Application<'_>,
        NewImages { images, files, .. }: &NewImages,
    ) -> anyhow::Result<()> {
        let Trained { vae, theta, .. } = self.trained;
        let again = vae.reconstruct(theta, images);
        let file = (!files.is_empty()).then(|| "file".to_owned());
        let mut csv = Csv::new(["row".to_owned()].into_iter().chain(file).chain(self.pixel_names()));
        for i in 0..again.rows {
            check_row(i + 1, again.row(i).iter().copied())?;
            let row =
                [(i + 1).to_string()].into_iter().chain(files.get(i).map(|file| file.display().to_string()));
            csv.row(row.chain(again.row(i).iter().map(f32::to_string)));
        }
        csv.save(&run.file("reconstructions.csv"))?;
        self.grid("Images and their reconstructions")
            .row("data", &first(images, 10).values)
            .row("reconstruction", &first(&again, 10).values)
            .save(&run.file("reconstructions.png"))?;
        let squares = images.values.iter().zip(&**again.values).map(|(x, y)| f64::from(x - y).powi(2));
        let rmse = (squares.sum::<f64>() / images.values.len() as f64).sqrt();
        outln!(
            "{} reconstructed, root mean square error of a pixel {rmse:.3}",
            counted(images.rows, "image")
        );
        self.results.extend([("reconstructed", images.rows as f64), ("rmse", rmse)]);
        Ok(())
    }

    fn decode(&mut self, run: &Application<'_>, mut reader: TableReader) -> anyhow::Result<()> {
        let Trained { vae, theta, .. } = self.trained;
        let names = self.latent_names();
        let mut csv = Csv::new(["row".to_owned()].into_iter().chain(self.pixel_names()));
        let (mut output, mut rows, mut shown) = (Output::begin(run.file("decoded.csv"))?, 0, Vec::new());
        while let Some(table) = reader.read(1024)? {
            let positions: Result<Vec<usize>, _> = names.iter().map(|name| table.position(name)).collect();
            let z = table.columns(&positions?);
            // In single precision it would be infinite.
            let far = z.values.values.iter().position(|z| z.abs() > f64::from(f32::MAX));
            if let Some((row, column)) = far.map(|cell| (cell / names.len(), cell % names.len())) {
                return Err(z
                    .refuse(row, column, "a code of the size of those of images", "correct it")
                    .into());
            }
            let z = z.values.map(|z| z as f32);
            let images = vae.decode_rows(theta, &z);
            for i in 0..images.rows {
                rows += 1;
                check_row(rows, images.row(i).iter().copied())?;
                csv.row([rows.to_string()].into_iter().chain(images.row(i).iter().map(f32::to_string)));
            }
            output.write(&csv.take())?;
            if shown.is_empty() {
                shown = first(&images, 100).values.to_vec();
            }
            if self.args.apply.dry_run {
                break;
            }
        }
        let path = self.args.decode.as_deref().unwrap_or_else(|| "".as_ref()).display();
        ensure!(rows > 0, "{path}: holds no rows below its header");
        output.finish()?;
        self.grid("E[x|z] of the given z").rows(&shown, 10).save(&run.file("decoded.png"))?;
        outln!("{} decoded", counted(rows, "row"));
        self.results.push(("decoded", rows as f64));
        Ok(())
    }

    /// The two images of `--interpolate`.
    fn ends(&self, new: &NewImages) -> anyhow::Result<Matrix<f32>> {
        let rows = self.args.interpolate.clone().unwrap_or_default();
        let count = new.images.rows;
        for row in &rows {
            ensure!(
                (1..=count).contains(row),
                "--interpolate: expected images from 1 to {count}, found {row}"
            );
        }
        Ok(new.images.select(&rows.iter().map(|row| row - 1).collect::<Vec<_>>()))
    }

    fn interpolate(&mut self, run: &Application<'_>, ends: &Matrix<f32>) -> anyhow::Result<()> {
        let Trained { vae, theta, .. } = self.trained;
        let codes = vae.encode_rows(theta, ends).mu;
        let walk = interpolate(codes.row(0), codes.row(1), STEPS);
        self.save_codes(run, "interpolation.csv", &walk)?;
        let between = vae.decode_rows(theta, &walk);
        self.grid("From one image to another")
            .row("data", &[ends.row(0), &vec![PAPER; (STEPS - 2) * ends.cols], ends.row(1)].concat())
            .row("E[x|z] on the way", &between.values)
            .save(&run.file("interpolation.png"))?;
        let distance =
            codes.row(0).iter().zip(codes.row(1)).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
        outln!("the two images lie {distance:.3} apart in the latent space");
        self.results.push(("distance", distance));
        Ok(())
    }
}

/// The first rows, `most` or fewer.
fn first(rows: &Matrix<f32>, most: usize) -> Matrix<f32> {
    rows.select(&(0..rows.rows.min(most)).collect::<Vec<_>>())
}
