//! Known facts about real data: what is embedded, and what lies in the folder `DATA_DIR`.

use std::collections::BTreeSet;

use nn::data::{self, Binarise, Idx, IdxValues, Mnist, Table, TableOptions, read_indices};

use super::data_dir;

#[test]
fn the_embedded_digits_are_those_of_uci() {
    let digits = data::digits();
    assert_eq!((digits.len(), digits.height, digits.width, digits.images.cols), (1797, 8, 8, 64));
    let count = |class| digits.labels.iter().filter(|&&label| label == class).count();
    assert_eq!(Vec::from_iter((0..10).map(count)), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    let (min, max) = digits.images.values.iter().fold((1.0f32, 0.0f32), |(a, b), &x| (a.min(x), b.max(x)));
    assert_eq!((min, max), (0.0, 1.0));
}

#[test]
fn the_embedded_diabetes_table_is_that_of_efron() {
    let table = data::diabetes();
    assert_eq!((table.values.rows, table.values.cols), (442, 11));
    let mean = |name| table.column(name).unwrap().iter().sum::<f64>() / 442.0;
    assert!((mean("progression") - 152.1335).abs() < 1e-4);
    assert!((mean("age") - 48.5181).abs() < 1e-4);
    assert!((mean("bmi") - 26.3758).abs() < 1e-4);
}

#[test]
fn mnist_is_as_published() {
    let Some(dir) = data_dir("mnist_is_as_published") else { return };
    let mnist = Mnist::read(dir.join("mnist")).unwrap();
    assert_eq!((mnist.train.len(), mnist.test.len()), (60_000, 10_000));
    assert_eq!((mnist.train.height, mnist.train.width), (28, 28));
    let mean = mnist.train.images.values.iter().map(|&x| f64::from(x)).sum::<f64>() / (60_000.0 * 784.0);
    assert!((mean - 0.1307).abs() < 1e-4, "{mean}");
    assert_eq!(mnist.train.labels[..5], [5, 0, 4, 1, 9]);
    assert!(Binarise::check(&mnist.train.images).is_ok());
}

#[test]
fn frey_faces_and_rotated_digits_have_their_shapes() {
    let Some(dir) = data_dir("frey_faces_and_rotated_digits_have_their_shapes") else { return };
    assert_eq!(Idx::read(dir.join("frey/frey-faces-idx3-ubyte.gz")).unwrap().shape, [1965, 28, 20]);
    let rotated = Idx::read(dir.join("rotated-mnist/rotated-threes-idx4-float.gz")).unwrap();
    assert_eq!(rotated.shape, [400, 16, 28, 28]);
    let IdxValues::F32(values) = rotated.values else { panic!("not f32") };
    assert!(values.iter().all(|x| (-0.27..1.26).contains(x)));
}

#[test]
fn the_uci_tables_and_their_splits_fit_together() {
    let Some(dir) = data_dir("the_uci_tables_and_their_splits_fit_together") else { return };
    for (name, rows, cols) in [("concrete", 1030, 9), ("energy", 768, 9), ("yacht", 308, 7)] {
        let dir = dir.join("uci").join(name);
        let values = Table::read(dir.join("data.txt"), &TableOptions::default()).unwrap().values;
        assert_eq!((values.rows, values.cols), (rows, cols));
        let indices = |file: &str, below| read_indices(dir.join(file), below).unwrap();
        assert!(indices("index_features.txt", cols).len() + indices("index_target.txt", cols).len() <= cols);
        let rows_used: BTreeSet<_> = [indices("index_train_0.txt", rows), indices("index_test_0.txt", rows)]
            .concat()
            .into_iter()
            .collect();
        assert_eq!(rows_used.len(), rows);
    }
}
