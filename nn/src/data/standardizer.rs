//! Columns of mean 0 and standard deviation 1.

use super::Matrix;

/// z = (x − mean) / sd, column by column, with the mean and the standard deviation (with 1/n) of chosen rows: those of the
/// training set, never those of the test set.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardizer {
    /// The mean of each column.
    pub mean: Vec<f64>,
    /// The standard deviation of each column, √(Σ (x − mean)² / n), and 1 for a column that is constant.
    pub sd: Vec<f64>,
    constant: Vec<usize>,
}

impl Standardizer {
    /// The standardizer of these rows of `values`. Missing values (NaN) do not count.
    ///
    /// # Panics
    /// If no rows are given, or there is no such row.
    #[track_caller]
    pub fn fit(values: &Matrix<f64>, rows: &[usize]) -> Self {
        assert!(
            !rows.is_empty(),
            "Standardizer: expected at least one row of [{}, {}]",
            values.rows,
            values.cols
        );
        let values = values.select(rows);
        let mut fitted = Self { mean: Vec::new(), sd: Vec::new(), constant: Vec::new() };
        for j in 0..values.cols {
            let present = || (0..values.rows).map(|i| values.row(i)[j]).filter(|x| !x.is_nan());
            let (first, n) = (present().next().unwrap_or(0.0), present().count().max(1) as f64);
            let mean = present().sum::<f64>() / n;
            let sd = (present().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            // Rounding gives a column of equal numbers a tiny deviation; differences below 1e-162 square to 0.
            let constant = sd == 0.0 || present().all(|x| x == first);
            if constant {
                fitted.constant.push(j);
            }
            let (mean, sd) = if constant { (first, 1.0) } else { (mean, sd) };
            fitted.mean.push(mean);
            fitted.sd.push(sd);
        }
        fitted
    }

    /// The columns that are constant over the fitted rows. They tell a model nothing.
    pub fn constant_columns(&self) -> &[usize] {
        &self.constant
    }

    /// (x − mean) / sd, for any number of rows with the fitted number of columns.
    ///
    /// # Panics
    /// If the number of columns is another one.
    #[track_caller]
    pub fn apply(&self, values: &Matrix<f64>) -> Matrix<f64> {
        self.each(values, |x, mean, sd| (x - mean) / sd)
    }

    /// z sd + mean, the inverse of [`apply`](Self::apply).
    ///
    /// # Panics
    /// If the number of columns is another one.
    #[track_caller]
    pub fn invert(&self, values: &Matrix<f64>) -> Matrix<f64> {
        self.each(values, |z, mean, sd| z * sd + mean)
    }

    #[track_caller]
    fn each(&self, values: &Matrix<f64>, f: impl Fn(f64, f64, f64) -> f64) -> Matrix<f64> {
        let (cols, fitted) = (values.cols, self.mean.len());
        assert!(cols == fitted, "Standardizer: expected {fitted} columns, found [{}, {cols}]", values.rows);
        let columns = self.mean.iter().zip(&self.sd).cycle();
        let cells = values.values.iter().zip(columns);
        Matrix::new(values.rows, cols, cells.map(|(&x, (&mean, &sd))| f(x, mean, sd)).collect())
    }
}
