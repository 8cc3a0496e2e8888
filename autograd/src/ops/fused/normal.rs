//! The log-density of normal variables as one operation.

use crate::check::{Case, Checked, Sample};
use crate::numerics::{HALF_LN_2PI, add_rows};
use crate::ops::broadcast::{Rows, equal_rows, rows};
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

/// log N(x; μ, σ²) of independent normal variables, summed over the last axis. With r = (x − μ)/σ:
///
/// y = −Σᵢ ½ rᵢ² + log σᵢ + ½ ln 2π,   μ̄ᵢ += rᵢ/σᵢ ȳ,   x̄ᵢ −= rᵢ/σᵢ ȳ,   log σ̄ᵢ += (rᵢ² − 1) ȳ
///
/// x, μ (…, n) and log σ, with a last axis of n or of one number for the whole row, to (…); leading axes are broadcast. It is
/// the composition of `sub`, `exp`, `mul`, `square`, `add` and `sum_axis`.
#[derive(Clone, Copy, Debug)]
pub struct NormalLogProb;

/// Where the rows of x, μ and log σ are, and how long they are.
#[derive(Clone, Copy)]
struct Layout {
    rows: Rows<3>,
    n: usize,
    /// 1 or n
    sigmas: usize,
}

impl Layout {
    fn new<F: Real>(x: &Inputs<'_, F>) -> Self {
        let rows = Rows::new([x.shape(0), x.shape(1), x.shape(2)]);
        Self { rows, n: x.shape(0).last(), sigmas: x.shape(2).last() }
    }

    /// The i-th row of x (0) or μ (1).
    #[inline(always)]
    fn row<F>(self, array: usize, x: &[F], i: usize) -> &[F] {
        &x[self.rows.of(array, i) * self.n..][..self.n]
    }

    /// The log σ of the i-th row.
    #[inline(always)]
    fn log_sigma<F>(self, log_sigma: &[F], i: usize) -> &[F] {
        &log_sigma[self.rows.of(2, i) * self.sigmas..][..self.sigmas]
    }
}

impl<F: Real> Op<F> for NormalLogProb {
    fn name(&self) -> &'static str {
        "normal_log_prob"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let &[x, mu, log_sigma] = x else { return Err("takes x, μ and log σ".into()) };
        // One σ for a whole row counts as a row.
        let log_sigma = match log_sigma.dims() {
            [] => [x.last()].into(),
            [.., 1] => log_sigma.with_last(x.last()),
            _ => log_sigma,
        };
        rows(&[x, mu, log_sigma])
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        normal(Layout::new(x), &x[0], &x[1], &x[2], y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let layout = Layout::new(x);
        if let Some(dx) = dx.get(0) {
            add_differences(layout, 1, 0, &x[1], &x[0], &x[2], dy, dx);
        }
        if let Some(dmu) = dx.get(1) {
            add_differences(layout, 0, 1, &x[0], &x[1], &x[2], dy, dmu);
        }
        if let Some(ds) = dx.get(2) {
            add_squares(layout, &x[0], &x[1], &x[2], y, dy, ds);
        }
    }
}

impl<F: Real> Checked<F> for NormalLogProb {
    fn cases() -> Vec<Case<Self>> {
        let case = |(x, mu, log_sigma): (&[usize], &[usize], &[usize])| {
            Case::new(Self, [Sample::any(x), Sample::any(mu), Sample::uniform(log_sigma, -0.5..1.0)])
        };
        let shapes: [(&[usize], &[usize], &[usize]); 8] = [
            (&[3, 5], &[3, 5], &[]),
            (&[2, 3, 5], &[3, 5], &[1]),
            (&[17], &[2, 17], &[2, 1]),
            (&[3, 5], &[3, 5], &[3, 5]),
            (&[2, 3, 17], &[3, 17], &[17]),
            (&[2, 1, 5], &[3, 5], &[2, 3, 5]),
            (&[5], &[5], &[3, 5]),
            (&[], &[], &[]),
        ];
        shapes.map(case).into()
    }
}

/// 1/√σ = e^(−½ log σ), which is finite for every σ > 0 that the type can hold; 1/σ is not.
#[inline(always)]
pub(super) fn root_of_inverse<F: Real>(log_sigma: F) -> F {
    (log_sigma * F::from_f64(-0.5)).exp()
}

/// d/σ, with the root of 1/σ: 0 for d = 0, however small σ is.
#[inline(always)]
pub(super) fn over_sigma<F: Real>(d: F, root: F) -> F {
    d * root * root
}

