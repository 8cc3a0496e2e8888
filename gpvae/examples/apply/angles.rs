//! Objects at other angles.

use std::f64::consts::TAU;

use anyhow::Context;
use gpvae::data::Places;
use gpvae::{GpVae, Loaded};
use nn::data::{ImageFormat, Matrix};
use nn::model::ModelFile;
use nn::outln;
use nn::picture::ImageGrid;
use nn::run::{Application, Csv, Output, check_row};

use crate::Args;
use crate::rotated::saved::{Process, RotatedEntry};

/// The objects and angles that a picture shows.
const SHOWN: [usize; 2] = [20, 24];

pub(crate) fn run(args: &Args, file: &ModelFile) -> anyhow::Result<()> {
    let entry: RotatedEntry = file.get(RotatedEntry::ENTRY)?;
    // A covariance has a row for each feature of each angle.
    let rows = entry.angles.len().saturating_mul(entry.features);
    if !(1..=16_384).contains(&rows) || entry.angles.iter().any(|angle| !angle.is_finite()) {
        return Err(file.fault(RotatedEntry::ENTRY, "expected some angles and features").into());
    }
    // ν and α are those of θ.
    let Loaded { model, theta, codes } =
        GpVae::<Process>::from_file::<f32>(file, |layout| entry.process(layout, 1.0, 1.0))?;
    let found = model.config().objects.matrix().map_or(0, |x| x.cols);
    if found != entry.features {
        let reason = format!("expected {found} features, which the objects have, found {}", entry.features);
        return Err(file.fault(RotatedEntry::ENTRY, &reason).into());
    }
    let ImageFormat { height, width, .. } = ImageFormat::of_file(file, model.pixels())?;
    let mut objects = codes.places.objects.clone();
    objects.sort_unstable();
    objects.dedup();
    if args.apply.dry_run {
        objects.truncate(4);
    }
    let run = Application::open(&args.apply, args)?;

    let angles = &args.angle;
    let radians = |angle: &f64| angle.rem_euclid(360.0).to_radians();
    let views = objects.iter().flat_map(|_| angles.iter().map(radians)).collect();
    let named = objects.iter().flat_map(|&object| angles.iter().map(move |_| object)).collect();
    let at = Places::new(Matrix::new(objects.len() * angles.len(), 1, views), named)?;
    let images = model.predict_given(&theta, &codes, &at)?;

    let pixels = (0..images.cols).map(|i| format!("pixel {} {}", i / width, i % width));
    let mut csv = Csv::new(["object", "angle"].map(str::to_owned).into_iter().chain(pixels));
    for (row, object) in at.objects.iter().enumerate() {
        check_row(row + 1, images.row(row).iter().copied())?;
        let place = [object.to_string(), angles[row % angles.len()].to_string()];
        csv.row(place.into_iter().chain(images.row(row).iter().map(f32::to_string)));
    }
    csv.save(&run.file("angles.csv"))?;
    let sizes = [objects.len(), angles.len(), height, width].map(|size| (size as u32).to_be_bytes());
    let numbers = images.values.iter().flat_map(|pixel| pixel.to_be_bytes());
    let idx: Vec<u8> = [0, 0, 0x0d, 4].into_iter().chain(sizes.concat()).chain(numbers).collect();
    let path = run.file("angles.idx");
    let mut file = Output::begin(path)?;
    file.write(&idx)?;
    file.finish()?;

    // An angle that no training image has is marked.
    let seen = |angle: &f64| {
        let near = |view: &f64| {
            let ahead = (view - radians(angle)).rem_euclid(TAU);
            ahead.min(TAU - ahead) < 1e-9
        };
        codes.places.views.values.iter().any(near)
    };
    let unseen = angles.iter().filter(|angle| !seen(angle)).count();
    let [most_objects, most_angles] = SHOWN;
    let label = |angle: &f64| if seen(angle) { format!("{angle}°") } else { format!("{angle}°*") };
    let title = "Objects at these angles; no training image has those with *";
    let grid = ImageGrid::new(title, height, width).columns(angles.iter().take(most_angles).map(label));
    let shown = objects.iter().enumerate().take(most_objects).fold(grid, |grid, (i, object)| {
        let first = i * angles.len() * images.cols;
        grid.row(
            &object.to_string(),
            &images.values[first..first + angles.len().min(most_angles) * images.cols],
        )
    });
    shown.save(&run.file("angles.png")).context("the picture could not be drawn")?;
    outln!(
        "{} objects at {} angles, of which {unseen} are those of no training image",
        objects.len(),
        angles.len()
    );
    let results =
        [("objects", objects.len() as f64), ("angles", angles.len() as f64), ("unseen", unseen as f64)];
    Ok(run.finish(&results)?)
}
