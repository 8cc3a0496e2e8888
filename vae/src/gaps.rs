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

    /// The slots, which no gradient reaches.
    pub(crate) fn slots(&self) -> [&Slot; 2] {
        [&self.mean, &self.precision]
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
        let (mean, mut precision) = theta.with(|theta| {
            let of = |slot: &Slot| theta[slot.range()].iter().map(|x| x.to_f64()).collect::<Vec<f64>>();
            (of(&self.mean), of(&self.precision))
        });
        let d = mean.len();
        precision.iter_mut().step_by(d + 1).for_each(|p| *p += 1.0);
        observed.with(|observed| {
            for (row, observed) in rows.chunks_exact_mut(d).zip(observed.chunks_exact(d)) {
                let missing: Vec<usize> = (0..d).filter(|&j| observed[j] == F::ZERO).collect();
                let known: Vec<f64> = row.iter().map(|f| f.to_f64()).collect();
                let given = GivenOthers::new(&precision, &missing, d, SINGLE);
                let means = given.means(&mean, &known);
                missing.iter().zip(means).for_each(|(&j, mean)| row[j] = F::from_f64(mean));
            }
        });
        f.tape().constant(&rows, f.shape())
    }
}

/// What rounding to single precision changes of a number, relative to it.
const SINGLE: f64 = 1e-7;

/// Some variables m of a normal distribution with the mean μ (D) and the precision Λ (D, D), given the others, o:
///
/// x_m | x_o ~ N(μ_m − Λ_mm⁻¹ Λ_mo (x_o − μ_o), Λ_mm⁻¹)
pub(crate) struct GivenOthers<'a> {
    precision: &'a [f64],
    missing: &'a [usize],
    d: usize,
    /// The Cholesky factor of Λ_mm, (m, m).
    l: Vec<f64>,
}

impl<'a> GivenOthers<'a> {
    /// Λ is positive definite up to `rounding`, relative to its diagonal.
    pub(crate) fn new(precision: &'a [f64], missing: &'a [usize], d: usize, rounding: f64) -> Self {
        let m = missing.len();
        let mut l = vec![0.0; m * m];
        for i in 0..m {
            for j in 0..=i {
                let inner: f64 = (0..j).map(|k| l[i * m + k] * l[j * m + k]).sum();
                let entry = precision[missing[i] * d + missing[j]];
                let rest = entry - inner;
                l[i * m + j] = if i == j { rest.max(rounding * entry).sqrt() } else { rest / l[j * m + j] };
            }
        }
        Self { precision, missing, d, l }
    }

    /// E[x_m | x_o] for a row (D), whatever stands in it for x_m.
    pub(crate) fn means(&self, mean: &[f64], row: &[f64]) -> Vec<f64> {
        let mut centred: Vec<f64> = row.iter().zip(mean).map(|(x, mean)| x - mean).collect();
        self.missing.iter().for_each(|&j| centred[j] = 0.0);
        let pull = |&i: &usize| {
            let precision = &self.precision[i * self.d..][..self.d];
            precision.iter().zip(&centred).map(|(p, c)| p * c).sum()
        };
        let mut shift: Vec<f64> = self.missing.iter().map(pull).collect();
        self.solve(&mut shift);
        self.missing.iter().zip(shift).map(|(&j, shift)| mean[j] - shift).collect()
    }

    /// Λ_mm⁻¹, the covariance of x_m given x_o, (m, m), and the logarithm of its determinant.
    pub(crate) fn covariance(&self) -> (Vec<f64>, f64) {
        let m = self.missing.len();
        let mut covariance = vec![0.0; m * m];
        for (i, row) in covariance.chunks_exact_mut(m.max(1)).enumerate() {
            row[i] = 1.0;
            self.solve(row);
        }
        (covariance, -2.0 * self.l.iter().step_by(m + 1).map(|l| l.ln()).sum::<f64>())
    }

    /// x ← Λ_mm⁻¹ x
    fn solve(&self, x: &mut [f64]) {
        let (m, l) = (self.missing.len(), &self.l);
        for i in 0..m {
            let known: f64 = (0..i).map(|k| l[i * m + k] * x[k]).sum();
            x[i] = (x[i] - known) / l[i * m + i];
        }
        for i in (0..m).rev() {
            let known: f64 = (i + 1..m).map(|k| l[k * m + i] * x[k]).sum();
            x[i] = (x[i] - known) / l[i * m + i];
        }
    }
}
