//! What the encoder sees in the place of missing numbers.

use autograd::{Real, Var};
use nn::model::{Init, Layout, Slot};

/// A normal distribution of all that an encoder sees, f ~ N(m, Λ⁻¹), in slots of θ that are not trained.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    /// m (D)
    mean: Slot,
    /// Λ − I (D, D)
    precision: Slot,
}

impl Expected {
    pub(crate) fn new(layout: &mut Layout, inputs: usize) -> Self {
        Self {
            mean: layout.slot("gaps.mean", [inputs], Init::Constant(0.0)),
            precision: layout.slot("gaps.precision", [inputs, inputs], Init::Constant(0.0)),
        }
    }

    /// Writes the distribution to θ: m (D), Λ (D, D).
    pub(crate) fn set<F: Real>(&self, theta: &mut [F], mean: &[f64], precision: &[f64]) {
        let off_identity = |(at, p): (usize, &f64)| p - f64::from(u8::from(at % (mean.len() + 1) == 0));
        let write = |out: &mut [F], numbers: Vec<f64>| {
            out.iter_mut().zip(numbers).for_each(|(out, x)| *out = F::from_f64(x));
        };
        write(&mut theta[self.mean.range()], mean.to_vec());
        write(&mut theta[self.precision.range()], precision.iter().enumerate().map(off_identity).collect());
    }

    /// Rows f (…, D) with E[f_missing | f_observed] where `observed` (…, D) is 0.
    #[track_caller]
    #[inline(never)]
    pub(crate) fn fill<'t, F: Real>(
        &self,
        theta: Var<'t, F>,
        f: Var<'t, F>,
        observed: Var<'t, F>,
    ) -> Var<'t, F> {
        let mut rows = f.to_vec();
        theta.with(|theta| {
            let mean: Vec<f64> = theta[self.mean.range()].iter().map(|m| m.to_f64()).collect();
            let precision = &theta[self.precision.range()];
            observed.with(|observed| {
                let d = mean.len();
                for (row, observed) in rows.chunks_exact_mut(d).zip(observed.chunks_exact(d)) {
                    let missing: Vec<usize> = (0..d).filter(|&j| observed[j] == F::ZERO).collect();
                    let shifts = shifts(&mean, precision, row, &missing);
                    missing.iter().zip(shifts).for_each(|(&j, s)| row[j] = F::from_f64(mean[j] - s));
                }
            });
        });
        f.tape().constant(&rows, f.shape())
    }
}

/// Λ_mm⁻¹ Λ_mo (f_o − m_o) of a row, by a Cholesky factor L L′ = Λ_mm.
fn shifts<F: Real>(mean: &[f64], precision: &[F], row: &[F], missing: &[usize]) -> Vec<f64> {
    let (d, m) = (mean.len(), missing.len());
    let mut centred: Vec<f64> = row.iter().zip(mean).map(|(f, mean)| f.to_f64() - mean).collect();
    missing.iter().for_each(|&j| centred[j] = 0.0);
    let of = |i: usize| &precision[missing[i] * d..][..d];
    let mut x: Vec<f64> =
        (0..m).map(|i| of(i).iter().zip(&centred).map(|(p, c)| p.to_f64() * c).sum()).collect();
    let mut l = vec![0.0; m * m];
    for i in 0..m {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|k| l[i * m + k] * l[j * m + k]).sum();
            let rest = of(i)[missing[j]].to_f64() - inner;
            // Λ is positive definite, up to the rounding of single precision.
            l[i * m + j] = if i == j { (rest + 1.0).max(1e-6).sqrt() } else { rest / l[j * m + j] };
        }
        let known: f64 = (0..i).map(|k| l[i * m + k] * x[k]).sum();
        x[i] = (x[i] - known) / l[i * m + i];
    }
    for i in (0..m).rev() {
        let known: f64 = (i + 1..m).map(|k| l[k * m + i] * x[k]).sum();
        x[i] = (x[i] - known) / l[i * m + i];
    }
    x
}
