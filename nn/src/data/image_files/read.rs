//! From files to grey values.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageReader, Limits, Luma, LumaA};
use rayon::prelude::*;

use super::find::{Found, named};
use super::{Backdrop, ImageFolder, ImageOptions};
use crate::data::source::Source;
use crate::data::{DataError, ImageFormat, LabelledImages, Matrix};

/// The most pixels of a file: 8,192 · 8,192.
const MOST_PIXELS: u64 = 1 << 26;
/// The most pixels of all images after resizing, 4 bytes each.
const MOST_IN_ALL: usize = 1 << 30;
/// The most pixels of an image after resizing, unless the user asks for more: a layer has a weight for each.
const MOST_UNASKED: usize = 1 << 16;
/// More than a thousand bytes of pixels come of no byte of a file: that is what both formats make of a single colour.
const MOST_INFLATION: u64 = 2000;

/// Reads a folder: see [`ImageFolder::read`].
pub(super) fn folder(
    path: &Path,
    options: &ImageOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<ImageFolder, DataError> {
    let Found { mut files, mut labels, classes, others, empty } = Found::of(path)?;
    let whole = |file: &PathBuf| if path.is_file() { path.to_owned() } else { path.join(file) };
    let mut notes = Vec::new();
    if !others.is_empty() {
        notes.push(format!("{} left out", named(&others)));
    }
    if !empty.is_empty() {
        notes.push(format!("no images in {}: left out", empty.join(", ")));
    }

    // Headers alone first: they say the size that all images get.
    let sizes: Vec<_> = files.par_iter().map(|file| size(&whole(file))).collect();
    let known: Vec<[usize; 2]> = sizes.iter().flatten().copied().collect();
    let [height, width] = match (options.size, known.is_empty()) {
        (Some(size), _) => size,
        (None, false) => most_frequent(path, &known)?,
        // No file is sound: nothing will be resized.
        (None, true) => [1, 1],
    };
    if files.len().checked_mul(height * width).is_none_or(|all| all > MOST_IN_ALL) {
        let reason = format!(
            "{} images of {height}x{width} pixels are more than memory should be asked for; give a smaller --size HEIGHTxWIDTH",
            files.len()
        );
        return Err(DataError::ImageFiles { folder: path.display().to_string(), reason });
    }

    let done = AtomicUsize::new(0);
    let rows: Vec<Result<Vec<f32>, DataError>> = sizes
        .into_par_iter()
        .zip(&files)
        .map(|(size, file)| {
            let row = size.and_then(|_| grey(&whole(file), [height, width], options));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, files.len());
            row
        })
        .collect();

    let resized = known.iter().filter(|&&size| size != [height, width]).count();
    if resized > 0 {
        notes.push(format!("{resized} of {} images brought to {height}x{width} pixels", files.len()));
    }
    let damaged: Vec<PathBuf> =
        files.iter().zip(&rows).filter(|(_, row)| row.is_err()).map(|(file, _)| file.clone()).collect();
    let sound: Vec<bool> = rows.iter().map(Result::is_ok).collect();
    let mut values = Vec::with_capacity(files.len() * height * width);
    for row in rows {
        match row {
            Ok(row) => values.extend(row),
            Err(error) if !options.skip_damaged || damaged.len() == files.len() => {
                return Err(error.among(&damaged[1..]));
            }
            Err(_) => (),
        }
    }
    if !damaged.is_empty() {
        notes.push(format!("{} that cannot be read, left out", named(&damaged)));
        let mut keep = sound.iter();
        files.retain(|_| *keep.next().expect("a flag for each file"));
        let mut keep = sound.iter();
        labels.retain(|_| *keep.next().expect("a flag for each file"));
    }
    let images = Matrix::new(files.len(), height * width, values);
    let format =
        ImageFormat { invert: options.invert, backdrop: options.backdrop, ..ImageFormat::new(height, width) };
    Ok(ImageFolder { set: LabelledImages { images, labels, height, width }, classes, files, format, notes })
}

