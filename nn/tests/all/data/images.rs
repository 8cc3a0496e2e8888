//! IDX files and MNIST.

use std::fs;
use std::path::Path;

use nn::data::{DataError, Idx, IdxValues, Matrix, Mnist, Table, TableOptions};

use super::{Folder, assert_fails, gzip, idx_file};

#[test]
fn an_idx_file_is_read_plain_or_gzipped() {
    let bytes = idx_file(8, &[2, 1, 3], &[0, 51, 255, 1, 2, 3]);
    let plain = Idx::parse(&bytes).unwrap();
    assert_eq!(plain.shape, [2, 1, 3]);
    assert_eq!(plain.values, IdxValues::U8(vec![0, 51, 255, 1, 2, 3]));
    assert_eq!(plain, Idx::parse(&gzip(&bytes)).unwrap());
    // A name that says otherwise changes nothing.
    let folder = Folder::new("idx");
    assert_eq!(plain, Idx::read(folder.file("packed.idx", &gzip(&bytes))).unwrap());
    assert_eq!(plain, Idx::read(folder.file("plain.gz", &bytes)).unwrap());
    let matrix = plain.into_matrix();
    assert_eq!((matrix.rows, matrix.cols, matrix.row(0)), (2, 3, &[0.0, 0.2, 1.0][..]));
}

#[test]
fn f32_values_are_big_endian_and_stay_as_they_are() {
    let contents: Vec<u8> = [-0.25f32, 1.5].iter().flat_map(|x| x.to_be_bytes()).collect();
    let matrix = Idx::parse(&idx_file(0x0d, &[2], &contents)).unwrap().into_matrix();
    assert_eq!(matrix, Matrix::new(2, 1, vec![-0.25, 1.5]));
}

#[test]
fn a_header_that_claims_more_than_the_file_holds_is_refused() {
    let bytes = idx_file(8, &[2, 3], &[1, 2, 3, 4]);
    assert_fails!(Idx::parse(&bytes), DataError::CutShort { end: 16, missing: 2, .. }, "byte 16", "2 more");
    // A claim of 2⁴⁰ bytes would end the process if memory were set aside for it.
    let bytes = idx_file(8, &[1 << 20, 1 << 20], &[7; 100]);
    assert_fails!(Idx::parse(&bytes), DataError::CutShort { .. }, "byte 112");
    assert_fails!(Idx::parse(&gzip(&bytes)), DataError::CutShort { .. }, "byte 112");
    assert_fails!(Idx::parse(&[0, 0, 8, 3, 0]), DataError::CutShort { missing: 11, .. }, "fetch it again");
}

#[test]
fn a_shape_whose_product_overflows_is_refused() {
    for shape in [[u32::MAX; 4], [0, u32::MAX, u32::MAX, u32::MAX]] {
        assert_fails!(Idx::parse(&idx_file(8, &shape, &[])), DataError::ShapeTooLarge { .. }, "4294967295");
    }
}

#[test]
fn bytes_after_the_values_are_refused_before_the_rest_is_unpacked() {
    let bytes = idx_file(8, &[2], &[1, 2, 3]);
    assert_fails!(Idx::parse(&bytes), DataError::TooLong { end: 10, .. }, "byte 10");
    let bomb = gzip(&idx_file(8, &[2], &vec![0; 1 << 26]));
    // Its last bytes are missing, which nobody would know who had not read so far.
    assert_fails!(Idx::parse(&bomb[..bomb.len() - 100]), DataError::TooLong { .. }, "goes on");
}

#[test]
fn a_gzip_file_cut_short_or_damaged_is_refused() {
    let whole = gzip(&idx_file(8, &[4, 100], &[9; 400]));
    for end in 2..whole.len() {
        assert_fails!(Idx::parse(&whole[..end]), DataError::Read { .. }, "fetch it again");
    }
    let mut damaged = whole.clone();
    damaged[whole.len() - 5] ^= 1; // the checksum
    assert_fails!(Idx::parse(&damaged), DataError::Read { .. }, "fetch it again");
}

#[test]
fn another_magic_number_is_refused() {
    for bytes in [&b""[..], b"P5 2", &[0, 0, 8, 0], &[0, 0, 9, 1], &[1, 0, 8, 1]] {
        assert_fails!(Idx::parse(bytes), DataError::NotIdx { .. }, "00 00", "is it the right file?");
    }
}

