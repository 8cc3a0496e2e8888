//! Folders of PNG and JPEG files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use image::ImageFormat::{Jpeg, Png};
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage};
use nn::data::{Backdrop, DataError, ImageFolder, ImageFormat, ImageOptions};
use tempfile::tempdir;

use super::assert_fails;

fn read(folder: &Path, options: &ImageOptions) -> Result<ImageFolder, DataError> {
    ImageFolder::read(folder, options, &|_, _| ())
}

fn sized(height: usize, width: usize) -> ImageOptions {
    ImageOptions { size: Some([height, width]), ..ImageOptions::default() }
}

/// The bytes of an image in this format.
fn bytes(image: &DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Writes a file below a folder, and the folders above it.
fn put(folder: &Path, name: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// A PNG of one grey value.
fn flat(height: u32, width: u32, grey: u8) -> Vec<u8> {
    bytes(&GrayImage::from_pixel(width, height, Luma([grey])).into(), Png)
}

/// `bytes` of a PNG with this height and width in its header, and the checksum that fits.
fn claiming(mut bytes: Vec<u8>, height: u32, width: u32) -> Vec<u8> {
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    bytes
}

#[test]
fn subfolders_are_classes_by_name_and_files_are_sorted() {
    let dir = tempdir().unwrap();
    for (name, grey) in [("zebra/1.png", 51), ("ant/b.PNG", 102), ("ant/a.jpg", 0), ("ant/10.jpeg", 0)] {
        let image = DynamicImage::from(GrayImage::from_pixel(3, 2, Luma([grey])));
        let format = if name.ends_with("png") || name.ends_with("PNG") { Png } else { Jpeg };
        put(dir.path(), name, &bytes(&image, format));
    }
    let read = read(dir.path(), &ImageOptions::default()).unwrap();
    assert_eq!(read.classes, ["ant", "zebra"]);
    assert_eq!(read.files, ["ant/10.jpeg", "ant/a.jpg", "ant/b.PNG", "zebra/1.png"].map(PathBuf::from));
    assert_eq!(read.set.labels, [0, 0, 0, 1]);
    assert_eq!((read.set.height, read.set.width, read.set.images.cols), (2, 3, 6));
    assert_eq!(read.set.images.row(2), [0.4; 6]);
    assert_eq!(read.set.images.row(3), [0.2; 6]);
    assert_eq!(read.format, ImageFormat::new(2, 3));
    assert!(read.notes.is_empty(), "{:?}", read.notes);
}

#[test]
fn grey_files_are_what_idx_files_of_the_same_bytes_are() {
    let dir = tempdir().unwrap();
    let image = GrayImage::from_fn(16, 16, |x, y| Luma([(16 * y + x) as u8]));
    let path = put(dir.path(), "all.png", &bytes(&image.into(), Png));
    let wanted: Vec<f32> = (0..=255).map(|grey| f32::from(grey as u8) / 255.0).collect();
    for place in [dir.path(), &path] {
        let read = read(place, &ImageOptions::default()).unwrap();
        assert_eq!((&read.set.images.values[..], &read.set.labels[..]), (&wanted[..], &[0][..]));
        assert!(read.classes.is_empty());
    }
    let inverted = read(dir.path(), &ImageOptions { invert: true, ..ImageOptions::default() }).unwrap();
    assert!(inverted.format.invert);
    assert_eq!(*inverted.set.images.values, wanted.iter().map(|grey| 1.0 - grey).collect::<Vec<_>>());
    // The form leads back to the options.
    assert_eq!(inverted.format.options(), ImageOptions { invert: true, ..sized(16, 16) });
}

#[test]
fn colours_become_luminance_and_transparent_pixels_show_what_lies_behind() {
    let dir = tempdir().unwrap();
    let colours =
        RgbImage::from_fn(4, 1, |x, _| Rgb([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255; 3]][x as usize]));
    put(dir.path(), "a.png", &bytes(&colours.into(), Png));
    // Half of grey 0.4, all and nothing of it, in 16 bits.
    let clear = ImageBuffer::from_fn(4, 1, |x, _| LumaA([26214_u16, [32768, 65535, 0, 0][x as usize]]));
    put(dir.path(), "b.png", &bytes(&DynamicImage::ImageLumaA16(clear), Png));
    let deep = ImageBuffer::from_fn(4, 1, |x, _| Luma([1 + 100 * x as u16]));
    put(dir.path(), "c.png", &bytes(&DynamicImage::ImageLuma16(deep), Png));
    for (backdrop, behind) in [(Backdrop::White, 1.0), (Backdrop::Black, 0.0)] {
        let read = read(dir.path(), &ImageOptions { backdrop, ..ImageOptions::default() }).unwrap();
        let near = |row: usize, wanted: [f32; 4]| {
            let row = read.set.images.row(row);
            assert!(row.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-4), "{row:?} {wanted:?}");
        };
        near(0, [0.2126, 0.7152, 0.0722, 1.0]);
        near(1, [0.2 + behind / 2.0, 0.4, behind, behind]);
        // 16 bits are not rounded to 8.
        let wanted = [0, 1, 2, 3].map(|x| (1 + 100 * x) as f32 / 65535.0);
        assert!(read.set.images.row(2).iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

#[test]
fn a_palette_with_few_bits_is_read_as_its_colours() {
    let dir = tempdir().unwrap();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 4, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Two);
    encoder.set_palette(vec![0, 0, 0, 255, 255, 255, 102, 102, 102, 51, 51, 51]);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[0b00_01_10_11]).unwrap();
    writer.finish().unwrap();
    put(dir.path(), "palette.png", &file);
    let read = read(dir.path(), &ImageOptions::default()).unwrap();
    assert!(
        read.set
            .images
            .values
            .iter()
            .zip([0.0, 1.0, 0.4, 0.2])
            .all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6)
    );
}