/// The height and width that more than half of the files have.
fn most_frequent(folder: &Path, sizes: &[[usize; 2]]) -> Result<[usize; 2], DataError> {
    let mut counts: HashMap<[usize; 2], usize> = HashMap::new();
    sizes.iter().for_each(|&size| *counts.entry(size).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(size, count)| (usize::MAX - count, size));
    let (size @ [height, width], count) = counts[0];
    let refuse = |reason| DataError::ImageFiles { folder: folder.display().to_string(), reason };
    if height * width > MOST_UNASKED {
        let reason = format!(
            "the images have {height}x{width} pixels, a weight of every neuron for each; give a smaller --size HEIGHTxWIDTH, such \
             as 28x28"
        );
        return Err(refuse(reason));
    }
    if 2 * count > sizes.len() {
        return Ok(size);
    }
    let some: Vec<_> =
        counts.iter().take(4).map(|([h, w], count)| format!("{h}x{w} ({count} files)")).collect();
    let more = if counts.len() > 4 { format!(" and {} more", counts.len() - 4) } else { String::new() };
    Err(refuse(format!(
        "expected images of one size, or a size that most have, found {}{more}; give the one that all are brought to by --size \
         HEIGHTxWIDTH",
        some.join(", ")
    )))
}

/// An error about this file.
fn refused(file: &Path, reason: impl Into<String>) -> DataError {
    DataError::Image { file: file.display().to_string(), reason: reason.into(), others: String::new() }
}

/// A decoder of the file, whose header is sound, and the orientation of the image.
fn open(file: &Path) -> Result<(impl ImageDecoder + use<>, Orientation), DataError> {
    let failed = |reason| DataError::Open { file: file.display().to_string(), reason };
    let mut source = File::open(file).map_err(failed)?;
    let bytes = source.metadata().map_err(failed)?.len();
    if bytes == 0 {
        return Err(refused(file, "expected a PNG or JPEG image, found an empty file"));
    }
    let mut head = Vec::new();
    source.by_ref().take(12).read_to_end(&mut head).map_err(failed)?;
    source.rewind().map_err(failed)?;
    let mut reader = ImageReader::new(BufReader::new(source)).with_guessed_format().map_err(failed)?;
    reader.limits(Limits::default()); // half a gibibyte for what a decoder sets aside
    let mut decoder = reader.into_decoder().map_err(|error| match error {
        ImageError::Unsupported(_) => refused(
            file,
            format!(
                "expected a PNG or JPEG image, found a file that begins with {:?}",
                String::from_utf8_lossy(&head)
            ),
        ),
        error => damaged(file, &error),
    })?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MOST_PIXELS {
        return Err(refused(
            file,
            format!("expected at most {MOST_PIXELS} pixels, found {height}x{width}; make it smaller"),
        ));
    }
    if decoder.total_bytes() > MOST_INFLATION * bytes {
        return Err(refused(
            file,
            format!("{bytes} bytes cannot hold the {height}x{width} pixels of its header"),
        ));
    }
    let orientation = decoder.orientation().map_err(|error| damaged(file, &error))?;
    Ok((decoder, orientation))
}

fn damaged(file: &Path, error: &ImageError) -> DataError {
    refused(file, format!("cannot be decoded: {error}"))
}

/// Reads a whole file, so that it is noted what it holds: a decoder may leave out a part.
fn note(file: &Path) -> Result<(), DataError> {
    let mut source = Source::open(file)?;
    while !source.take(1 << 20)?.is_empty() {}
    Ok(())
}

/// The height and width of an image as it is seen.
fn size(file: &Path) -> Result<[usize; 2], DataError> {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    let (decoder, orientation) = open(file)?;
    let (width, height) = decoder.dimensions();
    let [height, width] = [height, width].map(|size| size as usize);
    let lies = matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH);
    Ok(if lies { [width, height] } else { [height, width] })
}

/// The grey values of an image that is brought to this height and width.
fn grey(file: &Path, [height, width]: [usize; 2], options: &ImageOptions) -> Result<Vec<f32>, DataError> {
    let (decoder, orientation) = open(file)?;
    note(file)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| damaged(file, &error))?;
    image.apply_orientation(orientation);
    let behind = match options.backdrop {
        Backdrop::White => 1.0,
        Backdrop::Black => 0.0,
    };
    let (w, h) = (image.width(), image.height());
    let flat = match image.color().has_alpha() {
        false => image.to_luma32f(),
        // Before resizing: what is transparent must not shine through.
        true => {
            let over = |pixel: &LumaA<f32>| pixel.0[0] * pixel.0[1] + behind * (1.0 - pixel.0[1]);
            let flat = image.to_luma_alpha32f().pixels().map(over).collect();
            ImageBuffer::<Luma<f32>, Vec<f32>>::from_raw(w, h, flat).expect("a value for each pixel")
        }
    };
    drop(image);
    let flat = match (w as usize, h as usize) == (width, height) {
        true => flat,
        false => imageops::resize(&flat, width as u32, height as u32, FilterType::Triangle),
    };
    let value = |grey: f32| if options.invert { 1.0 - grey } else { grey };
    Ok(flat.into_raw().into_iter().map(|grey| value(grey.clamp(0.0, 1.0))).collect())
}