#[test]
fn pixels_that_were_not_scaled_are_refused() {
    let contents: Vec<u8> = [0.0_f32, 0.5, 1.2, 17.0].iter().flat_map(|x| x.to_be_bytes()).collect();
    let images = Idx::parse(&idx_file(0x0d, &[2, 2], &contents)).unwrap();
    let words = ["train-images: image 2, pixel 2", "found 17", "255"];
    let error = images.into_images("train-images").unwrap_err();
    assert!(matches!(error, DataError::Grey { row: 1, column: 1, value: 17.0, .. }), "{error:?}");
    assert!(words.iter().all(|words| error.to_string().contains(words)), "{error}");
    let bytes = Idx::parse(&idx_file(8, &[1, 2], &[0, 255])).unwrap().into_images("images").unwrap();
    assert_eq!(bytes.values[..], [0.0, 1.0]);
}

#[test]
fn f32_values_that_are_not_finite_are_refused() {
    let contents: Vec<u8> = [0.0, f32::NAN].iter().flat_map(|x| x.to_be_bytes()).collect();
    assert_fails!(Idx::parse(&idx_file(0x0d, &[2], &contents)), DataError::NotFinite { entry: 1, .. }, "NaN");
}

#[test]
fn a_file_that_is_not_there_and_a_folder_are_refused_by_name() {
    let folder = Folder::new("absent");
    assert_fails!(Idx::read(folder.0.join("no.idx")), DataError::Open { .. }, "no.idx", "check the path");
    assert_fails!(
        Table::read(&folder.0, &TableOptions::default()),
        DataError::Folder { .. },
        "absent",
        "found a folder"
    );
}

/// A small data set in the layout of MNIST.
fn write_mnist(folder: &Folder, labels: &[u8]) {
    let images = idx_file(8, &[2, 2, 3], &[255; 12]);
    folder.file("train-images-idx3-ubyte.gz", &gzip(&images));
    folder.file("train-labels-idx1-ubyte", &idx_file(8, &[labels.len() as u32], labels));
    folder.file("t10k-images.idx3-ubyte", &images);
    folder.file("t10k-labels.idx1-ubyte.gz", &gzip(&idx_file(8, &[2], &[0, 9])));
}

#[test]
fn mnist_is_found_under_every_spelling_of_its_names() {
    let folder = Folder::new("mnist");
    write_mnist(&folder, &[3, 4]);
    let data = Mnist::read(&folder.0).unwrap();
    assert_eq!((data.train.height, data.train.width, &data.train.labels[..]), (2, 3, &[3, 4][..]));
    assert_eq!(data.test.images, Matrix::new(2, 6, vec![1.0; 12]));
    assert_eq!(data.test.select(&[1]).labels, [9]);
}

#[test]
fn missing_mnist_files_are_listed_with_their_folder() {
    let folder = Folder::new("mnist-missing");
    write_mnist(&folder, &[3, 4]);
    fs::remove_file(folder.0.join("t10k-images.idx3-ubyte")).unwrap();
    assert_fails!(
        Mnist::read(&folder.0),
        DataError::Missing { .. },
        "no t10k-images-idx3-ubyte;",
        "mnist-missing"
    );
    let nowhere = Path::new("no such folder");
    assert_fails!(
        Mnist::read(nowhere),
        DataError::Missing { .. },
        "no such folder",
        "no train-labels-idx1-ubyte"
    );
}

#[test]
fn mnist_files_that_do_not_fit_each_other_are_refused() {
    let folder = Folder::new("mnist-misfit");
    write_mnist(&folder, &[3, 4, 5]);
    assert_fails!(Mnist::read(&folder.0), DataError::Mismatch { .. }, "train-labels", "[3]", "[2, 2, 3]");
    write_mnist(&folder, &[3, 10]);
    assert_fails!(
        Mnist::read(&folder.0),
        DataError::Label { row: 1, label: 10, .. },
        "row 2: expected a label below 10, found 10"
    );
    write_mnist(&folder, &[3, 4]);
    folder.file("t10k-images.idx3-ubyte", &idx_file(8, &[2, 3, 2], &[0; 12]));
    assert_fails!(Mnist::read(&folder.0), DataError::Mismatch { .. }, "[2, 3, 2]", "[2, 2, 3]");
    folder.file("t10k-images.idx3-ubyte", &idx_file(8, &[12], &[0; 12]));
    assert_fails!(Mnist::read(&folder.0), DataError::NotThese { .. }, "t10k-images", "[12]");
    write_mnist(&folder, &[3, 4]);
    folder.file("train-labels-idx1-ubyte", &idx_file(0x0d, &[2], &[0; 8]));
    assert_fails!(Mnist::read(&folder.0), DataError::NotLabels { .. }, "train-labels");
    folder.file("train-images-idx3-ubyte.gz", &idx_file(8, &[0, 2, 3], &[]));
    folder.file("train-labels-idx1-ubyte", &idx_file(8, &[0], &[]));
    assert_fails!(Mnist::read(&folder.0), DataError::Empty { .. }, "train-images");
}
