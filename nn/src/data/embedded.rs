//! Two small data sets that are part of the program, for examples that run without a download. Their licence is CC BY 4.0.

use super::{LabelledImages, Matrix, Table, TableOptions};

/// 1,797 handwritten digits of 8x8 pixels with their 10 classes. Pixels are scaled from 0 … 16 to \[0, 1\]. The data are part of
/// the program.
///
/// E. Alpaydin & C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
pub fn digits() -> LabelledImages {
    let rows = own(include_bytes!("../../embedded/digits.csv.gz"));
    let pixels: Vec<_> = (0..64).collect();
    LabelledImages {
        images: rows.columns(&pixels).map(|grey| grey as f32 / 16.0),
        labels: rows.columns(&[64]).values.iter().map(|&class| class as u8).collect(),
        height: 8,
        width: 8,
    }
}

/// 442 diabetes patients: `age`, `sex`, body mass index `bmi`, blood pressure `bp`, six serum measurements `s1` to `s6`, and
/// the target of a regression, `progression`, a measure of how the disease went on within a year. The data are part of the
/// program.
///
/// B. Efron, T. Hastie, I. Johnstone & R. Tibshirani, "Least Angle Regression", Annals of Statistics 32, 2004.
pub fn diabetes() -> Table {
    let features = own(include_bytes!("../../embedded/diabetes_data_raw.csv.gz"));
    let target = own(include_bytes!("../../embedded/diabetes_target.csv.gz"));
    let names = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "progression"];
    let values = (0..features.rows).flat_map(|i| [features.row(i), target.row(i)].concat()).collect();
    Table::new(names.map(String::from).to_vec(), Matrix::new(features.rows, names.len(), values))
}

fn own(bytes: &[u8]) -> Matrix<f64> {
    Table::parse(bytes, &TableOptions::default())
        .expect("embedded data are sound, which a test checks")
        .values
}