kernel! {
    fn normal<F: Real>(layout: Layout, x: &[F], mu: &[F], log_sigma: &[F], y: &mut [F]) {
        let (half, constant) = (F::from_f64(0.5), F::from_f64(HALF_LN_2PI));
        let (n, one_sigma) = (F::from_f64(layout.n as f64), log_sigma.len() == 1);
        if one_sigma && layout.n == 1 && x.len() == y.len() && mu.len() == y.len() {
            // Rows of one number: one long row, whose terms are not summed.
            let (s, root) = (log_sigma[0], root_of_inverse(log_sigma[0]));
            for ((y, &x), &mu) in y.iter_mut().zip(x).zip(mu) {
                let r = over_sigma(x - mu, root);
                *y = -half * (r * r) - (s + constant);
            }
            return;
        }
        let first = if one_sigma { root_of_inverse(log_sigma[0]) } else { F::ZERO };
        for (i, y) in y.iter_mut().enumerate() {
            let (x, mu, s) = (layout.row(0, x, i), layout.row(1, mu, i), layout.log_sigma(log_sigma, i));
            *y = if let &[s] = s {
                let root = if one_sigma { first } else { root_of_inverse(s) };
                let squares = lane_sum!(F, [x, mu] => {
                    let r = over_sigma(x - mu, root);
                    r * r
                });
                -half * squares - n * (s + constant)
            } else {
                -lane_sum!(F, [x, mu, s] => {
                    let root = root_of_inverse(s);
                    let r = over_sigma(x - mu, root);
                    half * r * r + s + constant
                })
            };
        }
    }
}

kernel! {
    /// b̄ += (a − b)/σ² ȳ, where `a_array` and `b_array` say which of x (0) and μ (1) a and b are.
    fn add_differences<F: Real>(
        layout: Layout, a_array: usize, b_array: usize, a: &[F], b: &[F], log_sigma: &[F], dy: &[F], db: &mut [F],
    ) {
        let one_sigma = log_sigma.len() == 1;
        let first = if one_sigma { root_of_inverse(log_sigma[0]) } else { F::ZERO };
        if one_sigma && layout.n == 1 && a.len() == dy.len() && b.len() == dy.len() {
            for (((db, &a), &b), &dy) in db.iter_mut().zip(a).zip(b).zip(dy) {
                *db += over_sigma(over_sigma(a - b, first), first) * dy;
            }
            return;
        }
        for (row, (db, b)) in db.chunks_exact_mut(layout.n.max(1)).zip(b.chunks_exact(layout.n.max(1))).enumerate() {
            add_rows(layout.rows.shares(b_array), [db], |share, start, [db]| {
                let i = layout.rows.shared(b_array, row, share);
                let (a, s, dy) = (layout.row(a_array, a, i), layout.log_sigma(log_sigma, i), dy[i]);
                let (a, b) = (&a[start..][..db.len()], &b[start..][..db.len()]);
                if let &[s] = s {
                    let root = if one_sigma { first } else { root_of_inverse(s) };
                    for ((db, &a), &b) in db.iter_mut().zip(a).zip(b) {
                        *db += over_sigma(over_sigma(a - b, root), root) * dy;
                    }
                } else {
                    for (((db, &a), &b), &s) in db.iter_mut().zip(a).zip(b).zip(&s[start..]) {
                        let root = root_of_inverse(s);
                        *db += over_sigma(over_sigma(a - b, root), root) * dy;
                    }
                }
            });
        }
    }
}

kernel! {
    /// log σ̄ += (r² − 1) ȳ, summed over the row if it has one σ.
    fn add_squares<F: Real>(layout: Layout, x: &[F], mu: &[F], log_sigma: &[F], y: &[F], dy: &[F], ds: &mut [F]) {
        let (n, constant) = (F::from_f64(layout.n as f64), F::from_f64(HALF_LN_2PI));
        for (row, ds) in ds.chunks_exact_mut(layout.sigmas.max(1)).enumerate() {
            add_rows(layout.rows.shares(2), [ds], |share, start, [ds]| {
                let i = layout.rows.shared(2, row, share);
                let s = layout.log_sigma(log_sigma, i);
                if let (&[s], [ds]) = (s, &mut *ds) {
                    // Σ r² is in y already.
                    *ds += (F::from_f64(-2.0) * (y[i] + n * (s + constant)) - n) * dy[i];
                } else {
                    let (x, mu, dy) = (&layout.row(0, x, i)[start..], &layout.row(1, mu, i)[start..], dy[i]);
                    for (((ds, &x), &mu), &s) in ds.iter_mut().zip(x).zip(mu).zip(&s[start..]) {
                        let root = root_of_inverse(s);
                        let r = over_sigma(x - mu, root);
                        *ds += (r * r - F::ONE) * dy;
                    }
                }
            });
        }
    }
}

impl<F: Real> Var<'_, F> {
    /// log N(x = `self`; μ, σ²) of independent normal variables, summed over the last axis, in nats; all axes are broadcast:
    /// see [`NormalLogProb`].
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn normal_log_prob(self, mu: Self, log_sigma: Self) -> Self {
        // One σ for a row stays one; otherwise it says how long a row is.
        if log_sigma.shape().last() == 1 {
            let [x, mu] = equal_rows([self, mu]);
            return self.tape().apply(NormalLogProb, &[x, mu, log_sigma]);
        }
        self.tape().apply(NormalLogProb, &equal_rows([self, mu, log_sigma]))
    }
}
