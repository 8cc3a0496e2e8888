//! What pictures promise: size, contents that can be decoded, and no panic whatever the numbers.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use nn::picture::{Figure, ImageGrid, PictureError};
use proptest::prelude::*;
use tempfile::tempdir;

/// A decoded picture: width, height, pixels as (red, green, blue).
struct Decoded {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

fn decode(path: &Path) -> Decoded {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let pixels = match info.color_type {
        png::ColorType::Grayscale => bytes.iter().map(|v| [*v; 3]).collect(),
        png::ColorType::Rgb => bytes.as_chunks().0.to_vec(),
        other => panic!("{other:?}"),
    };
    Decoded { width: info.width as usize, height: info.height as usize, pixels }
}

impl Decoded {
    /// How many pixels have a colour: not white, not grey.
    fn coloured(&self) -> usize {
        self.pixels.iter().filter(|[r, g, b]| r.abs_diff(*g).max(g.abs_diff(*b)) > 30).count()
    }

    fn dark(&self) -> usize {
        self.pixels.iter().filter(|pixel| pixel.iter().all(|v| *v < 100)).count()
    }
}

fn draw(save: impl FnOnce(&Path) -> Result<(), PictureError>) -> Decoded {
    let folder = tempdir().unwrap();
    let path = folder.path().join("picture.png");
    save(&path).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 300_000);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    decode(&path)
}

fn wave(n: usize, shift: f64) -> impl Iterator<Item = (f64, f64)> {
    (0..n).map(move |i| (i as f64, (0.1 * i as f64 + shift).sin()))
}

/// Points as a spiral of ten classes.
fn spiral(n: usize, classes: usize) -> impl Iterator<Item = ((f64, f64), usize)> {
    (0..n).map(move |i| {
        let (sin, cos) = (2.4 * i as f64).sin_cos();
        ((i as f64 * cos, i as f64 * sin), i % classes)
    })
}

#[test]
fn an_image_grid_shows_each_value_as_a_square_of_its_grey() {
    let image: Vec<f32> = [0.0, 0.25, 0.5, 1.0, -3.0, 7.0].into();
    let picture = draw(|path| ImageGrid::new("six", 2, 3).zoom(10).row("", &image).save(path));
    let shades = [0, 64, 128, 255, 0, 255];
    let corner = picture.pixels.iter().position(|pixel| *pixel == [64; 3]).unwrap();
    let (top, left) = (corner / picture.width, corner % picture.width - 10);
    for (i, shade) in shades.into_iter().enumerate() {
        for (dy, dx) in [(0, 0), (0, 9), (9, 0), (9, 9), (5, 5)] {
            let at = (top + i / 3 * 10 + dy) * picture.width + left + i % 3 * 10 + dx;
            assert_eq!(picture.pixels[at], [shade; 3], "value {i} at {dy}, {dx}");
        }
    }
}

#[test]
fn an_image_grid_grows_with_its_images() {
    let images = vec![0.5; 30 * 64];
    let size = |picture: Decoded| (picture.width, picture.height);
    let (wide, low) = size(draw(|path| ImageGrid::new("", 8, 8).zoom(4).rows(&images, 10).save(path)));
    let (narrow, high) = size(draw(|path| ImageGrid::new("", 8, 8).zoom(4).rows(&images, 5).save(path)));
    assert_eq!((wide - narrow, high - low), (5 * (32 + 4), 3 * (32 + 4)));
}

#[test]
fn labels_of_an_image_grid_take_their_own_room() {
    let grid = || ImageGrid::new("Both", 4, 4).zoom(8).row("data", &[1.0; 32]);
    let plain = draw(|path| ImageGrid::new("Both", 4, 4).zoom(8).row("", &[1.0; 32]).save(path));
    let labelled = draw(|path| grid().columns(["a", "b"]).save(path));
    assert!(labelled.height > plain.height);
    assert!(labelled.dark() > plain.dark() + 50);
    assert_eq!(labelled.coloured(), 0);
}

#[test]
fn a_nan_in_an_image_is_red() {
    let picture = draw(|path| ImageGrid::new("NaN", 1, 2).zoom(10).row("", &[0.5, f32::NAN]).save(path));
    assert_eq!(picture.coloured(), 100);
}

#[test]
#[should_panic(expected = "image grid: 7 values are no whole number of images of [2, 3]")]
fn half_an_image_panics() {
    let _ = ImageGrid::new("", 2, 3).row("", &[0.0; 7]);
}

#[test]
fn lines_are_drawn_in_colours_with_a_legend() {
    let one = draw(|path| Figure::new("One").axes("x", "y").line("sine", wave(100, 0.0)).save(path));
    assert_eq!((one.width, one.height), (960, 640));
    assert!(one.coloured() > 1000, "{}", one.coloured());
    let figure =
        Figure::new("Two").axes("x", "y").line("sine", wave(100, 0.0)).line("cosine", wave(100, 1.57));
    let two = draw(|path| figure.save(path));
    assert!(two.coloured() > one.coloured(), "{}", two.coloured());
}

#[test]
fn points_of_classes_are_drawn_as_shapes_or_as_their_names() {
    let shapes = draw(|path| {
        Figure::new("Wines")
            .legend("cultivar")
            .classes(["Barolo", "Grignolino", "Barbera"], spiral(90, 3))
            .save(path)
    });
    let digits = draw(|path| {
        Figure::new("Digits").classes((0..10).map(|d| d.to_string()), spiral(600, 10)).save(path)
    });
    assert!(shapes.coloured() > 3000, "{}", shapes.coloured());
    assert!(digits.coloured() > 3000, "{}", digits.coloured());
}

#[test]
fn a_test_set_of_ten_thousand_digits_stays_a_small_file() {
    draw(|path| Figure::new("MNIST").classes((0..10).map(|d| d.to_string()), spiral(10_000, 10)).save(path));
}

#[test]
#[should_panic(expected = "figure: class 2 has no name")]
fn a_class_without_a_name_panics() {
    let _ = Figure::new("").classes(["one", "two"], spiral(3, 3));
}

#[test]
fn what_cannot_be_shown_leaves_gaps() {
    let strange = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1.0, 1e308, -1e308, 5e-324];
    let points = || strange.into_iter().flat_map(|x| strange.map(|y| (x, y)));
    draw(|path| Figure::new("linear").line("strange", points()).save(path));
    draw(|path| Figure::new("log").log_x().log_y().line("strange", points()).save(path));
    draw(|path| Figure::new("nothing").log_y().line("none", [(0.0, -1.0)]).save(path));
    draw(|path| Figure::new("empty").save(path));
    let alone = draw(|path| Figure::new("one point").line("alone", [(1e9, 1e-9)]).save(path));
    assert!(alone.coloured() > 10);
}

#[test]
fn a_picture_that_cannot_be_written_is_named() {
    let error = Figure::new("").save("no/such/picture.png".as_ref()).unwrap_err();
    assert!(error.to_string().starts_with("cannot write the picture no/such/picture.png: "), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_numbers_can_be_drawn(
        points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..20),
        log in any::<(bool, bool)>(),
        scale in -320..300,
    ) {
        let tiny = points.iter().map(|(x, y)| (x.fract() * 10_f64.powi(scale), 1.0 + y.fract() * 1e-12));
        for points in [points.clone(), tiny.collect()] {
            let figure = Figure::new("any").line("a", points.clone()).classes(["b"], points.into_iter().map(|p| (p, 0)));
            let figure = if log.0 { figure.log_x() } else { figure };
            let figure = if log.1 { figure.log_y() } else { figure };
            draw(|path| figure.save(path));
        }
    }
}
