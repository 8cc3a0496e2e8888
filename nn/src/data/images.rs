//! Images with labels.

use std::path::{Path, PathBuf};

use super::idx::{Idx, IdxValues};
use super::{DataError, Matrix};

/// Images of one size, and the class of each.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledImages {
    /// The images (n, height · width): one in each row, itself row by row, with grey values from 0, black, to
    /// 1, white.
    pub images: Matrix<f32>,
    /// The class of each image, counted from 0.
    pub labels: Vec<u8>,
    /// The number of rows of pixels in an image.
    pub height: usize,
    /// The number of columns of pixels in an image.
    pub width: usize,
}

impl LabelledImages {
    /// Reads a pair of IDX files, images (n, height, width) and u8 labels (n), plain or gzipped.
    ///
    /// # Errors
    /// As [`Idx::read`] and [`Idx::into_images`]; also if types or shapes are other ones, a label is not below `classes`, or
    /// there are no images.
    pub fn read(images: impl AsRef<Path>, labels: impl AsRef<Path>, classes: u8) -> Result<Self, DataError> {
        let [images_file, labels_file] =
            [images.as_ref(), labels.as_ref()].map(|path| path.display().to_string());
        let images = Idx::read(images)?;
        let &[n, height, width] = &images.shape[..] else {
            let expected = "images (count, height, width)";
            return Err(DataError::NotThese { file: images_file, shape: images.shape, expected });
        };
        let Idx { shape, values: IdxValues::U8(labels) } = Idx::read(labels)? else {
            return Err(DataError::NotLabels { file: labels_file });
        };
        if shape != [n] {
            let other_shape = images.shape;
            return Err(DataError::Mismatch { file: labels_file, shape, other: images_file, other_shape });
        }
        if n * height * width == 0 {
            return Err(DataError::Empty { file: images_file });
        }
        match labels.iter().position(|&label| label >= classes) {
            Some(row) => Err(DataError::Label { file: labels_file, row, label: labels[row], classes }),
            None => Ok(Self { images: images.into_images(&images_file)?, labels, height, width }),
        }
    }

    /// The number of images.
    #[expect(clippy::len_without_is_empty, reason = "a data set that was read is not empty")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The images of these indices with their labels, in this order.
    ///
    /// # Panics
    /// If there is no such image.
    #[track_caller]
    pub fn select(&self, indices: &[usize]) -> Self {
        let images = self.images.select(indices);
        Self { images, labels: indices.iter().map(|&i| self.labels[i]).collect(), ..*self }
    }
}

/// MNIST, or a data set laid out like it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mnist {
    /// The training images; in MNIST 60,000 of 28x28 pixels, with mean 0.1307 and standard deviation 0.3081.
    pub train: LabelledImages,
    /// The test images; in MNIST 10,000.
    pub test: LabelledImages,
}

impl Mnist {
    /// Reads MNIST from a folder with its four files, `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
    /// `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, also spelled with a dot before `idx`, plain or with `.gz`.
    ///
    /// # Errors
    /// [`DataError::Missing`] lists the files that are not there; otherwise as [`LabelledImages::read`] with 10 classes,
    /// and if training and test images differ in size.
    pub fn read(dir: impl AsRef<Path>) -> Result<Self, DataError> {
        let dir = dir.as_ref();
        let names = [
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ];
        let [Some(train_images), Some(train_labels), Some(test_images), Some(test_labels)] =
            names.map(|name| find(dir, name))
        else {
            let expected =
                names.iter().filter(|name| find(dir, name).is_none()).map(|&name| name.into()).collect();
            return Err(DataError::Missing { folder: dir.display().to_string(), expected });
        };
        let train = LabelledImages::read(&train_images, train_labels, 10)?;
        let test = LabelledImages::read(&test_images, test_labels, 10)?;
        if (train.height, train.width) != (test.height, test.width) {
            let shape = |set: &LabelledImages| vec![set.len(), set.height, set.width];
            let [file, other] = [test_images, train_images].map(|path| path.display().to_string());
            return Err(DataError::Mismatch { file, shape: shape(&test), other, other_shape: shape(&train) });
        }
        Ok(Self { train, test })
    }
}

fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let spellings = [name.to_string(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")];
    spellings.iter().map(|name| dir.join(name)).find(|path| path.is_file())
}