#[test]
fn a_photograph_is_turned_as_its_exif_data_asks() {
    let dir = tempdir().unwrap();
    // The left half is black, the right one white, 16 pixels high and 32 wide.
    let image = GrayImage::from_fn(32, 16, |x, _| Luma([if x < 16 { 0 } else { 255 }]));
    let jpeg = bytes(&image.into(), Jpeg);
    // An EXIF segment with orientation 6, turned by a quarter clockwise, behind the marker of the beginning.
    let exif = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    put(dir.path(), "a.jpg", &[&jpeg[..2], exif, &jpeg[2..]].concat());
    let read = read(dir.path(), &ImageOptions::default()).unwrap();
    assert_eq!((read.set.height, read.set.width), (32, 16));
    let (upper, lower) = read.set.images.values.split_at(256);
    assert!(upper.iter().all(|grey| *grey < 0.1) && lower.iter().all(|grey| *grey > 0.9));
}

#[test]
fn resizing_averages_and_keeps_what_is_uniform() {
    let dir = tempdir().unwrap();
    let board = GrayImage::from_fn(40, 20, |x, y| Luma([if (x / 2 + y / 2) % 2 == 0 { 0 } else { 255 }]));
    put(dir.path(), "board.png", &bytes(&board.into(), Png));
    put(dir.path(), "dot.png", &flat(1, 1, 51));
    let read = read(dir.path(), &sized(5, 10)).unwrap();
    assert!(
        read.set.images.row(0).iter().all(|grey| (grey - 0.5).abs() < 0.1),
        "{:?}",
        read.set.images.row(0)
    );
    assert!(
        read.set.images.row(1).iter().all(|grey| (grey - 0.2).abs() < 1e-6),
        "{:?}",
        read.set.images.row(1)
    );
    assert_eq!(read.notes, ["2 of 2 images brought to 5x10 pixels"]);
}

