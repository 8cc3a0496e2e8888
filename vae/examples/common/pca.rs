//! Probabilistic principal components as a yardstick (Tipping & Bishop 1999).

use nn::data::Matrix;
use nn::noise::Noise;

/// x ~ N(W z + μ, σ²I), z ~ N(0, I)
pub(crate) struct Pca {
    mean: Vec<f64>,
    /// W, a column after the other
    w: Vec<Vec<f64>>,
    /// σ²
    variance: f64,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Pca {
    /// The closed form, with eigenvectors by orthogonal iteration.
    pub(crate) fn fit(x: &Matrix<f32>, components: usize, seed: u64) -> Self {
        let (n, d) = (x.rows as f64, x.cols);
        let mean: Vec<f64> =
            (0..d).map(|j| (0..x.rows).map(|i| f64::from(x.row(i)[j])).sum::<f64>() / n).collect();
        let centred: Vec<Vec<f64>> = (0..x.rows)
            .map(|i| x.row(i).iter().zip(&mean).map(|(x, m)| f64::from(*x) - m).collect())
            .collect();
        let total = centred.iter().map(|row| dot(row, row)).sum::<f64>() / n;
        let mut noise = vec![0.0; components * d];
        Noise::evaluation(seed).normal(0, d, &mut noise);
        let mut vectors: Vec<Vec<f64>> = noise.chunks_exact(d).map(<[f64]>::to_vec).collect();
        let mut values = vec![0.0; components];
        for _ in 0..60 {
            for vector in &mut vectors {
                let mut product = vec![0.0; d];
                for row in &centred {
                    let weight = dot(row, vector) / n;
                    product.iter_mut().zip(row).for_each(|(p, x)| *p += weight * x);
                }
                *vector = product;
            }
            for (i, value) in values.iter_mut().enumerate() {
                let (before, rest) = vectors.split_at_mut(i);
                for other in before {
                    let share = dot(other, &rest[0]);
                    rest[0].iter_mut().zip(other).for_each(|(v, o)| *v -= share * *o);
                }
                *value = dot(&rest[0], &rest[0]).sqrt();
                rest[0].iter_mut().for_each(|v| *v /= value.max(1e-300));
            }
        }
        let variance = ((total - values.iter().sum::<f64>()) / (d - components).max(1) as f64).max(1e-9);
        for (vector, value) in vectors.iter_mut().zip(values) {
            let scale = (value - variance).max(0.0).sqrt();
            vector.iter_mut().for_each(|v| *v *= scale);
        }
        Self { mean, w: vectors, variance }
    }

    /// E[x_missing | x_observed], in closed form, in the place of what is NaN.
    pub(crate) fn impute(&self, x: &Matrix<f32>) -> Matrix<f32> {
        let mut filled = x.values.to_vec();
        for row in filled.chunks_exact_mut(x.cols) {
            let seen: Vec<usize> = (0..row.len()).filter(|&j| !row[j].is_nan()).collect();
            let of = |w: &[f64]| -> Vec<f64> { seen.iter().map(|&j| w[j]).collect() };
            let w: Vec<Vec<f64>> = self.w.iter().map(|w| of(w)).collect();
            let difference: Vec<f64> = seen.iter().map(|&j| f64::from(row[j]) - self.mean[j]).collect();
            // E[z] = (WᵀW + σ²I)⁻¹ Wᵀ(x − μ), of what was observed
            let mut system: Vec<Vec<f64>> = (0..w.len())
                .map(|i| {
                    let mut line: Vec<f64> = w.iter().map(|other| dot(&w[i], other)).collect();
                    line[i] += self.variance;
                    line.push(dot(&w[i], &difference));
                    line
                })
                .collect();
            let z = solve(&mut system);
            for (j, x) in row.iter_mut().enumerate().filter(|(_, x)| x.is_nan()) {
                let step: f64 = self.w.iter().zip(&z).map(|(w, z)| w[j] * z).sum();
                *x = (self.mean[j] + step) as f32;
            }
        }
        Matrix::new(x.rows, x.cols, filled)
    }
}

/// Gaussian elimination of a positive definite system (A | b).
fn solve(system: &mut [Vec<f64>]) -> Vec<f64> {
    let n = system.len();
    for i in 0..n {
        let (above, below) = system.split_at_mut(i + 1);
        let pivot = &above[i];
        for row in below {
            let factor = row[i] / pivot[i];
            row.iter_mut().zip(pivot).for_each(|(x, p)| *x -= factor * p);
        }
    }
    let mut z = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| system[i][j] * z[j]).sum();
        z[i] = (system[i][n] - known) / system[i][i];
    }
    z
}