#[test]
fn without_a_size_that_most_files_have_the_sizes_are_listed() {
    let dir = tempdir().unwrap();
    for i in 0..3 {
        put(dir.path(), format!("a{i}.png"), &flat(8, 6, 0));
    }
    for (name, side) in [("b.png", 5), ("c.png", 7)] {
        put(dir.path(), name, &flat(side, side, 0));
    }
    let most = read(dir.path(), &ImageOptions::default()).unwrap();
    assert_eq!((most.set.height, most.set.width), (8, 6));
    assert_eq!(most.notes, ["2 of 5 images brought to 8x6 pixels"]);
    put(dir.path(), "d.png", &flat(7, 7, 0));
    assert_fails!(
        read(dir.path(), &ImageOptions::default()),
        DataError::ImageFiles { .. },
        "8x6 (3 files), 7x7 (2 files), 5x5 (1 files)",
        "--size HEIGHTxWIDTH"
    );
    let photographs = tempdir().unwrap();
    put(photographs.path(), "large.png", &flat(600, 800, 0));
    assert_fails!(
        read(photographs.path(), &ImageOptions::default()),
        DataError::ImageFiles { .. },
        "600x800 pixels",
        "such as 28x28"
    );
}

#[test]
fn a_folder_without_images_says_what_is_in_it_and_other_files_are_left_out_in_one_line() {
    let dir = tempdir().unwrap();
    assert_fails!(
        read(dir.path(), &sized(2, 2)),
        DataError::ImageFiles { .. },
        "expected .png",
        "found no files"
    );
    for name in ["Thumbs.db", "notes.txt", "old.webp", ".DS_Store", "z.gif"] {
        put(dir.path(), name, b"x");
    }
    assert_fails!(
        read(dir.path(), &sized(2, 2)),
        DataError::ImageFiles { .. },
        "5 other files (.DS_Store, Thumbs.db"
    );
    put(dir.path(), "good.png", &flat(2, 2, 9));
    let read_so = read(dir.path(), &sized(2, 2)).unwrap();
    assert_eq!(read_so.notes, ["5 other files (.DS_Store, Thumbs.db, notes.txt, old.webp, …) left out"]);
    assert_eq!(read_so.files, [PathBuf::from("good.png")]);
    // A folder of other things is no class, and one of images is: then all images need one.
    put(dir.path(), "papers/a.txt", b"x");
    assert_eq!(read(dir.path(), &sized(2, 2)).unwrap().classes, [""; 0]);
    put(dir.path(), "cats/deep/b.png", &flat(2, 2, 9));
    put(dir.path(), "cats/a.png", &flat(2, 2, 9));
    assert_fails!(
        read(dir.path(), &sized(2, 2)),
        DataError::ImageFiles { .. },
        "found good.png beside the folder cats"
    );
    fs::remove_file(dir.path().join("good.png")).unwrap();
    let classes = read(dir.path(), &sized(2, 2)).unwrap();
    assert_eq!(
        (&classes.classes[..], classes.files),
        (&["cats".to_owned()][..], vec![PathBuf::from("cats/a.png")])
    );
    assert!(classes.notes.iter().any(|note| note == "no images in papers: left out"), "{:?}", classes.notes);
    assert!(classes.notes[0].starts_with("7 other files"), "{:?}", classes.notes);
    assert_fails!(read(&dir.path().join("nowhere"), &sized(2, 2)), DataError::Open { .. }, "nowhere");
}

#[test]
fn a_damaged_or_odd_file_is_named_with_what_to_do() {
    let sound = flat(8, 8, 7);
    let jpeg = bytes(&GrayImage::from_fn(64, 64, |x, y| Luma([(x * y % 251) as u8])).into(), Jpeg);
    let wrong: [(&str, Vec<u8>, &str); 7] = [
        ("empty.png", vec![], "found an empty file"),
        ("text.png", b"hello, world\n".to_vec(), "\"hello, world"),
        ("cut.png", sound[..40].to_vec(), "cannot be decoded"),
        ("cut.jpg", jpeg[..100].to_vec(), "cannot be decoded"),
        ("huge.png", claiming(sound.clone(), 20_000, 20_000), "found 20000x20000"),
        ("claim.png", claiming(sound.clone(), 8_000, 8_000), "cannot hold the 8000x8000 pixels"),
        ("gif.jpeg", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), "GIF89a"),
    ];
    for (name, contents, says) in &wrong {
        let dir = tempdir().unwrap();
        put(dir.path(), "good.png", &sound);
        put(dir.path(), name, contents);
        assert_fails!(
            read(dir.path(), &ImageOptions::default()),
            DataError::Image { .. },
            name,
            says,
            "--skip-damaged"
        );
        let skipped = ImageOptions { skip_damaged: true, ..ImageOptions::default() };
        let rest = read(dir.path(), &skipped).unwrap();
        assert_eq!(rest.files, [PathBuf::from("good.png")], "{name}");
        assert!(
            rest.notes.iter().any(|note| note.contains(name) && note.contains("cannot be read")),
            "{:?}",
            rest.notes
        );
        // Nothing is left if all are damaged.
        fs::remove_file(dir.path().join("good.png")).unwrap();
        assert_fails!(read(dir.path(), &skipped), DataError::Image { .. }, name);
    }
    // A JPEG file named .png is a JPEG file.
    let dir = tempdir().unwrap();
    put(dir.path(), "photo.png", &jpeg);
    assert_eq!(read(dir.path(), &ImageOptions::default()).unwrap().set.len(), 1);
}

#[cfg(unix)]
#[test]
fn names_that_are_no_unicode_are_names() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let dir = tempdir().unwrap();
    let odd = Path::new(OsStr::from_bytes(b"caf\xe9")).join(OsStr::from_bytes(b"\xff.png"));
    put(dir.path(), &odd, &flat(2, 2, 255));
    let read = read(dir.path(), &ImageOptions::default()).unwrap();
    assert_eq!((&read.files[..], &read.classes[..]), (&[odd][..], &["caf\u{fffd}".to_owned()][..]));
}

#[test]
fn a_thousand_files_of_several_sizes_are_read_and_the_broken_one_is_named() {
    let dir = tempdir().unwrap();
    let name = |i: usize| format!("{}/{i:04}.{}", ["bird", "cat", "dog"][i % 3], ["png", "jpg"][i % 2]);
    for i in 0..1000 {
        let [height, width] = [[20, 24], [28, 28], [28, 28], [28, 28], [64, 40]][i % 5];
        let image = GrayAlphaImage::from_pixel(width, height, LumaA([(i % 256) as u8, 255]));
        let image = DynamicImage::from(image);
        match i % 2 {
            0 => put(dir.path(), name(i), &bytes(&image, Png)),
            _ => put(dir.path(), name(i), &bytes(&image.to_rgb8().into(), Jpeg)),
        };
    }
    let seen = Mutex::new(Vec::new());
    let all = ImageFolder::read(dir.path(), &ImageOptions::default(), &|done, of| {
        seen.lock().unwrap().push((done, of))
    })
    .unwrap();
    assert_eq!((all.set.len(), all.set.height, all.set.width), (1000, 28, 28));
    assert_eq!(all.classes, ["bird", "cat", "dog"]);
    assert_eq!(all.notes, ["400 of 1000 images brought to 28x28 pixels"]);
    for (file, (row, &label)) in
        all.files.iter().zip((0..1000).map(|row| all.set.images.row(row)).zip(&all.set.labels))
    {
        let i: usize = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        assert_eq!((file, usize::from(label)), (&PathBuf::from(name(i)), i % 3));
        // JPEG keeps a grey of one value within a step or two.
        assert!(row.iter().all(|grey| (grey - (i % 256) as f32 / 255.0).abs() < 0.01), "{}", file.display());
    }
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (1..=1000).map(|done| (done, 1000)).collect::<Vec<_>>());

    let file = put(dir.path(), name(500), &flat(28, 28, 1)[..50]);
    assert_fails!(
        read(dir.path(), &ImageOptions::default()),
        DataError::Image { .. },
        &*file.display().to_string(),
        "save it again as PNG or JPEG, move it away"
    );
    let options = ImageOptions { skip_damaged: true, ..ImageOptions::default() };
    let rest = read(dir.path(), &options).unwrap();
    assert_eq!((rest.set.len(), rest.files.len(), rest.set.images.rows), (999, 999, 999));
    assert!(!rest.files.contains(&PathBuf::from(name(500))));
    // One thread reads what several read.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| read(dir.path(), &options)).unwrap(), rest);
}
